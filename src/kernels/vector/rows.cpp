// Softmax and layer normalisation: each row on its own.
#include "lookups.hpp"
#include "map.hpp"
#include "sums.hpp"
#include "vector_math.hpp"

namespace graft::kernels::GRAFT_KERNEL_ISA {
namespace {

GRAFT_INLINE float scalar_log(float x) { return __builtin_logf(x); }
GRAFT_INLINE double scalar_log(double x) { return __builtin_log(x); }
GRAFT_INLINE float scalar_sqrt(float x) { return __builtin_sqrtf(x); }
GRAFT_INLINE double scalar_sqrt(double x) { return __builtin_sqrt(x); }

// A NaN may be missed here: it still reaches every result through the sum of the exponentials.
template <class T>
GRAFT_INLINE T row_max(const T* x, int64_t n) {
  constexpr int64_t w = width<T>;
  const auto larger_of = [](vec<T> a, vec<T> b)
                             __attribute__((always_inline)) { return select(a > b, a, b); };
  const vec<T> low(-traits<T>::infinity);
  vec<T> m0 = low, m1 = low;
  int64_t i = 0;
  for (; i + 2 * w <= n; i += 2 * w) {
    m0 = larger_of(m0, load(x + i));
    m1 = larger_of(m1, load(x + i + w));
  }
  if (i + w <= n) {
    m0 = larger_of(m0, load(x + i));
    i += w;
  }
  if (i < n) m1 = larger_of(m1, select(lanes_below<T>(n - i), load_partial(x + i, n - i), low));
  return fold<T>(larger_of(m0, m1),
                 [](T a, T b) __attribute__((always_inline)) { return a > b ? a : b; });
}

template <class T>
void softmax_rows(const void* x, void* y, int64_t rows, int64_t cols) {
  constexpr int64_t w = width<T>;
  for (int64_t r = 0; r < rows; ++r) {
    const T* in = static_cast<const T*>(x) + r * cols;
    T* out = static_cast<T*>(y) + r * cols;
    const vec<T> top(row_max(in, cols));
    const T total = row_sum<T>(cols, [&](int64_t i, int64_t count) __attribute__((always_inline)) {
      if (count == w) {
        const vec<T> e = exp<T>(load(in + i) - top);
        store(out + i, e);
        return e;
      }
      const vec<T> e = exp<T>(load_partial(in + i, count) - top);
      store_partial(out + i, e, count);
      return select(lanes_below<T>(count), e, vec<T>(T(0)));
    });
    const vec<T> scale(T(1) / total);
    map1<T>(out, out, cols, [scale](vec<T> v) __attribute__((always_inline)) { return v * scale; });
  }
}

template <class T>
void log_softmax_rows(const void* x, void* y, int64_t rows, int64_t cols) {
  for (int64_t r = 0; r < rows; ++r) {
    const T* in = static_cast<const T*>(x) + r * cols;
    T* out = static_cast<T*>(y) + r * cols;
    const vec<T> top(row_max(in, cols));
    const T total = row_sum<T>(cols, [&](int64_t i, int64_t count) __attribute__((always_inline)) {
      const vec<T> e = exp<T>(load_lanes(in + i, count) - top);
      return count == width<T> ? e : select(lanes_below<T>(count), e, vec<T>(T(0)));
    });
    const vec<T> shift(scalar_log(total));
    map1<T>(in, out, cols,
            [=](vec<T> v) __attribute__((always_inline)) { return (v - top) - shift; });
  }
}

template <class T>
void softmax_gradient_rows(const void* dy, const void* y, void* dx, int64_t rows, int64_t cols) {
  for (int64_t r = 0; r < rows; ++r) {
    const T* g = static_cast<const T*>(dy) + r * cols;
    const T* p = static_cast<const T*>(y) + r * cols;
    T* out = static_cast<T*>(dx) + r * cols;
    const vec<T> dot(row_sum<T>(cols, [&](int64_t i, int64_t count) __attribute__((always_inline)) {
      return load_lanes(g + i, count) * load_lanes(p + i, count);
    }));
    map2<T>(g, p, out, cols,
            [dot](vec<T> a, vec<T> b) __attribute__((always_inline)) { return b * (a - dot); });
  }
}

template <class T>
void log_softmax_gradient_rows(const void* dy, const void* y, void* dx, int64_t rows,
                               int64_t cols) {
  for (int64_t r = 0; r < rows; ++r) {
    const T* g = static_cast<const T*>(dy) + r * cols;
    const T* l = static_cast<const T*>(y) + r * cols;
    T* out = static_cast<T*>(dx) + r * cols;
    const auto part = [&](int64_t i, int64_t count)
                          __attribute__((always_inline)) { return load_lanes(g + i, count); };
    const vec<T> total(row_sum<T>(cols, part));
    map2<T>(g, l, out, cols, [total](vec<T> a, vec<T> b) __attribute__((always_inline)) {
      return a - exp<T>(b) * total;
    });
  }
}

template <class T>
void layer_norm_rows(const layer_norm_args& a) {
  constexpr int64_t w = width<T>;
  const T* scale = static_cast<const T*>(a.scale);
  const T* bias = static_cast<const T*>(a.bias);
  const T count = static_cast<T>(a.cols);
  for (int64_t r = 0; r < a.rows; ++r) {
    const T* in = static_cast<const T*>(a.x) + r * a.cols;
    T* out = static_cast<T*>(a.y) + r * a.cols;
    const T mean =
        row_sum<T>(a.cols, [&](int64_t i, int64_t n)
                               __attribute__((always_inline)) { return load_lanes(in + i, n); }) /
        count;
    const vec<T> m(mean), zero(T(0));
    const T variance = row_sum<T>(a.cols,
                                  [&](int64_t i, int64_t n) __attribute__((always_inline)) {
                                    vec<T> d = load_lanes(in + i, n) - m;
                                    if (n < w) d = select(lanes_below<T>(n), d, zero);
                                    return d * d;
                                  }) /
                       count;
    const T inv = T(1) / scalar_sqrt(variance + static_cast<T>(a.epsilon));
    if (a.mean != nullptr) static_cast<T*>(a.mean)[r] = mean;
    if (a.inv_std != nullptr) static_cast<T*>(a.inv_std)[r] = inv;
    const vec<T> s(inv);
    for (int64_t i = 0; i < a.cols; i += w) {
      const int64_t n = smaller(w, a.cols - i);
      vec<T> v = (load_lanes(in + i, n) - m) * s;
      if (scale != nullptr) v = v * load_lanes(scale + i, n);
      if (bias != nullptr) v = v + load_lanes(bias + i, n);
      store_lanes(out + i, v, n);
    }
  }
}

// dx = inv (g - mean(g) - h mean(g h)) with g = dy scale and h the normalised input.
template <class T>
void layer_norm_gradient_rows(const layer_norm_gradient_args& a) {
  constexpr int64_t w = width<T>;
  const T* scale = static_cast<const T*>(a.scale);
  const T count = static_cast<T>(a.cols);
  for (int64_t r = 0; r < a.rows; ++r) {
    const T* dy = static_cast<const T*>(a.dy) + r * a.cols;
    const T* x = static_cast<const T*>(a.x) + r * a.cols;
    T* dx = static_cast<T*>(a.dx) + r * a.cols;
    const vec<T> mean(static_cast<const T*>(a.mean)[r]), inv(static_cast<const T*>(a.inv_std)[r]);
    const auto g = [&](int64_t i, int64_t n) __attribute__((always_inline)) {
      const vec<T> d = load_lanes(dy + i, n);
      return scale != nullptr ? d * load_lanes(scale + i, n) : d;
    };
    const auto h = [&](int64_t i, int64_t n) __attribute__((always_inline)) {
      return (load_lanes(x + i, n) - mean) * inv;
    };
    const vec<T> mean_g(row_sum<T>(a.cols, g) / count);
    // Lanes beyond the row are zero in g, unless the product is NaN: keep them out.
    const vec<T> mean_gh(row_sum<T>(a.cols,
                                    [&](int64_t i, int64_t n) __attribute__((always_inline)) {
                                      const vec<T> p = g(i, n) * h(i, n);
                                      return n == w ? p
                                                    : select(lanes_below<T>(n), p, vec<T>(T(0)));
                                    }) /
                         count);
    for (int64_t i = 0; i < a.cols; i += w) {
      const int64_t n = smaller(w, a.cols - i);
      store_lanes(dx + i, inv * (g(i, n) - mean_g - h(i, n) * mean_gh), n);
    }
  }
}

}  // namespace

softmax_kernel softmax(element e) {
  return with_float<softmax_kernel>(e, []<class T>() { return softmax_rows<T>; });
}
softmax_kernel log_softmax(element e) {
  return with_float<softmax_kernel>(e, []<class T>() { return log_softmax_rows<T>; });
}
softmax_gradient_kernel softmax_gradient(element e) {
  return with_float<softmax_gradient_kernel>(e, []<class T>() { return softmax_gradient_rows<T>; });
}
softmax_gradient_kernel log_softmax_gradient(element e) {
  return with_float<softmax_gradient_kernel>(
      e, []<class T>() { return log_softmax_gradient_rows<T>; });
}
layer_norm_kernel layer_norm(element e) {
  return with_float<layer_norm_kernel>(e, []<class T>() { return layer_norm_rows<T>; });
}
layer_norm_gradient_kernel layer_norm_gradient(element e) {
  return with_float<layer_norm_gradient_kernel>(
      e, []<class T>() { return layer_norm_gradient_rows<T>; });
}

}  // namespace graft::kernels::GRAFT_KERNEL_ISA
