// The sum of the squares of all elements, in float64 whatever they are.
#include <algorithm>

#include "graft/ops/elementwise.hpp"
#include "graft/ops/reduce.hpp"

#include "kernels/kernels.hpp"
#include "ops/families.hpp"
#include "ops/movement.hpp"
#include "ops/plain_reduction.hpp"
#include "ops/support.hpp"

namespace graft {
namespace {

// Blocks short enough for the first cache are widened and squared there: no wide copy of the operand is made.
bound_kernel bind_squared_norm(const bind_args& b) {
  const tensor_info &x = b.inputs[0], &y = b.outputs[0];
  if (support::is_half(x.type)) {
    const tensor_info wide_x = support::widened(x);
    return support::widen_halves(
        b, bind_squared_norm({{&wide_x, 1}, b.outputs, b.attributes, b.graph, b.where}));
  }
  for (const dtype type : {x.type, y.type}) {
    if (type != dtype::float32 && type != dtype::float64)
      support::refuse_type(b, "a squared norm", type);
  }
  using kernels::element, kernels::reduce_op;
  const auto widen = kernels::active().cast(*support::kernel_element(x.type), element::f64);
  const auto squares = kernels::active().reduce_rows(reduce_op::sum_of_squares, element::f64);
  const auto total = kernels::active().reduce_rows(reduce_op::sum, element::f64);
  const auto round = kernels::active().cast(element::f64, *support::kernel_element(y.type));
  constexpr std::int64_t block = 2048, together = 16;
  const std::int64_t n = x.size, blocks = (n + block - 1) / block;
  bound_kernel result;
  result.scratch_bytes = static_cast<std::size_t>(blocks) * sizeof(double);
  result.run = [=, narrow = x.type != dtype::float64,
                bytes = size_of(x.type)](const kernel_call& call) {
    auto* const sums = reinterpret_cast<double*>(call.scratch);
    support::run_parts(call, (blocks + together - 1) / together, [&](std::int64_t part) {
      double wide[block];
      for (std::int64_t i = part * together; i < std::min(blocks, (part + 1) * together); ++i) {
        const std::int64_t count = std::min(block, n - i * block);
        const void* const from = support::element_address(call.in[0], i * block, bytes);
        if (narrow) widen(from, wide, count);
        squares(narrow ? wide : from, sums + i, 1, count);
      }
    });
    double found = 0;
    total(sums, &found, 1, blocks);
    round(&found, call.out[0], 1);
  };
  return result;
}

operand_gradients squared_norm_gradient(const gradient_args& a) {
  const any_tensor& x = a.operands[0];
  const dtype type = support::type_of(x).type;
  const auto as = [](const any_tensor& t, dtype wanted) {
    return support::type_of(t).type == wanted ? t : cast(t, wanted);
  };
  const any_tensor twice = as(*a.output_gradients[0], dtype::float64) * 2.0;
  operand_gradients result(1);
  result[0] = as(any_tensor(as(x, dtype::float64) * twice), type);
  return result;
}

std::vector<Array> reference_squared_norm(std::span<const Array> in, const attribute_list& a) {
  double total = 0;
  for (const double e : in[0].span<double>()) total += e * e;
  return {Array::scalar(total).cast(a.type("type", dtype::float64))};
}

std::vector<operator_sample> squared_norm_samples() {
  std::vector<operator_sample> samples;
  int salt = 0;
  for (const dims& shape : {dims{}, dims{0, 3}, dims{1}, dims{7}, dims{3, 5}, dims{2, 3, 4}}) {
    samples.push_back({{support::spread(shape, -1.5, 2, salt++)}, {}, true, true});
  }
  samples.push_back({{support::spread({3, 2731}, -2, 1)}, {}, false, false});  // several blocks
  samples.push_back({{support::spread({3, 5}, -1.5, 2)},
                     attribute_list().set("type", dtype::float32),
                     false,
                     false});
  return samples;
}

std::vector<operator_error_sample> squared_norm_errors() {
  return {{{value_type::of(dtype::int32, {3})}, {}, "a norm needs floating elements"},
          {{value_type::of(dtype::float32, {3})},
           attribute_list().set("type", dtype::int32),
           "a squared norm is floating"}};
}

}  // namespace

void add_squared_norm(std::vector<operator_definition>& all) {
  all.push_back({&ops::squared_norm, "", squared_norm_gradient, bind_squared_norm,
                 reference_squared_norm, squared_norm_samples, squared_norm_errors});
}

}  // namespace graft
