// Axes of tensors: normalising them, static lists of them, and ops whose attributes come at run
// time.
#pragma once

#include "graft/schema/apply.hpp"

namespace graft {

/// A list of axes in a type: `sum<axes<0, -1>>(x)`. Negative axes count from the last one.
template <extent... Axes>
struct axes {
  static constexpr attribute_list list() {
    attribute_list a;
    a.set("axes", dims{Axes...});
    return a;
  }
};

/// All axes: what a reduction takes when it is told none.
struct all_axes {
  static constexpr attribute_list list() { return {}; }
};

/// Axes as an argument: one, a list in braces, or dims. `sum(x, 0)`, `sum(x, {0, -1})`, `sum(x, some)`.
class axis_list {
 public:
  /// One axis.
  template <class Axis>
    requires(std::is_integral_v<Axis> && !std::is_same_v<Axis, bool>)
  constexpr axis_list(Axis axis) : axes_{static_cast<extent>(axis)} {}  // NOLINT: one is a list
  /// Several in braces; {} is none.
  constexpr axis_list(std::initializer_list<extent> list) : axes_(list) {}
  /// As many as the list has.
  constexpr axis_list(const dims& list) : axes_(list) {}  // NOLINT: dims are one

  /// The axes as they were given.
  constexpr operator const dims&() const { return axes_; }  // NOLINT: it is one, too

 private:
  dims axes_;
};

/// Returns the axis counted from the first one, or -1 if it is outside [-rank, rank).
constexpr extent normalized_axis(extent axis, std::size_t rank) {
  const auto n = static_cast<extent>(rank);
  if (axis < -n || axis >= n) return -1;
  return axis < 0 ? axis + n : axis;
}

/// Which axes of a tensor are meant.
struct axis_marks {
  const char* fault = nullptr;   ///< a clause: out of range, or named twice
  small_vector<bool, 6> marked;  ///< one an axis: whether it was named
};

/// Marks the axes of a list among `rank` axes.
constexpr axis_marks mark_axes(const dims& list, std::size_t rank) {
  axis_marks result;
  result.marked.resize(rank, false);
  for (const extent axis : list) {
    const extent place = normalized_axis(axis, rank);
    if (place < 0) {
      result.fault = "every axis must be one of the tensor's";
      return result;
    }
    bool& mark = result.marked[static_cast<std::size_t>(place)];
    if (mark) {
      result.fault = "no axis may be named twice";
      return result;
    }
    mark = true;
  }
  return result;
}

namespace detail {

/// The attribute of all_axes or axes<...>, with one flag more.
template <class Axes, bool KeepDims>
struct reduce_attributes {
  static constexpr attribute_list list() {
    attribute_list a = Axes::list();
    if (KeepDims) a.set("keepdims", true);
    return a;
  }
};

/// Adds an op whose attributes are known only at run time; returns its first output.
template <const operator_schema& Schema, dtype Type, class Target, dtype... Types, class... Shapes>
constexpr tensor<Target, Type, any_shape> apply_with(
    const attribute_list& attributes, std::string_view name, source_line here,
    const tensor<Target, Types, Shapes>&... operands) {
  check_stated(Schema.name, here, operands...);
  const std::array<typename target_traits<Target>::reference, sizeof...(operands)> refs{
      operands.ref()...};
  return tensor<Target, Type, any_shape>(
      apply_dynamic<Target>(Schema, refs, attributes, name, here)[0]);
}

}  // namespace detail
}  // namespace graft
