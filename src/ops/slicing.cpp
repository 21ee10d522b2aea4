#include "graft/ops/slicing.hpp"

#include <algorithm>

#include "graft/ops/sources.hpp"

#include "ops/families.hpp"
#include "ops/indexing.hpp"
#include "ops/movement.hpp"
#include "ops/support.hpp"

namespace graft {
namespace {

using support::contiguous_strides;
using support::index_of;
using support::place_of;
using support::strided_copy;

// --- kernels: concat and split ---------------------------------------------------------------

// Where the parts of a tensor start along an axis, in elements.
std::vector<std::int64_t> part_offsets(std::span<const tensor_info> parts, const dims& whole,
                                       std::size_t axis) {
  const std::int64_t stride = contiguous_strides(whole)[axis];
  std::vector<std::int64_t> offsets;
  std::int64_t at = 0;
  for (const tensor_info& part : parts) {
    offsets.push_back(at * stride);
    at += part.shape[axis];
  }
  return offsets;
}

std::size_t axis_of(const attribute_list& attributes, std::size_t rank) {
  return static_cast<std::size_t>(normalized_axis(attributes.integer("axis"), rank));
}

bound_kernel bind_concat(const bind_args& b) {
  const tensor_info& y = b.outputs[0];
  const std::size_t bytes = support::fixed_size(b, y.type);
  const auto offsets = part_offsets(b.inputs, y.shape, axis_of(b.attributes, y.shape.size()));
  std::vector<strided_copy> copies;
  for (std::size_t i = 0; i < b.inputs.size(); ++i) {
    const dims& own = b.inputs[i].shape;
    copies.emplace_back(own, contiguous_strides(own), 0, contiguous_strides(y.shape), offsets[i],
                        bytes);
  }
  bound_kernel result;
  result.run = [copies](const kernel_call& call) {
    for (std::size_t i = 0; i < copies.size(); ++i) copies[i].run(call, call.in[i], call.out[0]);
  };
  return result;
}

bound_kernel bind_split(const bind_args& b) {
  const tensor_info& x = b.inputs[0];
  const std::size_t bytes = support::fixed_size(b, x.type);
  const std::size_t axis = axis_of(b.attributes, x.shape.size());
  const auto offsets = part_offsets(b.outputs, x.shape, axis);
  std::vector<strided_copy> copies;
  for (std::size_t i = 0; i < b.outputs.size(); ++i) {
    copies.emplace_back(b.outputs[i].shape, contiguous_strides(x.shape), offsets[i], dims{}, 0,
                        bytes);
  }
  bound_kernel result;
  result.run = [copies](const kernel_call& call) {
    for (std::size_t i = 0; i < copies.size(); ++i) copies[i].run(call, call.in[0], call.out[i]);
  };
  return result;
}

// --- kernels: slice, pad, crop ---------------------------------------------------------------

// A box of elements within a larger tensor.
struct box {
  dims extents, strides;  // strides within the larger tensor; may be negative
  std::int64_t offset = 0;
};

box slice_box(const dims& whole, const attribute_list& attributes) {
  const ops::detail::slice_lists lists(attributes, whole.size());
  box result{whole, contiguous_strides(whole)};
  for (std::size_t i = 0; i < lists.axes.size(); ++i) {
    const auto axis = static_cast<std::size_t>(lists.axes[i]);
    const auto s =
        ops::detail::slice_axis(whole[axis], lists.begin[i], lists.size[i], lists.step[i]);
    result.offset += s.begin * result.strides[axis];
    result.extents[axis] = s.size;
    result.strides[axis] *= s.size > 1 ? s.step : 1;
  }
  return result;
}

box border_box(const dims& whole, const attribute_list& attributes) {
  const ops::detail::border_lists lists(attributes, whole.size());
  box result{whole, contiguous_strides(whole)};
  for (std::size_t i = 0; i < lists.axes.size(); ++i) {
    const auto axis = static_cast<std::size_t>(lists.axes[i]);
    result.offset += lists.before[i] * result.strides[axis];
    result.extents[axis] -= lists.before[i] + lists.after[i];
  }
  return result;
}

bound_kernel copy_out(const box& part, std::size_t bytes) {
  const strided_copy copy(part.extents, part.strides, part.offset, {}, 0, bytes);
  bound_kernel result;
  result.run = [copy](const kernel_call& call) { copy.run(call, call.in[0], call.out[0]); };
  return result;
}

// Writes `value` everywhere and operand 0 into the box.
bound_kernel copy_into(const bind_args& b, const box& part, double value) {
  const tensor_info& y = b.outputs[0];
  const std::size_t bytes = support::fixed_size(b, y.type);
  dims source = contiguous_strides(part.extents), target = part.strides;
  std::int64_t from = 0, to = part.offset;
  // Only a source may be walked backwards, so both are turned around.
  for (std::size_t k = 0; k < target.size(); ++k) {
    if (target[k] >= 0) continue;
    const std::int64_t last = part.extents[k] - 1;
    from += last * source[k];
    to += last * target[k];
    source[k] = -source[k];
    target[k] = -target[k];
  }
  const strided_copy copy(part.extents, source, from, target, to, bytes);
  if (value != 0 && !support::with_number_type(y.type, [](auto) {}) && y.type != dtype::boolean) {
    support::refuse_type(b, "a pad with a value other than 0", y.type);
  }
  Array element(y.type, {});
  if (value != 0) support::set_element(element, 0, value);
  bound_kernel result;
  result.run = [copy, element, bytes, size = y.size](const kernel_call& call) {
    support::run_chunked(call, size, [&](std::int64_t first, std::int64_t count) {
      support::fill(support::element_address(call.out[0], first, bytes), element.data(), count,
                    bytes);
    });
    copy.run(call, call.in[0], call.out[0]);
  };
  return result;
}

bound_kernel bind_slice(const bind_args& b) {
  return copy_out(slice_box(b.inputs[0].shape, b.attributes),
                  support::fixed_size(b, b.inputs[0].type));
}

bound_kernel bind_slice_gradient(const bind_args& b) {
  return copy_into(b, slice_box(b.outputs[0].shape, b.attributes), 0);
}

bound_kernel bind_pad(const bind_args& b) {
  return copy_into(b, border_box(b.outputs[0].shape, b.attributes), b.attributes.real("value"));
}
bound_kernel bind_crop(const bind_args& b) {
  return copy_out(border_box(b.inputs[0].shape, b.attributes),
                  support::fixed_size(b, b.inputs[0].type));
}

// --- gradients -------------------------------------------------------------------------------

operand_gradients concat_gradient(const gradient_args& a) {
  const any_tensor& g = *a.output_gradients[0];
  const std::int64_t axis = a.attributes.integer("axis");
  // Where extents are known only when it runs, the operands themselves tell them.
  dims sizes;
  small_vector<graph_reference, 4> refs{g.ref()};
  for (const any_tensor& x : a.operands) {
    const value_type type = support::type_of(x);
    sizes.push_back(type.ranked ? type.shape[axis_of(a.attributes, type.shape.size())] : dyn);
    refs.push_back(x.ref());
  }
  operand_gradients result;
  if (all_known(sizes)) {
    for (const any_tensor& part : split(g, sizes, axis)) result.push_back(part);
  } else {
    for (const auto& r : apply_dynamic<Graph>(ops::split_like, refs, a.attributes)) {
      result.push_back(any_tensor(r));
    }
  }
  return result;
}

operand_gradients split_gradient(const gradient_args& a) {
  std::vector<any_tensor> parts;
  for (std::size_t i = 0; i < a.outputs.size(); ++i) {
    parts.push_back(a.output_gradients[i] ? *a.output_gradients[i]
                                          : any_tensor(zeros_like(a.outputs[i])));
  }
  operand_gradients result(a.operands.size());
  result[0] = concat(parts, a.attributes.integer("axis"));
  return result;
}

any_tensor apply_same(const operator_schema& schema, std::initializer_list<any_tensor> operands,
                      const attribute_list& attributes) {
  small_vector<graph_reference, 2> refs;
  for (const any_tensor& x : operands) refs.push_back(x.ref());
  return any_tensor(apply_dynamic<Graph>(schema, refs, attributes)[0]);
}

operand_gradients slice_gradient(const gradient_args& a) {
  return {apply_same(ops::slice_gradient, {*a.output_gradients[0], a.operands[0]}, a.attributes)};
}
operand_gradients slice_gradient_gradient(const gradient_args& a) {
  operand_gradients result(2);
  result[0] = apply_same(ops::slice, {*a.output_gradients[0]}, a.attributes);
  return result;
}

attribute_list borders_of(const attribute_list& attributes) {
  attribute_list a;
  for (const std::string_view key : {"axes", "before", "after"}) {
    if (const attribute* list = attributes.find(key)) a.set(key, list->integers);
  }
  return a;
}
operand_gradients pad_gradient(const gradient_args& a) {
  return {apply_same(ops::crop, {*a.output_gradients[0]}, borders_of(a.attributes))};
}
operand_gradients crop_gradient(const gradient_args& a) {
  return {apply_same(ops::pad, {*a.output_gradients[0]}, borders_of(a.attributes))};
}

// --- references: every element of the result asks where it comes from ------------------------

std::vector<Array> reference_concat(std::span<const Array> in, const attribute_list& a) {
  Array result(in[0].type(), support::result_shape(ops::concat, in, a));
  const std::size_t axis = axis_of(a, result.rank());
  for (std::int64_t flat = 0; flat < result.size(); ++flat) {
    dims index = index_of(flat, result.shape());
    std::size_t part = 0;
    while (index[axis] >= in[part].shape()[axis]) index[axis] -= in[part++].shape()[axis];
    support::set_element(result, flat,
                         support::element_at(in[part], place_of(index, in[part].shape())));
  }
  return {result};
}

template <const operator_schema& Schema>
std::vector<Array> reference_split(std::span<const Array> in, const attribute_list& a) {
  std::vector<Array> parts;
  const std::size_t axis = axis_of(a, in[0].rank());
  std::int64_t start = 0;
  for (const value_type& type : support::infer_for(Schema, in, a).outputs) {
    Array part(in[0].type(), type.shape);
    for (std::int64_t flat = 0; flat < part.size(); ++flat) {
      dims index = index_of(flat, part.shape());
      index[axis] += start;
      support::set_element(part, flat, support::element_at(in[0], place_of(index, in[0].shape())));
    }
    start += part.shape()[axis];
    parts.push_back(part);
  }
  return parts;
}

// The element of the whole that stands at an index of its slice.
std::int64_t sliced_place(dims index, const dims& whole, const attribute_list& a) {
  const dims axes = a.integers("axes"), begin = a.integers("begin"), step = a.integers("step");
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const auto axis = static_cast<std::size_t>(normalized_axis(axes[i], whole.size()));
    const extent first = begin[i] < 0 ? begin[i] + whole[axis] : begin[i];
    index[axis] = first + index[axis] * (step.empty() ? 1 : step[i]);
  }
  return place_of(index, whole);
}
std::vector<Array> reference_slice(std::span<const Array> in, const attribute_list& a) {
  Array result(in[0].type(), support::result_shape(ops::slice, in, a));
  for (std::int64_t flat = 0; flat < result.size(); ++flat) {
    const std::int64_t from = sliced_place(index_of(flat, result.shape()), in[0].shape(), a);
    support::set_element(result, flat, support::element_at(in[0], from));
  }
  return {result};
}
std::vector<Array> reference_slice_gradient(std::span<const Array> in, const attribute_list& a) {
  Array result(in[0].type(), in[1].shape());
  for (std::int64_t flat = 0; flat < in[0].size(); ++flat) {
    const std::int64_t to = sliced_place(index_of(flat, in[0].shape()), result.shape(), a);
    support::set_element(result, to, support::element_at(in[0], flat));
  }
  return {result};
}

// The element of the padded tensor at an index of the one inside.
std::int64_t padded_place(dims index, const dims& padded, const attribute_list& a) {
  const dims before = a.integers("before");
  const attribute* axes = a.find("axes");
  for (std::size_t i = 0; i < before.size(); ++i) {
    const extent axis = axes == nullptr ? static_cast<extent>(i)
                                        : normalized_axis(axes->integers[i], padded.size());
    index[static_cast<std::size_t>(axis)] += before[i];
  }
  return place_of(index, padded);
}
std::vector<Array> reference_pad(std::span<const Array> in, const attribute_list& a) {
  Array result(in[0].type(), support::result_shape(ops::pad, in, a));
  for (std::int64_t i = 0; i < result.size(); ++i) support::set_element(result, i, a.real("value"));
  for (std::int64_t flat = 0; flat < in[0].size(); ++flat) {
    const std::int64_t to = padded_place(index_of(flat, in[0].shape()), result.shape(), a);
    support::set_element(result, to, support::element_at(in[0], flat));
  }
  return {result};
}
std::vector<Array> reference_crop(std::span<const Array> in, const attribute_list& a) {
  Array result(in[0].type(), support::result_shape(ops::crop, in, a));
  for (std::int64_t flat = 0; flat < result.size(); ++flat) {
    const std::int64_t from = padded_place(index_of(flat, result.shape()), in[0].shape(), a);
    support::set_element(result, flat, support::element_at(in[0], from));
  }
  return {result};
}

// --- samples ---------------------------------------------------------------------------------

Array some(const dims& shape, int salt = 0) { return support::spread(shape, -1, 1, salt); }
value_type f32(const dims& shape) { return value_type::of(dtype::float32, shape); }
attribute_list on_axis(std::int64_t axis) { return attribute_list().set("axis", axis); }
attribute_list equal_parts(std::int64_t count, std::int64_t axis) {
  return on_axis(axis).set("count", count);
}
attribute_list sized_parts(const dims& sizes, std::int64_t axis) {
  return on_axis(axis).set("sizes", sizes);
}
attribute_list slices(const dims& axes, const dims& begin, const dims& size, const dims& step) {
  return attribute_list().set("axes", axes).set("begin", begin).set("size", size).set("step", step);
}
attribute_list borders(const dims& before, const dims& after, double value = 0) {
  return attribute_list().set("before", before).set("after", after).set("value", value);
}

std::vector<operator_sample> concat_samples() {
  return {
      {{some({2, 3}), some({2, 5}, 1)}, on_axis(1)},
      {{some({2, 3}), some({1, 3}, 1), some({4, 3}, 2)}, on_axis(0)},
      {{some({7})}, on_axis(0)},
      {{some({2, 1, 3}), some({2, 4, 3}, 1)}, on_axis(-2)},
      {{some({0, 3}), some({2, 3}, 1)}, on_axis(0)},
      {{some({2, 0}), some({2, 0}, 1)}, on_axis(1)},
      {.operands = {support::truths({2, 3}), support::truths({2, 2}, 1)},
       .attributes = on_axis(1),
       .differentiable = false},
  };
}
std::vector<operator_sample> split_samples() {
  return {
      {{some({6, 2})}, equal_parts(3, 0)},
      {{some({2, 6})}, equal_parts(2, -1)},
      {{some({5})}, equal_parts(1, 0)},
      {{some({5})}, equal_parts(5, 0)},
      {{some({0, 3})}, equal_parts(3, 1)},
      {{some({0, 3})}, equal_parts(2, 0)},
      {{some({2, 7, 3})}, sized_parts({1, 6}, 1)},
      {{some({7})}, sized_parts({0, 4, 3}, 0)},
      {{some({12})}, equal_parts(6, 0)},
  };
}
std::vector<operator_sample> split_like_samples() {
  return {
      {{some({7, 2}), some({3, 2}, 1), some({4, 2}, 2)}, on_axis(0)},
      {{some({2, 3}), some({2, 0}, 1), some({2, 3}, 2)}, on_axis(-1)},
      {{some({4}), some({4}, 1)}, on_axis(0)},
  };
}
std::vector<operator_sample> slice_samples() {
  return {
      {{some({7})}, slices({0}, {2}, {3}, {1})},
      {{some({7})}, slices({0}, {0}, {dyn}, {2})},
      {{some({7})}, slices({0}, {-1}, {dyn}, {-1})},
      {{some({7})}, slices({0}, {5}, {2}, {-3})},
      {{some({3, 5})}, slices({1}, {-2}, {dyn}, {1})},
      {{some({3, 5})}, slices({0, 1}, {1, 4}, {2, 2}, {1, -2})},
      {{some({2, 3, 4})}, slices({-2}, {1}, {1}, {1})},
      {{some({3, 5})}, slices({0}, {3}, {0}, {1})},
      {{some({0, 5})}, slices({1}, {1}, {2}, {2})},
      {{some({1})}, slices({0}, {0}, {dyn}, {-1})},
      {{some({4})}, slices({}, {}, {}, {})},
      {.operands = {support::counting(dtype::int16, {6}, 0, 1)},
       .attributes = slices({0}, {4}, {dyn}, {-2}),
       .differentiable = false},
  };
}
std::vector<operator_sample> slice_gradient_samples() {
  std::vector<operator_sample> samples;
  for (const operator_sample& s : slice_samples()) {
    if (!s.differentiable) continue;
    const dims shape = support::result_shape(ops::slice, s.operands, s.attributes);
    samples.push_back({{some(shape, 3), s.operands[0]}, s.attributes});
  }
  return samples;
}
std::vector<operator_sample> pad_samples() {
  return {
      {{some({5})}, borders({1}, {2}, 0.5)},
      {{some({3, 5})}, borders({0, 1}, {2, 0})},
      {{some({2, 3, 4})}, borders({1, 0, 2}, {0, 3, 1}, -1.25)},
      {{some({0, 2})}, borders({1, 1}, {1, 0}, 2)},
      {{some({3, 5})}, borders({2}, {1}, 1).set("axes", dims{-1})},
      {{some({})}, borders({}, {})},
      {.operands = {support::counting(dtype::int64, {4}, 0, 1)},
       .attributes = borders({2}, {1}, -7),
       .differentiable = false},
  };
}
std::vector<operator_sample> crop_samples() {
  return {
      {{some({5})}, borders({1}, {2})},
      {{some({3, 5})}, borders({0, 1}, {2, 0})},
      {{some({4, 3, 4})}, borders({1, 0, 2}, {0, 3, 1})},
      {{some({3, 5})}, borders({2}, {1}).set("axes", dims{1})},
      {{some({0, 4})}, borders({0, 1}, {0, 1})},
  };
}

std::vector<operator_error_sample> concat_errors() {
  return {
      {{f32({2, 3}), f32({3, 3})}, on_axis(1), "all extents but that of the joined axis"},
      {{f32({2, 3}), f32({2})}, on_axis(0), "all extents but that of the joined axis"},
      {{f32({2, 3})}, on_axis(2), "every axis must be one of the tensor's"},
      {{f32({2}), value_type::of(dtype::float64, {2})}, on_axis(0), "must have one element type"},
  };
}
std::vector<operator_error_sample> split_errors() {
  return {
      {{f32({7})}, equal_parts(2, 0), "the axis must divide into equal parts"},
      {{f32({7})}, equal_parts(0, 0), "there must be at least one part"},
      {{f32({0})}, equal_parts(INT64_MAX, 0), "it must be an integer from 0 to 65536"},
      {{f32({7})}, sized_parts({3, 3}, 0), "must add up to the axis"},
      {{f32({7})}, sized_parts({-1, 8}, 0), "must not be negative"},
      {{f32({7})}, equal_parts(7, 1), "every axis must be one of the tensor's"},
  };
}
std::vector<operator_error_sample> split_like_errors() {
  return {
      {{f32({7, 2}), f32({3, 2}), f32({3, 2})}, on_axis(0), "must add up to the axis"},
      {{f32({7}), f32({dyn}), f32({8})}, on_axis(1), "every axis must be one of the tensor's"},
      {{value_type::unranked(dtype::float32), f32({8})},
       on_axis(-2),
       "every axis must be one of the tensor's"},
      {{f32({7, 2}), f32({3, 2}), f32({4, 3})}, on_axis(0), "all extents but that of the cut axis"},
      {{f32({7, 2}), f32({3, 2}), f32({4})}, on_axis(0), "all extents but that of the cut axis"},
      {{f32({dyn}), f32({INT64_MAX}), f32({1})}, on_axis(0), "must add up to the axis"},
      {{f32({7})}, on_axis(0), "the number of operands is wrong"},
  };
}
std::vector<operator_error_sample> slice_errors() {
  return {
      {{f32({7})}, slices({0}, {5}, {3}, {1}), "the slice must lie within the tensor"},
      {{f32({7})}, slices({0}, {-8}, {1}, {1}), "the slice must lie within the tensor"},
      {{f32({7})}, slices({0}, {1}, {3}, {-1}), "the slice must lie within the tensor"},
      {{f32({7})}, slices({0}, {0}, {3}, {std::int64_t{1} << 62}), "must lie within the tensor"},
      {{f32({7})}, slices({0}, {0}, {3}, {0}), "a step must not be 0"},
      {{f32({7})}, slices({1}, {0}, {3}, {1}), "every axis must be one of the tensor's"},
      {{f32({7})}, slices({0, 0}, {0, 0}, {3, 3}, {1, 1}), "no axis may be named twice"},
      {{f32({7})}, slices({0}, {}, {3}, {1}), "every sliced axis needs a begin"},
  };
}
std::vector<operator_error_sample> slice_gradient_errors() {
  std::vector<operator_error_sample> errors = slice_errors();
  for (operator_error_sample& e : errors) e.operands.insert(e.operands.begin(), f32({3}));
  const attribute_list three = slices({0}, {1}, {3}, {2});
  errors.push_back({{f32({4}), f32({7})}, three, "the gradient must have the shape of the slice"});
  errors.push_back(
      {{f32({3, 1}), f32({7})}, three, "the gradient must have the shape of the slice"});
  errors.push_back({{value_type::of(dtype::float64, {3}), f32({7})},
                    three,
                    "the operands must have one element type"});
  return errors;
}
std::vector<operator_error_sample> pad_errors() {
  return {
      {{f32({7})}, borders({-1}, {0}), "a border must not be negative"},
      {{f32({7})}, borders({1, 1}, {0, 0}), "every axis needs a border"},
  };
}
std::vector<operator_error_sample> crop_errors() {
  return {
      {{f32({7})}, borders({4}, {4}), "at least as large as what is cut off"},
      {{f32({7})}, borders({-1}, {4}), "a border must not be negative"},
  };
}

}  // namespace

void add_slicing_operators(std::vector<operator_definition>& all) {
  all.push_back({&ops::concat, "Concat", concat_gradient, bind_concat, reference_concat,
                 concat_samples, concat_errors});
  all.push_back({&ops::split, "Split", split_gradient, bind_split, reference_split<ops::split>,
                 split_samples, split_errors});
  all.push_back({&ops::split_like, "", split_gradient, bind_split, reference_split<ops::split_like>,
                 split_like_samples, split_like_errors});
  all.push_back({&ops::slice, "Slice", slice_gradient, bind_slice, reference_slice, slice_samples,
                 slice_errors});
  all.push_back({&ops::slice_gradient, "", slice_gradient_gradient, bind_slice_gradient,
                 reference_slice_gradient, slice_gradient_samples, slice_gradient_errors});
  all.push_back({&ops::pad, "Pad", pad_gradient, bind_pad, reference_pad, pad_samples, pad_errors});
  all.push_back(
      {&ops::crop, "", crop_gradient, bind_crop, reference_crop, crop_samples, crop_errors});
}

}  // namespace graft
