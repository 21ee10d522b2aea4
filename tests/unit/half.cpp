// Conversions of the half-precision types, against their definitions.
#include "core/half.hpp"

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "graft/tensor/array.hpp"

#include "catch.hpp"

using namespace graft;

namespace {

// What the bits stand for: sign, exponent and fraction of the given widths (IEEE 754, section 3.4).
double meaning(std::uint16_t bits, int exponent_bits, int fraction_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = bits >> fraction_bits & ((1 << exponent_bits) - 1);
  const int fraction = bits & ((1 << fraction_bits) - 1);
  double magnitude = std::ldexp(fraction + (exponent > 0 ? 1 << fraction_bits : 0),
                                std::max(exponent, 1) - bias - fraction_bits);
  if (exponent == (1 << exponent_bits) - 1) {
    magnitude = fraction == 0 ? HUGE_VAL : std::numeric_limits<double>::quiet_NaN();
  }
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

// A number rounds to the nearer of two neighbours, from their middle to the one whose last bit is
// 0.
template <class Half, class Narrow>
int wrong_roundings(int exponent_bits, int fraction_bits, Narrow narrow) {
  int wrong = 0;
  const int infinite = ((1 << exponent_bits) - 1) << fraction_bits;
  for (int bits = 0; bits < infinite; ++bits) {
    const double low = meaning(static_cast<std::uint16_t>(bits), exponent_bits, fraction_bits);
    // Beyond the last one the next would be where infinity stands.
    const double high = bits + 1 < infinite ? meaning(static_cast<std::uint16_t>(bits + 1),
                                                      exponent_bits, fraction_bits)
                                            : std::ldexp(1.0, 1 << (exponent_bits - 1));
    const double middle = (low + high) / 2;
    const auto middle_float = static_cast<float>(middle);
    for (const int sign : {0, 0x8000}) {
      const float s = sign == 0 ? 1.0f : -1.0f;
      const auto check = [&](float value, int expected) {
        wrong += narrow(s * value).bits != (sign | expected);
      };
      check(static_cast<float>(low), bits);
      if (middle_float != middle) continue;  // not a float
      check(middle_float, bits % 2 == 0 ? bits : bits + 1);
      check(std::nextafter(middle_float, 0.0f), bits);
      check(std::nextafter(middle_float, HUGE_VALF), bits + 1);
    }
  }
  return wrong;
}

}  // namespace

TEST_CASE("halves widen to what their bits stand for", "[half]") {
  int wrong = 0;
  for (int bits = 0; bits < 0x10000; ++bits) {
    const auto b = static_cast<std::uint16_t>(bits);
    const auto same = [](float found, double expected) {
      return std::isnan(expected)
                 ? std::isnan(found)
                 : found == expected && std::signbit(found) == std::signbit(expected);
    };
    wrong += !same(detail::to_float(float16{b}), meaning(b, 5, 10));
    wrong += !same(detail::to_float(bfloat16{b}), meaning(b, 8, 7));
  }
  CHECK(wrong == 0);
}

TEST_CASE("floats round to the nearest half, ties to even", "[half]") {
  CHECK(wrong_roundings<float16>(5, 10, [](float f) { return detail::to_float16(f); }) == 0);
  CHECK(wrong_roundings<bfloat16>(8, 7, [](float f) { return detail::to_bfloat16(f); }) == 0);
  CHECK(detail::to_float16(65520.0f).bits == 0x7c00);
  CHECK(detail::to_float16(65519.0f).bits == 0x7bff);
  CHECK(detail::to_float16(-HUGE_VALF).bits == 0xfc00);
  CHECK(detail::to_bfloat16(HUGE_VALF).bits == 0x7f80);
  // A NaN stays one, whatever its bits.
  for (const std::uint32_t bits : {0x7f800001u, 0xff800001u, 0x7fffffffu, 0x7fc00000u}) {
    const auto nan = std::bit_cast<float>(bits);
    CHECK(std::isnan(detail::to_float(detail::to_float16(nan))));
    CHECK(std::isnan(detail::to_float(detail::to_bfloat16(nan))));
  }
}

TEST_CASE("arrays convert by the same rules", "[half]") {
  const std::vector<float> values{
      0.0f, -0.0f, 1.0f, 1.00048828125f, 65520.0f, 5.9604644775390625e-8f, -2.98e-8f};
  const Array a = Array::from<float>({7}, values);
  const Array half = a.cast(dtype::float16), brain = a.cast(dtype::bfloat16);
  for (std::size_t i = 0; i < values.size(); ++i) {
    CHECK(half.span<float16>()[i].bits == detail::to_float16(values[i]).bits);
    CHECK(brain.span<bfloat16>()[i].bits == detail::to_bfloat16(values[i]).bits);
    CHECK(half.cast(dtype::float64).span<double>()[i] == detail::to_float(half.span<float16>()[i]));
  }
}
