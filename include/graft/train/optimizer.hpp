// Optimisers, learning-rate schedules and the training step.
#pragma once

#include <initializer_list>
#include <optional>
#include <span>
#include <utility>
#include <variant>
#include <vector>

#include "graft/core/callable.hpp"
#include "graft/graph/graph.hpp"
#include "graft/graph/update_group.hpp"
#include "graft/surgery/clone.hpp"

namespace graft {

/// A learning rate: a number, a function of the step number, or a tensor of the user's own (to be fed).
///
/// Schedules are graph: they are cloned with the training step and computed in each run, in float64. What is fed or
/// computed is checked in each run: a rate that is negative or not finite is a numeric_error there, and changes no
/// variable.
class learning_rate {
 public:
  /// Maps the step number to the rate.
  using rule = callable<any_tensor(const any_tensor& step)>;
  /// @param value in 1/step, >= 0 and finite; else argument_error
  learning_rate(double value);  // NOLINT: a number is a rate
  /// @param r maps the step number (float64 scalar, 0 first) to the rate, a floating scalar. In float64
  /// every step number is exact, and parameters of float64 take steps of their own precision.
  learning_rate(rule r);  // NOLINT: a schedule is a rate
  /// @param rate a floating scalar of the graph, computed or fed in each run
  learning_rate(const any_tensor& rate);  // NOLINT: a tensor is a rate
  /// The same of a typed handle.
  template <dtype Type, class Shape>
  learning_rate(const tensor<Graph, Type, Shape>& rate)  // NOLINT: a tensor is a rate
      : learning_rate(any_tensor(rate)) {}

  /// Adds the rate's ops to the graph of `step` and returns the rate.
  [[nodiscard]] any_tensor build(const any_tensor& step) const { return rule_(step); }

 private:
  rule rule_;
};

/// rate * decay^(step / steps), continuous. @param decay in (0, 1]
learning_rate exponential_decay(double rate, double steps, double decay);
/// From rate to final_rate along half a cosine within `steps`, then constant.
/// @see Loshchilov & Hutter, SGDR, 2017
learning_rate cosine_decay(double rate, double steps, double final_rate = 0);
/// Linear from 0 to the rate within `steps`, then as `after` at the steps since.
learning_rate warmup(double rate, double steps, learning_rate after);
/// rates[i] while step < boundaries[i]; the last rate afterwards. rates has one more entry than boundaries.
learning_rate piecewise_constant(std::vector<double> boundaries, std::vector<double> rates);

/// Stochastic gradient descent: p - rate * g.
struct sgd {
  learning_rate rate;       ///< in 1/step
  double weight_decay = 0;  ///< times the parameter, added to its gradient; >= 0
};
/// Gradient descent with a velocity: v = momentum * v + g; p - rate * v, or the look-ahead of Nesterov.
struct momentum {
  learning_rate rate;       ///< in 1/step
  double factor = 0.9;      ///< in [0, 1)
  bool nesterov = false;    ///< whether the step looks ahead
  double weight_decay = 0;  ///< times the parameter, added to its gradient; >= 0
};
/// @see ops::rmsprop_update
struct rmsprop {
  learning_rate rate = 1e-3;  ///< in 1/step
  double rho = 0.9;           ///< in [0, 1)
  double epsilon = 1e-7;      ///< added to the root that divides, > 0
};
/// @see ops::adagrad_update
struct adagrad {
  learning_rate rate = 1e-2;  ///< in 1/step
  double epsilon = 1e-7;      ///< added to the root that divides, > 0
};
/// @see ops::adam_update
struct adam {
  learning_rate rate = 1e-3;  ///< in 1/step
  double beta1 = 0.9;         ///< in [0, 1)
  double beta2 = 0.999;       ///< in [0, 1)
  double epsilon = 1e-8;      ///< added to the root that divides, > 0
};
/// Adam with weight decay taken from the parameter itself, not through the gradient.
struct adamw {
  learning_rate rate = 1e-3;   ///< in 1/step
  double beta1 = 0.9;          ///< of the moving mean of gradients, in [0, 1)
  double beta2 = 0.999;        ///< of the moving mean of their squares, in [0, 1)
  double epsilon = 1e-8;       ///< added to the root that divides, > 0
  double weight_decay = 0.01;  ///< in 1/step relative to the rate, >= 0
};
/// One of the rules above, with its numbers.
using optimizer = std::variant<sgd, momentum, rmsprop, adagrad, adam, adamw>;

/// What `minimize` or `apply_gradients` made.
struct training_step {
  update_group updates;  ///< run it to take one step
  any_tensor loss;       ///< invalid where gradients were given
  any_tensor rate;       ///< the rate of the step, a scalar, as it was given or computed
  variable_id step;      ///< int64 counter of steps taken
  std::vector<variable_id> parameters;  ///< what is trained, each once
  std::vector<any_tensor> gradients;    ///< one a parameter, after clipping
  std::vector<variable_id> slots;  ///< the optimiser's own variables, the step counter included
};

/// The choices of minimize().
struct minimize_options {
  /// What to train, each once; empty: every trainable variable the loss depends on.
  std::vector<variable_id> parameters = {};
  double clip_value = 0;  ///< > 0: each element of the gradients goes to [-clip_value, clip_value]
  double clip_norm = 0;   ///< > 0: clip_by_global_norm, after clip_value
  /// Also run the updates that the loss's layers own: moving statistics, draw counters.
  bool own_updates = true;
};

/// Adds gradients, slots and updates that lower a loss.
///
/// Slots are variables of role slot in the scope "optimizer", named after their parameter:
/// "optimizer/dense.kernel.adam_m".
/// @param loss scalar; else shape_error
/// @throws argument_error for a hyperparameter out of range or NaN, or where nothing is to be trained; handle_error for
/// parameters of another graph; the graph is then unchanged
training_step minimize(const any_tensor& loss, const optimizer& rule,
                       const minimize_options& options = {});

/// The choices of apply_gradients().
struct apply_options {
  double clip_value = 0;  ///< > 0: each element of the gradients goes to [-clip_value, clip_value]
  double clip_norm = 0;   ///< > 0: clip_by_global_norm, after clip_value
};

/// A parameter and what stands for its gradient.
using parameter_gradient = std::pair<variable_id, any_tensor>;

/// Adds slots and updates that step along gradients of the user's own: accumulated over several runs,
/// computed elsewhere and fed, or changed between gradients() and here. `minimize` ends with it.
///
/// Updates that layers own are not included: add updates_of(y) to `updates` where they are to run.
/// @param gradients one a parameter, each of its parameter's type and shape
/// @throws as minimize; dtype_error, shape_error or handle_error where a gradient does not fit; the graph
/// is then unchanged
training_step apply_gradients(Graph& g, std::span<const parameter_gradient> gradients,
                              const optimizer& rule, const apply_options& options = {});
/// The same for pairs listed in place.
training_step apply_gradients(Graph& g, std::initializer_list<parameter_gradient> gradients,
                              const optimizer& rule, const apply_options& options = {});

/// What happens to variables that are not parameters in soft_update.
enum class sync : std::uint8_t { copy, blend, skip };

/// tau of the source goes into the target: target + tau * (source - target). 0 leaves the bits of the target and 1 gives
/// it those of the source, infinities and NaN included.
struct soft_update_options {
  double tau = 0.005;            ///< in [0, 1]
  sync statistics = sync::copy;  ///< moving means of layers
  sync counters = sync::skip;    ///< whole numbers: copy or skip
  /// Where given, it stands for tau: a floating scalar of the graph, to be fed or computed by a schedule. A run in
  /// which it is outside [0, 1], or NaN, is a numeric_error and changes no variable.
  std::optional<any_tensor> tau_tensor = {};
};

/// Updates that move target variables towards source variables, pairwise: parameters and statistics of
/// floating type as the options say, counters if asked for. Slots, random streams and other variables
/// are left alone.
/// @throws argument_error for tau outside [0, 1] or NaN, for counters to be blended, a pair of one
/// variable with itself or a target in two pairs; shape_error or dtype_error where a pair does not fit; handle_error for
/// variables of another graph. The graph is then as before
update_group soft_update(Graph& g,
                         std::span<const std::pair<variable_id, variable_id>> source_target,
                         const soft_update_options& options = {});

/// Updates that move a clone's own variables towards those it was cloned from: a target network that
/// follows. Of a parameter whose ties were split all images follow. Shared variables are left alone, and pairs of
/// which one was removed since.
/// @throws argument_error also for a clone without variables of its own (frozen or shared) and for one
/// in another graph
/// @see Lillicrap et al., Continuous control with deep reinforcement learning, 2016
update_group soft_update(const Clone& target, const soft_update_options& options = {});

}  // namespace graft
