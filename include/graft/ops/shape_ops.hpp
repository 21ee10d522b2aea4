// Operators that change shapes: reshaping, transposing, and broadcasting with its inverse.
#pragma once

#include "graft/schema/axes.hpp"

namespace graft::ops {
namespace detail {

constexpr const char* count_clause = "the number of elements must stay the same";

// Product of the known extents, and what the others are.
struct open_count {
  extent known = 1;
  std::size_t open = 0;    // how many extents are not known
  extent open_extent = 1;  // the only one of them, where there is one

  constexpr explicit open_count(const dims& shape) {
    dims sure;
    for (const extent e : shape) {
      if (is_known(e)) {
        sure.push_back(e);
      } else {
        ++open;
        open_extent = e;
      }
    }
    known = element_count(sure);
  }
};

constexpr inferred infer_reshape(const infer_args& in) {
  const value_type& x = in.operands[0];
  const dims target = in.attributes.integers("shape");
  const value_type wanted = value_type::of(x.type, target);
  const open_count to(target);
  if (to.open > 1) {
    return problem{.clause = "at most one extent may be left open", .needs = wanted, .got = x};
  }
  if (!x.ranked) return wanted;
  const open_count from(x.shape);
  extent left = dyn;  // for the open extent
  bool fits = true;
  if (from.open == 0) {
    if (to.open == 0) {
      fits = from.known == to.known;
    } else if (to.known == 0) {
      return problem{
          .clause = "no extent can be worked out beside an extent of 0", .needs = wanted, .got = x};
    } else {
      fits = from.known % to.known == 0;
      left = from.known / to.known;
    }
  } else if (to.open == 0) {
    fits = from.known == 0 ? to.known == 0 : to.known % from.known == 0;
  } else if (from.open == 1 && from.known == to.known && from.known != 0) {
    left = from.open_extent;
  }
  if (!fits) return problem{.clause = count_clause, .needs = wanted, .got = x};
  value_type result = wanted;
  for (extent& e : result.shape) {
    if (!is_known(e)) e = refine(left, e);
  }
  return result;
}

constexpr inferred infer_reshape_like(const infer_args& in) {
  const value_type& x = in.operands[0];
  const value_type& like = in.operands[1];
  if (!like.ranked) return value_type::unranked(x.type);
  if (x.ranked) {
    const open_count from(x.shape), to(like.shape);
    const bool both_known = from.open == 0 && to.open == 0;
    if (both_known && from.known != to.known) {
      return problem{.clause = count_clause, .needs = value_type::of(x.type, like.shape), .got = x};
    }
  }
  return value_type::of(x.type, like.shape);
}

constexpr inferred infer_flatten(const infer_args& in) {
  const value_type& x = in.operands[0];
  if (!x.ranked) return value_type::of(x.type, {dyn, dyn});
  if (x.shape.empty()) {
    return problem{.clause = "there must be at least one axis",
                   .needs = value_type::of(x.type, {dyn}),
                   .got = x,
                   .hint = "insert expand_dims"};
  }
  const extent rest = element_count(std::span<const extent>(x.shape).subspan(1));
  if (rest == dyn && x.shape.size() == 2) return x;
  return value_type::of(x.type, {x.shape[0], rest});
}

constexpr inferred infer_expand_dims(const infer_args& in) {
  const value_type& x = in.operands[0];
  if (!x.ranked) return value_type::unranked(x.type);
  const dims axes = in.attributes.integers("axes");
  const axis_marks marks = mark_axes(axes, x.shape.size() + axes.size());
  if (marks.fault != nullptr) return problem{.clause = marks.fault, .needs = {}, .got = x};
  value_type result = value_type::of(x.type, {});
  std::size_t from = 0;
  for (const bool inserted : marks.marked) {
    result.shape.push_back(inserted ? 1 : x.shape[from++]);
  }
  return result;
}

constexpr inferred infer_squeeze(const infer_args& in) {
  const value_type& x = in.operands[0];
  if (!x.ranked) return value_type::unranked(x.type);
  const axis_marks marks = mark_axes(in.attributes.integers("axes"), x.shape.size());
  if (marks.fault != nullptr) return problem{.clause = marks.fault, .needs = {}, .got = x};
  value_type result = value_type::of(x.type, {}), needs = x;
  bool fits = true;
  for (std::size_t i = 0; i < x.shape.size(); ++i) {
    if (!marks.marked[i]) {
      result.shape.push_back(x.shape[i]);
    } else {
      fits = fits && !surely_differ(x.shape[i], 1);
      needs.shape[i] = 1;
    }
  }
  if (!fits)
    return problem{.clause = "an axis to drop must have extent 1", .needs = needs, .got = x};
  return result;
}

constexpr inferred infer_transpose(const infer_args& in) {
  const value_type& x = in.operands[0];
  const attribute* order = in.attributes.find("perm");
  if (!x.ranked) {
    return order == nullptr ? value_type::unranked(x.type)
                            : value_type::of(x.type, dims(order->integers.size(), dyn));
  }
  const std::size_t rank = x.shape.size();
  value_type result = value_type::of(x.type, {});
  if (order == nullptr) {
    for (std::size_t i = rank; i-- > 0;) result.shape.push_back(x.shape[i]);
    return result;
  }
  if (order->integers.size() != rank) {
    return problem{.clause = "every axis must have a place in the new order",
                   .needs = value_type::of(x.type, dims(order->integers.size(), dyn)),
                   .got = x};
  }
  const axis_marks marks = mark_axes(order->integers, rank);
  if (marks.fault != nullptr) return problem{.clause = marks.fault, .needs = {}, .got = x};
  for (const extent axis : order->integers) {
    result.shape.push_back(x.shape[static_cast<std::size_t>(normalized_axis(axis, rank))]);
  }
  return result;
}

// The shape of a tensor broadcast to `target`, or a problem.
constexpr inferred broadcast_onto(const value_type& x, const dims& target) {
  const value_type wanted = value_type::of(x.type, target);
  if (!x.ranked) return wanted;
  value_type result = wanted;
  const std::size_t rank = x.shape.size();
  bool fits = rank <= target.size();
  for (std::size_t i = 0; fits && i < rank; ++i) {
    const extent from = x.shape[i];
    extent& to = result.shape[target.size() - rank + i];
    fits = from == 1 || !surely_differ(from, to);
    if (!is_known(to) && from > 1) to = from;
  }
  if (!fits) {
    return problem{.clause = "every extent must be 1 or that of the shape to broadcast to",
                   .needs = wanted,
                   .got = x};
  }
  return result;
}

// An extent that the attribute leaves open is the tensor's own.
constexpr inferred infer_broadcast_to(const infer_args& in) {
  const value_type& x = in.operands[0];
  dims target = in.attributes.integers("shape");
  for (std::size_t i = 0; i < target.size() && x.ranked; ++i) {
    const std::size_t missing = target.size() > x.shape.size() ? target.size() - x.shape.size() : 0;
    if (!is_known(target[i]) && i >= missing) target[i] = refine(x.shape[i - missing], target[i]);
  }
  return broadcast_onto(x, target);
}

constexpr inferred infer_broadcast_like(const infer_args& in) {
  if (!in.operands[1].ranked) return value_type::unranked(in.operands[0].type);
  return broadcast_onto(in.operands[0], in.operands[1].shape);
}

constexpr inferred infer_sum_to_like(const infer_args& in) {
  const value_type& x = in.operands[0];
  const value_type& like = in.operands[1];
  if (!like.ranked) return value_type::unranked(x.type);
  value_type result = value_type::of(x.type, like.shape);
  if (!x.ranked) return result;
  const std::size_t rank = like.shape.size();
  bool fits = rank <= x.shape.size();
  for (std::size_t i = 0; fits && i < rank; ++i) {
    const extent from = x.shape[x.shape.size() - rank + i];
    extent& to = result.shape[i];
    fits = to == 1 || !surely_differ(from, to);
    if (!is_known(to) && from == 1) to = 1;
  }
  if (!fits) {
    return problem{.clause = "the shape to sum to must broadcast to the tensor's",
                   .needs = value_type::of(x.type, like.shape),
                   .got = x};
  }
  return result;
}

}  // namespace detail

namespace detail {
inline constexpr attribute_rule reshape_takes[] = {declare::shape("shape").required()};
inline constexpr attribute_rule axes_takes[] = {declare::integers("axes").required()};
inline constexpr attribute_rule transpose_takes[] = {declare::integers("perm")};
}  // namespace detail

/// The same elements in row-major order under the attribute "shape", in which one extent may be -1.
/// ONNX Reshape.
inline constexpr operator_schema reshape{
    "reshape", 1, 1, detail::infer_reshape, view, detail::reshape_takes};
/// (x, like: only its shape) -> x under like's shape.
inline constexpr operator_schema reshape_like{"reshape_like", 2, 2, detail::infer_reshape_like,
                                              view | shape_of_second};
/// Axis 0 stays, all others become one. ONNX Flatten.
inline constexpr operator_schema flatten{"flatten", 1, 1, detail::infer_flatten, view};
/// Inserts axes of extent 1; "axes" count in the result. ONNX Unsqueeze.
inline constexpr operator_schema expand_dims{
    "expand_dims", 1, 1, detail::infer_expand_dims, view, detail::axes_takes};
/// Drops the "axes", which have extent 1. ONNX Squeeze.
inline constexpr operator_schema squeeze{"squeeze",         1, 1, detail::infer_squeeze, view,
                                         detail::axes_takes};
/// Axis i of the result is axis perm[i] of the operand; without "perm" the order is reversed. ONNX
/// Transpose.
inline constexpr operator_schema transpose{
    "transpose", 1, 1, detail::infer_transpose, 0, detail::transpose_takes};
/// Repeats along axes of extent 1 and new leading axes up to the attribute "shape", in which -1
/// keeps the operand's extent. ONNX Expand.
inline constexpr operator_schema broadcast_to{
    "broadcast_to", 1, 1, detail::infer_broadcast_to, 0, detail::reshape_takes};
/// (x, like: only its shape) -> x repeated to like's shape.
inline constexpr operator_schema broadcast_like{"broadcast_like", 2, 2,
                                                detail::infer_broadcast_like, shape_of_second};
/// (x, like: only its shape) -> x summed over the axes along which like would be repeated to get
/// x's shape.
inline constexpr operator_schema sum_to_like{"sum_to_like", 2, 2, detail::infer_sum_to_like,
                                             shape_of_second};

}  // namespace graft::ops

namespace graft {

namespace detail {

template <shape_type Shape>
struct shape_attribute {
  static constexpr attribute_list list() {
    attribute_list a;
    a.set("shape", Shape::list());
    return a;
  }
};

template <extent... Axes>
struct perm_attribute {
  static constexpr attribute_list list() {
    attribute_list a;
    if constexpr (sizeof...(Axes) > 0) a.set("perm", dims{Axes...});
    return a;
  }
};

}  // namespace detail

/// Views the elements, in row-major order, under another shape: `reshape<shape<dyn, 10>>(x)`.
///
/// @tparam Shape at most one extent is dyn and is worked out, at compile time where x's type tells
/// @throws shape_error "the number of elements must stay the same"
template <shape_type Shape, tensor_like X>
constexpr auto reshape(const X& x, name_view name = {}, source_line here = source_line::now()) {
  return apply<ops::reshape, detail::shape_attribute<Shape>>({}, name, here, x);
}
/// The same with a shape known at run time; one extent may be -1.
template <tensor_like X>
constexpr auto reshape(const X& x, const dims& shape, name_view name = {},
                       source_line here = source_line::now()) {
  attribute_list a;
  a.set("shape", shape);
  return detail::apply_with<ops::reshape, X::type>(a, name, here, x);
}

/// Views the elements of x under the shape of `like`, whose values are not read.
template <tensor_like X, tensor_like Like>
constexpr auto reshape_like(const X& x, const Like& like, name_view name = {},
                            source_line here = source_line::now()) {
  return apply<ops::reshape_like>({}, name, here, x, like);
}

/// Makes one axis of all but axis 0: [n, c, h, w] becomes [n, c * h * w].
/// @param x of rank 1 at least; [n] becomes [n, 1]
template <tensor_like X>
constexpr auto flatten(const X& x, name_view name = {}, source_line here = source_line::now()) {
  return apply<ops::flatten>({}, name, here, x);
}

/// Inserts axes of extent 1, at places counted in the result: `expand_dims<0, -1>(x)`.
template <extent... Axes, tensor_like X>
  requires(sizeof...(Axes) > 0)
constexpr auto expand_dims(const X& x, name_view name = {}, source_line here = source_line::now()) {
  return apply<ops::expand_dims, axes<Axes...>>({}, name, here, x);
}
/// The same with axes or extents known at run time.
template <tensor_like X>
constexpr auto expand_dims(const X& x, const axis_list& places, name_view name = {},
                           source_line here = source_line::now()) {
  return detail::apply_with<ops::expand_dims, X::type>(attribute_list().set("axes", places), name,
                                                       here, x);
}

/// Drops axes of extent 1: `squeeze<1>(x)`.
template <extent... Axes, tensor_like X>
  requires(sizeof...(Axes) > 0)
constexpr auto squeeze(const X& x, name_view name = {}, source_line here = source_line::now()) {
  return apply<ops::squeeze, axes<Axes...>>({}, name, here, x);
}
/// The same with axes or extents known at run time.
template <tensor_like X>
constexpr auto squeeze(const X& x, const axis_list& places, name_view name = {},
                       source_line here = source_line::now()) {
  return detail::apply_with<ops::squeeze, X::type>(attribute_list().set("axes", places), name, here,
                                                   x);
}

/// Reorders axes: axis i of `transpose<2, 0, 1>(x)` is axis 2, 0, 1 of x. `transpose(x)` reverses
/// them.
template <extent... Axes, tensor_like X>
constexpr auto transpose(const X& x, detail::name_beside_list name = name_view(),
                         source_line here = source_line::now()) {
  return apply<ops::transpose, detail::perm_attribute<Axes...>>({}, name, here, x);
}
/// The same with an order known at run time.
template <tensor_like X>
constexpr auto transpose(const X& x, const dims& order, name_view name = {},
                         source_line here = source_line::now()) {
  return detail::apply_with<ops::transpose, X::type>(attribute_list().set("perm", order), name,
                                                     here, x);
}

/// Repeats x along its axes of extent 1, and along new leading axes, up to a shape; dyn keeps x's
/// extent.
template <shape_type Shape, tensor_like X>
constexpr auto broadcast_to(const X& x, name_view name = {},
                            source_line here = source_line::now()) {
  return apply<ops::broadcast_to, detail::shape_attribute<Shape>>({}, name, here, x);
}
/// The same with axes or extents known at run time.
template <tensor_like X>
constexpr auto broadcast_to(const X& x, const dims& shape, name_view name = {},
                            source_line here = source_line::now()) {
  return detail::apply_with<ops::broadcast_to, X::type>(attribute_list().set("shape", shape), name,
                                                        here, x);
}

/// Repeats x up to the shape of `like`, whose values are not read.
template <tensor_like X, tensor_like Like>
constexpr auto broadcast_like(const X& x, const Like& like, name_view name = {},
                              source_line here = source_line::now()) {
  return apply<ops::broadcast_like>({}, name, here, x, like);
}

/// Undoes broadcasting: sums x over the axes along which `like` would be repeated to get x's shape.
/// @return of like's shape; like's values are not read
template <tensor_like X, tensor_like Like>
constexpr auto sum_to_like(const X& x, const Like& like, name_view name = {},
                           source_line here = source_line::now()) {
  return apply<ops::sum_to_like>({}, name, here, x, like);
}

}  // namespace graft
