// The code of static networks, included once for each instruction set: inside a namespace of its own, inside a
// region in which the compiler may use that set, with GRAFT_VECTOR_BYTES telling the bytes of a vector. Each uses
// those before it.
//
// What depends on a network is a template over it and short; the loops are templates over numbers and types, so that
// ops and networks share them.

// clang-format off
#include "graft/vector/extensions.ipp"
#include "graft/static/lines.ipp"
#include "graft/static/whole.ipp"
#include "graft/static/elementwise.ipp"
#include "graft/static/reductions.ipp"
#include "graft/static/products.ipp"
#include "graft/static/images.ipp"
#include "graft/static/normalize.ipp"
#include "graft/static/movement.ipp"
#include "graft/static/steps.ipp"
#include "graft/static/scan.ipp"
// clang-format on
