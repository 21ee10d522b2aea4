// The element types of static networks.
#pragma once

#include <cstdint>
#include <type_traits>

#include "graft/core/dtype.hpp"

namespace graft::fixed {

/// Whether static networks hold elements of a type. The halves are storage only, and texts have no fixed size.
constexpr bool is_computed_type(dtype type) {
  return type == dtype::float32 || type == dtype::float64 || is_integer(type) ||
         type == dtype::boolean;
}

/// The C++ type of an element; float where there is none that is computed with.
template <dtype Type>
constexpr auto element_value() {
  if constexpr (Type == dtype::float64) {
    return double{};
  } else if constexpr (Type == dtype::int8) {
    return std::int8_t{};
  } else if constexpr (Type == dtype::int16) {
    return std::int16_t{};
  } else if constexpr (Type == dtype::int32) {
    return std::int32_t{};
  } else if constexpr (Type == dtype::int64) {
    return std::int64_t{};
  } else if constexpr (Type == dtype::uint8) {
    return std::uint8_t{};
  } else if constexpr (Type == dtype::uint16) {
    return std::uint16_t{};
  } else if constexpr (Type == dtype::uint32) {
    return std::uint32_t{};
  } else if constexpr (Type == dtype::uint64) {
    return std::uint64_t{};
  } else if constexpr (Type == dtype::boolean) {
    return bool{};
  } else {
    return float{};
  }
}
template <dtype Type>
using element_type = decltype(element_value<Type>());

template <class T>
inline constexpr bool is_real = std::is_same_v<T, float> || std::is_same_v<T, double>;

/// Bytes of the widest vectors; what vectors read is padded to a multiple.
inline constexpr std::size_t vector_bytes = 32;
constexpr std::size_t padded_bytes(std::size_t bytes) {
  return (bytes + vector_bytes - 1) / vector_bytes * vector_bytes;
}
/// The number of elements of so many bytes each, up to the end of a vector.
constexpr std::size_t padded(std::size_t count, std::size_t size) {
  return padded_bytes(count * size) / size;
}

/// Matrices of products are packed in panels of this many bytes of every row, the last one narrower: what one
/// tile reads lies together.
inline constexpr std::size_t panel_bytes = 64;

}  // namespace graft::fixed
