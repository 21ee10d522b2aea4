// Layers that behave differently in training: batch norm and dropout; and layer norm, which does
// not.
#pragma once

#include "graft/dsl/compose.hpp"
#include "graft/ops/dropout.hpp"
#include "graft/ops/normalize.hpp"
#include "graft/ops/sources.hpp"

namespace graft {

namespace detail {

template <class X, int Axis>
constexpr auto axis_shape_of() {
  if constexpr (X::shape_type::ranked) {
    return shape<extent_at<typename X::shape_type>(Axis)>{};
  } else {
    return any_shape{};
  }
}
// The shape of one value for each element of an axis.
template <class X, int Axis>
using axis_shape = decltype(axis_shape_of<X, Axis>());

}  // namespace detail

/// Batch normalisation; use it through batch_norm().
template <text Name = "">
struct batch_norm_layer : named_part<batch_norm_layer<Name>> {
  static constexpr auto label = detail::layer_label<"batch_norm", Name>();

  double momentum_value = 0.99;
  double epsilon_value = 1e-3;
  detail::layer_key key;

  /// How much of the moving statistics each batch leaves: moving = momentum * moving + (1 -
  /// momentum) * batch.
  [[nodiscard]] constexpr batch_norm_layer momentum(double m) const {
    batch_norm_layer copy = *this;
    copy.momentum_value = m;
    return copy;
  }
  /// What is added to the variance.
  [[nodiscard]] constexpr batch_norm_layer epsilon(double e) const {
    batch_norm_layer copy = *this;
    copy.epsilon_value = e;
    return copy;
  }
  /// The same layer with its variables tied under a key.
  [[nodiscard]] constexpr batch_norm_layer shared(name_view shared_key) const {
    batch_norm_layer copy = *this;
    copy.key = detail::kept_key(shared_key);
    return copy;
  }

  using named_part<batch_norm_layer<Name>>::operator();
  /// @param x floating [N, C, ...], C known
  /// @return of x's shape
  template <tensor_like X>
  constexpr auto operator()(const X& x, source_line here = source_line::now()) const {
    using target_type = typename X::target_type;
    if constexpr (!detail::operand_fits<rule, X>) {
      return detail::refuse_operand<label, rule, X>();
    } else {
      using traits = target_traits<target_type>;
      using parameter_shape = detail::axis_shape<X, 1>;
      target_type& target = detail::target_of(x);
      const value_type type = detail::checked_type<target_type>(x.ref(), label.view(), here, rule);
      const dims channels{type.shape[1]};
      detail::layer_frame frame(target, detail::layer_scope_name<"batch_norm", Name>());
      const detail::layer_context<target_type> layer{&target, key, here};
      const auto variable = [&](std::string_view name, const initializer& initial, bool trained) {
        return tensor<target_type, X::type, parameter_shape>(
            layer.variable(name, type.type, channels, initial.make(type.type, channels),
                           trained ? variable_role::parameter : variable_role::statistic, trained));
      };
      const auto scale = variable("scale", ones(), true);
      const auto bias = variable("bias", zeros(), true);
      const auto mean = variable("moving_mean", zeros(), false);
      const auto variance = variable("moving_variance", ones(), false);
      attribute_list attributes;
      const bool training = traits::mode_of(target) == mode::training;
      attributes.set("epsilon", epsilon_value)
          .set("momentum", momentum_value)
          .set("training", training);
      const std::tuple outputs = apply<ops::batch_norm, no_attributes, label>(
          attributes, {}, here, x, scale, bias, mean, variance);
      // Declared in both modes: a clone may turn an inference copy into one that is trained.
      const auto follow = [&](const auto& statistic, auto next, std::string_view name) {
        // A shared layer's applications update one after the other: the op blends the old value with the batch's,
        // momentum * old + rest, so what an earlier update moved counts momentum times.
        if (const auto earlier = traits::latest_own_update(target, statistic.ref());
            !earlier.empty()) {
          const std::remove_cvref_t<decltype(statistic)> moved(earlier[0]);
          next = decltype(next)((next + (moved - statistic) * momentum_value).ref());
        }
        traits::own_update(target, statistic.ref(), assign(statistic, next, name, here).ref());
      };
      follow(mean, std::get<1>(outputs), "update_mean");
      follow(variance, std::get<2>(outputs), "update_variance");
      auto result = std::get<0>(outputs);
      frame.keep();
      return result;
    }
  }

 private:
  static constexpr detail::operand_rule rule{.min_rank = 2, .known_axis = 1};
};

/// Batch normalisation over all axes but the second: `batch_norm(x)`, `conv2d<8> >> batch_norm >>
/// relu`, `batch_norm<"bn">().momentum(0.9)`.
///
/// Variables: `scale`, `bias`, and the statistics `moving_mean` and `moving_variance`, whose
/// updates belong to the layer and run with the training step. In inference mode the statistics are
/// used instead of the batch's. A shared layer that is applied several times updates them as often, in
/// the order of the applications.
/// @see Ioffe & Szegedy, Batch normalization, 2015
template <text Name = "", tensor_like X>
constexpr auto batch_norm(const X& x, source_line here = source_line::now()) {
  return batch_norm_layer<Name>{}(x, here);
}
/// The layer with a name, for networks without points: `batch_norm<"bn">()`.
template <text Name>
constexpr batch_norm_layer<Name> batch_norm() {
  return {};
}
/// The layer, for networks without points: `dense<8> >> batch_norm`.
constexpr batch_norm_layer<> batch_norm(layer_tag = {}) { return {}; }

/// Layer normalisation; use it through layer_norm().
template <text Name = "">
struct layer_norm_layer : named_part<layer_norm_layer<Name>> {
  static constexpr auto label = detail::layer_label<"layer_norm", Name>();

  double epsilon_value = 1e-5;
  detail::layer_key key;

  /// What is added to the variance.
  [[nodiscard]] constexpr layer_norm_layer epsilon(double e) const {
    layer_norm_layer copy = *this;
    copy.epsilon_value = e;
    return copy;
  }
  /// The same layer with its variables tied under a key.
  [[nodiscard]] constexpr layer_norm_layer shared(name_view shared_key) const {
    layer_norm_layer copy = *this;
    copy.key = detail::kept_key(shared_key);
    return copy;
  }

  using named_part<layer_norm_layer<Name>>::operator();
  /// @param x floating [..., D], D known
  /// @return of x's shape
  template <tensor_like X>
  constexpr auto operator()(const X& x, source_line here = source_line::now()) const {
    using target_type = typename X::target_type;
    if constexpr (!detail::operand_fits<rule, X>) {
      return detail::refuse_operand<label, rule, X>();
    } else {
      using parameter_shape = detail::axis_shape<X, -1>;
      target_type& target = detail::target_of(x);
      const value_type type = detail::checked_type<target_type>(x.ref(), label.view(), here, rule);
      const dims width{type.shape.back()};
      detail::layer_frame frame(target, detail::layer_scope_name<"layer_norm", Name>());
      const detail::layer_context<target_type> layer{&target, key, here};
      using parameter = tensor<target_type, X::type, parameter_shape>;
      const parameter scale(layer.variable("scale", type.type, width, ones()));
      const parameter bias(layer.variable("bias", type.type, width, zeros()));
      attribute_list attributes;
      attributes.set("epsilon", epsilon_value);
      auto result =
          apply<ops::layer_norm, no_attributes, label>(attributes, {}, here, x, scale, bias);
      frame.keep();
      return result;
    }
  }

 private:
  static constexpr detail::operand_rule rule{.min_rank = 1, .known_axis = -1};
};

/// Layer normalisation over the last axis: `layer_norm(x)`, `dense<64> >> layer_norm >> relu`.
/// Variables: `scale`, `bias`.
/// @see Ba, Kiros, Hinton, Layer normalization, 2016
template <text Name = "", tensor_like X>
constexpr auto layer_norm(const X& x, source_line here = source_line::now()) {
  return layer_norm_layer<Name>{}(x, here);
}
/// The layer with a name, for networks without points: `layer_norm<"ln">()`.
template <text Name>
constexpr layer_norm_layer<Name> layer_norm() {
  return {};
}
/// The layer, for networks without points: `dense<8> >> layer_norm`.
constexpr layer_norm_layer<> layer_norm(layer_tag = {}) { return {}; }

/// Dropout; use it through dropout().
template <text Name = "">
struct dropout_layer : layer_base {
  static constexpr auto label = detail::layer_label<"dropout", Name>();
  double rate = 0.5;  ///< the probability of zero, in [0, 1)

  constexpr explicit dropout_layer(double r) : rate(r) {}

  using layer_base::operator();
  /// @param x floating, any shape
  /// @return x's type: in training, elements are zero with probability `rate`, others divided by 1
  /// - rate
  /// @throws argument_error unless 0 <= rate < 1
  template <tensor_like X>
  constexpr auto operator()(const X& x, source_line here = source_line::now()) const {
    using target_type = typename X::target_type;
    if constexpr (!detail::operand_fits<detail::operand_rule{}, X>) {
      return detail::refuse_operand<label, detail::operand_rule{}, X>();
    } else {
      using traits = target_traits<target_type>;
      target_type& target = detail::target_of(x);
      if (!(rate >= 0 && rate < 1)) {
        detail::refuse_call<target_type>(
            label.view(), here, x.ref(),
            [&](const detail::layer_call& call) { detail::refuse_rate(call, rate); });
      }
      detail::layer_frame frame(target, detail::layer_scope_name<"dropout", Name>());
      initial_value start;
      start.schema = &ops::stream;
      const detail::layer_context<target_type> layer{&target, {}, here};
      const tensor<target_type, dtype::int64, shape<2>> stream(
          layer.variable("stream", dtype::int64, {2}, start, variable_role::rng_stream, false));
      attribute_list attributes;
      attributes.set("rate", rate).set("training", traits::mode_of(target) == mode::training);
      auto result = apply<ops::dropout, no_attributes, label>(attributes, {}, here, x, stream);
      const auto advanced = apply<ops::advance_stream>({}, {}, here, stream);
      traits::own_update(target, stream.ref(),
                         assign(stream, advanced, "update_stream", here).ref());
      frame.keep();
      return result;
    }
  }
};

/// Drops elements at random while training: `dense<64> >> relu >> dropout(0.5)`, `dropout(0.5)(x)`.
///
/// Draws from a random stream of its own, a variable that clones with fresh variables get anew.
/// @see Srivastava et al., Dropout, 2014
template <text Name = "">
constexpr dropout_layer<Name> dropout(double rate) {
  return dropout_layer<Name>(rate);
}
/// The probability of zero, in [0, 1)
template <text Name = "", tensor_like X>
constexpr auto dropout(const X& x, double rate, source_line here = source_line::now()) {
  return dropout_layer<Name>(rate)(x, here);
}

}  // namespace graft
