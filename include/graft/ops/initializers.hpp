// Initial values of variables: what layers take as `kernel_initializer` and the like.
#pragma once

#include <limits>

#include "graft/ops/random.hpp"

namespace graft {

/// The numbers of units that a weight connects.
struct fans {
  double in = 1;   ///< inputs that an output sums over
  double out = 1;  ///< outputs that an input goes into
  constexpr bool operator==(const fans&) const = default;
};

/// Fan in and out of a weight: [in, out] of a dense layer; filters [out, in / groups, height,
/// width]; a vector counts as both; everything else as 1.
constexpr fans fans_of(const dims& shape) {
  const auto at = [&](std::size_t i) { return static_cast<double>(shape[i]); };
  if (shape.empty()) return {};
  if (shape.size() == 1) return {at(0), at(0)};
  if (shape.size() == 2) return {at(0), at(1)};
  double field = 1;
  for (std::size_t i = 2; i < shape.size(); ++i) field *= at(i);
  return {at(1) * field, at(0) * field};
}

namespace detail {

// The same bits in constant evaluation and at run time.
constexpr double square_root(double x) {
  if (x == 0) return 0;
  if (!(x > 0) || x > 1e300)
    return std::numeric_limits<double>::quiet_NaN();  // refused by the operator
  double scale = 1;  // bring x into [1, 4), where Newton's iteration from 1.5 takes five steps
  while (x >= 4) {
    x /= 4;
    scale *= 2;
  }
  while (x < 1) {
    x *= 4;
    scale /= 2;
  }
  double root = 1.5;
  for (int i = 0; i < 6; ++i) root = (root + x / root) / 2;
  return root * scale;
}

// Throw argument_error. Not constexpr: in constant evaluation the compiler names these functions and prints the
// arguments of the initializer.
[[noreturn]] void initializer_refuses_low_above_high(double low, double high, source_line here);
[[noreturn]] void initializer_refuses_standard_deviation(double stddev, source_line here);
[[noreturn]] void initializer_refuses_scale(double scale, source_line here);
[[noreturn]] void initializer_refuses_what_is_not_finite(double number, source_line here);

constexpr void check_finite(double number, source_line here) {
  using limits = std::numeric_limits<double>;  // a difference of infinities is no constant
  if (!(number >= limits::lowest() && number <= limits::max())) {
    initializer_refuses_what_is_not_finite(number, here);
  }
}
constexpr void check_deviation(double mean, double stddev, source_line here) {
  check_finite(mean, here);
  check_finite(stddev, here);
  if (stddev < 0) initializer_refuses_standard_deviation(stddev, here);
}

}  // namespace detail

/// How the first value of a variable is made. A small literal value, so layers take it as a
/// template argument as well as at run time; the functions below make it.
struct initializer {
  /// What is drawn.
  enum class kind : std::uint8_t { fill, uniform, normal, truncated, orthogonal };
  /// Which fan the variance is divided by.
  enum class fan : std::uint8_t { none, in, out, average };

  kind what = kind::fill;  ///< a fill draws nothing
  fan by = fan::none;      ///< none: `first` and `second` say all
  double first = 0;   ///< value, lower bound, mean, gain; with a fan: the scale of the variance
  double second = 0;  ///< upper bound, standard deviation

  constexpr bool operator==(const initializer&) const = default;

  /// The operator and the attributes that make the value; the target adds type and shape.
  [[nodiscard]] constexpr initial_value make(dtype, const dims& shape) const {
    double a = first, b = second;
    if (by != fan::none) {
      const fans f = fans_of(shape);
      const double n = by == fan::in ? f.in : by == fan::out ? f.out : (f.in + f.out) / 2;
      const double variance = first / (n > 1 ? n : 1);
      // A normal cut off at two deviations has 0.8796 of the deviation of the whole one.
      b = detail::square_root(what == kind::uniform ? 3 * variance : variance) /
          (what == kind::truncated ? 0.87962566103423978 : 1.0);
      a = what == kind::uniform ? -b : 0;
    }
    initial_value result;
    switch (what) {
      case kind::fill:
        result.schema = &ops::fill;
        result.attributes.set("value", a);
        break;
      case kind::uniform:
        result.schema = &ops::random_uniform;
        result.attributes.set("low", a).set("high", b);
        break;
      case kind::normal:
        result.schema = &ops::random_normal;
        result.attributes.set("mean", a).set("stddev", b);
        break;
      case kind::truncated:
        result.schema = &ops::truncated_normal;
        result.attributes.set("mean", a).set("stddev", b);
        break;
      case kind::orthogonal:
        result.schema = &ops::orthogonal;
        result.attributes.set("gain", a);
        break;
    }
    return result;
  }
};

/// All elements 0.
constexpr initializer zeros() { return {}; }
/// All elements 1.
constexpr initializer ones() { return {.first = 1}; }
/// All elements of one value.
constexpr initializer constant(double value) { return {.first = value}; }
/// Uniform in [low, high).
/// @throws argument_error unless low <= high and both are finite; in constant evaluation it does not compile
constexpr initializer uniform(double low = -0.05, double high = 0.05,
                              source_line here = source_line::now()) {
  detail::check_finite(low, here);
  detail::check_finite(high, here);
  detail::check_finite(high - low, here);
  if (low > high) detail::initializer_refuses_low_above_high(low, high, here);
  return {.what = initializer::kind::uniform, .first = low, .second = high};
}
/// Normal with mean and standard deviation.
/// @throws argument_error unless both are finite and stddev >= 0; in constant evaluation it does not compile
constexpr initializer normal(double mean = 0, double stddev = 0.05,
                             source_line here = source_line::now()) {
  detail::check_deviation(mean, stddev, here);
  return {.what = initializer::kind::normal, .first = mean, .second = stddev};
}
/// Normal, cut off at two standard deviations. @see normal
constexpr initializer truncated_normal(double mean = 0, double stddev = 0.05,
                                       source_line here = source_line::now()) {
  detail::check_deviation(mean, stddev, here);
  return {.what = initializer::kind::truncated, .first = mean, .second = stddev};
}
/// Orthonormal rows or columns, times gain; for shapes of two axes or more.
/// @see Saxe, McClelland, Ganguli, Exact solutions to the nonlinear dynamics of learning, 2014
/// @throws argument_error unless the gain is finite; in constant evaluation it does not compile
constexpr initializer orthogonal(double gain = 1, source_line here = source_line::now()) {
  detail::check_finite(gain, here);
  return {.what = initializer::kind::orthogonal, .first = gain};
}

/// Mean 0 and variance scale / fan, of the kind uniform, normal or truncated.
/// @throws argument_error unless scale is finite and at least 0; in constant evaluation it does not compile
constexpr initializer variance_scaling(double scale, initializer::fan by, initializer::kind what,
                                       source_line here = source_line::now()) {
  detail::check_finite(scale, here);
  if (scale < 0) detail::initializer_refuses_scale(scale, here);
  return {.what = what, .by = by, .first = scale};
}
/// Variance 2 / (fan in + fan out), for tanh and sigmoid.
/// @see Glorot & Bengio, Understanding the difficulty of training deep feedforward networks, 2010
constexpr initializer glorot_uniform() {
  return variance_scaling(1, initializer::fan::average, initializer::kind::uniform);
}
/// Truncated normal with variance 2 / (fan_in + fan_out). @see glorot_uniform
constexpr initializer glorot_normal() {
  return variance_scaling(1, initializer::fan::average, initializer::kind::truncated);
}
/// Variance 2 / fan in, for relu.
/// @see He, Zhang, Ren, Sun, Delving deep into rectifiers, 2015
constexpr initializer he_uniform() {
  return variance_scaling(2, initializer::fan::in, initializer::kind::uniform);
}
/// Truncated normal with variance 2 / fan_in. @see he_uniform
constexpr initializer he_normal() {
  return variance_scaling(2, initializer::fan::in, initializer::kind::truncated);
}
/// Variance 1 / fan in.
/// @see LeCun, Bottou, Orr, Müller, Efficient BackProp, 1998
constexpr initializer lecun_uniform() {
  return variance_scaling(1, initializer::fan::in, initializer::kind::uniform);
}
/// Truncated normal with variance 1 / fan_in. @see lecun_uniform
constexpr initializer lecun_normal() {
  return variance_scaling(1, initializer::fan::in, initializer::kind::truncated);
}

}  // namespace graft
