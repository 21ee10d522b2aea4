#include "graft/ops/gather.hpp"

#include <algorithm>
#include <cstring>

#include "ops/families.hpp"
#include "ops/indexing.hpp"
#include "ops/indices.hpp"
#include "ops/movement.hpp"
#include "ops/support.hpp"

namespace graft {
namespace {

using support::element_address;

constexpr std::int64_t part_elements = 32768;

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

kernels::element index_element(dtype type) {
  return type == dtype::int32 ? kernels::element::i32 : kernels::element::i64;
}

// A table as [outer][entries][inner], of which [outer][count][inner] is gathered.
struct lookup {
  std::int64_t outer = 1, entries = 0, inner = 1, count = 0;
};

lookup lookup_of(const dims& table, std::int64_t indices, const attribute_list& attributes) {
  const auto axis =
      static_cast<std::size_t>(normalized_axis(attributes.integer("axis"), table.size()));
  lookup l;
  for (std::size_t k = 0; k < axis; ++k) l.outer *= table[k];
  for (std::size_t k = axis + 1; k < table.size(); ++k) l.inner *= table[k];
  l.entries = table[axis];
  l.count = indices;
  return l;
}

// --- kernels ---------------------------------------------------------------------------------

bound_kernel bind_gather(const bind_args& b) {
  const tensor_info &table = b.inputs[0], &indices = b.inputs[1];
  support::require_index_type(b, indices.type);
  const lookup l = lookup_of(table.shape, indices.size, b.attributes);
  const std::size_t bytes = support::fixed_size(b, table.type);
  // Elements are only copied, so their size decides; two bytes are two elements of one.
  const auto element = bytes == 8   ? kernels::element::i64
                       : bytes == 4 ? kernels::element::i32
                                    : kernels::element::u8;
  const std::int64_t row = l.inner * (bytes == 2 ? 2 : 1);
  const auto kernel = kernels::active().gather_rows(element, index_element(indices.type));
  const std::size_t index_bytes = size_of(indices.type);
  const std::int64_t each =
      std::max<std::int64_t>(1, part_elements / std::max<std::int64_t>(1, row));
  const std::int64_t parts = divide_up(l.count, each);
  bound_kernel result;
  result.run = [=, type = indices.type, where = std::string(b.where)](const kernel_call& call) {
    support::check_indices(call.in[1], type, l.count, l.entries, where);
    if (l.inner == 0) return;
    support::run_parts(call, l.outer * parts, [&](std::int64_t part) {
      const std::int64_t o = part / parts, first = part % parts * each;
      kernel(element_address(call.in[0], o * l.entries * l.inner, bytes),
             element_address(call.in[1], first, index_bytes),
             element_address(call.out[0], (o * l.count + first) * l.inner, bytes),
             std::min(each, l.count - first), row);
    });
  };
  return result;
}

bound_kernel bind_gather_gradient(const bind_args& b) {
  const tensor_info &indices = b.inputs[1], &y = b.outputs[0];
  support::require_index_type(b, indices.type);
  const lookup l = lookup_of(y.shape, indices.size, b.attributes);
  const auto element = support::kernel_element(y.type);
  const auto kernel =
      element ? kernels::active().scatter_add_rows(*element, index_element(indices.type)) : nullptr;
  if (kernel == nullptr) support::refuse_type(b, "the gradient of gather", y.type);
  const std::size_t bytes = size_of(y.type);
  bound_kernel result;
  result.run = [=, type = indices.type, where = std::string(b.where),
                size = y.size](const kernel_call& call) {
    support::check_indices(call.in[1], type, l.count, l.entries, where);
    if (size == 0) return;
    std::memset(call.out[0], 0, static_cast<std::size_t>(size) * bytes);
    // Rows of one index must be added in order: only the outer axes are shared out.
    support::run_parts(call, l.count == 0 ? 0 : l.outer, [&](std::int64_t o) {
      kernel(element_address(call.in[2], o * l.count * l.inner, bytes), call.in[1],
             element_address(call.out[0], o * l.entries * l.inner, bytes), l.count, l.inner);
    });
  };
  return result;
}

bound_kernel bind_one_hot(const bind_args& b) {
  const tensor_info &indices = b.inputs[0], &y = b.outputs[0];
  support::require_index_type(b, indices.type);
  if (!support::with_number_type(y.type, [](auto) {}) && y.type != dtype::boolean) {
    support::refuse_type(b, "one-hot coding", y.type);
  }
  Array one(y.type, {});
  support::set_element(one, 0, 1);
  const std::size_t bytes = size_of(y.type);
  const std::int64_t depth = y.shape.back();
  const std::int64_t each =
      std::max<std::int64_t>(1, part_elements / std::max<std::int64_t>(1, depth));
  bound_kernel result;
  result.run = [=, type = indices.type, rows = indices.size,
                where = std::string(b.where)](const kernel_call& call) {
    support::check_indices(call.in[0], type, rows, depth, where);
    support::run_parts(call, divide_up(rows, each), [&](std::int64_t part) {
      const std::int64_t first = part * each, last = std::min(rows, first + each);
      std::memset(element_address(call.out[0], first * depth, bytes), 0,
                  static_cast<std::size_t>((last - first) * depth) * bytes);
      for (std::int64_t i = first; i < last; ++i) {
        const std::int64_t place = i * depth + support::index_at(call.in[0], type, i);
        std::memcpy(element_address(call.out[0], place, bytes), one.data(), bytes);
      }
    });
  };
  return result;
}

// --- gradients -------------------------------------------------------------------------------

operand_gradients gather_rule(const gradient_args& a) {
  operand_gradients result(2);
  result[0] = gather_gradient(a.operands[0], a.operands[1], *a.output_gradients[0],
                              a.attributes.integer("axis"));
  return result;
}

operand_gradients gather_gradient_rule(const gradient_args& a) {
  operand_gradients result(3);
  result[2] = gather(*a.output_gradients[0], a.operands[1], a.attributes.integer("axis"));
  return result;
}

// --- references ------------------------------------------------------------------------------

// Calls f(element of the table, element of the gathered tensor).
template <class F>
void for_each_gathered(const dims& table, const Array& indices, const attribute_list& a, F f) {
  const lookup l = lookup_of(table, indices.size(), a);
  for (std::int64_t o = 0; o < l.outer; ++o) {
    for (std::int64_t i = 0; i < l.count; ++i) {
      const auto entry = static_cast<std::int64_t>(support::element_at(indices, i));
      for (std::int64_t k = 0; k < l.inner; ++k) {
        f((o * l.entries + entry) * l.inner + k, (o * l.count + i) * l.inner + k);
      }
    }
  }
}

std::vector<Array> reference_gather(std::span<const Array> in, const attribute_list& a) {
  Array result(in[0].type(), support::result_shape(ops::gather, in, a));
  for_each_gathered(in[0].shape(), in[1], a, [&](std::int64_t from, std::int64_t to) {
    support::set_element(result, to, support::element_at(in[0], from));
  });
  return {result};
}

std::vector<Array> reference_gather_gradient(std::span<const Array> in, const attribute_list& a) {
  Array result(in[2].type(), in[0].shape());
  for_each_gathered(in[0].shape(), in[1], a, [&](std::int64_t to, std::int64_t from) {
    support::set_element(result, to,
                         support::element_at(result, to) + support::element_at(in[2], from));
  });
  return {result};
}

template <const operator_schema& Schema>
std::vector<Array> reference_one_hot(std::span<const Array> in, const attribute_list& a) {
  const value_type type = support::infer_for(Schema, in, a).outputs[0];
  Array result(type.type, type.shape);
  for (std::int64_t i = 0; i < in[0].size(); ++i) {
    const auto index = static_cast<std::int64_t>(support::element_at(in[0], i));
    support::set_element(result, i * type.shape.back() + index, 1);
  }
  return {result};
}

// --- samples ---------------------------------------------------------------------------------

attribute_list on_axis(std::int64_t axis) { return attribute_list().set("axis", axis); }
Array some(const dims& shape, int salt = 0) { return support::spread(shape, -1, 1, salt); }

std::vector<operator_sample> gather_samples() {
  const auto i64 = [](const dims& shape, std::initializer_list<std::int64_t> values) {
    return Array::from<std::int64_t>(shape, values);
  };
  return {
      {{some({5, 3}), i64({4}, {0, 4, 2, 2})}, {}},
      {{some({5, 3}), i64({2, 2}, {1, 1, 1, 3})}, on_axis(0)},
      {{some({5, 3}), i64({}, {4})}, {}},
      {{some({2, 5}), i64({3}, {4, 0, 4})}, on_axis(1)},
      {{some({2, 4, 3}), i64({2, 1}, {3, 0})}, on_axis(-2)},
      {{some({7}), i64({3}, {6, 0, 3})}, {}},
      {{some({5, 3}), i64({0}, {})}, {}},
      {{some({5, 0}), i64({2}, {1, 4})}, {}},
      {{some({1, 17}), Array::from<std::int32_t>({2}, {0, 0})}, {}},
      {.operands = {support::counting(dtype::int16, {4, 3}, 0, 1), i64({2}, {3, 1})},
       .attributes = {},
       .differentiable = false},
      {.operands = {support::truths({4, 3}), i64({2}, {3, 1})},
       .attributes = {},
       .differentiable = false},
  };
}
std::vector<operator_sample> gather_gradient_samples() {
  std::vector<operator_sample> samples;
  for (const operator_sample& s : gather_samples()) {
    if (!s.differentiable) continue;
    const dims shape = support::result_shape(ops::gather, s.operands, s.attributes);
    samples.push_back({{s.operands[0], s.operands[1], some(shape, 4)}, s.attributes});
  }
  return samples;
}

std::vector<operator_sample> one_hot_samples() {
  const auto sample = [](Array indices, std::int64_t depth, dtype type) {
    return operator_sample{.operands = {std::move(indices)},
                           .attributes = attribute_list().set("depth", depth).set("type", type),
                           .differentiable = false};
  };
  return {
      sample(Array::from<std::int64_t>({4}, {0, 2, 1, 2}), 3, dtype::float32),
      sample(Array::from<std::int32_t>({2, 2}, {0, 6, 1, 2}), 7, dtype::float64),
      sample(Array::scalar<std::int64_t>(4), 5, dtype::int64),
      sample(Array(dtype::int64, {0}), 3, dtype::float32),
      sample(Array::from<std::int64_t>({3}, {0, 0, 0}), 1, dtype::boolean),
  };
}
std::vector<operator_sample> one_hot_like_samples() {
  std::vector<operator_sample> samples = {
      {{Array::from<std::int64_t>({4}, {0, 2, 1, 2}), some({4, 3})}, {}},
      {{Array::from<std::int32_t>({}, {1}), some({2})}, {}},
      {{Array(dtype::int64, {0}), some({0, 5})}, {}},
  };
  for (operator_sample& s : samples) s.differentiable = false;
  return samples;
}

value_type f32(const dims& shape) { return value_type::of(dtype::float32, shape); }
value_type i64(const dims& shape) { return value_type::of(dtype::int64, shape); }

std::vector<operator_error_sample> gather_errors() {
  return {
      {{f32({5, 3}), f32({2})}, {}, "indices must be int64 or int32"},
      {{f32({5, 3}), i64({2})}, on_axis(2), "every axis must be one of the tensor's"},
      {{f32({}), i64({2})}, {}, "every axis must be one of the tensor's"},
  };
}
std::vector<operator_error_sample> gather_gradient_errors() {
  return {
      {{f32({5, 3}), i64({2}), f32({3, 3})}, {}, "must have the shape of what was gathered"},
      {{f32({5, 3}), f32({2}), f32({2, 3})}, {}, "indices must be int64 or int32"},
      {{f32({5, 3}), i64({2}), f32({2, 3})}, on_axis(2), "every axis must be one of the tensor's"},
      {{f32({5, 3}), i64({2}), value_type::of(dtype::float64, {2, 3})},
       {},
       "the operands must have one element type"},
  };
}
std::vector<operator_error_sample> one_hot_errors() {
  return {
      {{f32({2})}, attribute_list().set("depth", 3), "indices must be int64 or int32"},
      {{i64({2})}, attribute_list().set("depth", -1), "the depth must not be negative"},
  };
}
std::vector<operator_error_sample> one_hot_like_errors() {
  return {
      {{i64({2}), f32({3, 5})}, {}, "but for its last axis"},
      {{i64({}), f32({})}, {}, "but for its last axis"},
  };
}

}  // namespace

void add_gather_operators(std::vector<operator_definition>& all) {
  all.push_back({&ops::gather, "Gather", gather_rule, bind_gather, reference_gather, gather_samples,
                 gather_errors});
  all.push_back({&ops::gather_gradient, "", gather_gradient_rule, bind_gather_gradient,
                 reference_gather_gradient, gather_gradient_samples, gather_gradient_errors});
  all.push_back({&ops::one_hot, "OneHot", support::no_gradient, bind_one_hot,
                 reference_one_hot<ops::one_hot>, one_hot_samples, one_hot_errors});
  all.push_back({&ops::one_hot_like, "", support::no_gradient, bind_one_hot,
                 reference_one_hot<ops::one_hot_like>, one_hot_like_samples, one_hot_like_errors});
}

}  // namespace graft
