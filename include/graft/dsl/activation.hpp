// Activations by their names in `dense<128> >> relu >> dense<10>`.
#pragma once

#include "graft/dsl/layer.hpp"
#include "graft/ops/activations.hpp"
#include "graft/ops/softmax.hpp"

namespace graft {

/// The parameter of the overloads below: `relu` as an operand of `>>` means `relu(layer_tag{})`.
///
/// The names have to stay functions, since tanh, exp and others are functions of the C library too.
struct layer_tag {};

/// An elementwise function, or one along the last axis, as a layer: floating tensors in, the same
/// type out.
struct activation : layer_base {
  const operator_schema* schema = nullptr;
  const char* parameter = nullptr;  ///< attribute, if any
  double real = 0;
  bool is_axis = false;  ///< the parameter is the last axis, not a real number

  constexpr activation(const operator_schema& s) : schema(&s) {}  // NOLINT: an operator is one
  constexpr activation(const operator_schema& s, const char* key, double value)
      : schema(&s), parameter(key), real(value) {}
  static constexpr activation along_last_axis(const operator_schema& s) {
    activation result(s, "axis", 0);
    result.is_axis = true;
    return result;
  }

  template <tensor_like X>
  constexpr auto operator()(const X& x, source_line here = source_line::now()) const {
    using result_type = tensor<typename X::target_type, X::type, typename X::shape_type>;
    if constexpr (!detail::operand_fits<detail::operand_rule{}, X>) {
      return detail::refuse_operand<text("activation"), detail::operand_rule{}, X>();
    } else {
      attribute_list attributes;
      if (is_axis) {
        attributes.set(parameter, -1);
      } else if (parameter != nullptr) {
        attributes.set(parameter, real);
      }
      const std::array<typename X::reference, 1> operands{x.ref()};
      return result_type(
          apply_dynamic<typename X::target_type>(*schema, operands, attributes, {}, here)[0]);
    }
  }
};

/// ops::relu, as a part of a network without points.
constexpr activation relu(layer_tag = {}) { return ops::relu; }
/// ops::tanh, as a part of a network without points.
constexpr activation tanh(layer_tag = {}) { return ops::tanh; }
/// ops::sigmoid, as a part of a network without points.
constexpr activation sigmoid(layer_tag = {}) { return ops::sigmoid; }
/// ops::softplus, as a part of a network without points.
constexpr activation softplus(layer_tag = {}) { return ops::softplus; }
/// ops::silu, as a part of a network without points.
constexpr activation silu(layer_tag = {}) { return ops::silu; }
/// ops::gelu, as a part of a network without points.
constexpr activation gelu(layer_tag = {}) { return ops::gelu; }
/// ops::gelu_tanh, as a part of a network without points.
constexpr activation gelu_tanh(layer_tag = {}) { return ops::gelu_tanh; }
/// ops::leaky_relu with alpha 0.01, as a part of a network without points.
constexpr activation leaky_relu(layer_tag = {}) { return {ops::leaky_relu, "alpha", 0.01}; }
/// ops::leaky_relu, as a part of a network without points.
constexpr activation leaky_relu(double alpha) { return {ops::leaky_relu, "alpha", alpha}; }
/// ops::elu with alpha 1, as a part of a network without points.
constexpr activation elu(layer_tag = {}) { return {ops::elu, "alpha", 1.0}; }
/// ops::elu, as a part of a network without points.
constexpr activation elu(double alpha) { return {ops::elu, "alpha", alpha}; }
/// ops::exp, as a part of a network without points.
constexpr activation exp(layer_tag = {}) { return ops::exp; }
/// ops::log, as a part of a network without points.
constexpr activation log(layer_tag = {}) { return ops::log; }
/// ops::sqrt, as a part of a network without points.
constexpr activation sqrt(layer_tag = {}) { return ops::sqrt; }
/// ops::square, as a part of a network without points.
constexpr activation square(layer_tag = {}) { return ops::square; }
/// ops::abs, as a part of a network without points.
constexpr activation abs(layer_tag = {}) { return ops::abs; }
/// ops::softmax along the last axis, as a part of a network without points.
constexpr activation softmax(layer_tag = {}) { return activation::along_last_axis(ops::softmax); }
/// ops::log_softmax along the last axis, as a part of a network without points.
constexpr activation log_softmax(layer_tag = {}) {
  return activation::along_last_axis(ops::log_softmax);
}

}  // namespace graft
