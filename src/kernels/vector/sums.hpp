// Sums whose tree is fixed by the number of terms.
#pragma once

#include "simd.hpp"

namespace graft::kernels::GRAFT_KERNEL_ISA {

// Sum of f(i, count) over a row of n elements: `count` lanes from element i, the others zero. Four
// chains of vectors in each block of 4096; the blocks are added in double precision.
template <class T, class F>
GRAFT_INLINE T row_sum(int64_t n, F f) {
  constexpr int64_t w = width<T>, block = 4096;
  double total = 0.0;
  for (int64_t start = 0; start < n; start += block) {
    const int64_t end = smaller(n, start + block);
    vec<T> s0(T(0)), s1(T(0)), s2(T(0)), s3(T(0));
    int64_t i = start;
    for (; i + 4 * w <= end; i += 4 * w) {
      s0 = s0 + f(i, w);
      s1 = s1 + f(i + w, w);
      s2 = s2 + f(i + 2 * w, w);
      s3 = s3 + f(i + 3 * w, w);
    }
    for (; i + w <= end; i += w) s0 = s0 + f(i, w);
    if (i < end) s1 = s1 + f(i, end - i);
    total += static_cast<double>(sum((s0 + s1) + (s2 + s3)));
  }
  return static_cast<T>(total);
}

// `count` elements from p, zeros after them.
template <class T>
GRAFT_INLINE vec<T> load_lanes(const T* p, int64_t count) {
  return count == width<T> ? load(p) : load_partial(p, count);
}
template <class T>
GRAFT_INLINE void store_lanes(T* p, vec<T> v, int64_t count) {
  if (count == width<T>)
    store(p, v);
  else
    store_partial(p, v, count);
}

// Combines f(0), f(1), ... f(rows - 1), each a vector of its own column: 64 in a chain, then
// pairwise, which needs one kept vector for each bit of the number of chains.
template <class V, class F, class C>
GRAFT_INLINE V column_fold(int64_t rows, V neutral, F f, C combine) {
  constexpr int64_t chain = 64;
  if (rows <= chain) {
    V acc = neutral;
    for (int64_t r = 0; r < rows; ++r) acc = combine(acc, f(r));
    return acc;
  }
  V kept[58];
  int64_t chains = 0;
  int level = 0;
  for (int64_t start = 0; start < rows; start += chain) {
    const int64_t end = smaller(rows, start + chain);
    V acc = neutral;
    for (int64_t r = start; r < end; ++r) acc = combine(acc, f(r));
    for (int64_t b = chains; (b & 1) != 0; b >>= 1) acc = combine(kept[--level], acc);
    kept[level++] = acc;
    ++chains;
  }
  V acc = kept[--level];
  while (level > 0) acc = combine(kept[--level], acc);
  return acc;
}

}  // namespace graft::kernels::GRAFT_KERNEL_ISA
