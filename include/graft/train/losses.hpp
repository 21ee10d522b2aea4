// Losses as builder functions over typed handles. Each returns a scalar: the mean over all elements or examples.
#pragma once

#include <optional>

#include "graft/ops/elementwise.hpp"
#include "graft/ops/loss_operands.hpp"
#include "graft/ops/reduce.hpp"

namespace graft {

namespace detail {
// Not constexpr: in constant evaluation the compiler names these functions.
[[noreturn]] void refuse_delta(double delta, source_line here);
[[noreturn]] void refuse_factor(double factor, source_line here);
[[noreturn]] void refuse_penalty(std::string_view penalty, std::string_view parameter,
                                 const value_type& got, source_line here);

// The mean over all elements, by the name of its loss where these are no numbers that have one.
template <auto Label, tensor_like X>
constexpr auto mean_loss(const X& losses, source_line here) {
  return apply<ops::mean, reduce_attributes<all_axes, false>, Label>({}, {}, here, losses);
}

// A factor and where it stands: a function of any number of operands has no room for a last argument.
struct placed_factor {
  double value;
  source_line here;
  constexpr placed_factor(double v,
                          source_line line = source_line::now())  // NOLINT: a factor is one
      : value(v), here(line) {}
};

template <tensor_like T>
constexpr auto sum_of(source_line, const T& last) {
  return last;
}
template <tensor_like A, tensor_like B, tensor_like... More>
constexpr auto sum_of(source_line here, const A& a, const B& b, const More&... more) {
  return sum_of(here, add(a, b, {}, here), more...);
}

// A penalty on a parameter: what `terms` makes of it, summed, times the factor.
template <auto Label, tensor_like W, class F>
constexpr auto penalty(const W& parameter, double factor, source_line here, F&& terms) {
  using traits = target_traits<typename W::target_type>;
  if constexpr (!rules::may_be_floating(W::type)) {
    refuse_type<Label, dtype::float32, W::type>();
    return tensor<typename W::target_type, dtype::any, any_shape>{};
  } else {
    if (factor - factor != 0) refuse_factor(factor, here);
    const value_type type = traits::type_of(parameter.ref());
    if (!rules::may_be_floating(type.type)) {
      if constexpr (requires { traits::in_words(parameter.ref()); }) {
        const auto words = traits::in_words(parameter.ref());
        refuse_penalty(Label.view(), words, type, here);
      } else {
        refuse_penalty(Label.view(), {}, type, here);
      }
    }
    return all_or_nothing(parameter, Label.view(),
                          [&] { return mul(sum(terms(), name_view(), here), factor, {}, here); });
  }
}
}  // namespace detail

/// Mean squared error: mean((prediction - target)^2).
///
/// For a loss over a broadcast target write the formula itself.
/// @param prediction floating
/// @param target of the prediction's type and shape: nothing is broadcast
/// @throws shape_error where the shapes differ and their types do not tell; or when it runs
template <tensor_like P, tensor_like T>
constexpr auto mse(const P& prediction, const T& target, source_line here = source_line::now()) {
  constexpr text label("mse");
  if constexpr (!detail::loss_fits<P, T>) {
    return detail::refuse_loss<label, P, T>();
  } else {
    return detail::build_loss<label>(prediction, target, here, [&] {
      return detail::mean_loss<label>(apply<ops::squared_difference, detail::equal_shapes, label>(
                                          {}, {}, here, prediction, target),
                                      here);
    });
  }
}

/// Huber's loss: quadratic within delta of the target, linear beyond.
///
/// mean(q * (0.5 * q + (a - q))) with a = |prediction - target|, q = min(a, delta), which is
/// 0.5 a^2 for a <= delta and delta * (a - 0.5 delta) beyond.
/// @param prediction floating
/// @param target of the prediction's type and shape: nothing is broadcast
/// @param delta > 0, finite; else argument_error
/// @see Huber, Robust estimation of a location parameter, 1964
template <tensor_like P, tensor_like T>
constexpr auto huber(const P& prediction, const T& target, double delta = 1.0,
                     source_line here = source_line::now()) {
  constexpr text label("huber");
  if (!(delta > 0) || delta - delta != 0) detail::refuse_delta(delta, here);
  if constexpr (!detail::loss_fits<P, T>) {
    return detail::refuse_loss<label, P, T>();
  } else {
    return detail::build_loss<label>(prediction, target, here, [&] {
      const auto a = abs(
          apply<ops::sub, detail::equal_shapes, label>({}, {}, here, prediction, target), {}, here);
      const auto q = clip(a, 0.0, delta, {}, here);
      return detail::mean_loss<label>(mul(q, sub(a, mul(q, 0.5, {}, here), {}, here), {}, here),
                                      here);
    });
  }
}

/// Sum of squares of parameters times `factor`, to be added to a loss.
/// @param parameter floating, any shape
/// @param factor finite; else argument_error
template <tensor_like W>
constexpr auto l2_regularization(const W& parameter, double factor,
                                 source_line here = source_line::now()) {
  return detail::penalty<text("l2_regularization")>(parameter, factor, here,
                                                    [&] { return square(parameter, {}, here); });
}
/// Sum of absolute values of parameters times `factor`.
/// @param factor finite; else argument_error
template <tensor_like W>
constexpr auto l1_regularization(const W& parameter, double factor,
                                 source_line here = source_line::now()) {
  return detail::penalty<text("l1_regularization")>(parameter, factor, here,
                                                    [&] { return abs(parameter, {}, here); });
}
/// The sum over several parameters.
template <tensor_like W, tensor_like... More>
constexpr auto l2_regularization(detail::placed_factor factor, const W& first,
                                 const More&... more) {
  const source_line here = factor.here;
  return detail::all_or_nothing(first, [&] {
    return detail::sum_of(here, l2_regularization(first, factor.value, here),
                          l2_regularization(more, factor.value, here)...);
  });
}

}  // namespace graft
