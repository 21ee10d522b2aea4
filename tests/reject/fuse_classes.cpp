// expect: a chain must be full, with the shape of the results
// A chain of rows and scalars alone has no shape for its results.
#include "graft/fuse.hpp"
#include "graft/graft.hpp"

using namespace graft;

inline constexpr auto chain = elementwise([](auto x, auto w) { return sigmoid(x * w); });
#ifdef GRAFT_ACCEPT
void use() { register_fused<chain, operand_class::full, operand_class::scalar>(); }
#else
void use() { register_fused<chain, operand_class::row, operand_class::scalar>(); }
#endif
