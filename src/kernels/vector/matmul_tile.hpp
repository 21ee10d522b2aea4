// The inner kernel of the matrix product: one tile of c, held in registers over a run of k.
#pragma once

#include "simd.hpp"

namespace graft::kernels::GRAFT_KERNEL_ISA {

// Tile of rows x vectors: as many accumulators as leave registers for a row of b and one element of
// a.
#if defined __AVX512F__
inline constexpr int64_t tile_rows = 12, tile_vectors = 2;
#else
inline constexpr int64_t tile_rows = 6, tile_vectors = 2;
#endif
template <class T>
inline constexpr int64_t tile_cols = tile_vectors * width<T>;

// What happens to a finished tile.
template <class T>
struct tile_output {
  T* c = nullptr;
  int64_t ldc = 0;
  bool add = false;                // to what c holds
  const T* column_bias = nullptr;  // or null
  const T* row_bias = nullptr;     // or null
  bool relu = false;
};

// c[r][...] over R rows and V vectors, the last of which has `lanes` elements. Element (r, p) of a
// stands at a[r * row_step + p * k_step]; row p of b at b + p * b_step. Every element of c is one
// chain of additions in the order of k, whatever the tile: how a product is cut into tiles does not
// change its bits.
template <class T, int R, int V, bool PackedA, bool MaskB>
void tile(int64_t k, const T* a, int64_t row_step, int64_t k_step, const T* b, int64_t b_step,
          int64_t lanes, const tile_output<T>& out) {
  constexpr int64_t w = width<T>;
  vec<T> acc[R][V];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) acc[r][v] = vec<T>(T(0));
  }
  // One pointer for three rows: the rest is reached by scaled addressing, and registers do not run
  // out.
  constexpr int groups = (R + 2) / 3;
  const T* rows[groups];
#pragma GCC unroll 8
  for (int g = 0; g < groups; ++g) rows[g] = a + 3 * g * row_step;

  // c is needed when all is done, and nothing is left to do while it comes.
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) __builtin_prefetch(out.c + r * out.ldc + v * w, 1);
  }

  for (int64_t p = 0; p < k; ++p) {
    vec<T> bv[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      bv[v] = MaskB && v == V - 1 ? load_partial(b + v * w, lanes) : load(b + v * w);
    }
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const vec<T> av(PackedA ? a[r] : *(rows[r / 3] + (r % 3) * row_step));
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) acc[r][v] = fma(av, bv[v], acc[r][v]);
    }
    b += b_step;
    if constexpr (PackedA) {
      a += tile_rows;
    } else {
#pragma GCC unroll 8
      for (int g = 0; g < groups; ++g) rows[g] += k_step;
    }
  }

  const vec<T> zero(T(0));
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    T* c = out.c + r * out.ldc;
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      const bool partial = v == V - 1 && lanes < w;
      vec<T> x = acc[r][v];
      if (out.add) x = (partial ? load_partial(c + v * w, lanes) : load(c + v * w)) + x;
      if (out.column_bias != nullptr) {
        x = x + (partial ? load_partial(out.column_bias + v * w, lanes)
                         : load(out.column_bias + v * w));
      }
      if (out.row_bias != nullptr) x = x + vec<T>(out.row_bias[r]);
      if (out.relu) x = select(x < zero, zero, x);
      if (partial)
        store_partial(c + v * w, x, lanes);
      else
        store(c + v * w, x);
    }
  }
}

template <class T>
using tile_function = void (*)(int64_t, const T*, int64_t, int64_t, const T*, int64_t, int64_t,
                               const tile_output<T>&);

template <class T, bool MaskB, int... Index>
struct tile_list {
  // Entry (rows - 1) * tile_vectors + vectors - 1.
  static constexpr tile_function<T> entries[] = {
      tile<T, Index / tile_vectors + 1, Index % tile_vectors + 1, false, MaskB>...};
};
template <class T, bool MaskB, int N, int... Index>
struct make_tile_list : make_tile_list<T, MaskB, N - 1, N - 1, Index...> {};
template <class T, bool MaskB, int... Index>
struct make_tile_list<T, MaskB, 0, Index...> : tile_list<T, MaskB, Index...> {};

template <class T>
GRAFT_INLINE tile_function<T> find_tile(int64_t rows, int64_t vectors, bool mask_b) {
  constexpr int count = static_cast<int>(tile_rows * tile_vectors);
  const int64_t at = (rows - 1) * tile_vectors + vectors - 1;
  return mask_b ? make_tile_list<T, true, count>::entries[at]
                : make_tile_list<T, false, count>::entries[at];
}

}  // namespace graft::kernels::GRAFT_KERNEL_ISA
