#include "graft/ops/reduce.hpp"

#include <algorithm>

#include "graft/ops/elementwise.hpp"
#include "graft/ops/shape_ops.hpp"
#include "graft/ops/sources.hpp"

#include "ops/families.hpp"
#include "ops/indexing.hpp"
#include "ops/movement.hpp"
#include "ops/plain_reduction.hpp"
#include "ops/reduction.hpp"
#include "ops/support.hpp"

namespace graft {
namespace {

small_vector<bool, 6> marks_of(const attribute_list& attributes, std::size_t rank) {
  const attribute* axes = attributes.find("axes");
  if (axes == nullptr) return small_vector<bool, 6>(rank, true);
  return mark_axes(axes->integers, rank).marked;
}

// --- kernels ---------------------------------------------------------------------------------

template <kernels::reduce_op Op, bool Mean = false>
bound_kernel bind_reduce(const bind_args& b) {
  return support::bind_reduction(b, Op, marks_of(b.attributes, b.inputs[0].shape.size()), Mean);
}

bound_kernel bind_argmax(const bind_args& b) {
  const tensor_info& x = b.inputs[0];
  if (support::is_half(x.type)) {
    const tensor_info wide_x = support::widened(x);
    return support::widen_halves(
        b, bind_argmax({{&wide_x, 1}, b.outputs, b.attributes, b.graph, b.where}));
  }
  const auto element = support::kernel_element(x.type);
  kernels::arg_rows_kernel kernel = element ? kernels::active().argmax_rows(*element) : nullptr;
  if (kernel == nullptr) kernel = support::plain_argmax_rows(x.type);
  if (kernel == nullptr) support::refuse_type(b, "argmax", x.type);
  const std::size_t rank = x.shape.size();
  const auto axis =
      static_cast<std::size_t>(normalized_axis(b.attributes.integer("axis", -1), rank));
  const std::int64_t cols = x.shape[axis], rows = b.outputs[0].size;
  // The axis becomes the last one, in scratch memory.
  dims extents = x.shape, strides = support::contiguous_strides(x.shape);
  extents.erase(axis);
  extents.push_back(cols);
  const std::int64_t stride = strides[axis];
  strides.erase(axis);
  strides.push_back(stride);
  const std::size_t width = size_of(x.type);
  const support::strided_copy turn(extents, strides, width);
  const bool direct = stride == 1;
  const std::int64_t each = std::max<std::int64_t>(1, 32768 / std::max<std::int64_t>(1, cols));
  bound_kernel result;
  result.scratch_bytes = direct ? 0 : static_cast<std::size_t>(x.size) * width;
  result.run = [=](const kernel_call& call) {
    if (rows == 0) return;
    if (!direct) turn.run(call, call.in[0], call.scratch);
    const void* from = direct ? call.in[0] : call.scratch;
    auto* to = static_cast<std::int64_t*>(call.out[0]);
    support::run_parts(call, (rows + each - 1) / each, [&](std::int64_t part) {
      const std::int64_t first = part * each;
      kernel(support::element_address(from, first * cols, width), to + first,
             std::min(each, rows - first), cols);
    });
  };
  return result;
}

bound_kernel bind_reduction_size(const bind_args& b) {
  const tensor_info& x = b.inputs[0];
  const auto marked = marks_of(b.attributes, x.shape.size());
  std::int64_t count = 1;
  for (std::size_t i = 0; i < marked.size(); ++i) count *= marked[i] ? x.shape[i] : 1;
  const Array value = Array::scalar<std::int64_t>(count).cast(x.type);
  bound_kernel result;
  result.run = [value, bytes = size_of(x.type)](const kernel_call& call) {
    support::fill(call.out[0], value.data(), 1, bytes);
  };
  return result;
}

// --- gradients -------------------------------------------------------------------------------

// A reduced tensor with axes of extent 1 where axes were dropped, so that it broadcasts to the
// operand.
any_tensor with_axes(const any_tensor& reduced, const attribute_list& attributes) {
  const attribute* axes = attributes.find("axes");
  if (axes == nullptr || attributes.integer("keepdims") != 0) return reduced;
  return expand_dims(reduced, axes->integers);
}

operand_gradients sum_gradient(const gradient_args& a) {
  return {broadcast_like(with_axes(*a.output_gradients[0], a.attributes), a.operands[0])};
}

operand_gradients mean_gradient(const gradient_args& a) {
  const any_tensor& x = a.operands[0];
  const attribute* axes = a.attributes.find("axes");
  const any_tensor count =
      axes == nullptr ? any_tensor(reduction_size(x)) : reduction_size(x, axes->integers);
  return {broadcast_like(with_axes(*a.output_gradients[0] / count, a.attributes), x)};
}

any_tensor sum_keeping(const any_tensor& x, const attribute_list& attributes) {
  const attribute* axes = attributes.find("axes");
  return axes == nullptr ? any_tensor(sum<all_axes, true>(x)) : sum(x, axes->integers, true);
}

// Elements equal to the result share its gradient equally.
operand_gradients extremum_gradient(const gradient_args& a) {
  const any_tensor& x = a.operands[0];
  const any_tensor chosen = equal(x, with_axes(a.outputs[0], a.attributes));
  const any_tensor ones = select(chosen, ones_like(x), 0.0);
  const any_tensor share =
      with_axes(*a.output_gradients[0], a.attributes) / sum_keeping(ones, a.attributes);
  return {select(chosen, broadcast_like(share, x), 0.0)};
}

// The derivative by an element is the product of all others: the result divided by the element, but
// for zeros. One zero alone has the product of the others; beside a zero, or beside two, it is 0.
operand_gradients prod_gradient(const gradient_args& a) {
  const any_tensor& x = a.operands[0];
  const attribute* axes = a.attributes.find("axes");
  const any_tensor zero = equal(x, 0.0);
  const any_tensor ones = ones_like(x);
  const any_tensor zeros = sum_keeping(select(zero, ones, 0.0), a.attributes);
  const any_tensor others = select(zero, ones, x);  // without zeros
  const any_tensor product = axes == nullptr ? any_tensor(prod<all_axes, true>(others))
                                             : prod(others, axes->integers, true);
  const any_tensor g = with_axes(*a.output_gradients[0], a.attributes) * product;
  const any_tensor none_zero = g * select(equal(zeros, 0.0), zeros + 1.0, 0.0);
  const any_tensor one_zero = g * select(equal(zeros, 1.0), zeros, 0.0);
  return {select(zero, broadcast_like(one_zero, x), none_zero / others)};
}

// --- references ------------------------------------------------------------------------------

// Calls f(place of the result, element of x) in row-major order of x.
template <class F>
void for_each_reduced(const Array& x, const small_vector<bool, 6>& marked, F f) {
  for (std::int64_t flat = 0; flat < x.size(); ++flat) {
    std::int64_t rest = flat, place = 0, step = 1;
    for (std::size_t k = x.rank(); k-- > 0;) {
      const std::int64_t index = rest % x.shape()[k];
      rest /= x.shape()[k];
      if (marked[k]) continue;
      place += index * step;
      step *= x.shape()[k];
    }
    f(place, support::element_at(x, flat));
  }
}

Array empty_result(const operator_schema& schema, std::span<const Array> in,
                   const attribute_list& attributes) {
  const value_type result = support::infer_for(schema, in, attributes).outputs[0];
  return Array(result.type, result.shape);
}

template <const operator_schema& Schema, class F>
std::vector<Array> fold(std::span<const Array> in, const attribute_list& attributes, double start,
                        F f) {
  Array result = empty_result(Schema, in, attributes);
  for (std::int64_t i = 0; i < result.size(); ++i) support::set_element(result, i, start);
  for_each_reduced(in[0], marks_of(attributes, in[0].rank()), [&](std::int64_t i, double e) {
    support::set_element(result, i, f(support::element_at(result, i), e));
  });
  return {result};
}

std::vector<Array> reference_sum(std::span<const Array> in, const attribute_list& a) {
  return fold<ops::sum>(in, a, 0, [](double s, double e) { return s + e; });
}
std::vector<Array> reference_prod(std::span<const Array> in, const attribute_list& a) {
  return fold<ops::prod>(in, a, 1, [](double s, double e) { return s * e; });
}
template <const operator_schema& Schema, class Better>
std::vector<Array> choose(std::span<const Array> in, const attribute_list& a, Better better) {
  Array result = empty_result(Schema, in, a);
  std::vector<bool> seen(static_cast<std::size_t>(result.size()), false);
  for_each_reduced(in[0], marks_of(a, in[0].rank()), [&](std::int64_t i, double e) {
    const auto k = static_cast<std::size_t>(i);
    if (!seen[k] || better(e, support::element_at(result, i))) support::set_element(result, i, e);
    seen[k] = true;
  });
  return {result};
}
std::vector<Array> reference_max(std::span<const Array> in, const attribute_list& a) {
  return choose<ops::max>(in, a, [](double e, double best) { return e > best; });
}
std::vector<Array> reference_min(std::span<const Array> in, const attribute_list& a) {
  return choose<ops::min>(in, a, [](double e, double best) { return e < best; });
}
std::vector<Array> reference_all(std::span<const Array> in, const attribute_list& a) {
  return fold<ops::all>(in, a, 1, [](double s, double e) { return s != 0 && e != 0; });
}
std::vector<Array> reference_any(std::span<const Array> in, const attribute_list& a) {
  return fold<ops::any>(in, a, 0, [](double s, double e) { return s != 0 || e != 0; });
}
std::vector<Array> reference_mean(std::span<const Array> in, const attribute_list& a) {
  Array total = fold<ops::mean>(in, a, 0, [](double s, double e) { return s + e; })[0];
  const auto marked = marks_of(a, in[0].rank());
  double count = 1;
  for (std::size_t i = 0; i < marked.size(); ++i) {
    if (marked[i]) count *= static_cast<double>(in[0].shape()[i]);
  }
  for (std::int64_t i = 0; i < total.size(); ++i) {
    support::set_element(total, i, support::element_at(total, i) / count);
  }
  return {total};
}
std::vector<Array> reference_reduction_size(std::span<const Array> in, const attribute_list& a) {
  const auto marked = marks_of(a, in[0].rank());
  double count = 1;
  for (std::size_t i = 0; i < marked.size(); ++i) {
    if (marked[i]) count *= static_cast<double>(in[0].shape()[i]);
  }
  Array result(in[0].type(), {});
  support::set_element(result, 0, count);
  return {result};
}

std::vector<Array> reference_argmax(std::span<const Array> in, const attribute_list& a) {
  Array result = empty_result(ops::argmax, in, a);
  const auto axis = static_cast<std::size_t>(normalized_axis(a.integer("axis", -1), in[0].rank()));
  small_vector<bool, 6> marked(in[0].rank(), false);
  marked[axis] = true;
  std::vector<double> best(static_cast<std::size_t>(result.size()));
  std::vector<std::int64_t> seen(best.size(), 0);
  for_each_reduced(in[0], marked, [&](std::int64_t i, double e) {
    const auto k = static_cast<std::size_t>(i);
    if (seen[k] == 0 || e > best[k]) {
      best[k] = e;
      support::set_element(result, i, static_cast<double>(seen[k]));
    }
    ++seen[k];
  });
  return {result};
}

// --- samples ---------------------------------------------------------------------------------

struct reduce_case {
  dims shape;
  std::optional<dims> axes;
  bool keep = false;
};

std::vector<reduce_case> cases(bool with_empty) {
  std::vector<reduce_case> result = {
      {{7}, std::nullopt},
      {{}, std::nullopt},
      {{1}, std::nullopt},
      {{3, 5}, std::nullopt},
      {{3, 5}, dims{1}},
      {{3, 5}, dims{0}},
      {{3, 5}, dims{-1}, true},
      {{3, 5}, dims{}},
      {{2, 3, 4}, dims{1}},
      {{2, 3, 4}, dims{0, 2}},
      {{2, 3, 4}, dims{0, 2}, true},
      {{2, 3, 4}, std::nullopt, true},
      {{2, 3, 2, 2}, dims{1, -1}},
      {{1, 17, 1}, dims{0, 1}},
      {{0, 3}, dims{1}},
  };
  if (with_empty) {
    result.push_back({{0, 3}, dims{0}});
    result.push_back({{2, 0, 3}, dims{1, 2}});
    result.push_back({{0}, std::nullopt});
  }
  return result;
}

attribute_list attributes_of(const reduce_case& c) {
  attribute_list a;
  if (c.axes) a.set("axes", *c.axes);
  if (c.keep) a.set("keepdims", true);
  return a;
}

template <bool WithEmpty, int LowPercent, bool Twice>
std::vector<operator_sample> reduce_samples() {
  std::vector<operator_sample> samples;
  int salt = 0;
  for (const reduce_case& c : cases(WithEmpty)) {
    samples.push_back({{support::spread(c.shape, LowPercent / 100.0, 1.5, salt++)},
                       attributes_of(c),
                       true,
                       Twice});
  }
  return samples;
}

std::vector<operator_sample> sum_samples() {
  std::vector<operator_sample> samples = reduce_samples<true, -100, true>();
  samples.push_back({.operands = {support::counting(dtype::int64, {3, 4}, -5, 1)},
                     .attributes = attributes_of({{}, dims{0}}),
                     .differentiable = false});
  return samples;
}

// The mean of nothing is NaN and has no gradient to check.
std::vector<operator_sample> mean_samples() {
  std::vector<operator_sample> samples = reduce_samples<false, -100, true>();
  samples.push_back({.operands = {Array(dtype::float64, {0, 3})},
                     .attributes = attributes_of({{}, dims{0}}),
                     .differentiable = false});
  return samples;
}

std::vector<operator_sample> prod_samples() {
  std::vector<operator_sample> samples = reduce_samples<true, 50, true>();
  // Rows with no, one and two zeros.
  samples.push_back({{Array::from<double>({3, 3}, {1.5, -2, 0.5, 3, 0, 1.25, 0, 2, 0})},
                     attributes_of({{}, dims{1}}),
                     true,
                     false});
  return samples;
}

std::vector<operator_sample> extremum_samples() {
  std::vector<operator_sample> samples = reduce_samples<false, -100, false>();
  samples.push_back({.operands = {Array::from<double>({2, 3}, {1, 2, 2, -1, -1, -1})},
                     .attributes = attributes_of({{}, dims{1}}),
                     .differentiable = false});
  samples.push_back({.operands = {support::counting(dtype::int32, {3, 4}, 5, -2)},
                     .attributes = attributes_of({{}, dims{0}}),
                     .differentiable = false});
  return samples;
}

std::vector<operator_sample> logical_samples() {
  std::vector<operator_sample> samples;
  int salt = 0;
  for (const reduce_case& c : cases(true)) {
    samples.push_back({.operands = {support::truths(c.shape, salt++)},
                       .attributes = attributes_of(c),
                       .differentiable = false});
  }
  return samples;
}

std::vector<operator_sample> argmax_samples() {
  std::vector<operator_sample> samples;
  const auto add = [&](Array x, std::int64_t axis, bool keep) {
    attribute_list a;
    a.set("axis", axis);
    if (keep) a.set("keepdims", true);
    samples.push_back({.operands = {std::move(x)}, .attributes = a, .differentiable = false});
  };
  add(support::spread({7}, -1, 1), 0, false);
  add(support::spread({3, 5}, -1, 1), -1, false);
  add(support::spread({3, 5}, -1, 1), 0, true);
  add(support::spread({2, 3, 4}, -1, 1), 1, false);
  add(support::spread({4, 1}, -1, 1), 1, false);
  add(support::spread({0, 3}, -1, 1), 1, false);
  add(Array::from<double>({2, 4}, {1, 3, 3, 0, 2, 2, 2, 2}), 1, false);
  add(support::counting(dtype::int64, {5, 2}, 3, -1), 0, false);
  return samples;
}

value_type f32(const dims& shape) { return value_type::of(dtype::float32, shape); }

std::vector<operator_error_sample> reduce_errors() {
  return {
      {{f32({3, 5})}, attributes_of({{}, dims{2}}), "every axis must be one of the tensor's"},
      {{f32({3, 5})}, attributes_of({{}, dims{1, -1}}), "no axis may be named twice"},
      {{value_type::of(dtype::boolean, {3})}, {}, "must be numbers"},
  };
}
std::vector<operator_error_sample> mean_errors() {
  return {
      {{f32({3, 5})}, attributes_of({{}, dims{-3}}), "every axis must be one of the tensor's"},
      {{value_type::of(dtype::int32, {3})}, {}, "a mean needs floating elements"},
  };
}
std::vector<operator_error_sample> extremum_errors() {
  return {
      {{f32({0, 3})}, attributes_of({{}, dims{0}}), "at least one element to choose from"},
      {{f32({0})}, {}, "at least one element to choose from"},
      {{f32({3, 5})}, attributes_of({{}, dims{0, 0}}), "no axis may be named twice"},
  };
}
std::vector<operator_error_sample> logical_errors() {
  return {{{f32({3})}, {}, "the elements must be booleans"}};
}
std::vector<operator_error_sample> argmax_errors() {
  attribute_list axis;
  axis.set("axis", 2);
  return {
      {{f32({3, 5})}, axis, "every axis must be one of the tensor's"},
      {{f32({3, 0})}, {}, "at least one element to choose from"},
      {{f32({})}, {}, "every axis must be one of the tensor's"},
  };
}

std::vector<operator_error_sample> size_errors() {
  const value_type x = value_type::of(dtype::float32, {2, 3});
  return {{{x}, attribute_list().set("axes", dims{2}), "every axis must be one"},
          {{x}, attribute_list().set("axes", dims{0, 0}), "no axis may be named twice"}};
}

}  // namespace

void add_reduce_operators(std::vector<operator_definition>& all) {
  using kernels::reduce_op;
  all.push_back({&ops::sum, "ReduceSum", sum_gradient, bind_reduce<reduce_op::sum>, reference_sum,
                 sum_samples, reduce_errors});
  all.push_back({&ops::mean, "ReduceMean", mean_gradient, bind_reduce<reduce_op::sum, true>,
                 reference_mean, mean_samples, mean_errors});
  all.push_back({&ops::prod, "ReduceProd", prod_gradient, bind_reduce<reduce_op::prod>,
                 reference_prod, prod_samples, reduce_errors});
  all.push_back({&ops::max, "ReduceMax", extremum_gradient, bind_reduce<reduce_op::max>,
                 reference_max, extremum_samples, extremum_errors});
  all.push_back({&ops::min, "ReduceMin", extremum_gradient, bind_reduce<reduce_op::min>,
                 reference_min, extremum_samples, extremum_errors});
  all.push_back({&ops::all, "", nullptr, bind_reduce<reduce_op::all>, reference_all,
                 logical_samples, logical_errors});
  all.push_back({&ops::any, "", nullptr, bind_reduce<reduce_op::any>, reference_any,
                 logical_samples, logical_errors});
  all.push_back({&ops::argmax, "ArgMax", nullptr, bind_argmax, reference_argmax, argmax_samples,
                 argmax_errors});
  all.push_back({&ops::reduction_size, "", support::no_gradient, bind_reduction_size,
                 reference_reduction_size, reduce_samples<true, -100, true>, size_errors});
}

}  // namespace graft
