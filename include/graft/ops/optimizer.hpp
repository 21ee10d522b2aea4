// Operators that compute one optimiser step: new parameter and new slots from old ones and a gradient. And those of
// soft_update() and of the norm of gradients.
//
// They only compute; `assign` makes the results the variables' values at the end of a run. Steps are float32 or
// float64, elementwise, of the parameter's shape; `rate` is a scalar of either. They take any number for a rate:
// checked_rate says what it may be.
#pragma once

#include "graft/schema/operator_schema.hpp"

namespace graft::ops {

namespace detail {

constexpr bool may_be_scalar(const value_type& t) { return !t.ranked || t.shape.empty(); }

constexpr problem rate_problem(const value_type& rate) {
  if (rate.type != dtype::any && !is_floating(rate.type)) {
    return {.clause = "the rate must be floating",
            .needs = value_type::of(dtype::float32, {}),
            .got = rate,
            .hint = "insert cast<float>(x)",
            .about_type = true};
  }
  if (may_be_scalar(rate)) return {};
  return {.clause = "the rate must be a scalar",
          .needs = value_type::of(dtype::float32, {}),
          .got = rate,
          .hint = "make one rate of it"};
}

constexpr inferred infer_checked_rate(const infer_args& in) {
  if (const problem p = rate_problem(in.operands[0])) return p;
  return value_type::of(in.operands[0].type, {});
}

/// Parameter, gradient and slots have one shape, the step number and the rate are scalars; the outputs are the
/// parameter and the slots.
template <int Slots, bool Counted = false>
constexpr inferred infer_optimizer_step(const infer_args& in) {
  const value_type& parameter = in.operands[0];
  const value_type& rate = in.operands[static_cast<std::size_t>(2 + Slots + (Counted ? 1 : 0))];
  if (const problem p = rate_problem(rate)) return p;
  if constexpr (Counted) {
    const value_type& step = in.operands[static_cast<std::size_t>(2 + Slots)];
    if ((step.type != dtype::any && step.type != dtype::int64) || !may_be_scalar(step)) {
      return problem{.clause = "the number of the step must be an int64 scalar",
                     .needs = value_type::of(dtype::int64, {}),
                     .got = step,
                     .about_type = step.type != dtype::int64};
    }
  }
  inferred result;
  result.outputs.push_back(parameter);
  for (int i = 1; i < 2 + Slots; ++i) {
    const value_type& other = in.operands[static_cast<std::size_t>(i)];
    if (other.type != dtype::any && parameter.type != dtype::any && other.type != parameter.type) {
      return problem{.clause = "gradient and slots must have the parameter's element type",
                     .needs = parameter,
                     .got = other,
                     .about_type = true};
    }
    bool fits = !parameter.ranked || !other.ranked || parameter.shape.size() == other.shape.size();
    for (std::size_t d = 0; fits && parameter.ranked && other.ranked && d < other.shape.size();
         ++d) {
      fits = !surely_differ(parameter.shape[d], other.shape[d]);
    }
    if (!fits) {
      return problem{.clause = "gradient and slots must have the parameter's shape",
                     .needs = parameter,
                     .got = other};
    }
    if (i >= 2) result.outputs.push_back(parameter);
  }
  return result;
}

constexpr problem tau_problem(const value_type& tau) {
  if (tau.type != dtype::any && !is_floating(tau.type)) {
    return {.clause = "tau must be floating",
            .needs = value_type::of(dtype::float32, {}),
            .got = tau,
            .hint = "insert cast<float>(x)",
            .about_type = true};
  }
  if (may_be_scalar(tau)) return {};
  return {.clause = "tau must be a scalar",
          .needs = value_type::of(dtype::float32, {}),
          .got = tau,
          .hint = "make one number of it"};
}

constexpr inferred infer_checked_fraction(const infer_args& in) {
  if (const problem p = tau_problem(in.operands[0])) return p;
  return value_type::of(in.operands[0].type, {});
}

constexpr inferred infer_soft_update(const infer_args& in) {
  const value_type &target = in.operands[0], &source = in.operands[1];
  if (const problem p = tau_problem(in.operands[2])) return p;
  if (target.type != dtype::any && source.type != dtype::any && target.type != source.type) {
    return problem{.clause = "the source must have the target's element type",
                   .needs = target,
                   .got = source,
                   .about_type = true};
  }
  bool fits = !target.ranked || !source.ranked || target.shape.size() == source.shape.size();
  for (std::size_t d = 0; fits && target.ranked && source.ranked && d < source.shape.size(); ++d) {
    fits = !surely_differ(target.shape[d], source.shape[d]);
  }
  if (fits) return target;
  return problem{
      .clause = "the source must have the target's shape", .needs = target, .got = source};
}

}  // namespace detail

namespace detail {
inline constexpr attribute_rule sgd_takes[] = {declare::real("weight_decay"),
                                               declare::flag("decoupled")};
inline constexpr attribute_rule momentum_takes[] = {
    declare::real("momentum"), declare::flag("nesterov"), declare::real("weight_decay"),
    declare::flag("decoupled")};
inline constexpr attribute_rule rmsprop_takes[] = {declare::real("rho"), declare::real("epsilon"),
                                                   declare::real("weight_decay"),
                                                   declare::flag("decoupled")};
inline constexpr attribute_rule adagrad_takes[] = {
    declare::real("epsilon"), declare::real("weight_decay"), declare::flag("decoupled")};
inline constexpr attribute_rule adam_takes[] = {
    declare::real("beta1"), declare::real("beta2"), declare::real("epsilon"),
    declare::real("weight_decay"), declare::flag("decoupled")};
}  // namespace detail

/// (parameter, gradient, rate) -> parameter - rate * gradient. Attributes, of all steps: weight_decay; decoupled, where
/// it is 1 the decay is no part of the gradient.
inline constexpr operator_schema sgd_update{
    "sgd_update", 3, 3, detail::infer_optimizer_step<0>, 0, detail::sgd_takes};
/// (parameter, gradient, velocity, rate) -> (parameter, velocity). Attributes: momentum, nesterov.
/// @see Sutskever et al., On the importance of initialization and momentum in deep learning, 2013
inline constexpr operator_schema momentum_update{
    "momentum_update", 4, 4, detail::infer_optimizer_step<1>, 0, detail::momentum_takes};
/// (parameter, gradient, mean_square, rate) -> (parameter, mean_square). Attributes: rho, epsilon.
/// @see Tieleman & Hinton, Lecture 6.5, 2012
inline constexpr operator_schema rmsprop_update{
    "rmsprop_update", 4, 4, detail::infer_optimizer_step<1>, 0, detail::rmsprop_takes};
/// (parameter, gradient, sum_square, rate) -> (parameter, sum_square). Attribute: epsilon.
/// @see Duchi, Hazan, Singer, Adaptive subgradient methods, 2011
inline constexpr operator_schema adagrad_update{
    "adagrad_update", 4, 4, detail::infer_optimizer_step<1>, 0, detail::adagrad_takes};
/// (parameter, gradient, m, v, step, rate) -> (parameter, m, v); step is the int64 number of this step, 1 first.
/// Attributes: beta1, beta2, epsilon; with decoupled it is AdamW.
/// @see Kingma & Ba, Adam, 2015; Loshchilov & Hutter, Decoupled weight decay regularization, 2019
inline constexpr operator_schema adam_update{
    "adam_update", 6, 6, detail::infer_optimizer_step<2, true>, 0, detail::adam_takes};

/// (rate) -> rate, a floating scalar. One that is negative or not finite is a numeric_error when it is run. The steps
/// above write variables while a run commits, so what a rate may be is asked before them.
inline constexpr operator_schema checked_rate{"checked_rate", 1, 1, detail::infer_checked_rate};
/// (tau) -> tau, a floating scalar. One outside [0, 1], or NaN, is a numeric_error when it is run.
inline constexpr operator_schema checked_fraction{"checked_fraction", 1, 1,
                                                  detail::infer_checked_fraction};
/// (target, source, tau) -> target + tau * (source - target), in one pass. tau = 0 gives the bits of the target and
/// tau = 1 those of the source, whatever they are. float32 or float64; tau is a scalar of either.
inline constexpr operator_schema soft_update{"soft_update", 3, 3, detail::infer_soft_update};

}  // namespace graft::ops
