// Activations: smooth and piecewise functions that networks put between layers, and their
// derivatives.
#pragma once

#include "graft/ops/math.hpp"

namespace graft::ops {
namespace detail {

constexpr inferred infer_alpha(const infer_args& in) {
  const double alpha = in.attributes.real("alpha", 0);
  if (!(alpha >= 0 && rules::is_finite(alpha))) {
    return problem{.clause = "alpha must be at least 0 and finite", .needs = {}, .got = {}};
  }
  return infer_floating_unary(in);
}

// (gradient of the result, what the forward op saved) -> gradient of the operand.
constexpr inferred infer_activation_gradient(const infer_args& in) {
  for (const value_type& v : in.operands) {
    if (!rules::may_be_floating(v.type)) {
      return rules::type_problem("the operands must have floating elements",
                                 value_type::unranked(dtype::float32), v);
    }
  }
  if (!rules::types_agree(in.operands[0].type, in.operands[1].type)) {
    return rules::types_differ(in.operands[0], in.operands[1]);
  }
  if (rules::surely_differ(in.operands[0], in.operands[1])) {
    return rules::shape_problem("the operands must have one shape", in.operands[0], in.operands[1]);
  }
  return rules::refine(in.operands[0], in.operands[1]);
}

}  // namespace detail

inline constexpr operator_schema relu{"relu", 1, 1, detail::infer_floating_unary, elementwise};
inline constexpr operator_schema tanh{"tanh", 1, 1, detail::infer_floating_unary, elementwise};
inline constexpr operator_schema sigmoid{"sigmoid", 1, 1, detail::infer_floating_unary,
                                         elementwise};
inline constexpr operator_schema softplus{"softplus", 1, 1, detail::infer_floating_unary,
                                          elementwise};
inline constexpr operator_schema silu{"silu", 1, 1, detail::infer_floating_unary, elementwise};
inline constexpr operator_schema gelu{"gelu", 1, 1, detail::infer_floating_unary, elementwise};
inline constexpr operator_schema gelu_tanh{"gelu_tanh", 1, 1, detail::infer_floating_unary,
                                           elementwise};
namespace detail {
inline constexpr attribute_rule alpha_takes[] = {declare::real("alpha")};
}  // namespace detail

/// Attribute: alpha >= 0, finite.
inline constexpr operator_schema leaky_relu{"leaky_relu",        1,           1,
                                            detail::infer_alpha, elementwise, detail::alpha_takes};
/// Attribute: alpha >= 0, finite.
inline constexpr operator_schema elu{
    "elu", 1, 1, detail::infer_alpha, elementwise, detail::alpha_takes};

/// (dy, saved) -> dy * f'(x), where saved is the result y of relu, tanh, sigmoid, leaky_relu and
/// elu, and the operand x of the others.
inline constexpr operator_schema relu_gradient{"relu_gradient", 2, 2,
                                               detail::infer_activation_gradient, elementwise};
inline constexpr operator_schema tanh_gradient{"tanh_gradient", 2, 2,
                                               detail::infer_activation_gradient, elementwise};
inline constexpr operator_schema sigmoid_gradient{"sigmoid_gradient", 2, 2,
                                                  detail::infer_activation_gradient, elementwise};
inline constexpr operator_schema softplus_gradient{"softplus_gradient", 2, 2,
                                                   detail::infer_activation_gradient, elementwise};
inline constexpr operator_schema silu_gradient{"silu_gradient", 2, 2,
                                               detail::infer_activation_gradient, elementwise};
inline constexpr operator_schema gelu_gradient{"gelu_gradient", 2, 2,
                                               detail::infer_activation_gradient, elementwise};
inline constexpr operator_schema gelu_tanh_gradient{"gelu_tanh_gradient", 2, 2,
                                                    detail::infer_activation_gradient, elementwise};
inline constexpr operator_schema leaky_relu_gradient{
    "leaky_relu_gradient", 2, 2, detail::infer_activation_gradient, elementwise,
    detail::alpha_takes};
inline constexpr operator_schema elu_gradient{
    "elu_gradient", 2, 2, detail::infer_activation_gradient, elementwise, detail::alpha_takes};

}  // namespace graft::ops

namespace graft {

// Each takes x of any shape with floating elements and returns a tensor of x's type.

/// max(x, 0); its gradient at 0 is 0. NaN stays NaN. ONNX Relu.
template <tensor_like X>
constexpr auto relu(const X& x, name_view name = {}, source_line here = source_line::now()) {
  return apply<ops::relu>({}, name, here, x);
}
/// The hyperbolic tangent. ONNX Tanh.
template <tensor_like X>
constexpr auto tanh(const X& x, name_view name = {}, source_line here = source_line::now()) {
  return apply<ops::tanh>({}, name, here, x);
}
/// 1 / (1 + exp(-x)), without overflow. ONNX Sigmoid.
template <tensor_like X>
constexpr auto sigmoid(const X& x, name_view name = {}, source_line here = source_line::now()) {
  return apply<ops::sigmoid>({}, name, here, x);
}
/// log(1 + exp(x)), without overflow. ONNX Softplus.
template <tensor_like X>
constexpr auto softplus(const X& x, name_view name = {}, source_line here = source_line::now()) {
  return apply<ops::softplus>({}, name, here, x);
}
/// x * sigmoid(x), also called swish.
/// @see Elfwing, Uchibe, Doya, Sigmoid-weighted linear units, 2018
template <tensor_like X>
constexpr auto silu(const X& x, name_view name = {}, source_line here = source_line::now()) {
  return apply<ops::silu>({}, name, here, x);
}
/// x * (1 + erf(x / sqrt(2))) / 2. ONNX Gelu.
/// @see Hendrycks & Gimpel, Gaussian error linear units, 2016
template <tensor_like X>
constexpr auto gelu(const X& x, name_view name = {}, source_line here = source_line::now()) {
  return apply<ops::gelu>({}, name, here, x);
}
/// gelu by its approximation x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))).
template <tensor_like X>
constexpr auto gelu_tanh(const X& x, name_view name = {}, source_line here = source_line::now()) {
  return apply<ops::gelu_tanh>({}, name, here, x);
}
/// x where x > 0, else alpha * x. ONNX LeakyRelu.
/// @param alpha >= 0
template <tensor_like X>
constexpr auto leaky_relu(const X& x, double alpha = 0.01, name_view name = {},
                          source_line here = source_line::now()) {
  return apply<ops::leaky_relu>(attribute_list().set("alpha", alpha), name, here, x);
}
/// x where x > 0, else alpha * (exp(x) - 1). ONNX Elu.
/// @param alpha >= 0
/// @see Clevert, Unterthiner, Hochreiter, Exponential linear units, 2016
template <tensor_like X>
constexpr auto elu(const X& x, double alpha = 1.0, name_view name = {},
                   source_line here = source_line::now()) {
  return apply<ops::elu>(attribute_list().set("alpha", alpha), name, here, x);
}

}  // namespace graft
