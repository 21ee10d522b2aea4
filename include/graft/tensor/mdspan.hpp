// Arrays as multidimensional spans: std::mdspan, or a type like it.
#pragma once

#include <array>
#include <concepts>
#include <string>
#include <type_traits>

#include "graft/tensor/array.hpp"

namespace graft {

/// What std::mdspan (C++23) and its implementations for earlier standards have in common.
template <class M>
concept multidimensional_span =
    element<std::remove_const_t<typename M::element_type>> && requires(std::size_t i) {
      { M::rank() } -> std::convertible_to<std::size_t>;
      { M::static_extent(i) } -> std::convertible_to<std::size_t>;
    } && std::constructible_from<M, typename M::element_type*, std::array<extent, M::rank()>>;

namespace detail {

template <class M>
std::array<extent, M::rank()> extents_for(const Array& array) {
  const auto refuse = [&](const std::string& found) {
    throw shape_error({"an array of " + to_string(array.shape()) +
                           " was to be viewed as a span of rank " + std::to_string(M::rank()),
                       found, "", "reshape it, or view it with the extents it has"});
  };
  if (array.rank() != M::rank()) refuse("its rank is " + std::to_string(array.rank()));
  std::array<extent, M::rank()> extents{};
  for (std::size_t i = 0; i < extents.size(); ++i) {
    extents[i] = array.shape()[i];
    const std::size_t wanted = M::static_extent(i);
    if (wanted != std::size_t(-1) && static_cast<std::size_t>(extents[i]) != wanted) {
      refuse("axis " + std::to_string(i) + " of the span is " + std::to_string(wanted) + " long");
    }
  }
  return extents;
}

}  // namespace detail

/// An array as a span in row-major order, without copying: `as_mdspan<std::mdspan<const float, std::dextents<int, 2>>>(a)`.
/// Valid as long as the array is and is not written. A span of elements that are not const makes the
/// storage the array's own first.
/// @throws shape_error where rank or static extents differ, dtype_error for other elements
template <multidimensional_span M>
  requires std::is_const_v<typename M::element_type>
[[nodiscard]] M as_mdspan(const Array& array) {
  const auto extents = detail::extents_for<M>(array);
  return M(array.span<std::remove_const_t<typename M::element_type>>().data(), extents);
}
/// The same to write through; makes the storage the array's own first.
template <multidimensional_span M>
  requires(!std::is_const_v<typename M::element_type>)
[[nodiscard]] M as_mdspan(Array& array) {
  const auto extents = detail::extents_for<M>(array);
  return M(array.mutable_span<typename M::element_type>().data(), extents);
}
/// A view of a temporary would dangle.
template <multidimensional_span M>
M as_mdspan(const Array&&) = delete;

}  // namespace graft
