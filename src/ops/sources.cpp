#include "graft/ops/sources.hpp"

#include <cstring>
#include <string>

#include "graft/ops/shape_ops.hpp"

#include "core/half.hpp"
#include "core/where.hpp"
#include "ops/families.hpp"
#include "ops/support.hpp"

namespace graft {

void detail::refuse_assign(std::string_view why, const assignment& asked) {
  const auto called = [](std::string_view words) {
    return words.empty() ? std::string("a tensor") : std::string(words);
  };
  error_parts parts{
      "assign was called on " + called(asked.variable) + " and " + called(asked.value),
      std::string(why) + ": needs " + to_string(asked.wanted) + ", got " + to_string(asked.got),
      where(asked.here), "assign to the tensor that reads a variable, a value of its type"};
  if (!rules::types_agree(asked.wanted.type, asked.got.type)) {
    throw dtype_error(std::move(parts));
  }
  if (rules::surely_differ(asked.wanted, asked.got)) {
    throw shape_error(std::move(parts));
  }
  parts.found = why;
  throw graph_error(std::move(parts));
}

void detail::refuse_update_in_body() {
  throw graph_error(
      {"a variable was to be updated in a body",
       "a body may run often or never, so it updates no variable", "",
       "return what the variable is to become and assign it outside; build layers that "
       "update variables (dropout, batch norm) outside too"});
}

namespace {

// The attribute "value" as the bytes of one element.
struct one_element {
  alignas(8) std::byte bytes[8]{};
  std::size_t width = 0;
};

one_element element_of(const bind_args& b) {
  const dtype type = b.outputs[0].type;
  const attribute* value = b.attributes.find("value");
  const bool whole = value != nullptr && value->kind == attribute_kind::integer;
  const double real = value == nullptr ? 0
                      : whole          ? static_cast<double>(value->integer)
                                       : value->real;
  one_element result;
  result.width = size_of(type);
  const auto write = [&](auto v) { std::memcpy(result.bytes, &v, sizeof v); };
  if (type == dtype::boolean) {
    write(real != 0);
  } else if (type == dtype::float16) {
    write(detail::to_float16(static_cast<float>(real)));
  } else if (type == dtype::bfloat16) {
    write(detail::to_bfloat16(static_cast<float>(real)));
  } else if (!support::with_number_type(type, [&](auto zero) {
               using T = decltype(zero);
               if (std::is_integral_v<T>) {
                 write(static_cast<T>(whole ? value->integer : static_cast<std::int64_t>(real)));
               } else {
                 write(static_cast<T>(real));
               }
             })) {
    support::refuse_type(b, "a fill", type);
  }
  return result;
}

bound_kernel bind_fill(const bind_args& b) {
  const one_element one = element_of(b);
  const std::int64_t n = b.outputs[0].size;
  bound_kernel result;
  result.run = [one, n](const kernel_call& call) {
    support::run_chunked(call, n, [&](std::int64_t first, std::int64_t count) {
      support::fill(
          static_cast<std::byte*>(call.out[0]) + static_cast<std::size_t>(first) * one.width,
          one.bytes, count, one.width);
    });
  };
  return result;
}

bound_kernel bind_fill_range(const bind_args& b) {
  const one_element rest = element_of(b);
  attribute_list inner = b.attributes;
  inner.set("value", b.attributes.real("inside"));
  const one_element inside = element_of({b.inputs, b.outputs, inner, b.graph, b.where});
  const std::int64_t n = b.outputs[0].size, begin = b.attributes.integer("begin"),
                     end = b.attributes.integer("end");
  bound_kernel result;
  result.run = [=](const kernel_call& call) {
    auto* out = static_cast<std::byte*>(call.out[0]);
    support::fill(out, rest.bytes, n, rest.width);
    support::fill(out + static_cast<std::size_t>(begin) * inside.width, inside.bytes, end - begin,
                  inside.width);
  };
  return result;
}

bound_kernel bind_copy(const bind_args& b) {
  const std::size_t bytes =
      static_cast<std::size_t>(b.outputs[0].size) * size_of(b.outputs[0].type);
  bound_kernel result;
  result.in_place.push_back({0, 0});
  result.run = [bytes](const kernel_call& call) {
    if (bytes != 0 && call.out[0] != call.in[0]) std::memcpy(call.out[0], call.in[0], bytes);
  };
  return result;
}

bound_kernel bind_constant(const bind_args& b) {
  const Array value =
      b.graph.constant(b.attributes.integer("value"));  // shares the graph's storage
  bound_kernel result;
  result.run = [value](const kernel_call& call) {
    if (value.bytes() != 0) std::memcpy(call.out[0], value.data(), value.bytes());
  };
  return result;
}

operand_gradients pass_gradient(const gradient_args& a) {
  operand_gradients result(1);
  result[0] = a.output_gradients[0];
  return result;
}

operand_gradients surrogate_gradient(const gradient_args& a) {
  operand_gradients result(2);
  result[1] = a.output_gradients[0];
  return result;
}

Array filled(dtype type, const dims& shape, const attribute_list& a) {
  const attribute* value = a.find("value");
  const double v = value == nullptr                         ? 0
                   : value->kind == attribute_kind::integer ? static_cast<double>(value->integer)
                                                            : value->real;
  Array result(type, shape);
  for (std::int64_t i = 0; i < result.size(); ++i) support::set_element(result, i, v);
  return result;
}
std::vector<Array> reference_fill(std::span<const Array>, const attribute_list& a) {
  return {filled(a.type("type"), a.integers("shape"), a)};
}
std::vector<Array> reference_fill_range(std::span<const Array>, const attribute_list& a) {
  Array result = filled(a.type("type"), a.integers("shape"), a);
  for (std::int64_t i = a.integer("begin"); i < a.integer("end"); ++i) {
    support::set_element(result, i, a.real("inside"));
  }
  return {result};
}
std::vector<Array> reference_fill_like(std::span<const Array> in, const attribute_list& a) {
  const dtype type = a.type("type");
  return {filled(type == dtype::any ? in[0].type() : type, in[0].shape(), a)};
}
std::vector<Array> reference_same(std::span<const Array> in, const attribute_list&) {
  return {in[0]};
}

attribute_list number_of(dtype type, double value) {
  return attribute_list().set("type", type).set("value", value);
}
std::vector<operator_sample> scalar_samples() {
  return {{{}, number_of(dtype::float64, 0.25), false},
          {{}, number_of(dtype::int32, -7), false},
          {{}, number_of(dtype::uint8, 200), false},
          {{}, number_of(dtype::boolean, 1), false},
          {{}, attribute_list().set("type", dtype::int64).set("value", 123456789), false}};
}
std::vector<operator_sample> fill_samples() {
  std::vector<operator_sample> samples;
  for (const dims& shape : {dims{}, dims{7}, dims{0, 3}, dims{3, 5}}) {
    samples.push_back({{}, number_of(dtype::float64, 0.25).set("shape", shape), false});
    samples.push_back({{}, number_of(dtype::int16, 300).set("shape", shape), false});
  }
  return samples;
}
std::vector<operator_sample> fill_like_samples() {
  return {{{support::spread({3, 5}, -1, 1)}, attribute_list().set("value", 2.5), true, false},
          {{support::spread({0}, -1, 1)}, attribute_list().set("value", 2.5), true, false},
          {{support::spread({7}, -1, 1)}, number_of(dtype::boolean, 1), false},
          {{support::counting(dtype::uint8, {7}, 0, 1)}, number_of(dtype::any, 9), false}};
}
std::vector<operator_error_sample> fill_like_errors() {
  return {{{value_type::of(dtype::string, {2})},
           attribute_list().set("value", 2.5),
           "a fill must be of numbers or truth values"}};
}
attribute_list range_of(const dims& shape, std::int64_t begin, std::int64_t end) {
  return number_of(dtype::float64, 0.5)
      .set("shape", shape)
      .set("begin", begin)
      .set("end", end)
      .set("inside", -2.0);
}
std::vector<operator_sample> fill_range_samples() {
  return {{{}, range_of({0}, 0, 0), false},
          {{}, range_of({1}, 0, 1), false},
          {{}, range_of({17}, 5, 9), false},
          {{}, range_of({3, 5}, 15, 15), false},
          {{}, number_of(dtype::int32, 3).set("shape", dims{4}), false}};
}
std::vector<operator_error_sample> fill_range_errors() {
  return {{{}, range_of({3}, 2, 4), "within the elements"},
          {{}, range_of({3}, -1, 2), "within the elements"},
          {{}, range_of({dyn}, 0, 0), "extents must be known"},
          {{}, range_of({INT64_MAX, 15}, 0, 9), "does not fit in 63 bits"}};
}
std::vector<operator_sample> same_samples() { return support::unary_samples(-2, 2); }
// The gradient stops, so that it differs from the one that differences measure.
std::vector<operator_sample> stopped_samples() {
  std::vector<operator_sample> samples = same_samples();
  for (operator_sample& s : samples) s.differentiable = false;
  return samples;
}

std::vector<operator_sample> surrogate_samples() {
  std::vector<operator_sample> samples = stopped_samples();
  for (operator_sample& s : samples) {
    s.operands.push_back(support::spread(s.operands[0].shape(), 0, 1, 1));
  }
  return samples;
}
std::vector<operator_error_sample> surrogate_errors() {
  const value_type f = value_type::of(dtype::float32, {3}), n = value_type::of(dtype::int32, {3});
  return {{{f, value_type::of(dtype::float32, {3, 1})}, {}, "the shapes must be equal"},
          {{f, value_type::of(dtype::float32, {4})}, {}, "the shapes must be equal"},
          {{f, value_type::of(dtype::float64, {3})}, {}, "one element type"},
          {{n, n}, {}, "only floating tensors have gradients"}};
}

std::vector<operator_sample> ensured_samples() {
  std::vector<operator_sample> samples = same_samples();
  for (operator_sample& s : samples) {
    s.attributes.set("type", s.operands[0].type());
    dims shape = s.operands[0].shape();
    if (!shape.empty()) shape[0] = dyn;
    s.attributes.set("shape", shape);
  }
  return samples;
}
std::vector<operator_error_sample> ensured_errors() {
  const value_type f = value_type::of(dtype::float32, {2, 4});
  const auto declared = [](dtype type, const dims& shape) {
    return attribute_list().set("type", type).set("shape", shape);
  };
  return {{{f}, declared(dtype::float64, {2, 4}), "elements must be of the type"},
          {{f}, declared(dtype::float32, {dyn, 3}), "shape must be the one"},
          {{f}, declared(dtype::float32, {2, 4, 1}), "shape must be the one"}};
}
std::vector<operator_error_sample> scalar_errors() {
  return {{{}, number_of(dtype::int32, 0.5), "whole number"},
          {{}, number_of(dtype::string, 0.5), "number or a truth value"}};
}
std::vector<operator_error_sample> fill_errors() {
  return {{{}, number_of(dtype::int32, 0.5).set("shape", dims{2}), "whole number"},
          {{}, number_of(dtype::int32, 1).set("shape", dims{2, dyn}), "extents must be known"}};
}

}  // namespace

void add_source_operators(std::vector<operator_definition>& all) {
  // What a run reads from outside has no kernel: the session supplies it.
  all.push_back({&ops::placeholder, "", support::no_gradient, nullptr, nullptr, nullptr, nullptr});
  all.push_back({&ops::variable, "", support::no_gradient, nullptr, nullptr, nullptr, nullptr});
  all.push_back(
      {&ops::constant, "Constant", support::no_gradient, bind_constant, nullptr, nullptr, nullptr});
  all.push_back({&ops::assign, "", pass_gradient, bind_copy, nullptr, nullptr, nullptr});
  all.push_back({&ops::scalar, "", support::no_gradient, bind_fill, reference_fill, scalar_samples,
                 scalar_errors});
  all.push_back({&ops::fill, "ConstantOfShape", support::no_gradient, bind_fill, reference_fill,
                 fill_samples, fill_errors});
  all.push_back({&ops::fill_range, "", support::no_gradient, bind_fill_range, reference_fill_range,
                 fill_range_samples, fill_range_errors});
  all.push_back({&ops::fill_like, "", support::no_gradient, bind_fill, reference_fill_like,
                 fill_like_samples, fill_like_errors});
  all.push_back({&ops::identity, "Identity", pass_gradient, bind_copy, reference_same, same_samples,
                 nullptr});
  all.push_back({&ops::ensure_shape, "", pass_gradient, bind_copy, reference_same, ensured_samples,
                 ensured_errors});
  all.push_back({&ops::stop_gradient, "", support::no_gradient, bind_copy, reference_same,
                 stopped_samples, nullptr});
  all.push_back({&ops::with_gradient_of, "", surrogate_gradient, bind_copy, reference_same,
                 surrogate_samples, surrogate_errors});
}

}  // namespace graft
