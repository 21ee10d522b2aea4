// The lookups of one instruction set: each is defined in the file of its subject and named by
// table.cpp.
#pragma once

#include "../kernels.hpp"

namespace graft::kernels::GRAFT_KERNEL_ISA {

unary_kernel unary(unary_op, element);
gradient_kernel gradient(gradient_op, element);
binary_kernel binary(binary_op, element, operands);
binary_rows_kernel binary_rows(binary_op, element, operands);
compare_kernel compare(compare_op, element, operands);
select_kernel select_by(std::int64_t element_bytes, operands);
cast_kernel cast(element from, element to);
reduce_rows_kernel reduce_rows(reduce_op, element);
reduce_columns_kernel reduce_columns(reduce_op, element);
arg_rows_kernel argmax_rows(element);
arg_rows_kernel argmin_rows(element);
matmul_kernel matmul(element);
softmax_kernel softmax(element);
softmax_kernel log_softmax(element);
softmax_gradient_kernel softmax_gradient(element);
softmax_gradient_kernel log_softmax_gradient(element);
layer_norm_kernel layer_norm(element);
layer_norm_gradient_kernel layer_norm_gradient(element);
scale_shift_kernel scale_shift(element);
channel_moments_kernel channel_moments(element);
channel_products_kernel channel_products(element);
conv2d_kernel conv2d(element);
pool2d_kernel pool2d(element);
gather_rows_kernel gather_rows(element, element index);
scatter_add_rows_kernel scatter_add_rows(element, element index);
optimiser_kernel optimiser(optimiser_op, element);
fused_kernel fused(std::size_t form, element);
void fill(void* y, const void* value, std::int64_t n, std::int64_t element_bytes);
void copy_strided(const void* src, const std::int64_t* src_strides, void* dst,
                  const std::int64_t* dst_strides, const std::int64_t* dims, std::int64_t rank,
                  std::int64_t element_bytes);

// `f.template operator()<T>()` for the C++ type of an element (b8 as uint8_t); null otherwise.
template <class R, class F>
constexpr R with_float(element e, F f) {
  switch (e) {
    case element::f32:
      return f.template operator()<float>();
    case element::f64:
      return f.template operator()<double>();
    default:
      return R{};
  }
}
template <class R, class F>
constexpr R with_integer(element e, F f) {
  switch (e) {
    case element::i32:
      return f.template operator()<std::int32_t>();
    case element::i64:
      return f.template operator()<std::int64_t>();
    case element::u8:
      return f.template operator()<std::uint8_t>();
    case element::i8:
      return f.template operator()<std::int8_t>();
    default:
      return R{};
  }
}

}  // namespace graft::kernels::GRAFT_KERNEL_ISA
