// Reductions: sum, mean, max, min, prod, all, any over some or all axes, and argmax along one.
//
// Each comes in two forms. `sum<axes<0, 1>>(x)` names the axes in the type, and the result has a
// static shape; `sum(x)` takes all axes. `sum(x, 0)` and `sum(x, {0, 1}, keepdims)` take them at run time.
// Negative axes count from the last one. With keepdims the reduced axes stay with extent 1.
#pragma once

#include "graft/schema/axes.hpp"
#include "graft/schema/rules.hpp"

namespace graft::ops {
namespace detail {

enum class reduce_kind { arithmetic, mean, extremum, logical };

// The shape without, or with 1 for, the axes of the attribute "axes" (absent: all).
constexpr value_type reduced_type(const infer_args& in, dtype type, const char** fault,
                                  axis_marks* marks) {
  const value_type& x = in.operands[0];
  const attribute* axes = in.attributes.find("axes");
  const bool keep = in.attributes.integer("keepdims") != 0;
  if (!x.ranked) {
    return axes == nullptr && !keep ? value_type::of(type, {}) : value_type::unranked(type);
  }
  if (axes != nullptr) {
    *marks = mark_axes(axes->integers, x.shape.size());
    *fault = marks->fault;
  } else {
    marks->marked.resize(x.shape.size(), true);
  }
  value_type result = value_type::of(type, {});
  if (*fault != nullptr) return result;
  for (std::size_t i = 0; i < x.shape.size(); ++i) {
    if (!marks->marked[i]) {
      result.shape.push_back(x.shape[i]);
    } else if (keep) {
      result.shape.push_back(1);
    }
  }
  return result;
}

constexpr bool reduces_nothing(const value_type& x, const axis_marks& marks) {
  bool reduced_empty = false;
  for (std::size_t i = 0; i < marks.marked.size(); ++i) {
    if (marks.marked[i]) {
      reduced_empty = reduced_empty || x.shape[i] == 0;
    } else if (x.shape[i] <= 0) {
      return false;  // then there is, or may be, no result to compute
    }
  }
  return reduced_empty;
}

template <reduce_kind Kind>
constexpr inferred infer_reduce(const infer_args& in) {
  const value_type& x = in.operands[0];
  if (Kind == reduce_kind::logical && !rules::may_be_boolean(x.type)) {
    return rules::type_problem("the elements must be booleans",
                               value_type::unranked(dtype::boolean), x,
                               "compare first: not_equal(x, 0)");
  }
  if (Kind == reduce_kind::mean && !rules::may_be_floating(x.type)) {
    return rules::type_problem("a mean needs floating elements",
                               value_type::unranked(dtype::float32), x, "insert cast<float>(x)");
  }
  if (Kind != reduce_kind::logical && !rules::may_be_number(x.type)) {
    return rules::type_problem("the elements must be numbers", value_type::unranked(dtype::float32),
                               x);
  }
  const char* fault = nullptr;
  axis_marks marks;
  const value_type result = reduced_type(in, x.type, &fault, &marks);
  if (fault != nullptr) return problem{.clause = fault, .needs = {}, .got = x};
  if (Kind == reduce_kind::extremum && reduces_nothing(x, marks)) {
    return problem{.clause = "there must be at least one element to choose from",
                   .needs = value_type{x.type, value_kind::tensor, true, dims(x.shape.size(), dyn)},
                   .got = x};
  }
  return result;
}

constexpr inferred infer_argmax(const infer_args& in) {
  const value_type& x = in.operands[0];
  if (x.type == dtype::string) {
    return rules::type_problem("the elements must be ordered", value_type::unranked(dtype::float32),
                               x);
  }
  if (!x.ranked) return value_type::unranked(dtype::int64);
  const extent axis = normalized_axis(in.attributes.integer("axis", -1), x.shape.size());
  if (axis < 0) {
    return problem{.clause = "every axis must be one of the tensor's", .needs = {}, .got = x};
  }
  const auto place = static_cast<std::size_t>(axis);
  if (x.shape[place] == 0) {
    return problem{.clause = "there must be at least one element to choose from",
                   .needs = value_type{x.type, value_kind::tensor, true, dims(x.shape.size(), dyn)},
                   .got = x};
  }
  value_type result = value_type::of(dtype::int64, x.shape);
  if (in.attributes.integer("keepdims") != 0) {
    result.shape[place] = 1;
  } else {
    result.shape.erase(place);
  }
  return result;
}

constexpr inferred infer_squared_norm(const infer_args& in) {
  const value_type& x = in.operands[0];
  const value_type result = value_type::of(in.attributes.type("type", dtype::float64), {});
  if (!is_floating(result.type)) {
    return problem{.clause = "a squared norm is floating",
                   .needs = value_type::of(dtype::float64, {}),
                   .got = result,
                   .about_type = true};
  }
  if (x.type == dtype::any || is_floating(x.type)) return result;
  return problem{.clause = "a norm needs floating elements",
                 .needs = value_type::unranked(dtype::float32),
                 .got = x,
                 .hint = "insert cast<float>(x)",
                 .about_type = true};
}

// A scalar of the operand's type.
constexpr inferred infer_reduction_size(const infer_args& in) {
  const value_type& x = in.operands[0];
  const char* fault = nullptr;
  axis_marks marks;
  reduced_type(in, x.type, &fault, &marks);
  if (fault != nullptr) return problem{.clause = fault, .needs = {}, .got = x};
  return value_type::of(x.type, {});
}

}  // namespace detail

// Attributes of all: "axes" (absent: all axes; empty: none), "keepdims".

namespace detail {
inline constexpr attribute_rule reduce_takes[] = {declare::integers("axes"),
                                                  declare::flag("keepdims")};
inline constexpr attribute_rule squared_norm_takes[] = {declare::type("type")};
inline constexpr attribute_rule argmax_takes[] = {declare::integer("axis"),
                                                  declare::flag("keepdims")};
}  // namespace detail

/// Sum; 0 where there is nothing to add. ONNX ReduceSum.
inline constexpr operator_schema sum{
    "sum", 1, 1, detail::infer_reduce<detail::reduce_kind::arithmetic>, 0, detail::reduce_takes};
/// Arithmetic mean; NaN of nothing. Floating elements. ONNX ReduceMean.
inline constexpr operator_schema mean{
    "mean", 1, 1, detail::infer_reduce<detail::reduce_kind::mean>, 0, detail::reduce_takes};
/// Product; 1 of nothing. ONNX ReduceProd.
inline constexpr operator_schema prod{
    "prod", 1, 1, detail::infer_reduce<detail::reduce_kind::arithmetic>, 0, detail::reduce_takes};
/// Largest element; NaN where there is one, and 0 is larger than -0. ONNX ReduceMax.
inline constexpr operator_schema max{
    "max", 1, 1, detail::infer_reduce<detail::reduce_kind::extremum>, 0, detail::reduce_takes};
/// Smallest element; NaN where there is one, and -0 is smaller than 0. ONNX ReduceMin.
inline constexpr operator_schema min{
    "min", 1, 1, detail::infer_reduce<detail::reduce_kind::extremum>, 0, detail::reduce_takes};
/// True where all elements are; true of nothing.
inline constexpr operator_schema all{
    "all", 1, 1, detail::infer_reduce<detail::reduce_kind::logical>, 0, detail::reduce_takes};
/// True where any element is; false of nothing.
inline constexpr operator_schema any{
    "any", 1, 1, detail::infer_reduce<detail::reduce_kind::logical>, 0, detail::reduce_takes};
/// Index of the largest element along "axis" (default -1) as int64; the first of equal ones, and a
/// NaN beats all. ONNX ArgMax.
inline constexpr operator_schema argmax{
    "argmax", 1, 1, detail::infer_argmax, 0, detail::argmax_takes};
/// (x) -> the sum of the squares of all elements, a scalar; 0 where there are none. x is of any shape and floating:
/// elements are widened to float64 before they are squared, so that no square of a smaller type overflows. Attribute:
/// type (of the result; float64 if absent), which clones of another element type change as they do that of a cast.
inline constexpr operator_schema squared_norm{
    "squared_norm", 1, 1, detail::infer_squared_norm, 0, detail::squared_norm_takes};
/// Number of elements that a reduction over "axes" combines, as a scalar of the operand's type;
/// reads the shape only.
inline constexpr operator_schema reduction_size{
    "reduction_size", 1, 1, detail::infer_reduction_size, shape_of_first, detail::reduce_takes};

}  // namespace graft::ops

namespace graft {

namespace detail {

constexpr attribute_list reduce_list(const dims& axes, bool keepdims) {
  attribute_list a;
  a.set("axes", axes);
  if (keepdims) a.set("keepdims", true);
  return a;
}

template <const operator_schema& Schema, class Axes, bool KeepDims, tensor_like X>
constexpr auto reduce(const X& x, std::string_view name, source_line here) {
  return apply<Schema, reduce_attributes<Axes, KeepDims>>({}, name, here, x);
}
template <const operator_schema& Schema, tensor_like X>
constexpr auto reduce(const X& x, const dims& axes, bool keepdims, std::string_view name,
                      source_line here) {
  return apply_with<Schema, X::type>(reduce_list(axes, keepdims), name, here, x);
}

template <std::int64_t Axis, bool KeepDims>
struct argmax_attributes {
  static constexpr attribute_list list() {
    attribute_list a;
    a.set("axis", Axis);
    if (KeepDims) a.set("keepdims", true);
    return a;
  }
};

}  // namespace detail

/// Sum over axes: `sum(x)`, `sum<axes<1>>(x)`, `sum<axes<1>, true>(x)`.
/// @tparam Axes axes<...> or all_axes
/// @tparam KeepDims reduced axes stay with extent 1
/// @param x numbers of any shape
/// @return of x's element type; 0 where an axis has no elements
template <class Axes = all_axes, bool KeepDims = false, tensor_like X>
constexpr auto sum(const X& x, detail::name_beside_list name = name_view(),
                   source_line here = source_line::now()) {
  return detail::reduce<ops::sum, Axes, KeepDims>(x, name, here);
}
/// The same over axes known at run time.
template <tensor_like X>
constexpr auto sum(const X& x, const axis_list& axes, bool keepdims = false, name_view name = {},
                   source_line here = source_line::now()) {
  return detail::reduce<ops::sum>(x, axes, keepdims, name, here);
}

/// Arithmetic mean over axes of a floating tensor; NaN where there is nothing to average. @see sum
template <class Axes = all_axes, bool KeepDims = false, tensor_like X>
constexpr auto mean(const X& x, detail::name_beside_list name = name_view(),
                    source_line here = source_line::now()) {
  return detail::reduce<ops::mean, Axes, KeepDims>(x, name, here);
}
/// The same along axes known at run time.
template <tensor_like X>
constexpr auto mean(const X& x, const axis_list& axes, bool keepdims = false, name_view name = {},
                    source_line here = source_line::now()) {
  return detail::reduce<ops::mean>(x, axes, keepdims, name, here);
}

/// Product over axes; 1 where there is nothing to multiply. @see sum
///
/// The gradient is right where elements are 0, also where several are; second derivatives are right
/// where none is.
template <class Axes = all_axes, bool KeepDims = false, tensor_like X>
constexpr auto prod(const X& x, detail::name_beside_list name = name_view(),
                    source_line here = source_line::now()) {
  return detail::reduce<ops::prod, Axes, KeepDims>(x, name, here);
}
/// The same along axes known at run time.
template <tensor_like X>
constexpr auto prod(const X& x, const axis_list& axes, bool keepdims = false, name_view name = {},
                    source_line here = source_line::now()) {
  return detail::reduce<ops::prod>(x, axes, keepdims, name, here);
}

/// Largest element over axes; NaN where there is one. The gradient is shared equally among equal
/// largest elements.
/// @throws shape_error where there is no element to choose from
template <class Axes = all_axes, bool KeepDims = false, tensor_like X>
constexpr auto max(const X& x, detail::name_beside_list name = name_view(),
                   source_line here = source_line::now()) {
  return detail::reduce<ops::max, Axes, KeepDims>(x, name, here);
}
/// The same along axes known at run time.
template <tensor_like X>
constexpr auto max(const X& x, const axis_list& axes, bool keepdims = false, name_view name = {},
                   source_line here = source_line::now()) {
  return detail::reduce<ops::max>(x, axes, keepdims, name, here);
}

/// Smallest element over axes. @see max
template <class Axes = all_axes, bool KeepDims = false, tensor_like X>
constexpr auto min(const X& x, detail::name_beside_list name = name_view(),
                   source_line here = source_line::now()) {
  return detail::reduce<ops::min, Axes, KeepDims>(x, name, here);
}
/// The same along axes known at run time.
template <tensor_like X>
constexpr auto min(const X& x, const axis_list& axes, bool keepdims = false, name_view name = {},
                   source_line here = source_line::now()) {
  return detail::reduce<ops::min>(x, axes, keepdims, name, here);
}

/// True where all booleans over the axes are true.
template <class Axes = all_axes, bool KeepDims = false, tensor_like X>
constexpr auto all(const X& x, detail::name_beside_list name = name_view(),
                   source_line here = source_line::now()) {
  return detail::reduce<ops::all, Axes, KeepDims>(x, name, here);
}
/// The same along axes known at run time.
template <tensor_like X>
constexpr auto all(const X& x, const axis_list& axes, bool keepdims = false, name_view name = {},
                   source_line here = source_line::now()) {
  return detail::reduce<ops::all>(x, axes, keepdims, name, here);
}

/// True where any boolean over the axes is true.
template <class Axes = all_axes, bool KeepDims = false, tensor_like X>
constexpr auto any(const X& x, detail::name_beside_list name = name_view(),
                   source_line here = source_line::now()) {
  return detail::reduce<ops::any, Axes, KeepDims>(x, name, here);
}
/// The same along axes known at run time.
template <tensor_like X>
constexpr auto any(const X& x, const axis_list& axes, bool keepdims = false, name_view name = {},
                   source_line here = source_line::now()) {
  return detail::reduce<ops::any>(x, axes, keepdims, name, here);
}

/// Index of the largest element along one axis, int64; the first one of equals, and a NaN beats
/// all.
template <std::int64_t Axis = -1, bool KeepDims = false, tensor_like X>
constexpr auto argmax(const X& x, name_view name = {}, source_line here = source_line::now()) {
  return apply<ops::argmax, detail::argmax_attributes<Axis, KeepDims>>({}, name, here, x);
}
/// The same along an axis known at run time.
template <tensor_like X>
constexpr auto argmax(const X& x, std::int64_t axis, bool keepdims = false, name_view name = {},
                      source_line here = source_line::now()) {
  attribute_list a;
  a.set("axis", axis);
  if (keepdims) a.set("keepdims", true);
  return detail::apply_with<ops::argmax, dtype::int64>(a, name, here, x);
}

/// Number of elements of x, or of those that a reduction over some axes combines, as a scalar of
/// x's type.
template <class Axes = all_axes, tensor_like X>
constexpr auto reduction_size(const X& x, detail::name_beside_list name = name_view(),
                              source_line here = source_line::now()) {
  return apply<ops::reduction_size, detail::reduce_attributes<Axes, false>>({}, name, here, x);
}
/// The same with axes or extents known at run time.
template <tensor_like X>
constexpr auto reduction_size(const X& x, const axis_list& axes, name_view name = {},
                              source_line here = source_line::now()) {
  return detail::apply_with<ops::reduction_size, X::type>(detail::reduce_list(axes, false), name,
                                                          here, x);
}

}  // namespace graft
