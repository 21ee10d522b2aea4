// Functions of one tensor, element by element.
#pragma once

#include "graft/ops/symbols.hpp"
#include "graft/schema/apply.hpp"
#include "graft/schema/rules.hpp"

namespace graft::ops {
namespace detail {

constexpr inferred infer_number_unary(const infer_args& in) {
  if (!rules::may_be_number(in.operands[0].type)) {
    return rules::type_problem("the operand must have numbers as elements",
                               value_type::unranked(dtype::float32), in.operands[0]);
  }
  return in.operands[0];
}

constexpr inferred infer_floating_unary(const infer_args& in) {
  if (!rules::may_be_floating(in.operands[0].type)) {
    return rules::type_problem("the operand must have floating elements",
                               value_type::unranked(dtype::float32), in.operands[0]);
  }
  return in.operands[0];
}

constexpr inferred infer_clip(const infer_args& in) {
  const double low = in.attributes.real("low", -__builtin_huge_val());
  const double high = in.attributes.real("high", __builtin_huge_val());
  if (!(low <= high)) {
    return problem{
        .clause = "the lower bound must not be above the upper one", .needs = {}, .got = {}};
  }
  return infer_number_unary(in);
}

}  // namespace detail

inline constexpr operator_schema neg{"neg", 1, 1, detail::infer_number_unary, elementwise};
inline constexpr operator_schema abs{"abs", 1, 1, detail::infer_number_unary, elementwise};
inline constexpr operator_schema sign{"sign", 1, 1, detail::infer_number_unary, elementwise};
inline constexpr operator_schema square{"square", 1, 1, detail::infer_number_unary, elementwise};
inline constexpr operator_schema exp{"exp", 1, 1, detail::infer_floating_unary, elementwise};
inline constexpr operator_schema expm1{"expm1", 1, 1, detail::infer_floating_unary, elementwise};
inline constexpr operator_schema log{"log", 1, 1, detail::infer_floating_unary, elementwise};
inline constexpr operator_schema log1p{"log1p", 1, 1, detail::infer_floating_unary, elementwise};
inline constexpr operator_schema sqrt{"sqrt", 1, 1, detail::infer_floating_unary, elementwise};
inline constexpr operator_schema rsqrt{"rsqrt", 1, 1, detail::infer_floating_unary, elementwise};
inline constexpr operator_schema reciprocal{"reciprocal", 1, 1, detail::infer_floating_unary,
                                            elementwise};
inline constexpr operator_schema sin{"sin", 1, 1, detail::infer_floating_unary, elementwise};
inline constexpr operator_schema cos{"cos", 1, 1, detail::infer_floating_unary, elementwise};
inline constexpr operator_schema erf{"erf", 1, 1, detail::infer_floating_unary, elementwise};
inline constexpr operator_schema floor{"floor", 1, 1, detail::infer_floating_unary, elementwise};
inline constexpr operator_schema ceil{"ceil", 1, 1, detail::infer_floating_unary, elementwise};
inline constexpr operator_schema round{"round", 1, 1, detail::infer_floating_unary, elementwise};
namespace detail {
inline constexpr attribute_rule clip_takes[] = {declare::real("low"), declare::real("high")};
}  // namespace detail

/// Attributes: low, high.
inline constexpr operator_schema clip{
    "clip", 1, 1, detail::infer_clip, elementwise, detail::clip_takes};

}  // namespace graft::ops

namespace graft {

// Each takes x of any shape, numbers or (from exp on) floating elements, and returns a tensor of
// x's type.

/// -x. ONNX Neg.
template <tensor_like X>
constexpr auto neg(const X& x, name_view name = {}, source_line here = source_line::now()) {
  return apply<ops::neg>({}, name, here, x);
}
/// The absolute value; its gradient at 0 is 0. ONNX Abs.
template <tensor_like X>
constexpr auto abs(const X& x, name_view name = {}, source_line here = source_line::now()) {
  return apply<ops::abs>({}, name, here, x);
}
/// -1, 0 or 1; NaN where x is. Its gradient is 0. ONNX Sign.
template <tensor_like X>
constexpr auto sign(const X& x, name_view name = {}, source_line here = source_line::now()) {
  return apply<ops::sign>({}, name, here, x);
}
/// x * x.
template <tensor_like X>
constexpr auto square(const X& x, name_view name = {}, source_line here = source_line::now()) {
  return apply<ops::square>({}, name, here, x);
}
/// e to the power of x. ONNX Exp.
template <tensor_like X>
constexpr auto exp(const X& x, name_view name = {}, source_line here = source_line::now()) {
  return apply<ops::exp>({}, name, here, x);
}
/// exp(x) - 1, exact near 0.
template <tensor_like X>
constexpr auto expm1(const X& x, name_view name = {}, source_line here = source_line::now()) {
  return apply<ops::expm1>({}, name, here, x);
}
/// The natural logarithm; NaN below 0, -infinity at 0. ONNX Log.
template <tensor_like X>
constexpr auto log(const X& x, name_view name = {}, source_line here = source_line::now()) {
  return apply<ops::log>({}, name, here, x);
}
/// log(1 + x), exact near 0.
template <tensor_like X>
constexpr auto log1p(const X& x, name_view name = {}, source_line here = source_line::now()) {
  return apply<ops::log1p>({}, name, here, x);
}
/// The square root; NaN below 0. ONNX Sqrt.
template <tensor_like X>
constexpr auto sqrt(const X& x, name_view name = {}, source_line here = source_line::now()) {
  return apply<ops::sqrt>({}, name, here, x);
}
/// 1 / sqrt(x).
template <tensor_like X>
constexpr auto rsqrt(const X& x, name_view name = {}, source_line here = source_line::now()) {
  return apply<ops::rsqrt>({}, name, here, x);
}
/// 1 / x. ONNX Reciprocal.
template <tensor_like X>
constexpr auto reciprocal(const X& x, name_view name = {}, source_line here = source_line::now()) {
  return apply<ops::reciprocal>({}, name, here, x);
}
/// The sine of x in radians. ONNX Sin.
template <tensor_like X>
constexpr auto sin(const X& x, name_view name = {}, source_line here = source_line::now()) {
  return apply<ops::sin>({}, name, here, x);
}
/// The cosine of x in radians. ONNX Cos.
template <tensor_like X>
constexpr auto cos(const X& x, name_view name = {}, source_line here = source_line::now()) {
  return apply<ops::cos>({}, name, here, x);
}
/// The error function. ONNX Erf.
template <tensor_like X>
constexpr auto erf(const X& x, name_view name = {}, source_line here = source_line::now()) {
  return apply<ops::erf>({}, name, here, x);
}
/// The largest whole number not above x; gradient 0. ONNX Floor.
template <tensor_like X>
constexpr auto floor(const X& x, name_view name = {}, source_line here = source_line::now()) {
  return apply<ops::floor>({}, name, here, x);
}
/// The smallest whole number not below x; gradient 0. ONNX Ceil.
template <tensor_like X>
constexpr auto ceil(const X& x, name_view name = {}, source_line here = source_line::now()) {
  return apply<ops::ceil>({}, name, here, x);
}
/// The nearest whole number, halves to even; gradient 0. ONNX Round.
template <tensor_like X>
constexpr auto round(const X& x, name_view name = {}, source_line here = source_line::now()) {
  return apply<ops::round>({}, name, here, x);
}
/// x limited to [low, high]; NaN stays NaN. The gradient passes where low <= x <= high. ONNX Clip.
/// @throws argument_error if low > high or one is NaN
template <tensor_like X>
constexpr auto clip(const X& x, double low, double high, name_view name = {},
                    source_line here = source_line::now()) {
  attribute_list a;
  a.set("low", low).set("high", high);
  return apply<ops::clip>(a, name, here, x);
}

namespace detail {
template <>
inline constexpr const operator_schema* meant<meaning::neg> = &ops::neg;
}  // namespace detail

/// x itself.
template <tensor_like X>
constexpr auto operator+(const X& x) {
  return x;
}

}  // namespace graft
