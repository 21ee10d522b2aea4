// Convolutions with one input channel in each group: too little work a byte for a matrix product.
#pragma once

#include "conv_patches.hpp"

namespace graft::kernels::GRAFT_KERNEL_ISA {

// Offsets of the filter's elements, worked out once for each call while they fit; larger filters
// pay for each use.
class element_offsets {
 public:
  element_offsets(const conv2d_shape& s, const plane_layout& l)
      : s_(s), l_(l), known_(s.kernel_h * s.kernel_w <= most) {
    for (int64_t q = 0; known_ && q < s.kernel_h * s.kernel_w; ++q) {
      offset_[q] = l.element(s, q / s.kernel_w, q % s.kernel_w);
    }
  }
  int64_t operator[](int64_t q) const {
    return known_ ? offset_[q] : l_.element(s_, q / s_.kernel_w, q % s_.kernel_w);
  }

 private:
  static constexpr int64_t most = 128;
  const conv2d_shape& s_;
  const plane_layout& l_;
  bool known_;
  int64_t offset_[most];
};

// y plane = sum over (kh, kw) of filter * x plane, in registers over two vectors of a row at a
// time.
template <class T>
void depthwise_plane(const conv2d_shape& s, const plane_layout& l, const element_offsets& offsets,
                     const T* plane, const T* filter, T bias, bool relu, T* y) {
  constexpr int64_t w = width<T>;
  const int64_t out_h = s.out_h(), out_w = s.out_w(), area = s.kernel_h * s.kernel_w;
  const vec<T> zero(T(0)), start(bias);
  int64_t oh = 0;
  if (out_w <= w) {  // one vector a row: four rows at once, or the latency of one chain would rule
    const int64_t step = l.output(s, 1, 0);
    for (; oh + 4 <= out_h; oh += 4) {
      const T* base = plane + l.output(s, oh, 0);
      vec<T> row[4] = {start, start, start, start};
      for (int64_t q = 0; q < area; ++q) {
        const vec<T> f(filter[q]);
        for (int64_t r = 0; r < 4; ++r)
          row[r] = fma(f, load_lanes(base + r * step + offsets[q], out_w), row[r]);
      }
      for (int64_t r = 0; r < 4; ++r) {
        store_lanes(y + (oh + r) * out_w, relu ? select(row[r] < zero, zero, row[r]) : row[r],
                    out_w);
      }
    }
  }
  for (; oh < out_h; ++oh) {
    const T* base = plane + l.output(s, oh, 0);
    T* to = y + oh * out_w;
    int64_t ow = 0;
    for (; ow + 2 * w <= out_w; ow += 2 * w) {
      vec<T> a = start, b = start;
      for (int64_t q = 0; q < area; ++q) {
        const T* from = base + offsets[q] + ow;
        const vec<T> f(filter[q]);
        a = fma(f, load(from), a);
        b = fma(f, load(from + w), b);
      }
      store(to + ow, relu ? select(a < zero, zero, a) : a);
      store(to + ow + w, relu ? select(b < zero, zero, b) : b);
    }
    for (; ow < out_w; ow += w) {
      const int64_t lanes = smaller(w, out_w - ow);
      vec<T> a = start;
      for (int64_t q = 0; q < area; ++q) {
        a = fma(vec<T>(filter[q]), load_lanes(base + offsets[q] + ow, lanes), a);
      }
      store_lanes(to + ow, relu ? select(a < zero, zero, a) : a, lanes);
    }
  }
}

// dfilter[kh][kw] (+)= sum over outputs of dy * x, row by row.
template <class T>
void depthwise_filter(const conv2d_shape& s, const plane_layout& l, const T* plane, const T* dy,
                      bool add, T* dfilter) {
  const int64_t out_h = s.out_h(), out_w = s.out_w();
  constexpr int64_t w = width<T>;
  for (int64_t kh = 0, q = 0; kh < s.kernel_h; ++kh) {
    for (int64_t kw = 0; kw < s.kernel_w; ++kw, ++q) {
      const T* base = plane + l.element(s, kh, kw);
      vec<T> a(T(0)), b(T(0));
      for (int64_t oh = 0; oh < out_h; ++oh) {
        const T* x = base + l.output(s, oh, 0);
        const T* g = dy + oh * out_w;
        int64_t ow = 0;
        for (; ow + w <= out_w; ow += w) a = fma(load(g + ow), load(x + ow), a);
        if (ow < out_w)
          b = fma(load_partial(g + ow, out_w - ow), load_partial(x + ow, out_w - ow), b);
      }
      const T total = sum(a + b);
      dfilter[q] = add ? dfilter[q] + total : total;
    }
  }
}

}  // namespace graft::kernels::GRAFT_KERNEL_ISA
