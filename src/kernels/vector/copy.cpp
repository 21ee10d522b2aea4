// Fill, and copies between strided views: transpose, permute, slice, broadcast, concatenation,
// padding.
#include "lookups.hpp"
#include "simd.hpp"

namespace graft::kernels::GRAFT_KERNEL_ISA {
namespace {

template <class U>
void fill_with(U* y, const void* value, int64_t n) {
  U v;
  std::memcpy(&v, value, sizeof v);
  for (int64_t i = 0; i < n; ++i) y[i] = v;
}

struct axis {
  int64_t dim, src, dst;
};

// dst[i * dst_row + j] = src[j * src_column + i], in square blocks: each cache line of either side
// is used up while it is there, and the inner loops are small enough to be unrolled.
template <class U>
void transpose(const U* src, int64_t src_column, U* dst, int64_t dst_row, int64_t rows,
               int64_t cols) {
  constexpr int64_t block = sizeof(U) == 8 ? 8 : 16;
  for (int64_t i0 = 0; i0 < rows; i0 += block) {
    const int64_t in = smaller(block, rows - i0);
    for (int64_t j0 = 0; j0 < cols; j0 += block) {
      const int64_t jn = smaller(block, cols - j0);
      const U* s = src + j0 * src_column + i0;
      U* d = dst + i0 * dst_row + j0;
      if (in == block && jn == block) {
        U tile[block][block];
        for (int64_t j = 0; j < block; ++j) {
          for (int64_t i = 0; i < block; ++i) tile[j][i] = s[j * src_column + i];
        }
        for (int64_t i = 0; i < block; ++i) {
          U line[block];
          for (int64_t j = 0; j < block; ++j) line[j] = tile[j][i];
          std::memcpy(d + i * dst_row, line, sizeof line);
        }
      } else {
        for (int64_t i = 0; i < in; ++i) {
          for (int64_t j = 0; j < jn; ++j) d[i * dst_row + j] = s[j * src_column + i];
        }
      }
    }
  }
}

template <class U>
void copy_inner(const U* src, const axis& a, U* dst) {
  if (a.src == 1 && a.dst == 1) {
    std::memcpy(dst, src, static_cast<std::size_t>(a.dim) * sizeof(U));
  } else if (a.src == 0 && a.dst == 1) {
    const U v = *src;
    for (int64_t i = 0; i < a.dim; ++i) dst[i] = v;
  } else if (a.dst == 1) {
    for (int64_t i = 0; i < a.dim; ++i) dst[i] = src[i * a.src];
  } else {
    for (int64_t i = 0; i < a.dim; ++i) dst[i * a.dst] = src[i * a.src];
  }
}

// `inner` axes are handled at once: one, or two for a transposition.
template <class U>
void walk(const U* src, U* dst, const axis* axes, int64_t outer, bool as_transpose) {
  int64_t index[max_rank] = {};
  for (;;) {
    if (as_transpose) {
      const axis& i = axes[outer];
      const axis& j = axes[outer + 1];
      transpose(src, j.src, dst, i.dst, i.dim, j.dim);
    } else {
      copy_inner(src, axes[outer], dst);
    }
    int64_t d = outer - 1;
    for (; d >= 0; --d) {
      src += axes[d].src;
      dst += axes[d].dst;
      if (++index[d] < axes[d].dim) break;
      src -= axes[d].src * axes[d].dim;
      dst -= axes[d].dst * axes[d].dim;
      index[d] = 0;
    }
    if (d < 0) return;
  }
}

template <class U>
void copy(const void* from, const int64_t* src_strides, void* to, const int64_t* dst_strides,
          const int64_t* dims, int64_t rank) {
  const U* src = static_cast<const U*>(from);
  U* dst = static_cast<U*>(to);
  axis axes[max_rank + 1];
  int64_t count = 0, dense = 1;
  for (int64_t d = rank - 1; d >= 0; --d) {  // reversed: innermost first
    if (dims[d] <= 0) return;
    const axis a{dims[d], src_strides[d], dst_strides != nullptr ? dst_strides[d] : dense};
    dense *= dims[d];
    if (a.dim == 1) continue;
    // Axes that follow on in both views are one longer axis.
    if (count > 0 && a.src == axes[count - 1].src * axes[count - 1].dim &&
        a.dst == axes[count - 1].dst * axes[count - 1].dim) {
      axes[count - 1].dim *= a.dim;
    } else {
      axes[count++] = a;
    }
  }
  if (count == 0) {
    *dst = *src;
    return;
  }
  for (int64_t i = 0; i < count / 2; ++i) {
    const axis a = axes[i];
    axes[i] = axes[count - 1 - i];
    axes[count - 1 - i] = a;
  }
  // A transposition: dst runs along the last axis, src along another one; bring that next to the
  // last.
  bool as_transpose = false;
  if (count >= 2 && axes[count - 1].dst == 1 && axes[count - 1].src != 1 &&
      axes[count - 1].src != 0) {
    for (int64_t i = count - 2; i >= 0; --i) {
      if (axes[i].src != 1 || axes[i].dst == 1) continue;
      const axis a = axes[i];
      for (int64_t j = i; j < count - 2; ++j) axes[j] = axes[j + 1];
      axes[count - 2] = a;
      as_transpose = true;
      break;
    }
  }
  walk(src, dst, axes, count - (as_transpose ? 2 : 1), as_transpose);
}

}  // namespace

void fill(void* y, const void* value, std::int64_t n, std::int64_t element_bytes) {
  if (n <= 0) return;
  switch (element_bytes) {
    case 1:
      fill_with(static_cast<std::uint8_t*>(y), value, n);
      break;
    case 4:
      fill_with(static_cast<std::uint32_t*>(y), value, n);
      break;
    case 8:
      fill_with(static_cast<std::uint64_t*>(y), value, n);
      break;
    default:
      break;
  }
}

void copy_strided(const void* src, const std::int64_t* src_strides, void* dst,
                  const std::int64_t* dst_strides, const std::int64_t* dims, std::int64_t rank,
                  std::int64_t element_bytes) {
  switch (element_bytes) {
    case 1:
      copy<std::uint8_t>(src, src_strides, dst, dst_strides, dims, rank);
      break;
    case 4:
      copy<std::uint32_t>(src, src_strides, dst, dst_strides, dims, rank);
      break;
    case 8:
      copy<std::uint64_t>(src, src_strides, dst, dst_strides, dims, rank);
      break;
    default:
      break;
  }
}

}  // namespace graft::kernels::GRAFT_KERNEL_ISA
