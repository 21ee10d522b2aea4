#include "graft/train/gradients.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "graft/graph/operator.hpp"
#include "graft/ops/elementwise.hpp"
#include "graft/ops/optimizer.hpp"
#include "graft/ops/reduce.hpp"
#include "graft/ops/sources.hpp"

#include "graph/building.hpp"
#include "graph/callback_scope.hpp"
#include "graph/inside_scope.hpp"
#include "graph/placed_at.hpp"
#include "train/bodies.hpp"
#include "train/walk.hpp"

namespace graft {
namespace {

void require_floating(const Graph& g, tensor_id t, const char* role) {
  const value_type type = g.type_of(t);
  if (type.type == dtype::any || is_floating(type.type)) return;
  throw dtype_error({"a gradient was asked for with '" + g.path_of(t) + "' as " + role,
                     "its elements are " + std::string(name_of(type.type)), g.path_of(t),
                     "only floating tensors have gradients; insert cast<float>(x)"});
}

// The gradients that have arrived at each tensor so far.
class arrivals {
 public:
  void add(tensor_id t, const any_tensor& gradient) {
    auto [place, fresh] = sums_.try_emplace(t, gradient);
    if (!fresh) place->second = place->second + gradient;
  }
  [[nodiscard]] std::optional<any_tensor> at(tensor_id t) const {
    const auto found = sums_.find(t);
    if (found == sums_.end()) return std::nullopt;
    return found->second;
  }

 private:
  std::unordered_map<tensor_id, any_tensor> sums_;
};

// Which ops of the closure lie on a path from a wanted tensor, so that gradients have business there.
std::vector<bool> leads_to_wanted(const Graph& g, const detail::closure& ops,
                                  const std::unordered_map<tensor_id, std::size_t>& wanted) {
  std::vector<bool> leads(ops.order.size(), false);
  for (std::size_t i = 0; i < ops.order.size(); ++i) {
    const op_id op = ops.order[i];
    for (std::uint32_t k = 0; k < g.operand_count(op) && !leads[i]; ++k) {
      const tensor_id operand = g.operand(op, k);
      leads[i] = wanted.contains(operand) || leads[ops.place.at(operand.op)];
    }
  }
  return leads;
}

// Refuses what surely is no gradient of y.
void require_fit(const Graph& g, tensor_id y, tensor_id gradient,
                 function_ref<std::string()> asked) {
  const value_type wanted = g.type_of(y), got = g.type_of(gradient);
  const bool types = rules::types_agree(wanted.type, got.type);
  if (types && !rules::surely_differ(wanted, got)) return;
  error_parts parts{asked(), "it is " + to_string(got) + " and the tensor " + to_string(wanted),
                    g.path_of(gradient), "a gradient has its tensor's type and shape"};
  if (!types) throw dtype_error(std::move(parts));
  throw shape_error(std::move(parts));
}

void backpropagate(Graph& g, op_id op, const std::vector<bool>& operand_wanted, arrivals& arrived,
                   detail::known_gradients& known) {
  const operator_schema& schema = g.schema_of(op);
  std::vector<any_tensor> operands, outputs;
  std::vector<std::optional<any_tensor>> gradients;
  bool any = false;
  for (std::uint32_t o = 0; o < g.output_count(op); ++o) {
    const tensor_id output{op, o};
    outputs.push_back(g.handle(output));
    gradients.push_back(arrived.at(output));
    any = any || gradients.back().has_value();
  }
  if (!any) return;
  for (std::uint32_t k = 0; k < g.operand_count(op); ++k) {
    operands.push_back(g.handle(g.operand(op, k)));
  }
  const operator_definition* definition = find_operator(schema.name);
  const bool bodies = schema.has(ops::bodies);
  if (!bodies && (definition == nullptr || definition->gradient == nullptr)) {
    throw unsupported_error(
        {"a gradient was asked for through '" + g.path_of(op) + "'",
         "the operator " + std::string(schema.name) + " has no gradient", g.path_of(op),
         "wrap its operand in stop_gradient if none should flow, or register a gradient rule"});
  }
  const auto wanted = std::make_unique<bool[]>(operand_wanted.size());
  std::copy(operand_wanted.begin(), operand_wanted.end(), wanted.get());
  const attribute_list attributes = g.attributes_of(op);  // a copy: the rule appends to the graph
  const gradient_args arguments{
      g, op, operands, outputs, gradients, attributes, {wanted.get(), operand_wanted.size()}};
  // An error within a rule of the program's own is about that rule.
  const bool own_rule = !bodies && !detail::is_built_in(schema.name);
  const detail::placed_at place(g, own_rule ? std::nullopt : std::optional(g.line_of(op)));
  const detail::callback_scope inside(g, g.current_scope());  // programs register rules too
  const operand_gradients result =
      bodies ? detail::gradient_of_bodies(arguments, known) : definition->gradient(arguments);
  inside.check([&] {
    return std::pair("the gradient rule of " + std::string(schema.name) + " was asked about '" +
                         g.path_of(op) + "'",
                     g.path_of(op));
  });
  for (std::uint32_t k = 0; k < operands.size() && k < result.size(); ++k) {
    if (!result[k] || !operand_wanted[k]) continue;
    require_fit(g, g.operand(op, k), g.id(*result[k]), [&] {
      return "the gradient rule of '" + std::string(schema.name) + "' gave '" +
             g.path_of(g.id(*result[k])) + "' for operand " + std::to_string(k) + " of '" +
             g.path_of(op) + "'";
    });
    arrived.add(g.operand(op, k), *result[k]);
  }
}

// Gradients follow ops of one graph. What tensors of a body depend on outside it, by another way than through the
// tensors wanted, would go unnoticed: the path of the first such tensor, or "".
std::string way_outside(const Graph& body, const std::vector<tensor_id>& from,
                        std::span<const any_tensor> wanted) {
  const graph_slot* const around = body.data().around;
  if (around == nullptr) return {};
  const Graph& g = *around->graph.load();
  std::unordered_set<tensor_id> known;
  for (const any_tensor& x : wanted) {
    if (x.ref().slot == around) {
      known.insert(x.ref().id);
    } else if (const auto inside = detail::captured(g, x.ref())) {
      known.insert(*inside);
    }
  }
  const detail::closure inside = detail::backward_closure(body, from);
  std::vector<tensor_id> taken;
  for (const Graph::tables::capture& c : body.data().captures) {
    if (c.outer.valid() && inside.place.contains(c.inner.op) && !known.contains(c.outer)) {
      taken.push_back(c.outer);
    }
  }
  for (const tensor_id t : taken) {
    for (const op_id op : detail::backward_closure(g, {t}).order) {
      for (const tensor_id operand : g.operands(op)) {
        if (known.contains(operand)) return g.path_of(t);
      }
    }
  }
  return way_outside(g, taken, wanted);
}

// In a body, tensors of the graphs around it stand for the inputs that the body has for them.
void take_from_around(Graph& body, const any_tensor& y, std::span<const any_tensor> wanted) {
  if (!body.is_open_body()) return;
  const tensor_id result = detail::id_for_use(body, y.ref());
  for (const any_tensor& x : wanted) (void)detail::id_for_use(body, x.ref());
  const std::string way = way_outside(body, {result}, wanted);
  if (way.empty()) return;
  throw unsupported_error(
      {"a gradient of '" + body.path_of(result) + "' was asked for within a body",
       "it depends on what it is to be differentiated by through '" + way +
           "', which is computed outside the body",
       way, "take the gradient outside the body, or with respect to '" + way + "'"});
}

}  // namespace

std::vector<std::optional<any_tensor>> detail::pull_back(
    Graph& g, std::span<const gradient_seed> seeds, std::span<const any_tensor> with_respect_to,
    known_gradients& known) {
  std::unordered_map<tensor_id, std::size_t> wanted;
  std::vector<tensor_id> ids, targets;
  for (const any_tensor& x : with_respect_to) {
    ids.push_back(g.id(x));
    wanted.emplace(ids.back(), wanted.size());
  }
  arrivals arrived;
  for (const gradient_seed& s : seeds) {
    const tensor_id target = g.id(s.of);
    const dtype type = g.type_of(target).type;
    if (type != dtype::any && !is_floating(type)) continue;
    targets.push_back(target);
    arrived.add(target, s.gradient);
  }
  const closure ops = backward_closure(g, targets);
  const std::vector<bool> leads = leads_to_wanted(g, ops, wanted);
  std::vector<bool> operand_wanted;
  for (std::size_t i = ops.order.size(); i-- > 0;) {
    if (!leads[i]) continue;
    const op_id op = ops.order[i];
    operand_wanted.clear();
    for (std::uint32_t k = 0; k < g.operand_count(op); ++k) {
      const tensor_id operand = g.operand(op, k);
      const dtype type = g.type_of(operand).type;
      operand_wanted.push_back((type == dtype::any || is_floating(type)) &&
                               (wanted.contains(operand) || leads[ops.place.at(operand.op)]));
    }
    if (std::find(operand_wanted.begin(), operand_wanted.end(), true) == operand_wanted.end()) {
      continue;
    }
    backpropagate(g, op, operand_wanted, arrived, known);
  }
  std::vector<std::optional<any_tensor>> result;
  for (const tensor_id id : ids) result.push_back(arrived.at(id));
  return result;
}

std::vector<std::optional<any_tensor>> try_gradients(const any_tensor& y,
                                                     std::span<const any_tensor> with_respect_to,
                                                     std::optional<any_tensor> seed) {
  Graph& g = target_traits<Graph>::target_of(y.ref());
  Graph::transaction undo(g);
  take_from_around(g, y, with_respect_to);
  require_floating(g, g.id(y), "the result to differentiate");
  for (const any_tensor& x : with_respect_to) {
    require_floating(g, g.id(x), "a tensor to differentiate by");
  }
  if (seed) {
    require_fit(g, g.id(y), g.id(*seed), [&] {
      return "'" + g.path_of(g.id(*seed)) + "' was given as the gradient of '" +
             g.path_of(g.id(y)) + "'";
    });
  }
  std::vector<std::optional<any_tensor>> result;
  {
    const detail::placed_at place(g, g.line_of(g.id(y).op));
    const detail::inside_scope scope(g, "gradients");
    const detail::gradient_seed from{y, seed ? *seed : any_tensor(ones_like(y))};
    detail::known_gradients known;
    result = detail::pull_back(g, {&from, 1}, with_respect_to, known);
  }
  undo.commit();
  return result;
}

std::vector<any_tensor> gradients(const any_tensor& y, std::span<const any_tensor> with_respect_to,
                                  std::optional<any_tensor> seed) {
  Graph& g = target_traits<Graph>::target_of(y.ref());
  Graph::transaction undo(g);
  std::vector<any_tensor> result;
  const auto found = try_gradients(y, with_respect_to, std::move(seed));
  const detail::placed_at place(g, g.line_of(g.id(y).op));
  for (std::size_t i = 0; i < found.size(); ++i) {
    result.push_back(found[i] ? *found[i] : any_tensor(zeros_like(with_respect_to[i])));
  }
  undo.commit();
  return result;
}

std::vector<variable_id> trainable_variables(const any_tensor& y) {
  const Graph& g = target_traits<Graph>::target_of(y.ref());
  std::vector<variable_id> found;
  for (const op_id op : detail::backward_closure(g, {{g.id(y)}}).order) {
    if (const auto v = g.variable_read_by({op, 0}); v && g.variable_of(*v).trainable) {
      found.push_back(*v);
    }
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

namespace {

dtype type_of(const any_tensor& t) { return target_traits<Graph>::type_of(t.ref()).type; }

// Where a tensor was declared; in a body it may be one from outside.
source_line line_of(const any_tensor& t) {
  (void)target_traits<Graph>::target_of(t.ref());  // refuses what is gone
  return t.ref().slot->graph.load()->line_of(t.ref().id.op);
}

// In float64, where no square of a smaller type overflows: exploding gradients are what clipping is for.
any_tensor wide_norm(std::span<const any_tensor> tensors) {
  std::optional<any_tensor> total;
  for (const any_tensor& t : tensors) {
    if (!is_floating(type_of(t))) {
      throw dtype_error({"the global norm of several tensors was asked for",
                         "one is of " + std::string(name_of(type_of(t))),
                         target_traits<Graph>::in_words(t.ref()), "pass floating-point tensors"});
    }
    const any_tensor squares = apply<ops::squared_norm>(
        attribute_list().set("type", dtype::float64), {}, source_line::now(), t);
    total = total ? any_tensor(*total + squares) : squares;
  }
  return sqrt(*total);
}

}  // namespace

any_tensor global_norm(std::span<const any_tensor> tensors) {
  if (tensors.empty()) {
    throw argument_error({"the global norm of no tensors was asked for", "the list is empty", "",
                          "pass at least one tensor"});
  }
  Graph& g = target_traits<Graph>::target_of(tensors.front().ref());
  Graph::transaction undo(g);
  const detail::placed_at place(g, line_of(tensors.front()));
  const any_tensor norm = cast(wide_norm(tensors), type_of(tensors.front()));
  undo.commit();
  return norm;
}

std::vector<any_tensor> clip_by_global_norm(std::span<const any_tensor> gradients, double norm) {
  if (!(norm > 0) || !std::isfinite(norm)) {
    throw argument_error({"gradients were to be clipped to the norm " + std::to_string(norm),
                          "the norm must be finite and positive", "", "pass for example 1.0"});
  }
  if (gradients.empty()) return {};
  Graph& graph = target_traits<Graph>::target_of(gradients.front().ref());
  Graph::transaction undo(graph);
  const detail::placed_at place(graph, line_of(gradients.front()));
  const any_tensor length = wide_norm(gradients);
  // norm / max(length, norm) is 1 within the bound and NaN for a NaN length.
  const any_tensor factor = norm / maximum(length, length * 0.0 + norm);
  std::vector<any_tensor> clipped;
  for (const any_tensor& g : gradients) clipped.push_back(g * cast(factor, type_of(g)));
  undo.commit();
  return clipped;
}

}  // namespace graft
