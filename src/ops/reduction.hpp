// Reductions over any axes, cut into passes over rows or columns.
#pragma once

#include <vector>

#include "graft/graph/operator.hpp"
#include "graft/schema/axes.hpp"

#include "kernels/kernels.hpp"

namespace graft::support {

/// A kernel that reduces operand 0 over the marked axes; the tree depends on the shape alone.
/// @param mean divides a sum by the number of elements
bound_kernel bind_reduction(const bind_args& b, kernels::reduce_op op,
                            const small_vector<bool, 6>& marked, bool mean = false);

}  // namespace graft::support
