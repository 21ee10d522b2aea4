// Copies of matrix blocks into the order the inner kernel reads them: panels of `panel` lines, each
// step of k holding one element of every line side by side. Lines missing at the edge are zeros.
#pragma once

#include "simd.hpp"

namespace graft::kernels::GRAFT_KERNEL_ISA {

// dst[p * step + l] = src[l * stride + p] for 4 lines l and n steps p: 4 x 4 blocks turned over in
// registers.
GRAFT_INLINE void interleave4(const float* src, int64_t stride, float* dst, int64_t step,
                              int64_t n) {
  int64_t p = 0;
  for (; p + 4 <= n; p += 4) {
    const __m128 a = _mm_loadu_ps(src + p), b = _mm_loadu_ps(src + stride + p);
    const __m128 c = _mm_loadu_ps(src + 2 * stride + p), d = _mm_loadu_ps(src + 3 * stride + p);
    const __m128 ab0 = _mm_unpacklo_ps(a, b), ab1 = _mm_unpackhi_ps(a, b);
    const __m128 cd0 = _mm_unpacklo_ps(c, d), cd1 = _mm_unpackhi_ps(c, d);
    _mm_storeu_ps(dst + p * step, _mm_movelh_ps(ab0, cd0));
    _mm_storeu_ps(dst + (p + 1) * step, _mm_movehl_ps(cd0, ab0));
    _mm_storeu_ps(dst + (p + 2) * step, _mm_movelh_ps(ab1, cd1));
    _mm_storeu_ps(dst + (p + 3) * step, _mm_movehl_ps(cd1, ab1));
  }
  for (; p < n; ++p) {
    for (int64_t l = 0; l < 4; ++l) dst[p * step + l] = src[l * stride + p];
  }
}

GRAFT_INLINE void interleave4(const double* src, int64_t stride, double* dst, int64_t step,
                              int64_t n) {
  int64_t p = 0;
  for (; p + 2 <= n; p += 2) {
    const __m128d a = _mm_loadu_pd(src + p), b = _mm_loadu_pd(src + stride + p);
    const __m128d c = _mm_loadu_pd(src + 2 * stride + p), d = _mm_loadu_pd(src + 3 * stride + p);
    _mm_storeu_pd(dst + p * step, _mm_unpacklo_pd(a, b));
    _mm_storeu_pd(dst + p * step + 2, _mm_unpacklo_pd(c, d));
    _mm_storeu_pd(dst + (p + 1) * step, _mm_unpackhi_pd(a, b));
    _mm_storeu_pd(dst + (p + 1) * step + 2, _mm_unpackhi_pd(c, d));
  }
  for (; p < n; ++p) {
    for (int64_t l = 0; l < 4; ++l) dst[p * step + l] = src[l * stride + p];
  }
}

// Lines are far apart (`stride`), steps of k are neighbours.
template <class T>
void pack_lines(const T* src, int64_t stride, T* dst, int64_t panel, int64_t lines, int64_t steps) {
  int64_t l = 0;
  for (; l + 4 <= lines; l += 4) interleave4(src + l * stride, stride, dst + l, panel, steps);
  for (; l < lines; ++l) {
    for (int64_t p = 0; p < steps; ++p) dst[p * panel + l] = src[l * stride + p];
  }
  for (; l < panel; ++l) {
    for (int64_t p = 0; p < steps; ++p) dst[p * panel + l] = T(0);
  }
}

// Lines are neighbours, steps of k are far apart: too far for the processor to see what comes next.
template <class T>
void pack_steps(const T* src, int64_t stride, T* dst, int64_t panel, int64_t lines, int64_t steps) {
  constexpr int64_t w = width<T>, line = 64 / sizeof(T), ahead = 12;
  for (int64_t p = 0; p < steps; ++p) {
    const T* from = src + p * stride;
    T* to = dst + p * panel;
    if (p + ahead < steps) {
      for (int64_t l = 0; l < lines; l += line) __builtin_prefetch(from + ahead * stride + l);
    }
    int64_t l = 0;
    for (; l + w <= lines; l += w) store(to + l, load(from + l));
#if defined GRAFT_VECTOR_512
    if (l < lines) {  // masks cost nothing here
      store_partial(to + l, load_partial(from + l, lines - l), smaller(w, panel - l));
      l += w;
    }
#endif
    for (; l < lines; ++l) to[l] = from[l];
    for (; l < panel; ++l) to[l] = T(0);
  }
}

}  // namespace graft::kernels::GRAFT_KERNEL_ISA
