// Rows by index: gather, and scatter with addition.
#include "integer.hpp"
#include "lookups.hpp"
#include "map.hpp"

namespace graft::kernels::GRAFT_KERNEL_ISA {
namespace {

template <class U, class I>
void gather(const void* x, const void* indices, void* y, int64_t count, int64_t row) {
  const U* in = static_cast<const U*>(x);
  const I* at = static_cast<const I*>(indices);
  U* out = static_cast<U*>(y);
  if (row <= 0) return;
  if (row == 1) {
    for (int64_t i = 0; i < count; ++i) out[i] = in[at[i]];
    return;
  }
  for (int64_t i = 0; i < count; ++i) {
    std::memcpy(out + i * row, in + static_cast<int64_t>(at[i]) * row,
                static_cast<std::size_t>(row) * sizeof(U));
  }
}

template <class T, class I>
void scatter_add(const void* x, const void* indices, void* y, int64_t count, int64_t row) {
  const T* in = static_cast<const T*>(x);
  const I* at = static_cast<const I*>(indices);
  T* out = static_cast<T*>(y);
  for (int64_t i = 0; i < count; ++i) {
    const T* from = in + i * row;
    T* to = out + static_cast<int64_t>(at[i]) * row;
    if constexpr (T(0.5) != T(0)) {
      map2<T>(to, from, to, row,
              [](vec<T> a, vec<T> b) __attribute__((always_inline)) { return a + b; });
    } else {
      for (int64_t j = 0; j < row; ++j) to[j] = wrapping_add(to[j], from[j]);
    }
  }
}

template <class U>
gather_rows_kernel gatherer(element index) {
  return index == element::i32   ? gather<U, std::int32_t>
         : index == element::i64 ? gather<U, std::int64_t>
                                 : nullptr;
}
template <class T>
scatter_add_rows_kernel scatterer(element index) {
  return index == element::i32   ? scatter_add<T, std::int32_t>
         : index == element::i64 ? scatter_add<T, std::int64_t>
                                 : nullptr;
}

}  // namespace

gather_rows_kernel gather_rows(element e, element index) {
  switch (element_size(e)) {
    case 1:
      return gatherer<std::uint8_t>(index);
    case 4:
      return gatherer<std::uint32_t>(index);
    default:
      return gatherer<std::uint64_t>(index);
  }
}

scatter_add_rows_kernel scatter_add_rows(element e, element index) {
  switch (e) {
    case element::f32:
      return scatterer<float>(index);
    case element::f64:
      return scatterer<double>(index);
    case element::i32:
      return scatterer<std::int32_t>(index);
    case element::i64:
      return scatterer<std::int64_t>(index);
    default:
      return nullptr;
  }
}

}  // namespace graft::kernels::GRAFT_KERNEL_ISA
