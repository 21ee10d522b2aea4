// The compile-time diagnostics. Each is a template without a definition, so that its name and its
// arguments stand in the first error of every compiler.
#pragma once

#include "graft/core/dtype.hpp"
#include "graft/core/shape.hpp"

namespace graft {

template <shape_type Shape>
struct needs;
template <shape_type Shape>
struct got;
template <dtype Type>
struct needs_type;
template <dtype Type>
struct got_type;

/// The operand of the layer or operator named first has a shape that does not fit.
///
/// `needs` has -1 where any extent would do. Change the layer's units, or insert flatten, reshape or
/// transpose before it.
template <text Layer, class Needs, class Got>
struct shape_mismatch;

/// The operands of the layer or operator have element types that do not fit. Insert cast<T>(x).
template <text Layer, class Needs, class Got>
struct dtype_mismatch;

}  // namespace graft
