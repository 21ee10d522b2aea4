#include <cmath>
#include <limits>

#include "graft/tensor/array.hpp"

#include "core/half.hpp"

namespace graft {

namespace {

template <class From, class To>
To convert(From x) {
  if constexpr (std::is_same_v<From, float16> || std::is_same_v<From, bfloat16>) {
    return convert<float, To>(detail::to_float(x));
  } else if constexpr (std::is_same_v<To, float16>) {
    return detail::to_float16(static_cast<float>(x));
  } else if constexpr (std::is_same_v<To, bfloat16>) {
    return detail::to_bfloat16(static_cast<float>(x));
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
