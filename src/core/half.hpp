// Conversion of the half-precision types.
#pragma once

#include <bit>
#include <cstdint>

#include "graft/core/dtype.hpp"

namespace graft::detail {

constexpr float to_float(bfloat16 v) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(v.bits) << 16);
}

/// Rounds to nearest, halves to even; NaN stays NaN.
constexpr bfloat16 to_bfloat16(float v) {
  const auto bits = std::bit_cast<std::uint32_t>(v);
  if (v != v) return {static_cast<std::uint16_t>((bits >> 16) | 0x40)};
  return {static_cast<std::uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16)};
}

constexpr float to_float(float16 v) {
  const std::uint32_t sign = static_cast<std::uint32_t>(v.bits & 0x8000) << 16;
  const std::uint32_t exponent = (v.bits >> 10) & 31, fraction = v.bits & 1023;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000 | (fraction << 13));
  if (exponent != 0)
    return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
  const float tiny = static_cast<float>(fraction) * 5.9604644775390625e-8f;  // 2^-24
  return sign != 0 ? -tiny : tiny;
}

/// Rounds to nearest, halves to even; what is too large becomes infinite, NaN stays NaN.
constexpr float16 to_float16(float v) {
  const auto bits = std::bit_cast<std::uint32_t>(v);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000);
  const std::uint32_t magnitude = bits & 0x7fffffff;
  const auto with_sign = [sign](std::uint32_t rest) {
    return float16{static_cast<std::uint16_t>(sign | rest)};
  };
  if (magnitude > 0x7f800000) return with_sign(0x7e00);
  if (magnitude >= 0x47800000) return with_sign(0x7c00);  // 65536 and above
  if (magnitude >= 0x38800000) {                          // normal: 2^-14 and above
    const std::uint32_t rounded = magnitude + 0xfff + ((magnitude >> 13) & 1);
    return with_sign((rounded - 0x38000000) >> 13);
  }
  if (magnitude < 0x33000000) return with_sign(0);  // below half of the least one
  const std::uint32_t shift = 126 - (magnitude >> 23);
  const std::uint32_t fraction = (magnitude & 0x7fffff) | 0x800000;
  const std::uint32_t kept = fraction >> shift, dropped = fraction & ((1u << shift) - 1);
  const std::uint32_t halfway = 1u << (shift - 1);
  return with_sign(kept + ((dropped > halfway || (dropped == halfway && (kept & 1) != 0)) ? 1 : 0));
}

}  // namespace graft::detail
