// Matrices laid out as the tiles of a product read them, for the static executor.
#pragma once

#include <cstddef>

#include "graft/static/types.hpp"

namespace graft::fixed {

/// Packs a matrix [k][n], or [n][k] if it is to be transposed, in panels of columns: every panel holds k lines of
/// panel_bytes, the last one of half of them where no more are needed; columns beyond n are 0.
/// @param to k * padded(n, sizeof(T)) elements
template <class T>
void pack_panels(const T* from, T* to, std::size_t k, std::size_t n, bool transposed) {
  constexpr std::size_t columns = panel_bytes / sizeof(T);
  const std::size_t all = padded(n, sizeof(T));
  for (std::size_t first = 0; first < all; first += columns) {
    const std::size_t across = all - first < columns ? all - first : columns;
    const std::size_t there = n - first < across ? n - first : across;
    for (std::size_t r = 0; r < k; ++r, to += across) {
      for (std::size_t c = 0; c < there; ++c) {
        to[c] = transposed ? from[(first + c) * k + r] : from[r * n + first + c];
      }
      for (std::size_t c = there; c < across; ++c) to[c] = T(0);
    }
  }
}

}  // namespace graft::fixed
