#include <cmath>
#include <cstring>
#include <limits>

#include "graft/tensor/array.hpp"

namespace graft {

namespace {

float widen(bfloat16 h) {
  const std::uint32_t bits = std::uint32_t{h.bits} << 16;
  float result;
  std::memcpy(&result, &bits, sizeof result);
  return result;
}

bfloat16 narrow_to_bfloat16(float f) {
  std::uint32_t bits;
  std::memcpy(&bits, &f, sizeof bits);
  if (std::isnan(f)) return {static_cast<std::uint16_t>(bits >> 16 | 0x40u)};       // stays a NaN
  return {static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16)};  // ties to even
}

float widen(float16 h) {
  const int exponent = h.bits >> 10 & 31;
  const int fraction = h.bits & 1023;
  float magnitude;
  if (exponent == 31) {
    magnitude = fraction == 0 ? std::numeric_limits<float>::infinity()
                              : std::numeric_limits<float>::quiet_NaN();
  } else if (exponent == 0) {
    magnitude = std::ldexp(static_cast<float>(fraction), -24);
  } else {
    magnitude = std::ldexp(static_cast<float>(fraction + 1024), exponent - 25);
  }
  return (h.bits & 0x8000u) != 0 ? -magnitude : magnitude;
}

float16 narrow_to_float16(float f) {
  std::uint32_t bits;
  std::memcpy(&bits, &f, sizeof bits);
  const auto sign = static_cast<std::uint16_t>(bits >> 16 & 0x8000u);
  if (std::isnan(f)) return {static_cast<std::uint16_t>(sign | 0x7e00u)};
  const float magnitude = std::fabs(f);
  if (magnitude >= 65520.0f) return {static_cast<std::uint16_t>(sign | 0x7c00u)};
  // Half precision has 11 bits, below 2^-14 fewer. Rounding to that unit is done by the processor,
  // to even.
  const int unit = magnitude < 6.103515625e-05f ? -24 : std::ilogb(magnitude) - 10;
  const auto units = static_cast<int>(std::nearbyint(std::ldexp(magnitude, -unit)));
  const int exponent = unit + 24;  // of the stored form, less one for normal numbers
  return {static_cast<std::uint16_t>(sign + (exponent << 10) + units)};
}

template <class From, class To>
To convert(From x) {
  if constexpr (std::is_same_v<From, float16> || std::is_same_v<From, bfloat16>) {
    return convert<float, To>(widen(x));
  } else if constexpr (std::is_same_v<To, float16>) {
    return narrow_to_float16(static_cast<float>(x));
  } else if constexpr (std::is_same_v<To, bfloat16>) {
    return narrow_to_bfloat16(static_cast<float>(x));
  } else if constexpr (std::is_same_v<To, bool>) {
    return x != From{};
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    if (std::isnan(x)) return To{0};
    // 2^digits is the first value that does not fit; it is exact in every floating type.
    const From above = std::ldexp(From{1}, std::numeric_limits<To>::digits);
    if (x >= above) return std::numeric_limits<To>::max();
    if (x <= static_cast<From>(std::numeric_limits<To>::min()))
      return std::numeric_limits<To>::min();
    return static_cast<To>(x);
  } else {
    return static_cast<To>(x);
  }
}

template <class F>
void with_type(dtype type, F&& f) {
  switch (type) {
    case dtype::float32:
      return f(float{});
    case dtype::float64:
      return f(double{});
    case dtype::float16:
      return f(float16{});
    case dtype::bfloat16:
      return f(bfloat16{});
    case dtype::int8:
      return f(std::int8_t{});
    case dtype::int16:
      return f(std::int16_t{});
    case dtype::int32:
      return f(std::int32_t{});
    case dtype::int64:
      return f(std::int64_t{});
    case dtype::uint8:
      return f(std::uint8_t{});
    case dtype::uint16:
      return f(std::uint16_t{});
    case dtype::uint32:
      return f(std::uint32_t{});
    case dtype::uint64:
      return f(std::uint64_t{});
    case dtype::boolean:
      return f(bool{});
    case dtype::any:
    case dtype::string:
      break;
  }
}

}  // namespace

Array Array::cast(dtype type) const {
  if (type == type_) return *this;
  if (size_of(type) == 0 || size_of(type_) == 0) {
    throw dtype_error({.asked = "an array of " + std::string(name_of(type_)) +
                                " was to be converted to " + std::string(name_of(type)),
                       .found = "there is no conversion between them",
                       .where = {},
                       .hint = "convert between number types and boolean"});
  }
  Array result = uninitialized(type, shape_);
  with_type(type_, [&](auto from) {
    with_type(type, [&](auto to) {
      const auto in = span<decltype(from)>();
      const auto out = result.mutable_span<decltype(to)>();
      for (std::size_t i = 0; i < in.size(); ++i)
        out[i] = convert<decltype(from), decltype(to)>(in[i]);
    });
  });
  return result;
}

}  // namespace graft
