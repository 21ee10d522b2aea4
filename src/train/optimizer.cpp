#include "graft/train/optimizer.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "graft/ops/elementwise.hpp"
#include "graft/ops/initializers.hpp"
#include "graft/ops/math.hpp"
#include "graft/ops/optimizer.hpp"
#include "graft/ops/sources.hpp"
#include "graft/schema/rules.hpp"
#include "graft/train/gradients.hpp"

#include "graph/callback_scope.hpp"
#include "graph/inside_scope.hpp"
#include "graph/placed_at.hpp"
#include "surgery/own_updates.hpp"

namespace graft {
namespace {

void require(bool holds, const std::string& name, double value, const char* range) {
  if (holds) return;
  throw argument_error({"an optimiser was given " + name + " = " + std::to_string(value),
                        name + " must be " + range, "", "nothing was added to the graph"});
}

void require_rate(double value, const char* name) {
  require(std::isfinite(value) && value >= 0, name, value, "finite and at least 0");
}
void require_fraction(double value, const char* name) {
  require(value >= 0 && value < 1, name, value, "at least 0 and below 1");
}
void require_positive(double value, const char* name) {
  require(std::isfinite(value) && value > 0, name, value, "finite and above 0");
}

void check(const sgd& o) { require_rate(o.weight_decay, "weight_decay"); }
void check(const momentum& o) {
  require_fraction(o.factor, "factor");
  require_rate(o.weight_decay, "weight_decay");
}
void check(const rmsprop& o) {
  require_fraction(o.rho, "rho");
  require_positive(o.epsilon, "epsilon");
}
void check(const adagrad& o) { require_positive(o.epsilon, "epsilon"); }
void check(const adam& o) {
  require_fraction(o.beta1, "beta1");
  require_fraction(o.beta2, "beta2");
  require_positive(o.epsilon, "epsilon");
}
void check(const adamw& o) {
  check(adam{o.rate, o.beta1, o.beta2, o.epsilon});
  require_rate(o.weight_decay, "weight_decay");
}

// An optimiser as the operator it stands for.
struct step_rule {
  const operator_schema* schema;
  attribute_list attributes;
  std::vector<const char*> slots;
  bool counted = false;
};

step_rule rule_of(const sgd& o) {
  return {&ops::sgd_update, attribute_list().set("weight_decay", o.weight_decay), {}};
}
step_rule rule_of(const momentum& o) {
  attribute_list a;
  a.set("momentum", o.factor).set("nesterov", o.nesterov).set("weight_decay", o.weight_decay);
  return {&ops::momentum_update, a, {"velocity"}};
}
step_rule rule_of(const rmsprop& o) {
  return {&ops::rmsprop_update,
          attribute_list().set("rho", o.rho).set("epsilon", o.epsilon),
          {"mean_square"}};
}
step_rule rule_of(const adagrad& o) {
  return {&ops::adagrad_update, attribute_list().set("epsilon", o.epsilon), {"sum_square"}};
}
step_rule rule_of(const adam& o) {
  attribute_list a;
  a.set("beta1", o.beta1).set("beta2", o.beta2).set("epsilon", o.epsilon);
  return {&ops::adam_update, a, {"adam_m", "adam_v"}, true};
}
step_rule rule_of(const adamw& o) {
  step_rule rule = rule_of(adam{o.rate, o.beta1, o.beta2, o.epsilon});
  rule.attributes.set("weight_decay", o.weight_decay).set("decoupled", true);
  return rule;
}

op_id add_assign(Graph& g, variable_id target, tensor_id value, std::string_view name) {
  const tensor_id operands[] = {value};
  return g.add(
      ops::assign, operands,
      attribute_list().set("variable", std::int64_t{target.value}, attribute_kind::variable), name);
}

variable_id add_zeros(Graph& g, const std::string& name, const value_type& type,
                      variable_role role) {
  variable_spec spec;
  spec.name = name;
  spec.type = type;
  spec.initial = zeros().make(type.type, type.shape);
  spec.role = role;
  spec.trainable = false;
  return g.add_variable(spec);
}

// A variable takes one new value in a run.
void refuse_repeated(const Graph& g, std::vector<variable_id> variables, const char* asked) {
  for (const variable_id v : variables) (void)g.variable_of(v);  // refuses those of other graphs
  std::sort(variables.begin(), variables.end());
  const auto twice = std::adjacent_find(variables.begin(), variables.end());
  if (twice == variables.end()) return;
  throw argument_error({std::string(asked) + " '" + g.path_of(*twice) + "'", "it is listed twice",
                        g.path_of(*twice), "list each variable once"});
}

}  // namespace

learning_rate::learning_rate(double value) {
  require_rate(value, "rate");
  rule_ = [value](const any_tensor& step) { return any_tensor(step * 0.0 + value); };
}
learning_rate::learning_rate(rule r) : rule_(std::move(r)) {
  if (!rule_) {
    throw argument_error({"a learning rate was made of a function", "the function is empty", "",
                          "pass a function from the step to the rate"});
  }
}
learning_rate::learning_rate(const any_tensor& rate)
    : rule_([rate](const any_tensor&) { return rate; }) {}

learning_rate exponential_decay(double rate, double steps, double decay) {
  require_rate(rate, "rate");
  require_positive(steps, "steps");
  require(decay > 0 && decay <= 1, "decay", decay, "above 0 and at most 1");
  const double slope = std::log(decay) / steps;
  return learning_rate::rule(
      [=](const any_tensor& t) { return any_tensor(exp(t * slope) * rate); });
}

learning_rate cosine_decay(double rate, double steps, double final_rate) {
  require_rate(rate, "rate");
  require_positive(steps, "steps");
  require_rate(final_rate, "final_rate");
  return learning_rate::rule([=](const any_tensor& t) {
    const any_tensor phase = minimum(t * (1 / steps), t * 0.0 + 1.0) * 3.14159265358979323846;
    return any_tensor((cos(phase) + 1.0) * ((rate - final_rate) / 2) + final_rate);
  });
}

learning_rate warmup(double rate, double steps, learning_rate after) {
  require_rate(rate, "rate");
  require_positive(steps, "steps");
  return learning_rate::rule([=](const any_tensor& t) {
    const any_tensor later = after.build(any_tensor(maximum(t - steps, t * 0.0)));
    return any_tensor(select(t < t * 0.0 + steps, t * (rate / steps), later));
  });
}

learning_rate piecewise_constant(std::vector<double> boundaries, std::vector<double> rates) {
  if (rates.size() != boundaries.size() + 1 ||
      !std::is_sorted(boundaries.begin(), boundaries.end())) {
    throw argument_error({"a piecewise constant rate was given " + std::to_string(rates.size()) +
                              " rates and " + std::to_string(boundaries.size()) + " boundaries",
                          "it needs ascending boundaries and one rate more than boundaries", "",
                          "for example {1000, 2000} and {0.1, 0.01, 0.001}"});
  }
  for (const double r : rates) require_rate(r, "rate");
  for (const double b : boundaries) require(std::isfinite(b), "boundary", b, "finite");
  return learning_rate::rule([=](const any_tensor& t) {
    any_tensor result = t * 0.0 + rates.back();
    for (std::size_t i = boundaries.size(); i-- > 0;) {
      result = select(t < t * 0.0 + boundaries[i], t * 0.0 + rates[i], result);
    }
    return result;
  });
}

namespace {

void check(const optimizer& chosen, double clip_value, double clip_norm) {
  std::visit([](const auto& o) { check(o); }, chosen);
  if (clip_value != 0) require_positive(clip_value, "clip_value");
  if (clip_norm != 0) require_positive(clip_norm, "clip_norm");
}

std::vector<any_tensor> clipped(std::vector<any_tensor> gradients, double value, double norm) {
  if (value > 0) {
    for (any_tensor& gradient : gradients) gradient = clip(gradient, -value, value);
  }
  return norm > 0 ? clip_by_global_norm(gradients, norm) : gradients;
}

// A scalar that each run passes through the check of `schema`.
tensor_id checked_in_runs(Graph& g, const operator_schema& schema, const any_tensor& scalar,
                          std::string_view name) {
  const dtype type = g.type_of(g.id(scalar)).type;
  const bool half = type == dtype::float16 || type == dtype::bfloat16;
  const tensor_id operands[] = {half ? g.id(cast(scalar, dtype::float32)) : g.id(scalar)};
  return {g.add(schema, operands, {}, name), 0};
}

// Adds the step counter, the rate, slots and updates for the parameters and gradients of `result`,
// whose group of updates becomes those and `more`. Within a transaction of the caller.
void add_step(Graph& g, training_step& result, const optimizer& chosen, std::vector<op_id> more) {
  const step_rule rule = std::visit([](const auto& o) { return rule_of(o); }, chosen);
  const learning_rate& rate =
      std::visit([](const auto& o) -> const learning_rate& { return o.rate; }, chosen);
  result.step = add_zeros(g, "step", value_type::of(dtype::int64, {}), variable_role::counter);
  result.slots.push_back(result.step);
  const any_tensor step = g.handle(g.variable_of(result.step).read);
  const any_tensor next = step + 1;
  {
    const detail::callback_scope inside(g, g.current_scope());
    result.rate = rate.build(any_tensor(cast<double>(step)));
    inside.check([] {
      return std::pair(std::string("the function of a learning rate was asked for the rate"),
                       std::string());
    });
  }
  // The steps write their variables when nothing may fail any more, so the rate is checked by an op before them: that of
  // a number, too, for which another one can be fed or bound.
  const tensor_id used = checked_in_runs(g, ops::checked_rate, result.rate, "rate");
  std::vector<op_id> assigns{add_assign(g, result.step, g.id(next), "assign_step")};
  for (std::size_t i = 0; i < result.parameters.size(); ++i) {
    const variable_id parameter = result.parameters[i];
    std::string path = g.path_of(parameter);
    std::replace(path.begin(), path.end(), '/', '.');
    std::vector<tensor_id> operands{g.variable_of(parameter).read, g.id(result.gradients[i])};
    std::vector<variable_id> targets{parameter};
    for (const char* slot : rule.slots) {
      targets.push_back(
          add_zeros(g, path + "." + slot, g.variable_of(parameter).type, variable_role::slot));
      result.slots.push_back(targets.back());
      operands.push_back(g.variable_of(targets.back()).read);
    }
    if (rule.counted) operands.push_back(g.id(next));
    operands.push_back(used);
    const op_id update = g.add(*rule.schema, operands, rule.attributes);
    for (std::uint32_t t = 0; t < targets.size(); ++t) {
      assigns.push_back(add_assign(g, targets[t], {update, t}, "assign"));
    }
  }
  assigns.insert(assigns.end(), more.begin(), more.end());
  result.updates = update_group(g, std::move(assigns));
}

// A gradient that is surely not one of its parameter.
void require_fit(const Graph& g, variable_id parameter, const any_tensor& gradient) {
  const value_type& wanted = g.variable_of(parameter).type;
  const tensor_id t = g.id(gradient);
  const value_type got = g.type_of(t);
  error_parts parts{"apply_gradients was given '" + g.path_of(t) + "' as the gradient of '" +
                        g.path_of(parameter) + "'",
                    "it is " + to_string(got) + " and the parameter " + to_string(wanted),
                    g.path_of(t), "give a gradient of the parameter's type and shape"};
  if (!rules::types_agree(wanted.type, got.type)) throw dtype_error(std::move(parts));
  if (rules::surely_differ(wanted, got)) throw shape_error(std::move(parts));
}

}  // namespace

training_step minimize(const any_tensor& loss, const optimizer& chosen,
                       const minimize_options& options) {
  Graph& g = target_traits<Graph>::target_of(loss.ref());
  const value_type loss_type = g.type_of(g.id(loss));
  if (loss_type.ranked && element_count(loss_type.shape) != 1) {
    throw shape_error({"minimize was given a loss of shape " + to_string(loss_type.shape),
                       "a loss is a scalar", g.path_of(g.id(loss)), "take its mean or sum"});
  }
  check(chosen, options.clip_value, options.clip_norm);

  training_step result;
  result.loss = loss;
  result.parameters = options.parameters.empty() ? trainable_variables(loss) : options.parameters;
  if (result.parameters.empty()) {
    throw argument_error({"minimize was asked to lower '" + g.path_of(g.id(loss)) + "'",
                          "the loss depends on no trainable variable", g.path_of(g.id(loss)),
                          "pass parameters, or make a variable trainable"});
  }

  refuse_repeated(g, result.parameters, "minimize was asked to train");

  Graph::transaction undo(g);
  std::vector<any_tensor> reads;
  for (const variable_id v : result.parameters) reads.push_back(g.handle(g.variable_of(v).read));
  result.gradients = gradients(loss, reads);
  std::vector<op_id> own;
  if (options.own_updates) own = detail::own_updates_below(g, g.id(loss));
  {
    const detail::placed_at place(g, g.line_of(g.id(loss).op));
    const detail::inside_scope scope(g, "optimizer");
    result.gradients = clipped(std::move(result.gradients), options.clip_value, options.clip_norm);
    add_step(g, result, chosen, std::move(own));
  }
  undo.commit();
  return result;
}

training_step apply_gradients(Graph& g, std::span<const parameter_gradient> pairs,
                              const optimizer& chosen, const apply_options& options) {
  check(chosen, options.clip_value, options.clip_norm);
  training_step result;
  for (const auto& [parameter, gradient] : pairs) {
    require_fit(g, parameter, gradient);
    result.parameters.push_back(parameter);
    result.gradients.push_back(gradient);
  }
  if (pairs.empty()) {
    throw argument_error({"apply_gradients was asked to train", "it was given no gradient", "",
                          "pass pairs of a parameter and its gradient"});
  }
  refuse_repeated(g, result.parameters, "apply_gradients was asked to train");
  Graph::transaction undo(g);
  {
    const detail::inside_scope scope(g, "optimizer");
    result.gradients = clipped(std::move(result.gradients), options.clip_value, options.clip_norm);
    add_step(g, result, chosen, {});
  }
  undo.commit();
  return result;
}

training_step apply_gradients(Graph& g, std::initializer_list<parameter_gradient> gradients,
                              const optimizer& rule, const apply_options& options) {
  return apply_gradients(
      g, std::span<const parameter_gradient>(gradients.begin(), gradients.size()), rule, options);
}

namespace {

// How far to go: checked in each run where it is not a number known now.
tensor_id fraction_of(Graph& g, const soft_update_options& options) {
  if (!options.tau_tensor) return g.add_constant(Array::scalar(options.tau), "tau");
  return checked_in_runs(g, ops::checked_fraction, *options.tau_tensor,
                         g.name_of(g.id(*options.tau_tensor).op));
}

}  // namespace

update_group soft_update(Graph& g,
                         std::span<const std::pair<variable_id, variable_id>> source_target,
                         const soft_update_options& options) {
  if (!(options.tau >= 0 && options.tau <= 1)) {
    throw argument_error({"soft_update was given tau = " + std::to_string(options.tau),
                          "tau must be between 0 and 1", "", "for example 0.005"});
  }
  if (options.tau_tensor) {
    const tensor_id t = g.id(*options.tau_tensor);
    const value_type type = g.type_of(t);
    error_parts parts{"soft_update was given '" + g.path_of(t) + "' as tau",
                      "it is " + to_string(type), g.path_of(t), "pass a floating scalar"};
    if (type.type != dtype::any && !is_floating(type.type)) throw dtype_error(std::move(parts));
    if (type.ranked && !type.shape.empty()) throw shape_error(std::move(parts));
  }
  if (options.counters == sync::blend) {
    throw argument_error({"soft_update was asked to blend counters", "they are whole numbers", "",
                          "choose sync::copy or sync::skip"});
  }
  std::vector<variable_id> targets;
  for (const auto& pair : source_target) targets.push_back(pair.second);
  refuse_repeated(g, targets, "soft_update was asked to move");
  Graph::transaction undo(g);
  std::vector<op_id> assigns;
  {
    const detail::inside_scope scope(g, "soft_update");
    const bool whole = !options.tau_tensor && options.tau == 1;
    const bool none = !options.tau_tensor && options.tau == 0;
    std::optional<tensor_id> tau;
    for (const auto& [from, to] : source_target) {
      if (from == to) {
        throw argument_error(
            {"soft_update was given '" + g.path_of(from) + "' as source and target",
             "a variable cannot follow itself", g.path_of(from),
             "clone with variables of its own"});
      }
      // Copies: adding ops may move what the graph knows of its variables.
      const variable_info source = g.variable_of(from);
      const variable_info target = g.variable_of(to);
      if (source.type.type != target.type.type) {
        throw dtype_error(
            {"soft_update was given '" + g.path_of(from) + "' and '" + g.path_of(to) + "'",
             "their types are " + to_string(source.type) + " and " + to_string(target.type),
             g.path_of(to), "pair variables of one type"});
      }
      if (!(source.type == target.type)) {
        throw shape_error(
            {"soft_update was given '" + g.path_of(from) + "' and '" + g.path_of(to) + "'",
             "their types are " + to_string(source.type) + " and " + to_string(target.type),
             g.path_of(to), "pair variables of one shape"});
      }
      const bool parameter = source.role == variable_role::parameter;
      const bool statistic = source.role == variable_role::statistic;
      const bool counter = source.role == variable_role::counter;
      if (counter && options.counters == sync::copy) {
        assigns.push_back(add_assign(g, to, source.read, "assign"));
        continue;
      }
      if (!is_floating(source.type.type) || (!parameter && !statistic)) continue;
      if (statistic && options.statistics == sync::skip) continue;
      tensor_id value = source.read;
      if (statistic && options.statistics == sync::copy) {
        // all of it
      } else if (none) {
        value = target.read;
      } else if (!whole) {
        if (!tau) tau = fraction_of(g, options);
        const tensor_id operands[] = {target.read, source.read, *tau};
        value = {g.add(ops::soft_update, operands), 0};
      }
      assigns.push_back(add_assign(g, to, value, "assign"));
    }
  }
  update_group result(g, std::move(assigns));
  undo.commit();
  return result;
}

update_group soft_update(const Clone& target, const soft_update_options& options) {
  // Of the variables: for a clone in a body the graph around.
  Graph& g = target.initializer().graph();
  const auto refuse = [&](const char* found, const char* hint) {
    // The scope may have gone with the last of its ops.
    const std::string path = target.nodes().empty() ? std::string() : target.scope_path();
    throw argument_error(
        {"soft_update was given " + (path.empty() ? "a clone" : "the clone '" + path + "'"), found,
         path, hint});
  };
  if (&g != &target.origin().graph()) {
    refuse("it is in another graph than its source",
           "clone within the source's graph, or copy_values() when it is to follow");
  }
  std::vector<std::pair<variable_id, variable_id>> pairs;
  for (const variable_image& image : target.variable_images()) {
    for (const variable_id v : target.images(image.source)) {
      if (v == image.source || !g.contains(v) || !g.contains(image.source)) continue;
      pairs.emplace_back(image.source, v);
    }
  }
  if (pairs.empty()) {
    refuse("it has no variables of its own", "clone with variables::copied or variables::fresh");
  }
  return soft_update(g, pairs, options);
}

}  // namespace graft
