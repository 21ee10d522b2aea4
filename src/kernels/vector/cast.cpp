// Conversions between element types.
#include "integer.hpp"
#include "lookups.hpp"
#include "simd.hpp"

namespace graft::kernels::GRAFT_KERNEL_ISA {
namespace {

struct boolean {
  std::uint8_t value;
};  // a type of its own, so that b8 differs from u8

template <class T>
inline constexpr bool is_floating = false;
template <>
inline constexpr bool is_floating<float> = true;
template <>
inline constexpr bool is_floating<double> = true;
template <class A, class B>
inline constexpr bool same = false;
template <class A>
inline constexpr bool same<A, A> = true;

template <class From, class To>
GRAFT_INLINE To convert(From x) {
  if constexpr (same<From, boolean>) {
    if constexpr (same<To, boolean>)
      return boolean{x.value};
    else
      return static_cast<To>(x.value != 0);
  } else if constexpr (same<To, boolean>) {
    return boolean{static_cast<std::uint8_t>(x != From(0))};
  } else if constexpr (is_floating<From> && !is_floating<To>) {
    return saturate<To>(x);
  } else {
    return static_cast<To>(x);
  }
}

template <class From, class To>
void run(const void* x, void* y, int64_t n) {
  if (n <= 0) return;
  if constexpr (same<From, To>) {
    if (x != y) std::memcpy(y, x, static_cast<std::size_t>(n) * sizeof(To));
  } else {
    const From* in = static_cast<const From*>(x);
    To* out = static_cast<To*>(y);
    for (int64_t i = 0; i < n; ++i) out[i] = convert<From, To>(in[i]);
  }
}

template <class From>
cast_kernel from(element to) {
  switch (to) {
    case element::f32:
      return run<From, float>;
    case element::f64:
      return run<From, double>;
    case element::i32:
      return run<From, std::int32_t>;
    case element::i64:
      return run<From, std::int64_t>;
    case element::u8:
      return run<From, std::uint8_t>;
    case element::i8:
      return run<From, std::int8_t>;
    case element::b8:
      return run<From, boolean>;
  }
  return nullptr;
}

}  // namespace

cast_kernel cast(element source, element to) {
  switch (source) {
    case element::f32:
      return from<float>(to);
    case element::f64:
      return from<double>(to);
    case element::i32:
      return from<std::int32_t>(to);
    case element::i64:
      return from<std::int64_t>(to);
    case element::u8:
      return from<std::uint8_t>(to);
    case element::i8:
      return from<std::int8_t>(to);
    case element::b8:
      return from<boolean>(to);
  }
  return nullptr;
}

}  // namespace graft::kernels::GRAFT_KERNEL_ISA
