// Shapes as types.
#pragma once

#include "graft/core/dims.hpp"

namespace graft {

/// The shape of a tensor as a type; each extent is known, `dyn` or `dim<"name">`.
template <extent... Extents>
struct shape {
  static constexpr bool ranked = true;                     ///< the number of axes is known
  static constexpr std::size_t rank = sizeof...(Extents);  ///< the number of axes
  static constexpr extent extents[] = {Extents..., 0};     ///< and one more, as scalars have none
  /// Returns the extents as a list.
  static constexpr dims list() { return dims{Extents...}; }
};

/// The shape of a tensor whose rank is known only at run time.
struct any_shape {
  static constexpr bool ranked = false;     ///< not even the rank is known
  static constexpr std::size_t rank = 0;    ///< says nothing
  static constexpr extent extents[] = {0};  ///< says nothing
  /// An empty list, as there is nothing to tell.
  static constexpr dims list() { return {}; }
};

template <class T>
inline constexpr bool is_shape = false;
template <extent... Extents>
inline constexpr bool is_shape<shape<Extents...>> = true;
template <>
inline constexpr bool is_shape<any_shape> = true;

/// Shapes as types: shape<...> and any_shape.
template <class T>
concept shape_type = is_shape<T>;

}  // namespace graft
