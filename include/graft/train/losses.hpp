// Losses as builder functions over typed handles. Each returns a scalar: the mean over all elements or examples.
#pragma once

#include <optional>

#include "graft/ops/elementwise.hpp"
#include "graft/ops/reduce.hpp"

namespace graft {

namespace detail {
// Not constexpr: in constant evaluation the compiler names these functions.
[[noreturn]] void refuse_delta(double delta);
[[noreturn]] void refuse_factor(double factor);

// The mean over all elements, by the name of its loss where these are no numbers that have one.
template <auto Label, tensor_like X>
constexpr auto mean_loss(const X& losses, source_line here) {
  return apply<ops::mean, reduce_attributes<all_axes, false>, Label>({}, {}, here, losses);
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
  return detail::all_or_nothing(prediction, [&] {
    return detail::mean_loss<label>(apply<ops::squared_difference, detail::equal_shapes, label>(
                                        {}, {}, here, prediction, target),
                                    here);
  });
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
  if (!(delta > 0) || delta - delta != 0) detail::refuse_delta(delta);
  return detail::all_or_nothing(prediction, [&] {
    const auto a = abs(
        apply<ops::sub, detail::equal_shapes, label>({}, {}, here, prediction, target), {}, here);
    const auto q = clip(a, 0.0, delta, {}, here);
    return detail::mean_loss<label>(mul(q, sub(a, mul(q, 0.5, {}, here), {}, here), {}, here),
                                    here);
  });
}

/// Sum of squares of parameters times `factor`, to be added to a loss.
/// @param factor finite; else argument_error
template <tensor_like W>
constexpr auto l2_regularization(const W& parameter, double factor) {
  if (factor - factor != 0) detail::refuse_factor(factor);
  return detail::all_or_nothing(parameter, [&] { return sum(square(parameter)) * factor; });
}
/// Sum of absolute values of parameters times `factor`.
/// @param factor finite; else argument_error
template <tensor_like W>
constexpr auto l1_regularization(const W& parameter, double factor) {
  if (factor - factor != 0) detail::refuse_factor(factor);
  return detail::all_or_nothing(parameter, [&] { return sum(abs(parameter)) * factor; });
}
/// The sum over several parameters.
template <tensor_like W, tensor_like... More>
constexpr auto l2_regularization(double factor, const W& first, const More&... more) {
  return detail::all_or_nothing(first, [&] {
    return (l2_regularization(first, factor) + ... + l2_regularization(more, factor));
  });
}

}  // namespace graft
