// Integer arithmetic without undefined behaviour.
#pragma once

#include <cstdint>

namespace graft::kernels::GRAFT_KERNEL_ISA {

// The unsigned type to compute in: wide enough that promotion to int cannot overflow.
template <class T>
struct wrapping;
template <>
struct wrapping<std::int32_t> {
  using type = std::uint32_t;
};
template <>
struct wrapping<std::int64_t> {
  using type = std::uint64_t;
};
template <>
struct wrapping<std::uint8_t> {
  using type = std::uint32_t;
};
template <>
struct wrapping<std::int8_t> {
  using type = std::uint32_t;
};
template <class T>
using wrapping_t = typename wrapping<T>::type;

template <class T>
inline constexpr T lowest_integer =
    T(-1) < T(0) ? static_cast<T>(std::uint64_t{1} << (8 * sizeof(T) - 1)) : T(0);
template <class T>
inline constexpr T highest_integer = static_cast<T>(~lowest_integer<T>);

template <class T>
constexpr T wrapping_add(T a, T b) {
  return static_cast<T>(static_cast<wrapping_t<T>>(a) + static_cast<wrapping_t<T>>(b));
}
template <class T>
constexpr T wrapping_sub(T a, T b) {
  return static_cast<T>(static_cast<wrapping_t<T>>(a) - static_cast<wrapping_t<T>>(b));
}
template <class T>
constexpr T wrapping_mul(T a, T b) {
  return static_cast<T>(static_cast<wrapping_t<T>>(a) * static_cast<wrapping_t<T>>(b));
}

// Nearest representable value at or towards zero from v; NaN gives 0.
template <class T, class F>
constexpr T saturate(F v) {
  // The highest value itself may not be a floating-point number; one above it always is.
  constexpr F end =
      static_cast<F>(std::uint64_t{1} << (8 * sizeof(T) - (T(-1) < T(0) ? 2 : 1))) * F(2);
  constexpr F low = static_cast<F>(lowest_integer<T>);
  return v >= end   ? highest_integer<T>
         : v <= low ? lowest_integer<T>
         : v == v   ? static_cast<T>(v)
                    : T(0);
}

}  // namespace graft::kernels::GRAFT_KERNEL_ISA
