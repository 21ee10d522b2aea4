#include "graft/ops/shape_ops.hpp"

#include "ops/families.hpp"
#include "ops/indexing.hpp"
#include "ops/movement.hpp"
#include "ops/reduction.hpp"
#include "ops/support.hpp"

namespace graft {
namespace {

using support::index_of;
using support::place_of;

// --- kernels ---------------------------------------------------------------------------------

// The axis of the operand that stands at each place of the result.
dims order_of(const attribute_list& attributes, std::size_t rank) {
  dims order;
  const attribute* perm = attributes.find("perm");
  for (std::size_t i = 0; i < rank; ++i) {
    order.push_back(perm == nullptr ? static_cast<extent>(rank - 1 - i)
                                    : normalized_axis(perm->integers[i], rank));
  }
  return order;
}

bound_kernel bind_transpose(const bind_args& b) {
  const tensor_info &x = b.inputs[0], &y = b.outputs[0];
  const dims own = support::contiguous_strides(x.shape);
  dims strides;
  for (const extent axis : order_of(b.attributes, x.shape.size())) {
    strides.push_back(own[static_cast<std::size_t>(axis)]);
  }
  const support::strided_copy copy(y.shape, strides, support::fixed_size(b, x.type));
  bound_kernel result;
  result.run = [copy](const kernel_call& call) { copy.run(call, call.in[0], call.out[0]); };
  return result;
}

bound_kernel bind_broadcast(const bind_args& b) {
  const tensor_info &x = b.inputs[0], &y = b.outputs[0];
  const std::size_t bytes = support::fixed_size(b, x.type);
  bound_kernel result;
  if (x.size == y.size) return support::bind_plain_copy(b);
  if (x.size == 1) {
    result.run = [bytes, size = y.size](const kernel_call& call) {
      support::run_chunked(call, size, [&](std::int64_t first, std::int64_t count) {
        support::fill(support::element_address(call.out[0], first, bytes), call.in[0], count,
                      bytes);
      });
    };
    return result;
  }
  const support::strided_copy copy(y.shape, support::broadcast_strides(x.shape, y.shape), bytes);
  result.run = [copy](const kernel_call& call) { copy.run(call, call.in[0], call.out[0]); };
  return result;
}

// The axes of x along which a tensor of shape `like` was repeated.
small_vector<bool, 6> repeated_axes(const dims& x, const dims& like) {
  small_vector<bool, 6> marked(x.size(), true);
  const std::size_t missing = x.size() - like.size();
  for (std::size_t i = 0; i < like.size(); ++i) {
    marked[missing + i] = like[i] == 1 && x[missing + i] != 1;
  }
  return marked;
}

bound_kernel bind_sum_to_like(const bind_args& b) {
  return support::bind_reduction(b, kernels::reduce_op::sum,
                                 repeated_axes(b.inputs[0].shape, b.outputs[0].shape));
}

// --- gradients -------------------------------------------------------------------------------

operand_gradients view_gradient(const gradient_args& a) {
  operand_gradients result(a.operands.size());
  result[0] = reshape_like(*a.output_gradients[0], a.operands[0]);
  return result;
}

operand_gradients transpose_gradient(const gradient_args& a) {
  const any_tensor& g = *a.output_gradients[0];
  const attribute* perm = a.attributes.find("perm");
  if (perm == nullptr) return {transpose(g)};
  const dims order = order_of(a.attributes, perm->integers.size());
  dims inverse(order.size(), 0);
  for (std::size_t i = 0; i < order.size(); ++i) {
    inverse[static_cast<std::size_t>(order[i])] = static_cast<extent>(i);
  }
  return {transpose(g, inverse)};
}

operand_gradients broadcast_gradient(const gradient_args& a) {
  operand_gradients result(a.operands.size());
  result[0] = sum_to_like(*a.output_gradients[0], a.operands[0]);
  return result;
}

operand_gradients sum_to_like_gradient(const gradient_args& a) {
  operand_gradients result(2);
  result[0] = broadcast_like(*a.output_gradients[0], a.operands[0]);
  return result;
}

// --- references ------------------------------------------------------------------------------

template <const operator_schema& Schema>
std::vector<Array> reference_view(std::span<const Array> in, const attribute_list& attributes) {
  return {in[0].reshaped(support::result_shape(Schema, in, attributes))};
}

// The element of a tensor of shape `small` that is repeated to the element at `index` of a larger
// one.
std::int64_t repeated_place(const dims& index, const dims& small) {
  dims own(small.size(), 0);
  for (std::size_t k = 0; k < small.size(); ++k) {
    own[k] = small[k] == 1 ? 0 : index[index.size() - small.size() + k];
  }
  return place_of(own, small);
}

std::vector<Array> reference_transpose(std::span<const Array> in, const attribute_list& a) {
  Array result(in[0].type(), support::result_shape(ops::transpose, in, a));
  const dims order = order_of(a, in[0].rank());
  for (std::int64_t flat = 0; flat < result.size(); ++flat) {
    const dims index = index_of(flat, result.shape());
    dims from(index.size(), 0);
    for (std::size_t k = 0; k < index.size(); ++k) {
      from[static_cast<std::size_t>(order[k])] = index[k];
    }
    support::set_element(result, flat, support::element_at(in[0], place_of(from, in[0].shape())));
  }
  return {result};
}

template <const operator_schema& Schema>
std::vector<Array> reference_broadcast(std::span<const Array> in, const attribute_list& a) {
  Array result(in[0].type(), support::result_shape(Schema, in, a));
  for (std::int64_t flat = 0; flat < result.size(); ++flat) {
    const std::int64_t from = repeated_place(index_of(flat, result.shape()), in[0].shape());
    support::set_element(result, flat, support::element_at(in[0], from));
  }
  return {result};
}

std::vector<Array> reference_sum_to_like(std::span<const Array> in, const attribute_list& a) {
  Array result(in[0].type(), support::result_shape(ops::sum_to_like, in, a));
  for (std::int64_t flat = 0; flat < in[0].size(); ++flat) {
    const std::int64_t to = repeated_place(index_of(flat, in[0].shape()), result.shape());
    support::set_element(result, to,
                         support::element_at(result, to) + support::element_at(in[0], flat));
  }
  return {result};
}

// --- samples ---------------------------------------------------------------------------------

attribute_list with(std::string_view key, const dims& values) {
  return attribute_list().set(key, values);
}

Array some(const dims& shape) {
  return support::spread(shape, -1, 1, static_cast<int>(shape.size()));
}

std::vector<operator_sample> reshape_samples() {
  return {
      {{some({12})}, with("shape", {3, 4})},
      {{some({3, 4})}, with("shape", {dyn, 2})},
      {{some({2, 3, 5})}, with("shape", {dyn})},
      {{some({1})}, with("shape", {})},
      {{some({})}, with("shape", {1, dyn, 1})},
      {{some({0, 4})}, with("shape", {dyn, 2, 2})},
      {.operands = {support::counting(dtype::int64, {4}, 0, 1)},
       .attributes = with("shape", {2, 2}),
       .differentiable = false},
  };
}
std::vector<operator_sample> reshape_like_samples() {
  return {
      {{some({12}), some({3, 4})}, {}},
      {{some({1}), some({})}, {}},
      {{some({0, 3}), some({5, 0})}, {}},
  };
}
std::vector<operator_sample> flatten_samples() {
  return {{{some({3, 4})}, {}},    {{some({3})}, {}},          {{some({2, 3, 5})}, {}},
          {{some({0, 3, 2})}, {}}, {{some({2, 1, 3, 0})}, {}}, {{some({1, 1})}, {}}};
}
std::vector<operator_sample> expand_dims_samples() {
  return {{{some({3, 4})}, with("axes", {0})},
          {{some({3, 4})}, with("axes", {-1, 1})},
          {{some({})}, with("axes", {0, 1})},
          {{some({0})}, with("axes", {0})},
          {{some({3})}, with("axes", {})}};
}
std::vector<operator_sample> squeeze_samples() {
  return {{{some({1, 3, 1})}, with("axes", {0})},
          {{some({1, 3, 1})}, with("axes", {-1, 0})},
          {{some({1})}, with("axes", {0})},
          {{some({0, 1})}, with("axes", {1})}};
}
std::vector<operator_sample> transpose_samples() {
  return {
      {{some({3, 5})}, {}},
      {{some({3, 5})}, with("perm", {0, 1})},
      {{some({17, 33})}, with("perm", {1, 0})},
      {{some({2, 3, 4})}, with("perm", {2, 0, 1})},
      {{some({2, 3, 4})}, with("perm", {0, -1, 1})},
      {{some({2, 3, 1, 5})}, with("perm", {3, 2, 0, 1})},
      {{some({2, 3, 4})}, {}},
      {{some({})}, {}},
      {{some({7})}, {}},
      {{some({0, 3})}, {}},
      {.operands = {support::truths({3, 5})}, .attributes = {}, .differentiable = false},
      {.operands = {support::counting(dtype::int16, {3, 5}, 0, 1)},
       .attributes = {},
       .differentiable = false},
  };
}

// Smaller and larger shape.
const std::pair<dims, dims> repeats[] = {
    {{3, 5}, {3, 5}}, {{}, {7}},        {{5}, {3, 5}},           {{3, 1}, {3, 5}},
    {{1}, {2, 3}},    {{1, 1}, {1, 1}}, {{2, 1, 4}, {2, 3, 4}},  {{3, 1, 2}, {5, 3, 4, 2}},
    {{1, 3}, {0, 3}}, {{0, 1}, {0, 2}}, {{1, 4, 1}, {3, 4, 17}}, {{}, {}},
};

std::vector<operator_sample> broadcast_to_samples() {
  std::vector<operator_sample> samples;
  for (const auto& [from, to] : repeats) samples.push_back({{some(from)}, with("shape", to)});
  samples.push_back({{some({3, 1})}, with("shape", {2, dyn, 4})});
  return samples;
}
std::vector<operator_sample> broadcast_like_samples() {
  std::vector<operator_sample> samples;
  for (const auto& [from, to] : repeats) samples.push_back({{some(from), some(to)}, {}});
  samples.push_back({.operands = {support::truths({3, 1}), support::truths({3, 4})},
                     .attributes = {},
                     .differentiable = false});
  return samples;
}
std::vector<operator_sample> sum_to_like_samples() {
  std::vector<operator_sample> samples;
  for (const auto& [to, from] : repeats) samples.push_back({{some(from), some(to)}, {}});
  return samples;
}

value_type f32(const dims& shape) { return value_type::of(dtype::float32, shape); }

std::vector<operator_error_sample> reshape_errors() {
  return {
      {{f32({3, 4})}, with("shape", {5}), "the number of elements must stay the same"},
      {{f32({3, 4})}, with("shape", {dyn, 5}), "the number of elements must stay the same"},
      {{f32({3, 4})}, with("shape", {dyn, dyn}), "at most one extent may be left open"},
      {{f32({0, 4})}, with("shape", {dyn, 0}), "no extent can be worked out beside an extent of 0"},
  };
}
std::vector<operator_error_sample> reshape_like_errors() {
  return {{{f32({3, 4}), f32({5})}, {}, "the number of elements must stay the same"}};
}
std::vector<operator_error_sample> flatten_errors() {
  return {{{f32({})}, {}, "there must be at least one axis"}};
}
std::vector<operator_error_sample> expand_dims_errors() {
  return {{{f32({3})}, with("axes", {2}), "every axis must be one of the tensor's"},
          {{f32({3})}, with("axes", {0, -3}), "no axis may be named twice"}};
}
std::vector<operator_error_sample> squeeze_errors() {
  return {{{f32({3, 1})}, with("axes", {0}), "an axis to drop must have extent 1"},
          {{f32({3, 1})}, with("axes", {2}), "every axis must be one of the tensor's"}};
}
std::vector<operator_error_sample> transpose_errors() {
  return {{{f32({3, 4})}, with("perm", {0}), "every axis must have a place"},
          {{f32({3, 4})}, with("perm", {0, 0}), "no axis may be named twice"},
          {{f32({3, 4})}, with("perm", {0, 2}), "every axis must be one of the tensor's"}};
}
std::vector<operator_error_sample> broadcast_to_errors() {
  return {{{f32({3})}, with("shape", {2, 4}), "every extent must be 1 or that of the shape"},
          {{f32({2, 3})}, with("shape", {3}), "every extent must be 1 or that of the shape"}};
}
std::vector<operator_error_sample> broadcast_like_errors() {
  return {{{f32({3}), f32({2, 4})}, {}, "every extent must be 1 or that of the shape"}};
}
std::vector<operator_error_sample> sum_to_like_errors() {
  return {{{f32({2, 4}), f32({3})}, {}, "the shape to sum to must broadcast"},
          {{f32({4}), f32({2, 4})}, {}, "the shape to sum to must broadcast"}};
}

}  // namespace

void add_shape_operators(std::vector<operator_definition>& all) {
  const kernel_binding copy = support::bind_plain_copy;
  all.push_back({&ops::reshape, "Reshape", view_gradient, copy, reference_view<ops::reshape>,
                 reshape_samples, reshape_errors});
  all.push_back({&ops::reshape_like, "", view_gradient, copy, reference_view<ops::reshape_like>,
                 reshape_like_samples, reshape_like_errors});
  all.push_back({&ops::flatten, "Flatten", view_gradient, copy, reference_view<ops::flatten>,
                 flatten_samples, flatten_errors});
  all.push_back({&ops::expand_dims, "Unsqueeze", view_gradient, copy,
                 reference_view<ops::expand_dims>, expand_dims_samples, expand_dims_errors});
  all.push_back({&ops::squeeze, "Squeeze", view_gradient, copy, reference_view<ops::squeeze>,
                 squeeze_samples, squeeze_errors});
  all.push_back({&ops::transpose, "Transpose", transpose_gradient, bind_transpose,
                 reference_transpose, transpose_samples, transpose_errors});
  all.push_back({&ops::broadcast_to, "Expand", broadcast_gradient, bind_broadcast,
                 reference_broadcast<ops::broadcast_to>, broadcast_to_samples,
                 broadcast_to_errors});
  all.push_back({&ops::broadcast_like, "", broadcast_gradient, bind_broadcast,
                 reference_broadcast<ops::broadcast_like>, broadcast_like_samples,
                 broadcast_like_errors});
  all.push_back({&ops::sum_to_like, "", sum_to_like_gradient, bind_sum_to_like,
                 reference_sum_to_like, sum_to_like_samples, sum_to_like_errors});
}

}  // namespace graft
