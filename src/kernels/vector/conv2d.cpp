// 2-d convolution over NCHW tensors: forward, and the gradients of input and filter.
//
// Dense convolutions are matrix products of the filter with patches that are packed straight from
// padded planes (conv_patches.hpp); patches are never written out as a matrix. Every image is
// computed alone, hence the same bits however a batch is split.
#include "conv_depthwise.hpp"
#include "lookups.hpp"

namespace graft::kernels::GRAFT_KERNEL_ISA {
namespace {

struct sizes {
  int64_t in_group, out_group, area, in_plane, out_plane, patch;
  explicit sizes(const conv2d_shape& s)
      : in_group(s.in_channels / s.groups),
        out_group(s.out_channels / s.groups),
        area(s.kernel_h * s.kernel_w),
        in_plane(s.in_h * s.in_w),
        out_plane(s.out_h() * s.out_w()),
        patch(in_group * area) {}
  int64_t filter() const { return out_group * patch; }  // of one group
};

bool is_pointwise(const conv2d_shape& s) {
  return s.kernel_h == 1 && s.kernel_w == 1 && s.stride_h == 1 && s.stride_w == 1 &&
         s.pad_top == 0 && s.pad_left == 0 && s.pad_bottom == 0 && s.pad_right == 0;
}

// Plans of the products; patches are always packed, plain matrices only if it pays.
template <class T>
plan<T> packing_plan(int64_t m, int64_t n, int64_t k) {
  return make_plan<T>(m, n, k, true);
}

template <class T>
plan<T> forward_plan(const conv2d_shape& s) {
  const sizes z(s);
  return is_pointwise(s) ? make_plan<T>(z.out_group, z.out_plane, z.patch, false)
                         : packing_plan<T>(z.out_group, z.out_plane, z.patch);
}

template <class T>
int64_t bytes_of(int64_t count) {
  return count == 0 ? 0
                    : round_up(count * static_cast<int64_t>(sizeof(T)), cache_line) + cache_line;
}
template <class T>
T* take(void*& scratch, int64_t count) {
  T* p = aligned<T>(scratch);
  scratch = static_cast<char*>(scratch) + bytes_of<T>(count);
  return p;
}

template <class T>
void pack_plain(const T* b, int64_t ldb, int64_t j0, int64_t n, int64_t p0, int64_t k, T* dst) {
  for (int64_t j = 0; j < n; j += tile_cols<T>) {
    const int64_t lines = smaller(tile_cols<T>, n - j);
    pack_steps(b + p0 * ldb + j0 + j, ldb, dst + j * k, round_up(lines, width<T>), lines, k);
  }
}

// ---- forward
// --------------------------------------------------------------------------------------

template <class T>
std::int64_t forward_bytes(const conv2d_shape& s) {
  const sizes z(s);
  if (z.out_plane == 0) return 0;
  const int64_t planes = bytes_of<T>(plane_layout(s).count(z.in_group));
  return z.in_group == 1 ? planes : planes + plan_bytes<T>(forward_plan<T>(s));
}

template <class T>
void forward(const conv2d_args& a) {
  const conv2d_shape& s = a.shape;
  const sizes z(s);
  const T* filter = static_cast<const T*>(a.filter);
  const T* bias = static_cast<const T*>(a.bias);
  if (z.out_plane == 0) return;
  const plane_layout layout(s);
  const element_offsets offsets(s, layout);
  const plan<T> p = forward_plan<T>(s);
  void* scratch = a.scratch;
  T* copies = layout.copy ? take<T>(scratch, layout.count(z.in_group)) : nullptr;
  for (int64_t image = a.first; image < a.last; ++image) {
    for (int64_t group = 0; group < s.groups; ++group) {
      const T* x =
          static_cast<const T*>(a.x) + (image * s.in_channels + group * z.in_group) * z.in_plane;
      T* y = static_cast<T*>(a.out) + (image * s.out_channels + group * z.out_group) * z.out_plane;
      const T* planes = prepare_planes(s, layout, x, z.in_group, copies);
      const T* w = filter + group * z.filter();
      const T* b = bias != nullptr ? bias + group * z.out_group : nullptr;
      if (z.in_group == 1) {
        for (int64_t o = 0; o < z.out_group; ++o) {
          depthwise_plane(s, layout, offsets, planes, w + o * z.area, b != nullptr ? b[o] : T(0),
                          a.after == epilogue::relu, y + o * z.out_plane);
        }
        continue;
      }
      matmul_args g;
      g.a = w;
      g.b = x;
      g.c = y;
      g.m = z.out_group;
      g.n = z.out_plane;
      g.k = z.patch;
      g.lda = z.patch;
      g.ldb = g.ldc = z.out_plane;
      g.row_bias = b;
      g.after = a.after;
      g.scratch = scratch;
      const bool plain = is_pointwise(s);
      multiply_blocks<T>(g, p, {0, g.m}, {0, g.n},
                         [&](int64_t j0, int64_t n, int64_t p0, int64_t k, T* dst) {
                           if (plain)
                             pack_plain(x, z.out_plane, j0, n, p0, k, dst);
                           else
                             pack_patches(s, layout, planes, j0, n, p0, k, dst);
                         });
    }
  }
}

// ---- gradient of the input
// -----------------------------------------------------------------------------

// With stride 1 it is a convolution of dy with the filter turned round, its two channel axes
// exchanged.
bool is_convolution(const conv2d_shape& s) {
  const int64_t h = (s.kernel_h - 1) * s.dilation_h, w = (s.kernel_w - 1) * s.dilation_w;
  return s.stride_h == 1 && s.stride_w == 1 && s.pad_top <= h && s.pad_bottom <= h &&
         s.pad_left <= w && s.pad_right <= w;
}

conv2d_shape turned(const conv2d_shape& s) {
  conv2d_shape t = s;
  const int64_t h = (s.kernel_h - 1) * s.dilation_h, w = (s.kernel_w - 1) * s.dilation_w;
  t.in_channels = s.out_channels;
  t.out_channels = s.in_channels;
  t.in_h = s.out_h();
  t.in_w = s.out_w();
  t.pad_top = h - s.pad_top;
  t.pad_bottom = h - s.pad_bottom;
  t.pad_left = w - s.pad_left;
  t.pad_right = w - s.pad_right;
  return t;
}

// Otherwise: patches of gradients by a product, for a block of input channels, then added where
// they belong.
template <class T>
int64_t channel_block(const sizes& z) {
  return smaller(z.in_group, larger(int64_t{1}, 96 / z.area));
}

template <class T>
plan<T> scatter_plan(const sizes& z) {
  return make_plan<T>(channel_block<T>(z) * z.area, z.out_plane, z.out_group, false);
}

template <class T>
std::int64_t input_gradient_bytes(const conv2d_shape& s) {
  const sizes z(s);
  if (z.out_plane == 0) return 0;
  if (is_convolution(s)) return bytes_of<T>(z.filter() * s.groups) + forward_bytes<T>(turned(s));
  return bytes_of<T>(channel_block<T>(z) * z.area * z.out_plane) +
         plan_bytes<T>(scatter_plan<T>(z));
}

template <class T>
void turn_filter(const conv2d_shape& s, const sizes& z, const T* w, T* to) {
  for (int64_t group = 0; group < s.groups; ++group, w += z.filter(), to += z.filter()) {
    constexpr int64_t block = 16;  // a transposition: blocks keep both sides in cache
    for (int64_t o0 = 0; o0 < z.out_group; o0 += block) {
      for (int64_t i0 = 0; i0 < z.in_group; i0 += block) {
        for (int64_t i = i0; i < smaller(z.in_group, i0 + block); ++i) {
          for (int64_t o = o0; o < smaller(z.out_group, o0 + block); ++o) {
            const T* from = w + (o * z.in_group + i) * z.area;
            T* turned_to = to + (i * z.out_group + o) * z.area;
            for (int64_t q = 0; q < z.area; ++q) turned_to[q] = from[z.area - 1 - q];
          }
        }
      }
    }
  }
}

// dx planes += patches[channel][kh][kw][output], in the order of (kh, kw).
template <class T>
void add_patches(const conv2d_shape& s, const T* patches, int64_t channels, T* dx) {
  const int64_t out_h = s.out_h(), out_w = s.out_w();
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t kh = 0; kh < s.kernel_h; ++kh) {
      for (int64_t kw = 0; kw < s.kernel_w; ++kw, patches += out_h * out_w) {
        const int64_t shift = kw * s.dilation_w - s.pad_left;
        const int64_t low = smaller(out_w, shift >= 0 ? 0 : ceil_div(-shift, s.stride_w));
        const int64_t high =
            larger(low, smaller(out_w, s.in_w > shift ? ceil_div(s.in_w - shift, s.stride_w) : 0));
        for (int64_t oh = 0; oh < out_h; ++oh) {
          const int64_t ih = oh * s.stride_h + kh * s.dilation_h - s.pad_top;
          if (ih < 0 || ih >= s.in_h) continue;
          T* to = dx + (c * s.in_h + ih) * s.in_w + shift;
          const T* from = patches + oh * out_w;
          for (int64_t ow = low; ow < high; ++ow) to[ow * s.stride_w] += from[ow];
        }
      }
    }
  }
}

template <class T>
void input_gradient(const conv2d_args& a) {
  const conv2d_shape& s = a.shape;
  const sizes z(s);
  const T* dy = static_cast<const T*>(a.dy);
  const T* filter = static_cast<const T*>(a.filter);
  T* dx = static_cast<T*>(a.out);
  void* scratch = a.scratch;
  if (z.out_plane == 0 || z.in_plane == 0) {
    for (int64_t i = a.first * s.in_channels * z.in_plane; i < a.last * s.in_channels * z.in_plane;
         ++i)
      dx[i] = T(0);
    return;
  }
  if (is_convolution(s)) {
    T* w = take<T>(scratch, z.filter() * s.groups);
    turn_filter(s, z, filter, w);
    conv2d_args b = a;
    b.shape = turned(s);
    b.x = dy;
    b.filter = w;
    b.bias = nullptr;
    b.after = epilogue::none;
    b.scratch = scratch;
    forward<T>(b);
    return;
  }
  const int64_t block = channel_block<T>(z);
  T* patches = take<T>(scratch, block * z.area * z.out_plane);
  for (int64_t image = a.first; image < a.last; ++image) {
    for (int64_t group = 0; group < s.groups; ++group) {
      const T* g = dy + (image * s.out_channels + group * z.out_group) * z.out_plane;
      T* to = dx + (image * s.in_channels + group * z.in_group) * z.in_plane;
      for (int64_t i = 0; i < z.in_group * z.in_plane; ++i) to[i] = T(0);
      for (int64_t c = 0; c < z.in_group; c += block) {
        const int64_t channels = smaller(block, z.in_group - c);
        matmul_args m;
        m.a = filter + group * z.filter() + c * z.area;
        m.trans_a = true;
        m.lda = z.patch;
        m.b = g;
        m.ldb = m.ldc = m.n = z.out_plane;
        m.c = patches;
        m.m = channels * z.area;
        m.k = z.out_group;
        m.scratch = scratch;
        multiply_blocks<T>(m, scatter_plan<T>(z), {0, m.m}, {0, m.n},
                           [&](int64_t j0, int64_t n, int64_t p0, int64_t k, T* dst) {
                             pack_plain(g, z.out_plane, j0, n, p0, k, dst);
                           });
        add_patches(s, patches, channels, to + c * z.in_plane);
      }
    }
  }
}

// ---- gradient of the filter
// ----------------------------------------------------------------------------------

// Images are summed in order within a part, parts in order after that.
std::int64_t filter_parts(const conv2d_shape& s) {
  return larger(int64_t{1}, smaller(int64_t{8}, s.batch));
}

template <class T>
plan<T> filter_plan(const sizes& z) {
  return packing_plan<T>(z.out_group, z.patch, z.out_plane);
}

template <class T>
std::int64_t filter_partial_bytes(const conv2d_shape& s) {
  const sizes z(s);
  if (z.out_plane == 0) return 0;
  const int64_t planes = bytes_of<T>(plane_layout(s).count(z.in_group));
  if (z.in_group == 1) return planes;
  const plan<T> p = filter_plan<T>(z);
  return planes + bytes_of<T>(4 * p.run) + plan_bytes<T>(p);
}

template <class T>
void filter_partial(const conv2d_args& a, std::int64_t part) {
  const conv2d_shape& s = a.shape;
  const sizes z(s);
  const int64_t parts = filter_parts(s);
  const int64_t first = s.batch * part / parts, last = s.batch * (part + 1) / parts;
  T* out = static_cast<T*>(a.out);
  if (first == last || z.out_plane == 0) {
    for (int64_t i = 0; i < z.filter() * s.groups; ++i) out[i] = T(0);
    return;
  }
  const plane_layout layout(s);
  const plan<T> p = filter_plan<T>(z);
  void* scratch = a.scratch;
  T* copies = layout.copy ? take<T>(scratch, layout.count(z.in_group)) : nullptr;
  T* lines = z.in_group == 1 ? nullptr : take<T>(scratch, 4 * p.run);
  for (int64_t image = first; image < last; ++image) {
    for (int64_t group = 0; group < s.groups; ++group) {
      const T* x =
          static_cast<const T*>(a.x) + (image * s.in_channels + group * z.in_group) * z.in_plane;
      const T* dy = static_cast<const T*>(a.dy) +
                    (image * s.out_channels + group * z.out_group) * z.out_plane;
      T* to = out + group * z.filter();
      const T* planes = prepare_planes(s, layout, x, z.in_group, copies);
      if (z.in_group == 1) {
        for (int64_t o = 0; o < z.out_group; ++o) {
          depthwise_filter(s, layout, planes, dy + o * z.out_plane, image > first, to + o * z.area);
        }
        continue;
      }
      matmul_args g;
      g.a = dy;
      g.lda = z.out_plane;
      g.c = to;
      g.ldc = z.patch;
      g.m = z.out_group;
      g.n = z.patch;
      g.k = z.out_plane;
      g.accumulate = image > first;
      g.scratch = scratch;
      multiply_blocks<T>(g, p, {0, g.m}, {0, g.n},
                         [&](int64_t j0, int64_t n, int64_t p0, int64_t k, T* dst) {
                           pack_patches_turned(s, layout, planes, j0, n, p0, k, dst, lines);
                         });
    }
  }
}

template <class T>
void filter_combine(const conv2d_shape& s, const void* partials, void* out) {
  const int64_t n = sizes(s).filter() * s.groups;
  const T* from = static_cast<const T*>(partials);
  T* to = static_cast<T*>(out);
  for (int64_t i = 0; i < n; ++i) to[i] = from[i];
  for (int64_t part = 1; part < filter_parts(s); ++part) {
    for (int64_t i = 0; i < n; ++i) to[i] += from[part * n + i];
  }
}

template <class T>
std::int64_t filter_bytes(const conv2d_shape& s) {
  const int64_t parts = filter_parts(s);
  const int64_t partials = parts > 1 ? bytes_of<T>(parts * sizes(s).filter() * s.groups) : 0;
  return partials + filter_partial_bytes<T>(s);
}

template <class T>
void filter_gradient(const conv2d_args& a) {
  const int64_t parts = filter_parts(a.shape);
  if (parts == 1) return filter_partial<T>(a, 0);
  const int64_t n = sizes(a.shape).filter() * a.shape.groups;
  void* scratch = a.scratch;
  T* partials = take<T>(scratch, parts * n);
  conv2d_args b = a;
  b.scratch = scratch;
  for (int64_t part = 0; part < parts; ++part) {
    b.out = partials + part * n;
    filter_partial<T>(b, part);
  }
  filter_combine<T>(a.shape, partials, a.out);
}

template <class T>
conv2d_kernel kernel() {
  conv2d_kernel k;
  k.forward_scratch_bytes = forward_bytes<T>;
  k.forward = forward<T>;
  k.input_gradient_scratch_bytes = input_gradient_bytes<T>;
  k.input_gradient = input_gradient<T>;
  k.filter_gradient_scratch_bytes = filter_bytes<T>;
  k.filter_gradient = filter_gradient<T>;
  k.filter_gradient_parts = filter_parts;
  k.filter_gradient_partial_scratch_bytes = filter_partial_bytes<T>;
  k.filter_gradient_partial = filter_partial<T>;
  k.filter_gradient_combine = filter_combine<T>;
  return k;
}

}  // namespace

conv2d_kernel conv2d(element e) {
  return with_float<conv2d_kernel>(e, []<class T>() { return kernel<T>(); });
}

}  // namespace graft::kernels::GRAFT_KERNEL_ISA
