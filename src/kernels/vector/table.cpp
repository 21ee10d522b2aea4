// The table of one instruction set.
#include "lookups.hpp"

namespace graft::kernels::GRAFT_KERNEL_ISA {

extern const kernel_table table;
const kernel_table table = {
    .which = isa::GRAFT_KERNEL_ISA,
    .unary = unary,
    .gradient = gradient,
    .binary = binary,
    .binary_rows = binary_rows,
    .compare = compare,
    .select = select_by,
    .cast = cast,
    .reduce_rows = reduce_rows,
    .reduce_columns = reduce_columns,
    .argmax_rows = argmax_rows,
    .argmin_rows = argmin_rows,
    .matmul = matmul,
    .softmax = softmax,
    .log_softmax = log_softmax,
    .softmax_gradient = softmax_gradient,
    .log_softmax_gradient = log_softmax_gradient,
    .layer_norm = layer_norm,
    .layer_norm_gradient = layer_norm_gradient,
    .scale_shift = scale_shift,
    .channel_moments = channel_moments,
    .channel_products = channel_products,
    .conv2d = conv2d,
    .pool2d = pool2d,
    .gather_rows = gather_rows,
    .scatter_add_rows = scatter_add_rows,
    .optimiser = optimiser,
    .fused = fused,
    .fill = fill,
    .copy_strided = copy_strided,
};

}  // namespace graft::kernels::GRAFT_KERNEL_ISA
