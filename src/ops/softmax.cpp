#include "graft/ops/softmax.hpp"

#include <algorithm>
#include <cmath>

#include "graft/ops/gather.hpp"
#include "graft/ops/reduce.hpp"
#include "graft/ops/shape_ops.hpp"

#include "ops/families.hpp"
#include "ops/floating.hpp"
#include "ops/indexing.hpp"
#include "ops/indices.hpp"
#include "ops/movement.hpp"
#include "ops/support.hpp"

namespace graft {
namespace {

using support::element_address;
using support::strided_copy;

constexpr std::int64_t part_elements = 16384;

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
std::size_t aligned(std::size_t bytes) { return (bytes + 63) / 64 * 64; }

// --- kernels: softmax and its like along an axis ---------------------------------------------

// Calls a kernel of rows along any axis: where it is not the last one, operands are turned into
// scratch memory so that it is, and the result is turned back.
template <class Rows>
bound_kernel bind_along_axis(const bind_args& b, Rows rows_kernel) {
  const tensor_info& y = b.outputs[0];
  const std::size_t width = size_of(y.type), count = b.inputs.size();
  const auto axis =
      static_cast<std::size_t>(normalized_axis(b.attributes.integer("axis", -1), y.shape.size()));
  const std::int64_t cols = y.shape[axis];
  const std::int64_t rows = y.size == 0 ? 0 : y.size / cols;
  dims extents = y.shape, strides = support::contiguous_strides(y.shape);
  const std::int64_t stride = strides[axis];
  extents.erase(axis);
  strides.erase(axis);
  extents.push_back(cols);
  strides.push_back(stride);
  const strided_copy turn(extents, strides, width);
  const strided_copy turn_back(extents, support::contiguous_strides(extents), 0, strides, 0, width);
  const bool direct = stride == 1;
  const std::size_t bytes = aligned(static_cast<std::size_t>(y.size) * width);
  const std::int64_t each =
      std::max<std::int64_t>(1, part_elements / std::max<std::int64_t>(1, cols));
  bound_kernel result;
  // One more than the operands: the result.
  result.scratch_bytes = direct ? 0 : bytes * (count + 1);
  if (direct && count == 1) result.in_place.push_back({0, 0});
  result.run = [=](const kernel_call& call) {
    if (rows == 0) return;
    const void* in[2] = {};
    void* out = direct ? call.out[0] : call.scratch + bytes * count;
    for (std::size_t i = 0; i < count; ++i) {
      in[i] = direct ? call.in[i] : call.scratch + bytes * i;
      if (!direct) turn.run(call, call.in[i], call.scratch + bytes * i);
    }
    support::run_parts(call, divide_up(rows, each), [&](std::int64_t part) {
      const std::int64_t first = part * each, at = first * cols;
      rows_kernel(element_address(in[0], at, width),
                  count > 1 ? element_address(in[1], at, width) : nullptr,
                  element_address(out, at, width), std::min(each, rows - first), cols);
    });
    if (!direct) turn_back.run(call, out, call.out[0]);
  };
  return result;
}

bound_kernel bind_softmax(const bind_args& b) {
  const auto kernel = kernels::active().softmax(floating_element(b));
  return bind_along_axis(b, [kernel](const void* x, const void*, void* y, std::int64_t rows,
                                     std::int64_t cols) { kernel(x, y, rows, cols); });
}
bound_kernel bind_log_softmax(const bind_args& b) {
  const auto kernel = kernels::active().log_softmax(floating_element(b));
  return bind_along_axis(b, [kernel](const void* x, const void*, void* y, std::int64_t rows,
                                     std::int64_t cols) { kernel(x, y, rows, cols); });
}
bound_kernel bind_softmax_gradient(const bind_args& b) {
  return bind_along_axis(b, kernels::active().softmax_gradient(floating_element(b)));
}

// --- kernel: cross entropy -------------------------------------------------------------------

// The loss of one row of weights. A class of weight 0 counts nothing, though its logarithm be
// infinite.
template <class T>
T weighted_loss(const T* logarithms, const T* weights, std::int64_t classes) {
  double loss = 0;
  for (std::int64_t c = 0; c < classes; ++c) {
    if (weights[c] != T(0))
      loss -= static_cast<double>(weights[c]) * static_cast<double>(logarithms[c]);
  }
  return static_cast<T>(loss);
}

template <class T>
bound_kernel bind_cross_entropy_of(const bind_args& b) {
  const tensor_info &logits = b.inputs[0], &labels = b.inputs[1];
  const auto kernel = kernels::active().log_softmax(floating_element(b));
  const std::int64_t classes = logits.shape.back(), rows = b.outputs[0].size;
  const bool by_index = is_integer(labels.type);
  if (by_index) support::require_index_type(b, labels.type);
  // Each part goes through its rows in blocks, whose logarithms are in scratch memory of its own.
  const std::int64_t parts = std::min<std::int64_t>(16, divide_up(rows * classes, part_elements));
  const std::int64_t block = std::max<std::int64_t>(1, 4096 / std::max<std::int64_t>(1, classes));
  const std::size_t bytes = aligned(static_cast<std::size_t>(block * classes) * sizeof(T));
  bound_kernel result;
  result.scratch_bytes = bytes * static_cast<std::size_t>(parts);
  result.run = [=, type = labels.type, where = std::string(b.where)](const kernel_call& call) {
    if (rows == 0) return;
    if (by_index) support::check_indices(call.in[1], type, rows, classes, where);
    support::run_parts(call, parts, [&](std::int64_t part) {
      T* logarithms = reinterpret_cast<T*>(call.scratch + bytes * static_cast<std::size_t>(part));
      T* losses = static_cast<T*>(call.out[0]);
      const std::int64_t last = rows * (part + 1) / parts;
      for (std::int64_t first = rows * part / parts; first < last; first += block) {
        const std::int64_t n = std::min(block, last - first);
        kernel(static_cast<const T*>(call.in[0]) + first * classes, logarithms, n, classes);
        for (std::int64_t r = 0; r < n; ++r) {
          const T* row = logarithms + r * classes;
          losses[first + r] =
              by_index
                  ? -row[support::index_at(call.in[1], type, first + r)]
                  : weighted_loss(row, static_cast<const T*>(call.in[1]) + (first + r) * classes,
                                  classes);
        }
      }
    });
  };
  return result;
}

bound_kernel bind_cross_entropy(const bind_args& b) {
  return floating_element(b) == kernels::element::f32 ? bind_cross_entropy_of<float>(b)
                                                      : bind_cross_entropy_of<double>(b);
}

// --- gradients -------------------------------------------------------------------------------

operand_gradients softmax_rule(const gradient_args& a) {
  return {softmax_gradient(*a.output_gradients[0], a.outputs[0], a.attributes.integer("axis", -1))};
}

operand_gradients log_softmax_rule(const gradient_args& a) {
  const any_tensor& g = *a.output_gradients[0];
  const std::int64_t axis = a.attributes.integer("axis", -1);
  return {g - exp(a.outputs[0]) * sum(g, dims{axis}, true)};
}

// u is the gradient that arrives; y * (g - sum(g * y)) is symmetric in u and g.
operand_gradients softmax_gradient_rule(const gradient_args& a) {
  const any_tensor &g = a.operands[0], &y = a.operands[1], &u = *a.output_gradients[0];
  const std::int64_t axis = a.attributes.integer("axis", -1);
  operand_gradients result(2);
  if (a.wanted[0]) result[0] = softmax_gradient(u, y, axis);
  if (a.wanted[1]) {
    result[1] = u * (g - sum(g * y, dims{axis}, true)) - g * sum(u * y, dims{axis}, true);
  }
  return result;
}

operand_gradients cross_entropy_rule(const gradient_args& a) {
  const any_tensor &logits = a.operands[0], &labels = a.operands[1];
  const any_tensor g = expand_dims(*a.output_gradients[0], dims{-1});
  operand_gradients result(2);
  const dtype type = support::type_of(labels).type;
  if (type == dtype::any) {
    throw dtype_error({"a gradient was asked for through a cross entropy",
                       "the element type of its labels is not known", a.graph.path_of(a.op),
                       "view the labels with as<T, Shape>() or insert cast<std::int64_t>(labels)"});
  }
  if (is_integer(type)) {
    if (!a.wanted[0]) return result;
    // Named after the loss, whose labels a run may find to be none.
    const std::string name = "labels_of_" + a.graph.name_of(a.op);
    result[0] = (softmax(logits, -1) - one_hot_like(labels, logits, name)) * g;
    return result;
  }
  if (a.wanted[0]) {
    result[0] = (softmax(logits, -1) * sum(labels, dims{-1}, true) - labels) * g;
  }
  if (a.wanted[1]) result[1] = -(log_softmax(logits, -1) * g);
  return result;
}

// --- references ------------------------------------------------------------------------------

// Calls f(first element, distance) for each line of elements along the axis.
template <class F>
void for_each_line(const dims& shape, const attribute_list& a, F f) {
  const auto axis = static_cast<std::size_t>(normalized_axis(a.integer("axis", -1), shape.size()));
  std::int64_t inner = 1, outer = 1;
  for (std::size_t k = axis + 1; k < shape.size(); ++k) inner *= shape[k];
  for (std::size_t k = 0; k < axis; ++k) outer *= shape[k];
  for (std::int64_t o = 0; o < outer; ++o) {
    for (std::int64_t i = 0; i < inner; ++i) f(o * shape[axis] * inner + i, inner, shape[axis]);
  }
}

double log_sum_exp(std::span<const double> x, std::size_t first, std::size_t step, std::size_t n) {
  double largest = -INFINITY, sum = 0;
  for (std::size_t i = 0; i < n; ++i) largest = std::max(largest, x[first + i * step]);
  for (std::size_t i = 0; i < n; ++i) sum += std::exp(x[first + i * step] - largest);
  return largest + std::log(sum);
}

template <bool Log>
std::vector<Array> reference_softmax(std::span<const Array> in, const attribute_list& a) {
  Array y(dtype::float64, in[0].shape());
  const auto x = in[0].span<double>();
  const auto out = y.mutable_span<double>();
  for_each_line(in[0].shape(), a, [&](std::int64_t from, std::int64_t inner, std::int64_t count) {
    const auto first = static_cast<std::size_t>(from), step = static_cast<std::size_t>(inner);
    const auto n = static_cast<std::size_t>(count);
    const double total = log_sum_exp(x, first, step, n);
    for (std::size_t i = 0; i < n; ++i) {
      const double logarithm = x[first + i * step] - total;
      out[first + i * step] = Log ? logarithm : std::exp(logarithm);
    }
  });
  return {y};
}

std::vector<Array> reference_softmax_gradient(std::span<const Array> in, const attribute_list& a) {
  Array dx(dtype::float64, in[0].shape());
  const auto g = in[0].span<double>(), y = in[1].span<double>();
  const auto out = dx.mutable_span<double>();
  for_each_line(in[0].shape(), a, [&](std::int64_t from, std::int64_t inner, std::int64_t count) {
    const auto first = static_cast<std::size_t>(from), step = static_cast<std::size_t>(inner);
    double sum = 0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
      sum += g[first + i * step] * y[first + i * step];
    }
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
      const std::size_t k = first + i * step;
      out[k] = y[k] * (g[k] - sum);
    }
  });
  return {dx};
}

std::vector<Array> reference_cross_entropy(std::span<const Array> in, const attribute_list& a) {
  Array loss(dtype::float64, support::result_shape(ops::softmax_cross_entropy, in, a));
  const auto x = in[0].span<double>();
  const auto out = loss.mutable_span<double>();
  const auto classes = static_cast<std::size_t>(in[0].shape().back());
  for (std::size_t r = 0; r < out.size(); ++r) {
    const double total = log_sum_exp(x, r * classes, 1, classes);
    for (std::size_t c = 0; c < classes; ++c) {
      const auto row = static_cast<std::int64_t>(r);
      const double weight =
          is_integer(in[1].type())
              ? (support::element_at(in[1], row) == static_cast<double>(c) ? 1.0 : 0.0)
              : support::element_at(
                    in[1], row * static_cast<std::int64_t>(classes) + static_cast<std::int64_t>(c));
      out[r] -= weight * (x[r * classes + c] - total);
    }
  }
  return {loss};
}

// --- samples ---------------------------------------------------------------------------------

Array some(const dims& shape, int salt = 0) { return support::spread(shape, -2, 2, salt); }
attribute_list on_axis(std::int64_t axis) { return attribute_list().set("axis", axis); }

std::vector<operator_sample> softmax_samples() {
  return {
      {{some({7})}, {}},
      {{some({3, 5})}, on_axis(-1)},
      {{some({3, 5})}, on_axis(0)},
      {{some({2, 3, 4})}, on_axis(1)},
      {{some({2, 17})}, {}},
      {{some({4, 1})}, {}},
      {{some({0, 3})}, {}},
      {{some({3, 0})}, {}},
  };
}
std::vector<operator_sample> softmax_gradient_samples() {
  std::vector<operator_sample> samples;
  for (const operator_sample& s : softmax_samples()) {
    samples.push_back(
        {{some(s.operands[0].shape(), 3), support::spread(s.operands[0].shape(), 0.1, 0.9, 1)},
         s.attributes});
  }
  return samples;
}
std::vector<operator_sample> cross_entropy_samples() {
  const auto i64 = [](const dims& shape, std::initializer_list<std::int64_t> values) {
    return Array::from<std::int64_t>(shape, values);
  };
  return {
      {{some({3, 5}), i64({3}, {4, 0, 2})}, {}},
      {{some({1, 1}), i64({1}, {0})}, {}},
      {{some({5}), i64({}, {3})}, {}},
      {{some({2, 3, 4}), i64({2, 3}, {0, 1, 2, 3, 3, 0})}, {}},
      {{some({2, 17}), Array::from<std::int32_t>({2}, {16, 5})}, {}},
      {{some({0, 5}), i64({0}, {})}, {}},
      {{some({3, 5}), support::spread({3, 5}, 0.1, 0.9, 2)}, {}},
      {{some({1, 7}), support::spread({1, 7}, 0.1, 0.9, 3)}, {}},
      {{some({0, 5}), some({0, 5})}, {}},
  };
}

value_type f32(const dims& shape) { return value_type::of(dtype::float32, shape); }
value_type i64(const dims& shape) { return value_type::of(dtype::int64, shape); }

std::vector<operator_error_sample> softmax_errors() {
  return {
      {{i64({3})}, {}, "a softmax needs floating elements"},
      {{f32({3})}, on_axis(1), "every axis must be one of the tensor's"},
      {{f32({})}, {}, "every axis must be one of the tensor's"},
  };
}
std::vector<operator_error_sample> softmax_gradient_errors() {
  return {{{f32({3}), f32({4})}, {}, "the gradient must have the result's shape"}};
}
std::vector<operator_error_sample> cross_entropy_errors() {
  return {
      {{i64({3, 5}), i64({3})}, {}, "logits must be floating"},
      {{f32({3, 5}), i64({4})}, {}, "one label index for each row of logits"},
      {{f32({3, 5}), i64({3, 5})}, {}, "one label index for each row of logits"},
      {{f32({3, 5}), f32({3, 4})}, {}, "labels must have the logits' shape"},
      {{f32({3, 5}), value_type::of(dtype::uint8, {3})},
       {},
       "labels must be int64 or int32 indices"},
      {{f32({}), i64({})}, {}, "logits need an axis of classes"},
      {{f32({3, 0}), i64({3})}, {}, "there must be at least one class"},
  };
}

}  // namespace

void add_softmax_operators(std::vector<operator_definition>& all) {
  all.push_back({&ops::softmax, "Softmax", softmax_rule, bind_softmax, reference_softmax<false>,
                 softmax_samples, softmax_errors});
  all.push_back({&ops::log_softmax, "LogSoftmax", log_softmax_rule, bind_log_softmax,
                 reference_softmax<true>, softmax_samples, softmax_errors});
  all.push_back({&ops::softmax_gradient, "", softmax_gradient_rule, bind_softmax_gradient,
                 reference_softmax_gradient, softmax_gradient_samples, softmax_gradient_errors});
  all.push_back({&ops::softmax_cross_entropy, "SoftmaxCrossEntropyLoss", cross_entropy_rule,
                 bind_cross_entropy, reference_cross_entropy, cross_entropy_samples,
                 cross_entropy_errors});
}

}  // namespace graft
