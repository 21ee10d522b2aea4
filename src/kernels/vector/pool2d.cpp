// Maximum and average pooling over planes.
#include "lookups.hpp"
#include "simd.hpp"

namespace graft::kernels::GRAFT_KERNEL_ISA {
namespace {

// The part of a window that lies in the image along one axis: `count` places from `begin` on.
struct window {
  int64_t begin, step, count;
};

GRAFT_INLINE window clipped(int64_t out, int64_t stride, int64_t pad, int64_t dilation,
                            int64_t kernel, int64_t size) {
  const int64_t start = out * stride - pad;
  const int64_t first = start < 0 ? (-start + dilation - 1) / dilation : 0;
  const int64_t last =
      size <= start ? 0 : smaller(kernel, (size - start + dilation - 1) / dilation);
  return {start + first * dilation, dilation, larger(last - first, int64_t{0})};
}
GRAFT_INLINE window rows_of(const pool2d_shape& s, int64_t out) {
  return clipped(out, s.stride_h, s.pad_top, s.dilation_h, s.kernel_h, s.in_h);
}
GRAFT_INLINE window columns_of(const pool2d_shape& s, int64_t out) {
  return clipped(out, s.stride_w, s.pad_left, s.dilation_w, s.kernel_w, s.in_w);
}

// Calls visit(place in the plane) for each place of a window.
template <class Visit>
GRAFT_INLINE void visit_window(int64_t width_in, window h, window w, Visit visit) {
  for (int64_t i = 0; i < h.count; ++i) {
    const int64_t row = (h.begin + i * h.step) * width_in + w.begin;
    for (int64_t j = 0; j < w.count; ++j) visit(row + j * w.step);
  }
}

template <class T>
GRAFT_INLINE bool beats(T a, T b) {
  return a > b || (a != a && b == b);
}

template <class T>
void max_window(const T* x, int64_t width_in, window h, window w, T& best, int64_t& at) {
  best = -traits<T>::infinity;
  at = -1;
  visit_window(width_in, h, w, [&](int64_t place) {
    const T v = x[place];
    if (at < 0 || beats(v, best)) {
      best = v;
      at = place;
    }
  });
}

template <class T>
void max_pool(const pool2d_shape& s, const void* x, void* y, std::int64_t* index) {
  const int64_t out_h = s.out_h(), out_w = s.out_w();
  for (int64_t p = 0; p < s.planes; ++p) {
    const T* in = static_cast<const T*>(x) + p * s.in_h * s.in_w;
    T* out = static_cast<T*>(y) + p * out_h * out_w;
    std::int64_t* at = index != nullptr ? index + p * out_h * out_w : nullptr;
    for (int64_t oh = 0; oh < out_h; ++oh) {
      const window h = rows_of(s, oh);
      for (int64_t ow = 0; ow < out_w; ++ow) {
        const window w = columns_of(s, ow);
        T best;
        int64_t where;
        max_window(in, s.in_w, h, w, best, where);
        out[oh * out_w + ow] = best;
        if (at != nullptr) at[oh * out_w + ow] = where;
      }
    }
  }
}

template <class T>
void max_gradient(const pool2d_shape& s, const void* dy, const std::int64_t* index, void* dx) {
  const int64_t out_plane = s.out_h() * s.out_w(), in_plane = s.in_h * s.in_w;
  for (int64_t p = 0; p < s.planes; ++p) {
    const T* g = static_cast<const T*>(dy) + p * out_plane;
    T* to = static_cast<T*>(dx) + p * in_plane;
    for (int64_t i = 0; i < in_plane; ++i) to[i] = T(0);
    for (int64_t i = 0; i < out_plane; ++i) {
      const int64_t at = index[p * out_plane + i];
      if (at >= 0 && at < in_plane) to[at] += g[i];
    }
  }
}

// The number an average divides by: elements, or with padding counted the whole window, which the
// padding always holds.
GRAFT_INLINE int64_t divisor(const pool2d_shape& s, window h, window w, bool count_include_pad) {
  return count_include_pad ? s.kernel_h * s.kernel_w : h.count * w.count;
}

template <class T>
void average_pool(const pool2d_shape& s, const void* x, void* y, bool count_include_pad) {
  const int64_t out_h = s.out_h(), out_w = s.out_w();
  for (int64_t p = 0; p < s.planes; ++p) {
    const T* in = static_cast<const T*>(x) + p * s.in_h * s.in_w;
    T* out = static_cast<T*>(y) + p * out_h * out_w;
    for (int64_t oh = 0; oh < out_h; ++oh) {
      const window h = rows_of(s, oh);
      for (int64_t ow = 0; ow < out_w; ++ow) {
        const window w = columns_of(s, ow);
        T total(0);
        visit_window(s.in_w, h, w, [&](int64_t place) { total += in[place]; });
        const int64_t n = divisor(s, h, w, count_include_pad);
        out[oh * out_w + ow] = n > 0 ? total / static_cast<T>(n) : T(0);
      }
    }
  }
}

template <class T>
void average_gradient(const pool2d_shape& s, const void* dy, void* dx, bool count_include_pad) {
  const int64_t out_h = s.out_h(), out_w = s.out_w();
  for (int64_t p = 0; p < s.planes; ++p) {
    const T* g = static_cast<const T*>(dy) + p * out_h * out_w;
    T* to = static_cast<T*>(dx) + p * s.in_h * s.in_w;
    for (int64_t i = 0; i < s.in_h * s.in_w; ++i) to[i] = T(0);
    for (int64_t oh = 0; oh < out_h; ++oh) {
      const window h = rows_of(s, oh);
      for (int64_t ow = 0; ow < out_w; ++ow) {
        const window w = columns_of(s, ow);
        const int64_t n = divisor(s, h, w, count_include_pad);
        if (n <= 0) continue;
        const T share = g[oh * out_w + ow] / static_cast<T>(n);
        visit_window(s.in_w, h, w, [&](int64_t place) { to[place] += share; });
      }
    }
  }
}

}  // namespace

pool2d_kernel pool2d(element e) {
  return with_float<pool2d_kernel>(e, []<class T>() {
    pool2d_kernel k;
    k.max = max_pool<T>;
    k.max_gradient = max_gradient<T>;
    k.average = average_pool<T>;
    k.average_gradient = average_gradient<T>;
    return k;
  });
}

}  // namespace graft::kernels::GRAFT_KERNEL_ISA
