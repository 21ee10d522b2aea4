// Feeds: values given to tensors for one run.
#pragma once

#include <initializer_list>
#include <span>
#include <type_traits>

#include "graft/graph/graph.hpp"
#include "graft/schema/mismatch.hpp"

namespace graft {

/// A value for a tensor in one run. Any tensor can be fed: what would have computed it is then not
/// run.
struct feed_item {
  any_tensor target;  ///< what gets the value
  Array value;        ///< of the target's element type, and of a shape that fits its own
};

/// Feeds an array; its storage is shared, not copied.
inline feed_item feed(const any_tensor& target, Array value) { return {target, std::move(value)}; }

namespace detail {

/// The shape of `count` elements for a tensor of which at most one extent is unknown.
/// @throws shape_error where they do not fill it
dims feed_shape(const graph_reference& target, std::size_t count);

// Nothing is converted: write 1.0f for float, std::int64_t{1} for int64.
template <dtype Type, class T>
constexpr void check_feed_element() {
  if constexpr (Type != dtype::any && Type != dtype_of<T>) {
    refuse_type<text("feed"), Type, dtype_of<T>>();
  }
}

template <class Range>
using range_element =
    std::remove_cv_t<typename decltype(std::span(std::declval<const Range&>()))::element_type>;

}  // namespace detail

/// Feeds elements in row-major order from a vector, array or span. At most one extent of the tensor
/// may be unknown; it follows from the number of elements.
/// Elements of another type than the tensor's do not compile: nothing is converted.
/// @throws shape_error where the number of elements does not fit; dtype_error where only the graph knows the type
template <dtype Type, class Shape, class Range>
  requires element<detail::range_element<Range>>
feed_item feed(const tensor<Graph, Type, Shape>& target, const Range& values) {
  using T = detail::range_element<Range>;
  detail::check_feed_element<Type, T>();
  const std::span<const T> elements(values);
  return {target, Array::from<T>(detail::feed_shape(target.ref(), elements.size()), elements)};
}
/// A feed of elements listed in place, in row-major order.
template <dtype Type, class Shape, element T>
feed_item feed(const tensor<Graph, Type, Shape>& target, std::initializer_list<T> values) {
  return feed(target, std::span<const T>(values.begin(), values.size()));
}
/// Feeds one number to a scalar.
template <dtype Type, class Shape, element T>
feed_item feed(const tensor<Graph, Type, Shape>& target, T value) {
  return feed(target, std::span<const T>(&value, 1));
}

/// Feeds zeros of a shape: for prepare(), where only the shape counts.
feed_item shaped(const any_tensor& target, const dims& shape);

}  // namespace graft
