// Matrix times vector: bound by memory, so the matrix is read once, in order.
#pragma once

#include "matmul_tile.hpp"

namespace graft::kernels::GRAFT_KERNEL_ISA {

template <class T>
GRAFT_INLINE vec<T> finish(vec<T> x, vec<T> bias, bool relu) {
  const vec<T> zero(T(0));
  x = x + bias;
  return relu ? select(x < zero, zero, x) : x;
}

// y[j] = sum over p of x[p] m[p][j]: rows of m in fours, so that y is read and written a quarter as
// often. y lies in a strip short enough for the first cache.
template <class T>
void combine_rows(const T* m, int64_t stride, const T* x, T* y, int64_t rows, int64_t cols,
                  bool add, const T* bias, T shared_bias, bool relu) {
  constexpr int64_t w = width<T>, strip = 2048;
  for (int64_t j0 = 0; j0 < cols; j0 += strip) {
    const int64_t end = smaller(cols, j0 + strip);
    int64_t p = 0;
    do {
      const int64_t n = smaller(int64_t{4}, rows - p);
      const bool first = p == 0 && !add, last = p + n >= rows;
      const vec<T> zero(T(0));
      const vec<T> x0(n > 0 ? x[p] : T(0)), x1(n > 1 ? x[p + 1] : T(0)),
          x2(n > 2 ? x[p + 2] : T(0)), x3(n > 3 ? x[p + 3] : T(0));
      const T* m0 = m + p * stride;
      const bool closing = last && (bias != nullptr || shared_bias != T(0) || relu);
      for (int64_t j = j0; j < end; j += w) {
        const int64_t lanes = smaller(w, end - j);
        const auto at = [&](const T* q) __attribute__((always_inline)) {
          return lanes == w ? load(q) : load_partial(q, lanes);
        };
        vec<T> s = first ? zero : at(y + j);
        if (n == 4) {
          s = fma(x0, at(m0 + j), s);
          s = fma(x1, at(m0 + stride + j), s);
          s = fma(x2, at(m0 + 2 * stride + j), s);
          s = fma(x3, at(m0 + 3 * stride + j), s);
        } else {
          if (n > 0) s = fma(x0, at(m0 + j), s);
          if (n > 1) s = fma(x1, at(m0 + stride + j), s);
          if (n > 2) s = fma(x2, at(m0 + 2 * stride + j), s);
        }
        if (closing) s = finish<T>(s, bias != nullptr ? at(bias + j) : vec<T>(shared_bias), relu);
        if (lanes == w)
          store(y + j, s);
        else
          store_partial(y + j, s, lanes);
      }
      p += 4;
    } while (p < rows);
  }
}

// The same for at most one vector of columns: four chains over p, or the latency of one would rule.
template <class T>
void combine_narrow_rows(const T* m, int64_t stride, const T* x, T* y, int64_t rows, int64_t cols,
                         bool add, const T* bias, T shared_bias, bool relu) {
  if (cols <= 0) return;
  const auto at = [&](const T* q) __attribute__((always_inline)) {
    return cols == width<T> ? load(q) : load_partial(q, cols);
  };
  const vec<T> zero(T(0));
  vec<T> s0 = zero, s1 = zero, s2 = zero, s3 = zero;
  int64_t p = 0;
  for (; p + 4 <= rows; p += 4) {
    s0 = fma(vec<T>(x[p]), at(m + p * stride), s0);
    s1 = fma(vec<T>(x[p + 1]), at(m + (p + 1) * stride), s1);
    s2 = fma(vec<T>(x[p + 2]), at(m + (p + 2) * stride), s2);
    s3 = fma(vec<T>(x[p + 3]), at(m + (p + 3) * stride), s3);
  }
  for (; p < rows; ++p) s0 = fma(vec<T>(x[p]), at(m + p * stride), s0);
  vec<T> s = (s0 + s1) + (s2 + s3);
  if (add) s = at(y) + s;
  s = finish<T>(s, bias != nullptr ? at(bias) : vec<T>(shared_bias), relu);
  if (cols == width<T>)
    store(y, s);
  else
    store_partial(y, s, cols);
}

// One lane-split dot product of N rows of m with x.
template <class T, int N>
GRAFT_INLINE void dots(const T* m, int64_t stride, const T* x, int64_t cols, T* result) {
  constexpr int64_t w = width<T>;
  vec<T> s[N][2];
#pragma GCC unroll 4
  for (int i = 0; i < N; ++i) s[i][0] = s[i][1] = vec<T>(T(0));
  int64_t j = 0;
  for (; j + 2 * w <= cols; j += 2 * w) {
    const vec<T> x0 = load(x + j), x1 = load(x + j + w);
#pragma GCC unroll 4
    for (int i = 0; i < N; ++i) {
      s[i][0] = fma(x0, load(m + i * stride + j), s[i][0]);
      s[i][1] = fma(x1, load(m + i * stride + j + w), s[i][1]);
    }
  }
  for (; j < cols; j += w) {
    const int64_t lanes = smaller(w, cols - j);
    const vec<T> x0 = lanes == w ? load(x + j) : load_partial(x + j, lanes);
#pragma GCC unroll 4
    for (int i = 0; i < N; ++i) {
      const T* q = m + i * stride + j;
      s[i][0] = fma(x0, lanes == w ? load(q) : load_partial(q, lanes), s[i][0]);
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < N; ++i) result[i] = sum(s[i][0] + s[i][1]);
}

// y[i * y_step] = m[i] . x
template <class T>
void dot_rows(const T* m, int64_t stride, const T* x, T* y, int64_t y_step, int64_t rows,
              int64_t cols, bool add, const T* bias, T shared_bias, bool relu) {
  const auto put = [&](int64_t i, T v) __attribute__((always_inline)) {
    if (add) v = y[i * y_step] + v;
    v = v + (bias != nullptr ? bias[i] : shared_bias);
    y[i * y_step] = relu && v < T(0) ? T(0) : v;
  };
  int64_t i = 0;
  for (; i + 4 <= rows; i += 4) {
    T r[4];
    dots<T, 4>(m + i * stride, stride, x, cols, r);
    for (int64_t l = 0; l < 4; ++l) put(i + l, r[l]);
  }
  for (; i < rows; ++i) {
    T r[1];
    dots<T, 1>(m + i * stride, stride, x, cols, r);
    put(i, r[0]);
  }
}

}  // namespace graft::kernels::GRAFT_KERNEL_ISA
