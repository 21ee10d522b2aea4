// Activations by their names in `dense<128> >> relu >> dense<10>`.
#pragma once

#include "graft/dsl/layer.hpp"
#include "graft/ops/activations.hpp"
#include "graft/ops/softmax.hpp"

namespace graft {

namespace detail {

// The attribute of an activation, if any.
struct activation_parameter {
  const char* key = nullptr;
  double real = 0;
  int axis = 0;  // not 0: the attribute is the axis
};

template <class Target>
[[gnu::noinline]] constexpr auto add_activation(const operator_schema& schema,
                                                const typename target_traits<Target>::reference& x,
                                                const activation_parameter& parameter,
                                                source_line here) {
  attribute_list attributes;
  if (parameter.axis != 0) {
    attributes.set(parameter.key, parameter.axis);
  } else if (parameter.key != nullptr) {
    attributes.set(parameter.key, parameter.real);
  }
  return apply_dynamic<Target>(schema, {&x, 1}, attributes, {}, here)[0];
}

}  // namespace detail

/// An elementwise function, or one along the last axis, as a layer: floating tensors in, the same
/// type out.
template <const operator_schema& Schema>
struct activation : named_part<activation<Schema>> {
  detail::activation_parameter parameter;  ///< its attribute, if it has one

  constexpr activation() = default;
  /// @param key the attribute that holds the number
  constexpr activation(const char* key, double real) : parameter{key, real, 0} {}
  /// @param key the attribute that holds the axis
  constexpr activation(const char* key, int axis) : parameter{key, 0, axis} {}

  using named_part<activation<Schema>>::operator();
  template <tensor_like X>
  constexpr auto operator()(const X& x, source_line here = source_line::now()) const {
    using target_type = typename X::target_type;
    if constexpr (!detail::operand_fits<detail::operand_rule{}, X>) {
      return detail::refuse_operand<detail::schema_label<Schema>(), detail::operand_rule{}, X>();
    } else {
      detail::check_stated(Schema.name, here, x);
      return tensor<target_type, X::type, typename X::shape_type>(
          detail::add_activation<target_type>(Schema, x.ref(), parameter, here));
    }
  }
};

/// ops::relu, as a part of a network without points.
constexpr activation<ops::relu> relu(layer_tag = {}) { return {}; }
/// ops::tanh, as a part of a network without points.
constexpr activation<ops::tanh> tanh(layer_tag = {}) { return {}; }
/// ops::sigmoid, as a part of a network without points.
constexpr activation<ops::sigmoid> sigmoid(layer_tag = {}) { return {}; }
/// ops::softplus, as a part of a network without points.
constexpr activation<ops::softplus> softplus(layer_tag = {}) { return {}; }
/// ops::silu, as a part of a network without points.
constexpr activation<ops::silu> silu(layer_tag = {}) { return {}; }
/// ops::gelu, as a part of a network without points.
constexpr activation<ops::gelu> gelu(layer_tag = {}) { return {}; }
/// ops::gelu_tanh, as a part of a network without points.
constexpr activation<ops::gelu_tanh> gelu_tanh(layer_tag = {}) { return {}; }
/// ops::leaky_relu with alpha 0.01, as a part of a network without points.
constexpr activation<ops::leaky_relu> leaky_relu(layer_tag = {}) { return {"alpha", 0.01}; }
/// ops::leaky_relu, as a part of a network without points.
constexpr activation<ops::leaky_relu> leaky_relu(double alpha) { return {"alpha", alpha}; }
/// ops::elu with alpha 1, as a part of a network without points.
constexpr activation<ops::elu> elu(layer_tag = {}) { return {"alpha", 1.0}; }
/// ops::elu, as a part of a network without points.
constexpr activation<ops::elu> elu(double alpha) { return {"alpha", alpha}; }
/// ops::exp, as a part of a network without points.
constexpr activation<ops::exp> exp(layer_tag = {}) { return {}; }
/// ops::log, as a part of a network without points.
constexpr activation<ops::log> log(layer_tag = {}) { return {}; }
/// ops::sqrt, as a part of a network without points.
constexpr activation<ops::sqrt> sqrt(layer_tag = {}) { return {}; }
/// ops::square, as a part of a network without points.
constexpr activation<ops::square> square(layer_tag = {}) { return {}; }
/// ops::abs, as a part of a network without points.
constexpr activation<ops::abs> abs(layer_tag = {}) { return {}; }
/// ops::softmax along the last axis, as a part of a network without points.
constexpr activation<ops::softmax> softmax(layer_tag = {}) { return {"axis", -1}; }
/// ops::log_softmax along the last axis, as a part of a network without points.
constexpr activation<ops::log_softmax> log_softmax(layer_tag = {}) { return {"axis", -1}; }

}  // namespace graft
