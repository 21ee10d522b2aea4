// Operators that take tensors apart along axes and put them together: concat, split, slice, pad,
// crop.
#pragma once

#include <tuple>
#include <vector>

#include "graft/core/absent.hpp"
#include "graft/schema/axes.hpp"
#include "graft/schema/rules.hpp"

namespace graft {

/// One axis of a slice: the elements begin, begin + step, ..., `size` of them.
///
/// @tparam Begin negative: counted from the end
/// @tparam Size dyn: as many as there are
/// @tparam Step not 0; negative: backwards
template <std::int64_t Axis, std::int64_t Begin, extent Size = dyn, std::int64_t Step = 1>
struct along {
  static constexpr std::int64_t axis = Axis;    ///< as given
  static constexpr std::int64_t begin = Begin;  ///< as given
  static constexpr std::int64_t size = Size;    ///< as given
  static constexpr std::int64_t step = Step;    ///< as given
};

/// What is added to, or cut off from, both ends of one axis.
template <std::int64_t Axis, std::int64_t Before, std::int64_t After = Before>
struct border {
  static constexpr std::int64_t axis = Axis;      ///< as given
  static constexpr std::int64_t before = Before;  ///< elements, negative: cut off
  static constexpr std::int64_t after = After;    ///< elements, negative: cut off
};

namespace ops::detail {

inline constexpr const char* axis_clause = "every axis must be one of the tensor's";
inline constexpr const char* parts_clause = "the sizes of the parts must add up to the axis";

// --- concat and split ------------------------------------------------------------------------

constexpr inferred infer_concat(const infer_args& in) {
  const value_type* ranked = nullptr;
  dtype type = dtype::any;
  for (const value_type& x : in.operands) {
    if (!rules::types_agree(type, x.type)) return rules::types_differ(in.operands[0], x);
    type = rules::join(type, x.type);
    if (x.ranked && ranked == nullptr) ranked = &x;
  }
  if (ranked == nullptr) return value_type::unranked(type);
  const std::size_t rank = ranked->shape.size();
  const extent axis = normalized_axis(in.attributes.integer("axis"), rank);
  if (axis < 0) return problem{.clause = axis_clause, .needs = {}, .got = *ranked};
  const auto place = static_cast<std::size_t>(axis);
  value_type result = value_type::of(type, ranked->shape);
  result.shape[place] = 0;
  for (const value_type& x : in.operands) {
    if (!x.ranked) {
      result.shape[place] = dyn;
      continue;
    }
    bool fits = x.shape.size() == rank;
    for (std::size_t i = 0; fits && i < rank; ++i) {
      if (i == place) continue;
      fits = !surely_differ(result.shape[i], x.shape[i]);
      result.shape[i] = refine(result.shape[i], x.shape[i]);
    }
    if (!fits) {
      value_type needs = result;
      needs.shape[place] = dyn;
      return problem{.clause = "all extents but that of the joined axis must be equal",
                     .needs = needs,
                     .got = x};
    }
    extent& joined = result.shape[place];
    if (!is_known(joined) || !is_known(x.shape[place])) {
      joined = dyn;
    } else if (__builtin_add_overflow(joined, x.shape[place], &joined)) {
      return problem{.clause = "the joined extent must fit in 63 bits", .needs = {}, .got = x};
    }
  }
  if (in.operands.size() == 1 && ranked != nullptr) return *ranked;
  return result;
}

// "sizes" gives the parts' extents; without it there are "count" equal ones.
constexpr inferred infer_split(const infer_args& in) {
  const value_type& x = in.operands[0];
  const attribute* sizes = in.attributes.find("sizes");
  const std::int64_t count = sizes != nullptr ? static_cast<std::int64_t>(sizes->integers.size())
                                              : in.attributes.integer("count");
  if (count < 1) return problem{.clause = "there must be at least one part", .needs = {}, .got = x};
  inferred result;
  if (!x.ranked) {
    for (std::int64_t i = 0; i < count; ++i) {
      result.outputs.push_back(value_type::unranked(x.type));
    }
    return result;
  }
  const extent axis = normalized_axis(in.attributes.integer("axis"), x.shape.size());
  if (axis < 0) return problem{.clause = axis_clause, .needs = {}, .got = x};
  const auto place = static_cast<std::size_t>(axis);
  const extent whole = x.shape[place];
  value_type part = x;
  if (sizes == nullptr) {
    if (is_known(whole) && whole % count != 0) {
      part.shape[place] = count;
      return problem{.clause = "the axis must divide into equal parts", .needs = part, .got = x};
    }
    if (count > 1) part.shape[place] = is_known(whole) ? whole / count : dyn;
    for (std::int64_t i = 0; i < count; ++i) result.outputs.push_back(part);
    return result;
  }
  extent total = 0;
  for (const extent size : sizes->integers) {
    if (size < 0) {
      return problem{.clause = "the size of a part must not be negative", .needs = {}, .got = x};
    }
    if (__builtin_add_overflow(total, size, &total)) {
      return problem{.clause = parts_clause, .needs = {}, .got = x};
    }
    part.shape[place] = size;
    result.outputs.push_back(part);
  }
  if (surely_differ(total, whole)) {
    part.shape[place] = total;
    return problem{.clause = parts_clause, .needs = part, .got = x};
  }
  return result;
}

constexpr inferred infer_split_like(const infer_args& in) {
  const value_type& x = in.operands[0];
  // What is known of the whole: the likes are its parts.
  value_type whole = x;
  for (const value_type& like : in.operands.subspan(1)) {
    if (!whole.ranked && like.ranked) whole = value_type::of(x.type, dims(like.shape.size(), dyn));
  }
  inferred result;
  if (!whole.ranked) {
    result.outputs.resize(in.operands.size() - 1, value_type::unranked(x.type));
    return result;
  }
  const std::size_t rank = whole.shape.size();
  const extent axis = normalized_axis(in.attributes.integer("axis"), rank);
  if (axis < 0) return problem{.clause = axis_clause, .needs = {}, .got = whole};
  const auto place = static_cast<std::size_t>(axis);
  extent total = 0;
  for (const value_type& like : in.operands.subspan(1)) {
    value_type part = whole;
    part.shape[place] = dyn;
    if (rules::surely_differ(part, like)) {
      return problem{.clause = "all extents but that of the cut axis must be the whole's",
                     .needs = part,
                     .got = like};
    }
    if (like.ranked) part.shape = rules::refine(part, like).shape;
    const extent own = part.shape[place];
    if (!is_known(own) || !is_known(total)) {
      total = dyn;
    } else if (__builtin_add_overflow(total, own, &total)) {
      return problem{.clause = parts_clause, .needs = {}, .got = like};
    }
    result.outputs.push_back(part);
  }
  if (surely_differ(total, whole.shape[place])) {
    value_type needs = whole;
    needs.shape[place] = total;
    return problem{.clause = parts_clause, .needs = needs, .got = whole};
  }
  return result;
}

// --- slice -----------------------------------------------------------------------------------

// Elements of an axis that a slice takes; begin is counted from the start where the extent is
// known.
struct axis_slice {
  bool fits = true;
  std::int64_t begin = 0, step = 1;
  extent size = dyn;
};

constexpr axis_slice slice_axis(extent whole, std::int64_t begin, extent size, std::int64_t step) {
  axis_slice s{true, begin, step, size};
  if (!is_known(whole)) {
    // From the start to the end is the axis itself, whatever its extent.
    if (size < 0) s.size = begin == 0 && step == 1 ? whole : dyn;
    return s;
  }
  if (begin < 0) s.begin = begin + whole;
  s.fits = s.begin >= -1 && s.begin <= whole;
  if (!s.fits) return s;
  // Steps from the first element to the last there is; -1: not even the first one.
  const std::int64_t steps = s.begin < 0 || s.begin == whole ? -1
                             : step > 0                      ? (whole - 1 - s.begin) / step
                                                             : s.begin / -step;
  if (size < 0) s.size = steps + 1;
  s.fits = s.size <= steps + 1;
  return s;
}

// The lists "begin", "size", "step", each with one entry for every one of "axes".
struct slice_lists {
  const char* fault = nullptr;
  dims axes, begin, size, step;

  constexpr slice_lists(const attribute_list& a, std::size_t rank)
      : axes(a.integers("axes")),
        begin(a.integers("begin")),
        size(a.integers("size")),
        step(a.integers("step")) {
    if (begin.size() != axes.size()) fault = "every sliced axis needs a begin";
    if (size.empty()) size.resize(axes.size(), dyn);
    if (step.empty()) step.resize(axes.size(), 1);
    if (size.size() != axes.size()) fault = "every sliced axis needs a size";
    if (step.size() != axes.size()) fault = "every sliced axis needs a step";
    for (const std::int64_t s : step) {
      // The negative of the smallest number is not a number.
      if (s == 0 || s < -(std::int64_t{1} << 62)) fault = "a step must not be 0";
    }
    if (const char* f = mark_axes(axes, rank).fault; f != nullptr) fault = f;
    for (extent& axis : axes) axis = normalized_axis(axis, rank);
  }
};

constexpr inferred infer_slice(const infer_args& in) {
  const value_type& x = in.operands[0];
  if (!x.ranked) return value_type::unranked(x.type);
  const slice_lists lists(in.attributes, x.shape.size());
  if (lists.fault != nullptr) return problem{.clause = lists.fault, .needs = {}, .got = x};
  value_type result = x;
  for (std::size_t i = 0; i < lists.axes.size(); ++i) {
    extent& e = result.shape[static_cast<std::size_t>(lists.axes[i])];
    const axis_slice s = slice_axis(e, lists.begin[i], lists.size[i], lists.step[i]);
    if (!s.fits) {
      value_type needs = value_type::of(x.type, dims(x.shape.size(), dyn));
      extent end = 0;
      needs.shape[static_cast<std::size_t>(lists.axes[i])] =
          lists.step[i] == 1 && lists.begin[i] >= 0 && lists.size[i] >= 0 &&
                  !__builtin_add_overflow(lists.begin[i], lists.size[i], &end)
              ? end
              : dyn;
      return problem{.clause = "the slice must lie within the tensor", .needs = needs, .got = x};
    }
    e = s.size;
  }
  return result;
}

// (gradient of the slice, tensor that was sliced: only its shape)
constexpr inferred infer_slice_gradient(const infer_args& in) {
  const value_type &gradient = in.operands[0], &whole = in.operands[1];
  if (!rules::types_agree(gradient.type, whole.type)) return rules::types_differ(whole, gradient);
  const inferred slice = infer_slice({{&whole, 1}, in.attributes});
  if (slice.error) return slice;
  if (rules::surely_differ(slice.outputs[0], gradient)) {
    return rules::shape_problem("the gradient must have the shape of the slice", slice.outputs[0],
                                gradient);
  }
  value_type result = whole;
  result.type = rules::join(gradient.type, whole.type);
  return result;
}

// --- pad and crop ----------------------------------------------------------------------------

// Without "axes" the lists "before" and "after" have an entry for every axis.
struct border_lists {
  const char* fault = nullptr;
  dims axes, before, after;

  constexpr border_lists(const attribute_list& a, std::size_t rank)
      : before(a.integers("before")), after(a.integers("after")) {
    if (const attribute* listed = a.find("axes"); listed != nullptr) {
      axes = listed->integers;
    } else {
      for (std::size_t i = 0; i < rank; ++i) axes.push_back(static_cast<extent>(i));
    }
    if (before.size() != axes.size() || after.size() != axes.size()) {
      fault = "every axis needs a border before and after it";
    }
    for (const dims* list : {&before, &after}) {
      for (const extent e : *list) {
        if (e < 0) fault = "a border must not be negative";
      }
    }
    if (const char* f = mark_axes(axes, rank).fault; f != nullptr) fault = f;
    for (extent& axis : axes) axis = normalized_axis(axis, rank);
  }
};

template <bool Crop>
constexpr inferred infer_border(const infer_args& in) {
  const value_type& x = in.operands[0];
  if (const attribute* value = in.attributes.find("value"); !Crop && value != nullptr) {
    if (const problem why = rules::number_problem(*value, x)) return why;
  }
  if (!x.ranked) return value_type::unranked(x.type);
  const border_lists lists(in.attributes, x.shape.size());
  if (lists.fault != nullptr) return problem{.clause = lists.fault, .needs = {}, .got = x};
  value_type result = x;
  for (std::size_t i = 0; i < lists.axes.size(); ++i) {
    extent& e = result.shape[static_cast<std::size_t>(lists.axes[i])];
    extent both = 0;
    bool fits = !__builtin_add_overflow(lists.before[i], lists.after[i], &both);
    if (fits && is_known(e)) {
      fits = Crop ? both <= e : !__builtin_add_overflow(e, both, &both);
      if (fits) e = Crop ? e - both : both;
    } else if (fits && both != 0) {
      e = dyn;
    }
    if (!fits) {
      value_type needs = value_type::of(x.type, dims(x.shape.size(), dyn));
      if (Crop) needs.shape[static_cast<std::size_t>(lists.axes[i])] = both;
      return problem{.clause = Crop ? "the tensor must be at least as large as what is cut off"
                                    : "the padded extent must fit in 63 bits",
                     .needs = needs,
                     .got = x};
    }
  }
  return result;
}

}  // namespace ops::detail

namespace ops {

namespace detail {
inline constexpr attribute_rule concat_takes[] = {declare::integer("axis")};
inline constexpr attribute_rule split_takes[] = {
    declare::integer("axis"), declare::integer("count", 0, 1 << 16), declare::integers("sizes")};
inline constexpr attribute_rule slice_takes[] = {
    declare::integers("axes"), declare::integers("begin"), declare::integers("size"),
    declare::integers("step")};
inline constexpr attribute_rule border_takes[] = {
    declare::integers("axes"), declare::integers("before"), declare::integers("after"),
    declare::number("value")};
}  // namespace detail

/// (tensors...) joined along the attribute "axis". ONNX Concat.
inline constexpr operator_schema concat{
    "concat", 1, -1, detail::infer_concat, 0, detail::concat_takes};
/// Parts along "axis": "count" equal ones, or of the extents "sizes". ONNX Split.
inline constexpr operator_schema split{"split", 1, 1, detail::infer_split, 0, detail::split_takes};
/// (x, likes...) -> x cut along "axis" into parts shaped as the likes, whose values are not read:
/// undoes concat.
inline constexpr operator_schema split_like{"split_like",        2, -1, detail::infer_split_like, 0,
                                            detail::concat_takes};
/// Elements "begin", "begin" + "step", ... ("size" of them; -1: all) of each of "axes". ONNX Slice.
inline constexpr operator_schema slice{"slice", 1, 1, detail::infer_slice, 0, detail::slice_takes};
/// (g, x: only its shape) -> zeros of x's shape with g where the slice of x was taken.
inline constexpr operator_schema slice_gradient{
    "slice_gradient", 2, 2, detail::infer_slice_gradient, shape_of_second, detail::slice_takes};
/// "value" in borders of "before" and "after" elements around each of "axes" (absent: all). ONNX
/// Pad.
inline constexpr operator_schema pad{
    "pad", 1, 1, detail::infer_border<false>, 0, detail::border_takes};
/// The borders of "before" and "after" elements cut off: undoes pad.
inline constexpr operator_schema crop{
    "crop", 1, 1, detail::infer_border<true>, 0, detail::border_takes};

}  // namespace ops

namespace detail {

template <std::int64_t Axis>
struct axis_attribute {
  static constexpr attribute_list list() {
    attribute_list a;
    a.set("axis", Axis);
    return a;
  }
};

template <std::int64_t Count, std::int64_t Axis>
struct split_attributes {
  static constexpr attribute_list list() {
    attribute_list a;
    a.set("axis", Axis);
    a.set("count", Count);
    return a;
  }
};

template <class... Along>
struct slice_attributes {
  static constexpr attribute_list list() {
    attribute_list a;
    a.set("axes", dims{Along::axis...});
    a.set("begin", dims{Along::begin...});
    a.set("size", dims{Along::size...});
    a.set("step", dims{Along::step...});
    return a;
  }
};

template <class... Border>
struct border_attributes {
  static constexpr attribute_list list() {
    attribute_list a;
    a.set("axes", dims{Border::axis...});
    a.set("before", dims{Border::before...});
    a.set("after", dims{Border::after...});
    return a;
  }
};

constexpr attribute_list border_list(const dims& before, const dims& after) {
  attribute_list a;
  a.set("before", before);
  a.set("after", after);
  return a;
}

template <class T>
inline constexpr bool is_along = false;
template <std::int64_t Axis, std::int64_t Begin, extent Size, std::int64_t Step>
inline constexpr bool is_along<along<Axis, Begin, Size, Step>> = true;
template <class T>
inline constexpr bool is_border = false;
template <std::int64_t Axis, std::int64_t Before, std::int64_t After>
inline constexpr bool is_border<border<Axis, Before, After>> = true;

}  // namespace detail

namespace detail {
template <std::int64_t Axis, tensor_like... Tensors>
constexpr auto concat_at(source_line here, const Tensors&... tensors) {
  return apply<ops::concat, axis_attribute<Axis>>({}, {}, here, tensors...);
}
}  // namespace detail

/// Joins tensors along an axis: `concat<1>(a, b, c)`. Errors tell the line of the call; of more than sixteen tensors do that
/// where they come as a list, as below, or joined in groups.
/// The tensors have one element type; their other extents are equal.
template <std::int64_t Axis, tensor_like A>
constexpr auto concat(const A& a, source_line here = source_line::now()) {
  return detail::concat_at<Axis>(here, a);
}
/// The same of as many tensors.
template <std::int64_t Axis, tensor_like A, tensor_like B>
constexpr auto concat(const A& a, const B& b, source_line here = source_line::now()) {
  return detail::concat_at<Axis>(here, a, b);
}
/// The same of as many tensors.
template <std::int64_t Axis, tensor_like A, tensor_like B, tensor_like C>
constexpr auto concat(const A& a, const B& b, const C& c, source_line here = source_line::now()) {
  return detail::concat_at<Axis>(here, a, b, c);
}
/// The same of as many tensors.
template <std::int64_t Axis, tensor_like A, tensor_like B, tensor_like C, tensor_like D>
constexpr auto concat(const A& a, const B& b, const C& c, const D& d,
                      source_line here = source_line::now()) {
  return detail::concat_at<Axis>(here, a, b, c, d);
}
/// The same of five to sixteen tensors.
template <std::int64_t Axis, tensor_like A, tensor_like B, tensor_like C, tensor_like D,
          tensor_like E, detail::tensor_or_absent F = detail::absent,
          detail::tensor_or_absent G = detail::absent, detail::tensor_or_absent H = detail::absent,
          detail::tensor_or_absent I = detail::absent, detail::tensor_or_absent J = detail::absent,
          detail::tensor_or_absent K = detail::absent, detail::tensor_or_absent L = detail::absent,
          detail::tensor_or_absent M = detail::absent, detail::tensor_or_absent N = detail::absent,
          detail::tensor_or_absent O = detail::absent, detail::tensor_or_absent P = detail::absent>
constexpr auto concat(const A& a, const B& b, const C& c, const D& d, const E& e, const F& f = {},
                      const G& g = {}, const H& h = {}, const I& i = {}, const J& j = {},
                      const K& k = {}, const L& l = {}, const M& m = {}, const N& n = {},
                      const O& o = {}, const P& p = {}, source_line here = source_line::now()) {
  return detail::call_with_present(
      [here](const auto&... tensors) { return detail::concat_at<Axis>(here, tensors...); }, a, b, c,
      d, e, f, g, h, i, j, k, l, m, n, o, p);
}
/// The same of more than sixteen. Errors cannot tell the line of the call.
template <std::int64_t Axis, tensor_like... Tensors>
  requires(sizeof...(Tensors) > 16)
constexpr auto concat(const Tensors&... tensors) {
  return detail::concat_at<Axis>({}, tensors...);
}
/// The same for a vector, array or span of handles and an axis known at run time.
/// @throws argument_error if there are none
template <class Tensors>
  requires tensor_like<decltype(*std::declval<const Tensors&>().data())>
constexpr auto concat(const Tensors& tensors, std::int64_t axis, name_view name = {},
                      source_line here = source_line::now()) {
  using handle = std::remove_cvref_t<decltype(*tensors.data())>;
  using Target = typename handle::target_type;
  if (tensors.size() == 0) {
    throw argument_error(
        {"tensors were to be joined", "there are none", "", "pass at least one tensor"});
  }
  small_vector<typename target_traits<Target>::reference, 4> refs;
  for (const handle& t : tensors) {
    detail::check_stated(ops::concat.name, here, t);
    refs.push_back(t.ref());
  }
  attribute_list a;
  a.set("axis", axis);
  return tensor<Target, handle::type, any_shape>(
      apply_dynamic<Target>(ops::concat, refs, a, name, here)[0]);
}

/// Takes a tensor apart into equal parts along an axis: `auto [q, k, v] = split<3, -1>(x);`
/// @return a tuple of Count handles
template <std::int64_t Count, std::int64_t Axis = 0, tensor_like X>
  requires(Count > 0)
constexpr auto split(const X& x, name_view name = {}, source_line here = source_line::now()) {
  // All parts have one type, so that there may be more of them than apply() returns.
  using Target = typename X::target_type;
  using traits = target_traits<Target>;
  using static_tensor = tensor<Target, X::type, typename X::shape_type>;
  using attributes = detail::split_attributes<Count, Axis>;
  constexpr const auto& result = detail::static_inference<ops::split, attributes, static_tensor>;
  detail::check_static<detail::schema_label<ops::split>(), result>();
  if constexpr (result.failed) {
    return std::array<tensor<Target, dtype::any, any_shape>, static_cast<std::size_t>(Count)>{};
  } else {
    using part = detail::output_tensor<Target, result, 0>;
    detail::check_stated(ops::split.name, here, x);
    const std::array<typename traits::reference, 1> operands{x.ref()};
    const auto refs = traits::add(traits::target_of(x.ref()), ops::split, operands,
                                  attributes::list(), name, here);
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return std::tuple{(static_cast<void>(I), part(refs[I]))...};
    }(std::make_index_sequence<static_cast<std::size_t>(Count)>{});
  }
}
/// The same for a count and an axis known at run time.
/// @return a vector of handles
template <tensor_like X>
constexpr auto split(const X& x, std::int64_t count, std::int64_t axis, name_view name = {},
                     source_line here = source_line::now()) {
  using Target = typename X::target_type;
  attribute_list a;
  a.set("axis", axis);
  a.set("count", count);
  detail::check_stated(ops::split.name, here, x);
  const std::array<typename target_traits<Target>::reference, 1> operands{x.ref()};
  const auto refs = apply_dynamic<Target>(ops::split, operands, a, name, here);
  std::vector<tensor<Target, X::type, any_shape>> parts;
  for (const auto& r : refs) parts.push_back(tensor<Target, X::type, any_shape>(r));
  return parts;
}
/// Takes a tensor apart into parts of given extents along an axis.
/// @param sizes extents of the parts, which add up to the axis
template <tensor_like X>
constexpr auto split(const X& x, const dims& sizes, std::int64_t axis, name_view name = {},
                     source_line here = source_line::now()) {
  using Target = typename X::target_type;
  attribute_list a;
  a.set("axis", axis);
  a.set("sizes", sizes);
  detail::check_stated(ops::split.name, here, x);
  const std::array<typename target_traits<Target>::reference, 1> operands{x.ref()};
  const auto refs = apply_dynamic<Target>(ops::split, operands, a, name, here);
  std::vector<tensor<Target, X::type, any_shape>> parts;
  for (const auto& r : refs) parts.push_back(tensor<Target, X::type, any_shape>(r));
  return parts;
}

/// Takes a part of a tensor: `slice<along<0, 2, 5>, along<1, -1, dyn, -1>>(x)` has rows 2 to 6 of
/// x, with the columns in reverse. Axes that are not named stay whole.
/// @throws shape_error "the slice must lie within the tensor": nothing is clamped
template <class... Along, tensor_like X>
  requires(sizeof...(Along) > 0 && (detail::is_along<Along> && ...))
constexpr auto slice(const X& x, name_view name = {}, source_line here = source_line::now()) {
  return apply<ops::slice, detail::slice_attributes<Along...>>({}, name, here, x);
}
/// The same along one axis known at run time.
template <tensor_like X>
constexpr auto slice(const X& x, std::int64_t axis, std::int64_t begin, extent size = dyn,
                     std::int64_t step = 1, name_view name = {},
                     source_line here = source_line::now()) {
  attribute_list a;
  a.set("axes", dims{axis});
  a.set("begin", dims{begin});
  a.set("size", dims{size});
  a.set("step", dims{step});
  return detail::apply_with<ops::slice, X::type>(a, name, here, x);
}

/// Surrounds a tensor by a constant: `pad<border<0, 1>, border<1, 0, 2>>(x)`.
/// @param value one that x's elements can hold; else dtype_error
template <class... Border, tensor_like X>
  requires(sizeof...(Border) > 0 && (detail::is_border<Border> && ...))
constexpr auto pad(const X& x, double value = 0, name_view name = {},
                   source_line here = source_line::now()) {
  attribute_list more;
  more.set("value", value);
  return apply<ops::pad, detail::border_attributes<Border...>>(more, name, here, x);
}
/// The same with borders known at run time.
/// @param before, after elements to add at both ends of every axis; as many as x has axes
template <tensor_like X>
constexpr auto pad(const X& x, const dims& before, const dims& after, double value = 0,
                   name_view name = {}, source_line here = source_line::now()) {
  attribute_list a = detail::border_list(before, after);
  a.set("value", value);
  return detail::apply_with<ops::pad, X::type>(a, name, here, x);
}

/// Cuts borders off: `crop<border<0, 1>>(pad<border<0, 1>>(x))` is x.
template <class... Border, tensor_like X>
  requires(sizeof...(Border) > 0 && (detail::is_border<Border> && ...))
constexpr auto crop(const X& x, name_view name = {}, source_line here = source_line::now()) {
  return apply<ops::crop, detail::border_attributes<Border...>>({}, name, here, x);
}
/// The same with axes or extents known at run time.
template <tensor_like X>
constexpr auto crop(const X& x, const dims& before, const dims& after, name_view name = {},
                    source_line here = source_line::now()) {
  return detail::apply_with<ops::crop, X::type>(detail::border_list(before, after), name, here, x);
}

}  // namespace graft
