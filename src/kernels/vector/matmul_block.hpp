// The blocked matrix product in floating point; where b comes from is the caller's choice.
//
// Each element of c is a chain of fused additions in the order of k, in runs of at most
// `run_length`, so neither tiles, nor panels, nor chunks change the bits.
#pragma once

#include "../kernels.hpp"
#include "matmul_pack.hpp"
#include "matmul_tile.hpp"

namespace graft::kernels::GRAFT_KERNEL_ISA {

// A run of k in a panel of b should stay in the first-level cache, a block of a in the second, b in
// the third.
template <class T>
inline constexpr int64_t run_length = sizeof(T) == 4 ? 320 : 192;
inline constexpr int64_t block_rows = tile_rows * (tile_rows > 6 ? 16 : 24);
inline constexpr int64_t block_cols = 2048;
inline constexpr int64_t cache_line = 64;

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

// k in equal runs rather than full ones and a rest.
template <class T>
int64_t run_of(int64_t k) {
  const int64_t runs = larger(int64_t{1}, ceil_div(k, run_length<T>));
  return larger(int64_t{1}, ceil_div(k, runs));
}

// Whether tiles read b where it lies. Packing pays when b is read by many tiles of rows, or by some from memory: from
// the caches a few of them read rows that lie apart as fast as packed ones, but for narrow pieces of rows that are pages
// apart, which fall into the same places of the first cache.
template <class T>
bool reads_b_directly(int64_t m, int64_t n, int64_t k, bool trans_b) {
  if (trans_b) return false;
  if (width<T> * sizeof(T) < 32 && n % width<T> != 0) return false;  // no masked loads
  constexpr int64_t first_cache = int64_t{32} << 10, caches = int64_t{4} << 20, page = 4096;
  constexpr int64_t some_rows = 72, wide = 128;
  const int64_t row = n * static_cast<int64_t>(sizeof(T)), bytes = k * row;
  if (m <= 2 * tile_rows || bytes <= first_cache) return true;
  const bool apart = tile_cols<T> * static_cast<int64_t>(sizeof(T)) >= wide || row % page != 0;
  return m <= some_rows && bytes <= caches && apart;
}
// Whether tiles read a where it lies.
template <class T>
bool reads_a_directly(int64_t m, int64_t n, int64_t k) {
  return n <= 2 * tile_cols<T> || m <= tile_rows ||
         k * m * static_cast<int64_t>(sizeof(T)) <= 32768;
}

template <class T>
struct plan {
  bool direct_a, direct_b;
  int64_t run, rows, cols;   // block sizes
  int64_t a_count, b_count;  // elements of scratch
};

template <class T>
plan<T> make_plan(int64_t m, int64_t n, int64_t k, bool trans_b) {
  plan<T> p{};
  p.direct_a = reads_a_directly<T>(m, n, k);
  p.direct_b = reads_b_directly<T>(m, n, k, trans_b);
  p.run = run_of<T>(k);
  p.rows = p.direct_a ? larger(m, int64_t{1}) : smaller(block_rows, round_up(m, tile_rows));
  p.cols = p.direct_b ? larger(n, int64_t{1}) : smaller(block_cols, round_up(n, tile_cols<T>));
  p.a_count =
      p.direct_a ? 0 : round_up(p.rows * p.run, cache_line / static_cast<int64_t>(sizeof(T)));
  p.b_count = p.direct_b ? 0 : p.cols * p.run;
  return p;
}

struct range {
  int64_t begin, end;
};

template <class T>
int64_t plan_bytes(const plan<T>& p) {
  const int64_t count = p.a_count + p.b_count;
  return count == 0 ? 0 : count * static_cast<int64_t>(sizeof(T)) + cache_line;
}

template <class T>
T* aligned(void* scratch) {
  return reinterpret_cast<T*>((reinterpret_cast<std::uintptr_t>(scratch) + cache_line - 1) /
                              cache_line * cache_line);
}

template <class T>
void pack_a(const matmul_args& g, int64_t i0, int64_t m, int64_t p0, int64_t k, T* dst) {
  const T* a = static_cast<const T*>(g.a);
  for (int64_t i = 0; i < m; i += tile_rows) {
    const int64_t lines = smaller(tile_rows, m - i);
    if (g.trans_a)
      pack_steps(a + p0 * g.lda + i0 + i, g.lda, dst + i * k, tile_rows, lines, k);
    else
      pack_lines(a + (i0 + i) * g.lda + p0, g.lda, dst + i * k, tile_rows, lines, k);
  }
}

// pack_b(j0, n, p0, k, dst) writes columns [j0, j0 + n) and steps [p0, p0 + k) of b in panels of
// tile_cols, the last one as narrow as whole vectors allow; it is not called when the plan reads b
// directly.
template <class T, class PackB>
void multiply_blocks(const matmul_args& g, const plan<T>& p, range rows, range cols, PackB pack_b) {
  if (rows.begin >= rows.end || cols.begin >= cols.end) return;
  T* packed_a = aligned<T>(g.scratch);
  T* packed_b = packed_a + p.a_count;
  const T* a = static_cast<const T*>(g.a);
  const T* b = static_cast<const T*>(g.b);
  const T* column_bias = static_cast<const T*>(g.column_bias);
  const T* row_bias = static_cast<const T*>(g.row_bias);
  const int64_t a_row = g.trans_a ? 1 : g.lda, a_step = g.trans_a ? g.lda : 1;

  for (int64_t j0 = cols.begin; j0 < cols.end; j0 += p.cols) {
    const int64_t nb = smaller(p.cols, cols.end - j0);
    int64_t p0 = 0;
    do {  // once even when k is 0: c is still to be written
      const int64_t kb = smaller(p.run, g.k - p0);
      const bool last = p0 + kb >= g.k;
      if (!p.direct_b) pack_b(j0, nb, p0, kb, packed_b);
      for (int64_t i0 = rows.begin; i0 < rows.end; i0 += p.rows) {
        const int64_t mb = smaller(p.rows, rows.end - i0);
        if (!p.direct_a) pack_a<T>(g, i0, mb, p0, kb, packed_a);
        for (int64_t j = 0; j < nb; j += tile_cols<T>) {
          const int64_t n = smaller(tile_cols<T>, nb - j);
          const int64_t vectors = ceil_div(n, width<T>);
          const int64_t lanes = n - (vectors - 1) * width<T>;
          const T* bp = p.direct_b ? b + p0 * g.ldb + j0 + j : packed_b + j * kb;
          const int64_t b_step = p.direct_b ? g.ldb : vectors * width<T>;
          const bool mask_b = p.direct_b && lanes < width<T>;
          tile_output<T> out;
          out.ldc = g.ldc;
          out.add = g.accumulate || p0 > 0;
          out.column_bias = last && column_bias != nullptr ? column_bias + j0 + j : nullptr;
          out.relu = last && g.after == epilogue::relu;
          for (int64_t i = 0; i < mb; i += tile_rows) {
            const int64_t m = smaller(tile_rows, mb - i);
            out.c = static_cast<T*>(g.c) + (i0 + i) * g.ldc + j0 + j;
            out.row_bias = last && row_bias != nullptr ? row_bias + i0 + i : nullptr;
            if (!p.direct_a && m == tile_rows && vectors == tile_vectors && !mask_b) {
              tile<T, tile_rows, tile_vectors, true, false>(kb, packed_a + i * kb, 0, 0, bp, b_step,
                                                            lanes, out);
            } else if (p.direct_a) {
              find_tile<T>(m, vectors, mask_b)(kb, a + (i0 + i) * a_row + p0 * a_step, a_row,
                                               a_step, bp, b_step, lanes, out);
            } else {
              find_tile<T>(m, vectors, mask_b)(kb, packed_a + i * kb, 1, tile_rows, bp, b_step,
                                               lanes, out);
            }
          }
        }
      }
      p0 += kb;
    } while (p0 < g.k);
  }
}

}  // namespace graft::kernels::GRAFT_KERNEL_ISA
