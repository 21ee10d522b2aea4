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
}  // namespace detail

/// Mean squared error: mean((prediction - target)^2).
template <tensor_like P, tensor_like T>
constexpr auto mse(const P& prediction, const T& target) {
  return detail::all_or_nothing(prediction,
                                [&] { return mean(squared_difference(prediction, target)); });
}

/// Huber's loss: quadratic within delta of the target, linear beyond.
///
/// mean(q * (0.5 * q + (a - q))) with a = |prediction - target|, q = min(a, delta), which is
/// 0.5 a^2 for a <= delta and delta * (a - 0.5 delta) beyond.
/// @param delta > 0, finite; else argument_error
/// @see Huber, Robust estimation of a location parameter, 1964
template <tensor_like P, tensor_like T>
constexpr auto huber(const P& prediction, const T& target, double delta = 1.0) {
  if (!(delta > 0) || delta - delta != 0) detail::refuse_delta(delta);
  return detail::all_or_nothing(prediction, [&] {
    const auto a = abs(prediction - target);
    const auto q = clip(a, 0.0, delta);
    return mean(q * (a - q * 0.5));
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
