// The input of a convolution as zero-padded planes, in which every patch element is a plain offset.
//
// A plane is [padded height][stride_w phases][columns of the phase]: columns are split by their
// remainder modulo the horizontal stride, so that the inputs of neighbouring outputs are neighbours
// whatever the stride.
#pragma once

#include "../kernels.hpp"
#include "matmul_block.hpp"
#include "sums.hpp"

namespace graft::kernels::GRAFT_KERNEL_ISA {

struct plane_layout {
  int64_t height = 0, phases = 1, phase = 0, row = 0, plane = 0;
  bool copy = false;  // false: the input itself has this layout

  explicit plane_layout(const conv2d_shape& s) {
    const int64_t out_h = s.out_h(), out_w = s.out_w();
    copy = s.stride_w != 1 || s.pad_top != 0 || s.pad_left != 0 || s.pad_bottom != 0 ||
           s.pad_right != 0;
    if (!copy) {
      height = s.in_h;
      phase = row = s.in_w;
    } else {
      // Only what outputs read: the last rows and columns may be left over by the stride.
      height = (out_h - 1) * s.stride_h + (s.kernel_h - 1) * s.dilation_h + 1;
      phases = s.stride_w;
      phase = (out_w - 1) + (s.kernel_w - 1) * s.dilation_w / s.stride_w + 1;
      row = phases * phase;
    }
    plane = height * row;
  }

  // Of element (kh, kw) of a patch, relative to the plane; of the patch of output (oh, ow).
  int64_t element(const conv2d_shape& s, int64_t kh, int64_t kw) const {
    const int64_t x = kw * s.dilation_w;
    if (phases == 1) return kh * s.dilation_h * row + x;  // divisions are slow
    return kh * s.dilation_h * row + x % phases * phase + x / phases;
  }
  int64_t output(const conv2d_shape& s, int64_t oh, int64_t ow) const {
    return oh * s.stride_h * row + ow;
  }

  int64_t count(int64_t planes) const { return copy ? planes * plane : 0; }
};

template <class T>
GRAFT_INLINE void copy_run(const T* from, T* to, int64_t n) {
  constexpr int64_t w = width<T>;
  int64_t i = 0;
  for (; i + w <= n; i += w) store(to + i, load(from + i));
  if (i < n) store_partial(to + i, load_partial(from + i, n - i), n - i);
}

template <class T>
void copy_plane(const conv2d_shape& s, const plane_layout& l, const T* x, T* dst) {
  for (int64_t h = 0; h < l.height; ++h) {
    T* to = dst + h * l.row;
    const int64_t ih = h - s.pad_top;
    if (ih < 0 || ih >= s.in_h) {
      for (int64_t i = 0; i < l.row; ++i) to[i] = T(0);
      continue;
    }
    const T* from = x + ih * s.in_w;
    for (int64_t f = 0; f < l.phases; ++f) {
      T* run = to + f * l.phase;
      // Column c of the phase is input column c * phases + f - pad_left; [low, high) of them exist.
      const int64_t shift = f - s.pad_left;
      int64_t low = shift >= 0 ? 0 : ceil_div(-shift, l.phases);
      int64_t high = s.in_w > shift ? ceil_div(s.in_w - shift, l.phases) : 0;
      low = smaller(low, l.phase);
      high = larger(low, smaller(high, l.phase));
      for (int64_t c = 0; c < low; ++c) run[c] = T(0);
      if (l.phases == 1) {
        copy_run(from + low + shift, run + low, high - low);
      } else {
        for (int64_t c = low; c < high; ++c) run[c] = from[c * l.phases + shift];
      }
      for (int64_t c = high; c < l.phase; ++c) run[c] = T(0);
    }
  }
}

// The planes of one group of one image: copied into `scratch` if need be.
template <class T>
const T* prepare_planes(const conv2d_shape& s, const plane_layout& l, const T* x, int64_t planes,
                        T* scratch) {
  if (!l.copy) return x;
  for (int64_t c = 0; c < planes; ++c)
    copy_plane(s, l, x + c * s.in_h * s.in_w, scratch + c * l.plane);
  return scratch;
}

// Outputs [begin, begin + n) of a plane as runs that do not leave a row: f(position, offset,
// length).
template <class F>
GRAFT_INLINE void for_runs(const conv2d_shape& s, const plane_layout& l, int64_t out_w,
                           int64_t begin, int64_t n, F f) {
  int64_t oh = begin / out_w, ow = begin % out_w;
  for (int64_t at = 0; at < n;) {
    const int64_t length = smaller(n - at, out_w - ow);
    f(at, l.output(s, oh, ow), length);
    at += length;
    ow = 0;
    ++oh;
  }
}

// Walks the elements (channel, kh, kw) of a patch in order from element `first`: offset() is
// relative to plane 0.
class patch_walk {
 public:
  patch_walk(const conv2d_shape& s, const plane_layout& l, int64_t first) : s_(s), l_(l) {
    const int64_t area = s.kernel_h * s.kernel_w;
    channel_ = first / area;
    kh_ = first % area / s.kernel_w;
    kw_ = first % s.kernel_w;
  }
  int64_t offset() const { return channel_ * l_.plane + l_.element(s_, kh_, kw_); }
  void next() {
    if (++kw_ < s_.kernel_w) return;
    kw_ = 0;
    if (++kh_ < s_.kernel_h) return;
    kh_ = 0;
    ++channel_;
  }

 private:
  const conv2d_shape& s_;
  const plane_layout& l_;
  int64_t channel_, kh_, kw_;
};

// The matrix b[patch element][output], packed for the product straight from the planes.
template <class T>
void pack_patches(const conv2d_shape& s, const plane_layout& l, const T* planes, int64_t j0,
                  int64_t n, int64_t p0, int64_t k, T* dst) {
  const int64_t out_w = s.out_w();
  struct run {
    int64_t at, offset, length;
  };
  for (int64_t j = 0; j < n; j += tile_cols<T>) {
    const int64_t lines = smaller(tile_cols<T>, n - j), panel = round_up(lines, width<T>);
    run runs[tile_cols<T>];
    int64_t count = 0;
    for_runs(s, l, out_w, j0 + j, lines, [&](int64_t at, int64_t offset, int64_t length) {
      runs[count++] = {at, offset, length};
    });
    T* to = dst + j * k;
    patch_walk walk(s, l, p0);
    for (int64_t p = 0; p < k; ++p, walk.next(), to += panel) {
      const T* from = planes + walk.offset();
      for (int64_t i = 0; i < count; ++i)
        copy_run(from + runs[i].offset, to + runs[i].at, runs[i].length);
      for (int64_t i = lines; i < panel; ++i) to[i] = T(0);
    }
  }
}

// The same matrix turned over, b[output][patch element]; `lines` holds 4 * k elements.
template <class T>
void pack_patches_turned(const conv2d_shape& s, const plane_layout& l, const T* planes, int64_t j0,
                         int64_t n, int64_t p0, int64_t k, T* dst, T* lines) {
  const int64_t out_w = s.out_w();
  for (int64_t j = 0; j < n; j += tile_cols<T>) {
    const int64_t wide = smaller(tile_cols<T>, n - j), panel = round_up(wide, width<T>);
    T* to = dst + j * k;
    patch_walk walk(s, l, j0 + j);
    for (int64_t q = 0; q < panel; q += 4) {
      const int64_t have = larger(int64_t{0}, smaller(int64_t{4}, wide - q));
      for (int64_t i = 0; i < have; ++i, walk.next()) {
        const T* from = planes + walk.offset();
        for_runs(s, l, out_w, p0, k, [&](int64_t at, int64_t offset, int64_t length) {
          copy_run(from + offset, lines + i * k + at, length);
        });
      }
      for (int64_t i = have; i < 4; ++i) {
        for (int64_t p = 0; p < k; ++p) lines[i * k + p] = T(0);
      }
      if (panel - q >= 4) {
        interleave4(lines, k, to + q, panel, k);
      } else {  // only where a vector has two lanes
        for (int64_t i = 0; i < panel - q; ++i) {
          for (int64_t p = 0; p < k; ++p) to[p * panel + q + i] = lines[i * k + p];
        }
      }
    }
  }
}

}  // namespace graft::kernels::GRAFT_KERNEL_ISA
