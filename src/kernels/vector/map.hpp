// Loops over contiguous elements. The last, partial vector goes through the same vector code as the
// others, so that an element has the same bits wherever a range is cut.
#pragma once

#include "simd.hpp"

namespace graft::kernels::GRAFT_KERNEL_ISA {

template <class T, class F>
GRAFT_INLINE void map1(const T* x, T* y, int64_t n, F f) {
  constexpr int64_t w = width<T>;
  int64_t i = 0;
  for (; i + 2 * w <= n; i += 2 * w) {  // two at once: the latency of one hides in the other
    const vec<T> a = f(load(x + i)), b = f(load(x + i + w));
    store(y + i, a);
    store(y + i + w, b);
  }
  if (i + w <= n) {
    store(y + i, f(load(x + i)));
    i += w;
  }
  if (i < n) store_partial(y + i, f(load_partial(x + i, n - i)), n - i);
}

template <class T, class F>
GRAFT_INLINE void map2(const T* a, const T* b, T* y, int64_t n, F f) {
  constexpr int64_t w = width<T>;
  int64_t i = 0;
  for (; i + 2 * w <= n; i += 2 * w) {
    const vec<T> p = f(load(a + i), load(b + i)), q = f(load(a + i + w), load(b + i + w));
    store(y + i, p);
    store(y + i + w, q);
  }
  if (i + w <= n) {
    store(y + i, f(load(a + i), load(b + i)));
    i += w;
  }
  if (i < n) {
    store_partial(y + i, f(load_partial(a + i, n - i), load_partial(b + i, n - i)), n - i);
  }
}

}  // namespace graft::kernels::GRAFT_KERNEL_ISA
