#include "graft/ops/elementwise.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "graft/ops/shape_ops.hpp"
#include "graft/ops/sources.hpp"

#include "ops/elementwise_kernels.hpp"
#include "ops/families.hpp"

namespace graft {
namespace {

using kernels::binary_op;
using kernels::unary_op;
using support::unbroadcast;

// --- Kernels
// ------------------------------------------------------------------------------------------

std::uint64_t bits(auto v) { return static_cast<std::uint64_t>(v); }

bound_kernel bind_add(const bind_args& b) {
  return support::bind_binary(b, binary_op::add, "add", [](auto x, auto y) {
    return static_cast<decltype(x)>(bits(x) + bits(y));
  });
}
bound_kernel bind_sub(const bind_args& b) {
  return support::bind_binary(b, binary_op::sub, "sub", [](auto x, auto y) {
    return static_cast<decltype(x)>(bits(x) - bits(y));
  });
}
bound_kernel bind_mul(const bind_args& b) {
  return support::bind_binary(b, binary_op::mul, "mul", [](auto x, auto y) {
    return static_cast<decltype(x)>(bits(x) * bits(y));
  });
}
bound_kernel bind_div(const bind_args& b) {
  return support::bind_binary(b, binary_op::div, "div", [](auto x, auto y) {
    using T = decltype(x);
    if (y == 0) return T(0);
    if (std::is_signed_v<T> && y == T(-1)) return static_cast<T>(0 - bits(x));
    return static_cast<T>(x / y);
  });
}
bound_kernel bind_pow(const bind_args& b) {
  return support::bind_binary(b, binary_op::pow, "pow", [](auto x, auto y) {
    using T = decltype(x);
    if (y < 0) return x == T(1) ? T(1) : x == T(-1) ? (y % 2 == 0 ? T(1) : T(-1)) : T(0);
    std::uint64_t result = 1, base = bits(x);
    for (std::uint64_t n = bits(y); n != 0; n >>= 1) {
      if ((n & 1) != 0) result *= base;
      base *= base;
    }
    return static_cast<T>(result);
  });
}
bound_kernel bind_maximum(const bind_args& b) {
  return support::bind_binary(b, binary_op::max, "maximum",
                              [](auto x, auto y) { return x < y ? y : x; });
}
bound_kernel bind_minimum(const bind_args& b) {
  return support::bind_binary(b, binary_op::min, "minimum",
                              [](auto x, auto y) { return y < x ? y : x; });
}
bound_kernel bind_squared_difference(const bind_args& b) {
  return support::bind_binary(b, binary_op::squared_difference, "squared_difference",
                              [](auto x, auto y) {
                                const std::uint64_t d = bits(x) - bits(y);
                                return static_cast<decltype(x)>(d * d);
                              });
}

template <unary_op Op>
bound_kernel bind_floating(const bind_args& b) {
  return support::bind_unary(b, Op, "a function of floating elements", support::floating_only{});
}
bound_kernel bind_neg(const bind_args& b) {
  return support::bind_unary(b, unary_op::neg, "neg",
                             [](auto x) { return static_cast<decltype(x)>(0 - bits(x)); });
}
bound_kernel bind_abs(const bind_args& b) {
  return support::bind_unary(b, unary_op::abs, "abs", [](auto x) {
    return static_cast<decltype(x)>(x < 0 ? 0 - bits(x) : bits(x));
  });
}
bound_kernel bind_sign(const bind_args& b) {
  return support::bind_unary(b, unary_op::sign, "sign",
                             [](auto x) { return static_cast<decltype(x)>((x > 0) - (x < 0)); });
}
bound_kernel bind_square(const bind_args& b) {
  return support::bind_unary(b, unary_op::square, "square",
                             [](auto x) { return static_cast<decltype(x)>(bits(x) * bits(x)); });
}

constexpr double infinity = std::numeric_limits<double>::infinity();

bound_kernel bind_clip(const bind_args& b) {
  const double low = b.attributes.real("low", -infinity),
               high = b.attributes.real("high", infinity);
  return support::bind_unary(b, unary_op::clip, "clip",
                             [low, high](auto x) {
                               using T = decltype(x);
                               const auto v = static_cast<long double>(x);
                               const auto limit = [](double bound) {
                                 return static_cast<T>(std::clamp<long double>(
                                     static_cast<long double>(bound),
                                     static_cast<long double>(std::numeric_limits<T>::lowest()),
                                     static_cast<long double>(std::numeric_limits<T>::max())));
                               };
                               return v < static_cast<long double>(low)    ? limit(std::ceil(low))
                                      : v > static_cast<long double>(high) ? limit(std::floor(high))
                                                                           : x;
                             },
                             {low, high});
}

// --- Gradients
// ------------------------------------------------------------------------------------------

// The rule of a binary operator from the two products with the gradient, each made only where it is
// wanted.
template <class A, class B>
operand_gradients binary_gradient(const gradient_args& a, A first, B second) {
  operand_gradients result(2);
  const any_tensor &x = a.operands[0], &y = a.operands[1];
  if (a.wanted[0]) result[0] = unbroadcast(first(*a.output_gradients[0], x, y), x, {y});
  if (a.wanted[1]) result[1] = unbroadcast(second(*a.output_gradients[0], x, y), y, {x});
  return result;
}

operand_gradients add_gradient(const gradient_args& a) {
  const auto same = [](const any_tensor& g, const any_tensor&, const any_tensor&) { return g; };
  return binary_gradient(a, same, same);
}
operand_gradients sub_gradient(const gradient_args& a) {
  return binary_gradient(
      a, [](const any_tensor& g, const any_tensor&, const any_tensor&) { return g; },
      [](const any_tensor& g, const any_tensor&, const any_tensor&) { return -g; });
}
operand_gradients mul_gradient(const gradient_args& a) {
  return binary_gradient(
      a, [](const any_tensor& g, const any_tensor&, const any_tensor& y) { return g * y; },
      [](const any_tensor& g, const any_tensor& x, const any_tensor&) { return g * x; });
}
operand_gradients div_gradient(const gradient_args& a) {
  return binary_gradient(
      a, [](const any_tensor& g, const any_tensor&, const any_tensor& y) { return g / y; },
      [&](const any_tensor& g, const any_tensor&, const any_tensor& y) {
        return -(g * a.outputs[0]) / y;
      });
}

// The value of a `scalar` op, if the tensor is one.
std::optional<double> known_number(const Graph& g, const any_tensor& t) {
  const tensor_id id = g.id(t);
  if (g.schema_of(id.op).name != ops::scalar.name) return std::nullopt;
  const auto value = g.attributes_of(id.op).find("value");
  if (!value) return std::nullopt;
  return value->kind == attribute_kind::real ? value->real : static_cast<double>(value->integer);
}

operand_gradients pow_gradient(const gradient_args& a) {
  const std::optional<double> exponent = known_number(a.graph, a.operands[1]);
  return binary_gradient(
      a,
      [&](const any_tensor& g, const any_tensor& x, const any_tensor& y) -> any_tensor {
        if (!exponent) {
          // Where y is 0 the power is constant, also at x = 0 where x^-1 is infinite.
          const any_tensor constant = equal(y, 0);
          return select(constant, 0, g * y * pow(x, select(constant, 1, y - 1)));
        }
        if (*exponent == 0) return g * 0;
        if (*exponent == 1) return g * ones_like(x);
        if (*exponent == 2) return g * x * 2;
        return g * pow(x, *exponent - 1) * *exponent;
      },
      [&](const any_tensor& g, const any_tensor& x, const any_tensor&) {
        const any_tensor positive = x > 0;
        return select(positive, g * a.outputs[0] * log(select(positive, x, 1)), 0);
      });
}
template <bool Largest>
operand_gradients extreme_gradient(const gradient_args& a) {
  const any_tensor &x = a.operands[0], &y = a.operands[1];
  const any_tensor first = Largest ? any_tensor(x >= y) : any_tensor(x <= y);
  return binary_gradient(
      a,
      [&](const any_tensor& g, const any_tensor&, const any_tensor&) {
        return select(first, g, 0);
      },
      [&](const any_tensor& g, const any_tensor&, const any_tensor&) {
        return select(first, 0, g);
      });
}
operand_gradients squared_difference_gradient(const gradient_args& a) {
  return binary_gradient(
      a,
      [](const any_tensor& g, const any_tensor& x, const any_tensor& y) { return g * (x - y) * 2; },
      [](const any_tensor& g, const any_tensor& x, const any_tensor& y) {
        return g * (x - y) * -2;
      });
}

// The rule of a unary operator from f(gradient, operand, result).
template <class F>
operand_gradients unary_gradient(const gradient_args& a, F f) {
  operand_gradients result(1);
  result[0] = f(*a.output_gradients[0], a.operands[0], a.outputs[0]);
  return result;
}

using t = const any_tensor&;  // below: the gradient, the operand, the result
operand_gradients neg_gradient(const gradient_args& a) {
  return unary_gradient(a, [](t g, t, t) { return -g; });
}
operand_gradients abs_gradient(const gradient_args& a) {
  return unary_gradient(a, [](t g, t x, t) { return g * sign(x); });
}
operand_gradients square_gradient(const gradient_args& a) {
  return unary_gradient(a, [](t g, t x, t) { return g * x * 2; });
}
operand_gradients exp_gradient(const gradient_args& a) {
  return unary_gradient(a, [](t g, t, t y) { return g * y; });
}
operand_gradients expm1_gradient(const gradient_args& a) {
  return unary_gradient(a, [](t g, t, t y) { return g * (y + 1); });
}
operand_gradients log_gradient(const gradient_args& a) {
  return unary_gradient(a, [](t g, t x, t) { return g / x; });
}
operand_gradients log1p_gradient(const gradient_args& a) {
  return unary_gradient(a, [](t g, t x, t) { return g / (x + 1); });
}
operand_gradients sqrt_gradient(const gradient_args& a) {
  return unary_gradient(a, [](t g, t, t y) { return g / (y * 2); });
}
operand_gradients rsqrt_gradient(const gradient_args& a) {
  return unary_gradient(a, [](t g, t, t y) { return g * (y * square(y)) * -0.5; });
}
operand_gradients reciprocal_gradient(const gradient_args& a) {
  return unary_gradient(a, [](t g, t, t y) { return -(g * square(y)); });
}
operand_gradients sin_gradient(const gradient_args& a) {
  return unary_gradient(a, [](t g, t x, t) { return g * cos(x); });
}
operand_gradients cos_gradient(const gradient_args& a) {
  return unary_gradient(a, [](t g, t x, t) { return -(g * sin(x)); });
}
operand_gradients erf_gradient(const gradient_args& a) {
  return unary_gradient(a, [](t g, t x, t) { return g * exp(-square(x)) * 1.1283791670955126; });
}
operand_gradients clip_gradient(const gradient_args& a) {
  const double low = a.attributes.real("low", -infinity),
               high = a.attributes.real("high", infinity);
  return unary_gradient(
      a, [&](t g, t x, t) { return select(logical_and(x >= low, x <= high), g, 0); });
}

// --- Oracles and samples
// ----------------------------------------------------------------------------------

template <double (*F)(double)>
std::vector<Array> reference_unary(std::span<const Array> in, const attribute_list&) {
  return {
      support::reference_elementwise(in, in[0].type(), [](const double* v) { return F(v[0]); })};
}
template <double (*F)(double, double)>
std::vector<Array> reference_binary(std::span<const Array> in, const attribute_list&) {
  return {support::reference_elementwise(in, in[0].type(),
                                         [](const double* v) { return F(v[0], v[1]); })};
}
std::vector<Array> reference_div(std::span<const Array> in, const attribute_list&) {
  const bool whole = is_integer(in[0].type());
  return {support::reference_elementwise(in, in[0].type(), [whole](const double* v) {
    if (!whole) return v[0] / v[1];
    return v[1] == 0 ? 0 : std::trunc(v[0] / v[1]);
  })};
}
std::vector<Array> reference_clip(std::span<const Array> in, const attribute_list& a) {
  const double low = a.real("low", -infinity), high = a.real("high", infinity);
  return {support::reference_elementwise(in, in[0].type(), [=](const double* v) {
    return v[0] < low ? low : v[0] > high ? high : v[0];
  })};
}

// Integers of every type that has arithmetic; results stay within the smallest.
std::vector<operator_sample> with_integers(std::vector<operator_sample> samples) {
  for (const dtype type : {dtype::int32, dtype::int64, dtype::uint8, dtype::int8, dtype::int16,
                           dtype::uint16, dtype::uint32, dtype::uint64}) {
    samples.push_back(
        {{support::counting(type, {2, 5}, 5, 1), support::counting(type, {5}, 1, 1)}, {}, false});
    samples.push_back(
        {{support::counting(type, {4}, 5, 1), support::counting(type, {4}, 1, 1)}, {}, false});
  }
  return samples;
}
std::vector<operator_sample> arithmetic_samples() {
  return with_integers(support::binary_samples(-2, 2, -2, 2));
}
std::vector<operator_sample> extreme_samples() {
  return with_integers(support::binary_samples(-2, 2, -2, 2, false));
}
std::vector<operator_sample> div_samples() {
  std::vector<operator_sample> samples = with_integers(support::binary_samples(-2, 2, 0.5, 2));
  samples.push_back(
      {{support::counting(dtype::int32, {5}, -7, 3), support::counting(dtype::int32, {5}, -2, 1)},
       {},
       false});
  return samples;
}
std::vector<operator_sample> pow_samples() {
  std::vector<operator_sample> samples = support::binary_samples(0.3, 2, -2, 2);
  for (const dtype type : {dtype::int32, dtype::uint8, dtype::uint16, dtype::int64}) {
    samples.push_back(
        {{support::counting(type, {3}, 1, 1), support::counting(type, {3}, 0, 2)}, {}, false});
  }
  return samples;
}
template <int Low, int High>
std::vector<operator_sample> samples_between() {
  return support::unary_samples(Low, High);
}
std::vector<operator_sample> positive_samples() { return support::unary_samples(0.2, 4); }
std::vector<operator_sample> number_samples() {
  std::vector<operator_sample> samples = support::unary_samples(-3, 3);
  for (const dtype type : {dtype::int32, dtype::int64, dtype::int8, dtype::int16}) {
    samples.push_back({{support::counting(type, {7}, -3, 1)}, {}, false});
  }
  for (const dtype type : {dtype::uint8, dtype::uint16, dtype::uint32, dtype::uint64}) {
    samples.push_back({{support::counting(type, {7}, 0, 1)}, {}, false});
  }
  return samples;
}
std::vector<operator_sample> neg_samples() {
  std::vector<operator_sample> samples = number_samples();
  std::erase_if(samples, [](const operator_sample& s) {
    const dtype type = s.operands[0].type();
    return type >= dtype::uint8 &&
           type <= dtype::uint64;  // negation wraps, which the oracle does not do
  });
  return samples;
}
std::vector<operator_sample> whole_number_samples() {
  return support::unary_samples(-3.1, 3.1, {}, false);
}
std::vector<operator_sample> clip_samples() {
  attribute_list both, high;
  both.set("low", -1.0).set("high", 1.25);
  high.set("high", 0.5);
  std::vector<operator_sample> samples = support::unary_samples(-3, 3, both, false);
  samples.push_back({{support::spread({9}, -2, 2)}, high, true, false});
  samples.push_back({{support::counting(dtype::int32, {7}, -3, 1)}, both, false});
  samples.back().attributes.set("high", 1.0);
  return samples;
}

std::vector<operator_error_sample> binary_errors() {
  const value_type x = value_type::of(dtype::float32, {2, 3}),
                   y = value_type::of(dtype::float32, {2, 4});
  const value_type whole = value_type::of(dtype::int32, {2, 3});
  const value_type truth = value_type::of(dtype::boolean, {2, 3});
  return {{{x, y}, {}, "equal or broadcast"},
          {{x, whole}, {}, "one element type"},
          {{truth, truth}, {}, "needs numbers"},
          {{x}, {}, "number of operands"}};
}
std::vector<operator_error_sample> number_errors() {
  return {{{value_type::of(dtype::boolean, {2})}, {}, "numbers as elements"}};
}
std::vector<operator_error_sample> floating_errors() {
  return {{{value_type::of(dtype::int32, {2})}, {}, "floating elements"},
          {{}, {}, "number of operands"}};
}
std::vector<operator_error_sample> clip_errors() {
  attribute_list crossed;
  crossed.set("low", 2.0).set("high", 1.0);
  return {{{value_type::of(dtype::float32, {2})}, crossed, "lower bound"}};
}

double plus(double a, double b) { return a + b; }
double minus(double a, double b) { return a - b; }
double times(double a, double b) { return a * b; }
double power(double a, double b) { return std::pow(a, b); }
double larger(double a, double b) { return a > b ? a : b; }
double smaller(double a, double b) { return a < b ? a : b; }
double squared_distance(double a, double b) { return (a - b) * (a - b); }
double negative(double v) { return -v; }
double absolute(double v) { return std::abs(v); }
double signum(double v) { return v > 0 ? 1 : v < 0 ? -1 : v; }
double squared(double v) { return v * v; }
double inverse_root(double v) { return 1 / std::sqrt(v); }
double inverse(double v) { return 1 / v; }
double exponential(double v) { return std::exp(v); }
double exponential_less_one(double v) { return std::expm1(v); }
double logarithm(double v) { return std::log(v); }
double logarithm_plus_one(double v) { return std::log1p(v); }
double root(double v) { return std::sqrt(v); }
double sine(double v) { return std::sin(v); }
double cosine(double v) { return std::cos(v); }
double error_function(double v) { return std::erf(v); }
double down(double v) { return std::floor(v); }
double up(double v) { return std::ceil(v); }
double nearest(double v) { return std::nearbyint(v); }

}  // namespace

void add_elementwise_operators(std::vector<operator_definition>& all) {
  all.push_back({&ops::add, "Add", add_gradient, bind_add, reference_binary<plus>,
                 arithmetic_samples, binary_errors});
  all.push_back({&ops::sub, "Sub", sub_gradient, bind_sub, reference_binary<minus>,
                 arithmetic_samples, binary_errors});
  all.push_back({&ops::mul, "Mul", mul_gradient, bind_mul, reference_binary<times>,
                 arithmetic_samples, binary_errors});
  all.push_back(
      {&ops::div, "Div", div_gradient, bind_div, reference_div, div_samples, binary_errors});
  all.push_back({&ops::pow, "Pow", pow_gradient, bind_pow, reference_binary<power>, pow_samples,
                 binary_errors});
  all.push_back({&ops::maximum, "Max", extreme_gradient<true>, bind_maximum,
                 reference_binary<larger>, extreme_samples, binary_errors});
  all.push_back({&ops::minimum, "Min", extreme_gradient<false>, bind_minimum,
                 reference_binary<smaller>, extreme_samples, binary_errors});
  all.push_back({&ops::squared_difference, "", squared_difference_gradient, bind_squared_difference,
                 reference_binary<squared_distance>, arithmetic_samples, binary_errors});

  all.push_back({&ops::neg, "Neg", neg_gradient, bind_neg, reference_unary<negative>, neg_samples,
                 number_errors});
  all.push_back({&ops::abs, "Abs", abs_gradient, bind_abs, reference_unary<absolute>,
                 number_samples, number_errors});
  all.push_back({&ops::sign, "Sign", support::no_gradient, bind_sign, reference_unary<signum>,
                 number_samples, number_errors});
  all.push_back({&ops::square, "", square_gradient, bind_square, reference_unary<squared>,
                 number_samples, number_errors});
  const auto floating = [&](const operator_schema& schema, const char* onnx, gradient_rule gradient,
                            kernel_binding bind, reference_rule reference,
                            std::vector<operator_sample> (*samples)()) {
    all.push_back({&schema, onnx, gradient, bind, reference, samples, floating_errors});
  };
  floating(ops::exp, "Exp", exp_gradient, bind_floating<unary_op::exp>,
           reference_unary<exponential>, samples_between<-3, 3>);
  floating(ops::expm1, "", expm1_gradient, bind_floating<unary_op::expm1>,
           reference_unary<exponential_less_one>, samples_between<-2, 2>);
  floating(ops::log, "Log", log_gradient, bind_floating<unary_op::log>, reference_unary<logarithm>,
           positive_samples);
  floating(ops::log1p, "", log1p_gradient, bind_floating<unary_op::log1p>,
           reference_unary<logarithm_plus_one>, positive_samples);
  floating(ops::sqrt, "Sqrt", sqrt_gradient, bind_floating<unary_op::sqrt>, reference_unary<root>,
           positive_samples);
  floating(ops::rsqrt, "", rsqrt_gradient, bind_floating<unary_op::rsqrt>,
           reference_unary<inverse_root>, positive_samples);
  floating(ops::reciprocal, "Reciprocal", reciprocal_gradient, bind_floating<unary_op::reciprocal>,
           reference_unary<inverse>, positive_samples);
  floating(ops::sin, "Sin", sin_gradient, bind_floating<unary_op::sin>, reference_unary<sine>,
           samples_between<-7, 7>);
  floating(ops::cos, "Cos", cos_gradient, bind_floating<unary_op::cos>, reference_unary<cosine>,
           samples_between<-7, 7>);
  floating(ops::erf, "Erf", erf_gradient, bind_floating<unary_op::erf>,
           reference_unary<error_function>, samples_between<-3, 3>);
  floating(ops::floor, "Floor", support::no_gradient, bind_floating<unary_op::floor>,
           reference_unary<down>, whole_number_samples);
  floating(ops::ceil, "Ceil", support::no_gradient, bind_floating<unary_op::ceil>,
           reference_unary<up>, whole_number_samples);
  floating(ops::round, "Round", support::no_gradient, bind_floating<unary_op::round>,
           reference_unary<nearest>, whole_number_samples);
  all.push_back(
      {&ops::clip, "Clip", clip_gradient, bind_clip, reference_clip, clip_samples, clip_errors});
}

}  // namespace graft
