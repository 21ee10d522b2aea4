// Reductions of element types that have no vectorised kernels.
#pragma once

#include "graft/graph/operator.hpp"

#include "kernels/kernels.hpp"

namespace graft::support {

/// Plain loops with the meaning of kernels::reduce_rows and reduce_columns, for all integers (sums
/// and products wrap); nullptr for other types and operations.
kernels::reduce_rows_kernel plain_reduce_rows(kernels::reduce_op op, dtype type);
kernels::reduce_columns_kernel plain_reduce_columns(kernels::reduce_op op, dtype type);
/// As kernels::argmax_rows, for all integers.
kernels::arg_rows_kernel plain_argmax_rows(dtype type);

/// Runs a kernel that was bound for float32 on operand 0 of a half-precision type: it is widened,
/// and a result of that type rounded once, at the end.
/// @param inner bound for float32 in place of the half-precision type; in scratch memory it has its
/// own part
bound_kernel widen_halves(const bind_args& b, bound_kernel inner);
/// The tensor as the inner kernel of widen_halves has it.
tensor_info widened(const tensor_info& info);
constexpr bool is_half(dtype type) { return type == dtype::float16 || type == dtype::bfloat16; }

}  // namespace graft::support
