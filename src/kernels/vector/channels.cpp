// Batch normalisation: per-channel factors, moments and gradient sums over
// [outer][channels][inner].
#include "lookups.hpp"
#include "map.hpp"
#include "sums.hpp"

namespace graft::kernels::GRAFT_KERNEL_ISA {
namespace {

template <class T>
void scale_shift_of(const void* x, const void* scale, const void* shift, void* y, int64_t outer,
                    int64_t channels, int64_t inner) {
  constexpr int64_t w = width<T>;
  const T* in = static_cast<const T*>(x);
  const T* a = static_cast<const T*>(scale);
  const T* b = static_cast<const T*>(shift);
  T* out = static_cast<T*>(y);
  for (int64_t o = 0; o < outer; ++o) {
    if (inner == 1) {
      for (int64_t c = 0; c < channels; c += w) {
        const int64_t n = smaller(w, channels - c), at = o * channels + c;
        store_lanes(out + at,
                    fma(load_lanes(in + at, n), load_lanes(a + c, n), load_lanes(b + c, n)), n);
      }
      continue;
    }
    for (int64_t c = 0; c < channels; ++c) {
      const vec<T> p(a[c]), q(b[c]);
      const int64_t at = (o * channels + c) * inner;
      map1<T>(in + at, out + at, inner,
              [p, q](vec<T> v) __attribute__((always_inline)) { return fma(v, p, q); });
    }
  }
}

// Channel c: the sum over outer and inner of f(position, lanes, c).
template <class T, class F>
GRAFT_INLINE double channel_sum(int64_t c, int64_t outer, int64_t channels, int64_t inner, F f) {
  double total = 0.0;
  for (int64_t o = 0; o < outer; ++o) {
    const int64_t at = (o * channels + c) * inner;
    total += static_cast<double>(row_sum<T>(
        inner, [&](int64_t i, int64_t n) __attribute__((always_inline)) { return f(at + i, n); }));
  }
  return total;
}

template <class T>
GRAFT_INLINE vec<T> masked(vec<T> v, int64_t n) {
  return n == width<T> ? v : select(lanes_below<T>(n), v, vec<T>(T(0)));
}

template <class T>
struct sum_of_lanes {
  GRAFT_INLINE vec<T> operator()(vec<T> a, vec<T> b) const { return a + b; }
};

template <class T>
void moments(const void* x, void* mean, void* variance, int64_t outer, int64_t channels,
             int64_t inner, int64_t first, int64_t last) {
  const T* in = static_cast<const T*>(x);
  T* means = static_cast<T*>(mean);
  T* variances = static_cast<T*>(variance);
  const double count = static_cast<double>(outer) * static_cast<double>(inner);
  const vec<T> zero(T(0));
  if (inner == 1) {  // channels are neighbours: one lane each
    constexpr int64_t w = width<T>;
    const vec<T> divisor(static_cast<T>(count));
    for (int64_t c = first; c < last; c += w) {
      const int64_t n = smaller(w, last - c);
      const auto row = [&](int64_t r) __attribute__((always_inline)) {
        return load_lanes(in + r * channels + c, n);
      };
      const vec<T> m = column_fold(outer, zero, row, sum_of_lanes<T>{}) / divisor;
      const vec<T> v = column_fold(
                           outer, zero,
                           [&](int64_t r) __attribute__((always_inline)) {
                             const vec<T> d = row(r) - m;
                             return d * d;
                           },
                           sum_of_lanes<T>{}) /
                       divisor;
      store_lanes(means + c, m, n);
      store_lanes(variances + c, v, n);
    }
    return;
  }
  for (int64_t c = first; c < last; ++c) {
    const T m =
        static_cast<T>(channel_sum<T>(c, outer, channels, inner,
                                      [&](int64_t i, int64_t n) __attribute__((always_inline)) {
                                        return load_lanes(in + i, n);
                                      }) /
                       count);
    const vec<T> centre(m);
    means[c] = m;
    variances[c] =
        static_cast<T>(channel_sum<T>(c, outer, channels, inner,
                                      [&](int64_t i, int64_t n) __attribute__((always_inline)) {
                                        const vec<T> d =
                                            masked<T>(load_lanes(in + i, n) - centre, n);
                                        return d * d;
                                      }) /
                       count);
  }
}

template <class T>
void products(const void* dy, const void* x, const void* mean, void* sum_dy, void* sum_dy_x,
              int64_t outer, int64_t channels, int64_t inner, int64_t first, int64_t last) {
  const T* g = static_cast<const T*>(dy);
  const T* in = static_cast<const T*>(x);
  const T* means = static_cast<const T*>(mean);
  T* sums = static_cast<T*>(sum_dy);
  T* dots = static_cast<T*>(sum_dy_x);
  const vec<T> zero(T(0));
  if (inner == 1) {
    constexpr int64_t w = width<T>;
    for (int64_t c = first; c < last; c += w) {
      const int64_t n = smaller(w, last - c);
      const vec<T> m = load_lanes(means + c, n);
      const auto at = [&](const T* p, int64_t r) __attribute__((always_inline)) {
        return load_lanes(p + r * channels + c, n);
      };
      const vec<T> s = column_fold(
          outer, zero, [&](int64_t r) __attribute__((always_inline)) { return at(g, r); },
          sum_of_lanes<T>{});
      const vec<T> d = column_fold(
          outer, zero,
          [&](int64_t r) __attribute__((always_inline)) { return at(g, r) * (at(in, r) - m); },
          sum_of_lanes<T>{});
      store_lanes(sums + c, s, n);
      store_lanes(dots + c, d, n);
    }
    return;
  }
  for (int64_t c = first; c < last; ++c) {
    const vec<T> m(means[c]);
    sums[c] = static_cast<T>(channel_sum<T>(
        c, outer, channels, inner,
        [&](int64_t i, int64_t n) __attribute__((always_inline)) { return load_lanes(g + i, n); }));
    dots[c] = static_cast<T>(channel_sum<T>(
        c, outer, channels, inner, [&](int64_t i, int64_t n) __attribute__((always_inline)) {
          return masked<T>(load_lanes(g + i, n) * (load_lanes(in + i, n) - m), n);
        }));
  }
}

}  // namespace

scale_shift_kernel scale_shift(element e) {
  return with_float<scale_shift_kernel>(e, []<class T>() { return scale_shift_of<T>; });
}
channel_moments_kernel channel_moments(element e) {
  return with_float<channel_moments_kernel>(e, []<class T>() { return moments<T>; });
}
channel_products_kernel channel_products(element e) {
  return with_float<channel_products_kernel>(e, []<class T>() { return products<T>; });
}

}  // namespace graft::kernels::GRAFT_KERNEL_ISA
