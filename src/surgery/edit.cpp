#include "graft/surgery/edit.hpp"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "graft/ops/sources.hpp"

#include "graph/building.hpp"
#include "graph/foreign_ids.hpp"
#include "surgery/fits.hpp"
#include "surgery/region_data.hpp"

namespace graft {

op_filter any_op() {
  return op_filter([](const Graph&, op_id) { return true; });
}

op_filter among(std::vector<op_id> ops) {
  std::uint32_t number = 0;  // of the graph that they are of
  for (const op_id op : ops) {
    if (number == 0) number = op.graph;
    if (op.may_be_of(number)) continue;
    throw handle_error({"ops were to be selected by a list",
                        detail::in_words(op) + " is of another graph than those before it", "",
                        "list ops of one graph"});
  }
  return op_filter(
      [number, set = std::unordered_set<op_id>(ops.begin(), ops.end())](const Graph& g, op_id op) {
        if (number != 0 && number != g.number()) {
          throw handle_error({"ops were to be selected by a list",
                              "the ops that are listed are of another graph", "",
                              "list ops of the graph that is looked at"});
        }
        return set.contains(op);
      });
}

namespace detail {

Graph& graph_of(const graph_reference& r) {
  Graph& g = graph_behind(r.slot, r.generation, "a tensor");
  (void)g.id(r);
  return g;
}

void connect_one(const graph_reference& value, op_id user, std::uint32_t slot,
                 shape_choice shapes) {
  // The op has no graph to tell: it is of the graph that is being built.
  Graph& g = target_traits<Graph>::target_of(value);
  take_instead(g, "connect", g.operand(user, slot), {Graph::use{user, slot}}, value, shapes);
}

std::vector<Graph::use> uses_by(const graph_reference& r, const op_filter& users) {
  const Graph& g = graph_of(r);
  std::vector<Graph::use> uses = g.uses(r.id);
  std::erase_if(uses, [&](const Graph::use& u) { return !users(g, u.user); });
  return uses;
}

void take_instead(Graph& g, const char* call, tensor_id x, const std::vector<Graph::use>& uses,
                  const graph_reference& value, shape_choice shapes) {
  Graph::transaction all(g);
  std::vector<operand_change> changes;
  changes.reserve(uses.size());
  const tensor_id id = id_for_use(g, value);
  check_takes_place(g, call, x, id, shapes);
  for (const Graph::use& u : uses) changes.push_back({u.user, u.slot, id});
  g.set_operands(changes);
  all.commit();
}

}  // namespace detail

namespace {

using detail::steps;

struct rerouting {
  tensor_id from, to;
};

// What was asked: how errors call it, and whether shapes may change.
struct edit_call {
  const char* name;
  shape_choice shapes;
};

[[noreturn]] void refuse_count(const char* asked, std::size_t a, std::size_t b) {
  throw argument_error(
      {asked,
       "there are " + std::to_string(a) + " on one side and " + std::to_string(b) + " on the other",
       "", "give one for each"});
}

// The changes for all pairs, from the uses as they are.
template <class Accept>
std::vector<operand_change> changes_for(const Graph& g, const edit_call& call,
                                        const std::vector<rerouting>& pairs, Accept&& accept) {
  std::unordered_set<tensor_id> met;
  std::vector<operand_change> changes;
  for (const rerouting& p : pairs) {
    if (!met.insert(p.from).second) {
      throw argument_error({"the uses of '" + g.path_of(p.from) + "' were to be rerouted",
                            "it is named twice", g.path_of(p.from), "name each tensor once"});
    }
    if (p.from == p.to) continue;
    detail::check_takes_place(g, call.name, p.from, p.to, call.shapes);
    for (const Graph::use& u : g.uses(p.from)) {
      if (accept(u.user)) changes.push_back({u.user, u.slot, p.to});
    }
  }
  return changes;
}

template <class Accept>
std::size_t change(Graph& g, const edit_call& call, const std::vector<rerouting>& pairs,
                   Accept&& accept) {
  const std::vector<operand_change> changes = changes_for(g, call, pairs, accept);
  g.set_operands(changes);
  return changes.size();
}

std::vector<rerouting> paired(const char* asked, const std::vector<tensor_id>& from,
                              const std::vector<tensor_id>& to) {
  if (from.size() != to.size()) refuse_count(asked, from.size(), to.size());
  std::vector<rerouting> pairs;
  for (std::size_t i = 0; i < from.size(); ++i) pairs.push_back({from[i], to[i]});
  return pairs;
}

std::vector<tensor_id> ids_of(const Graph& g, const std::vector<graph_reference>& handles) {
  std::vector<tensor_id> ids;
  for (const graph_reference& r : handles) ids.push_back(g.id(r));
  return ids;
}

Graph& graph_of_two(const Region& a, const Region& b) {
  Graph& g = detail::require_current(*a.data());
  if (&detail::require_current(*b.data()) != &g) {
    throw handle_error({"two regions were to be joined", "they are of different graphs", "",
                        "clone one into the graph of the other"});
  }
  return g;
}

tensor_id add_placeholder(Graph& g, tensor_id like) {
  const value_type type = g.type_of(like);
  attribute_list attributes;
  attributes.set("type", type.type);
  if (type.ranked) attributes.set("shape", type.shape);
  return {g.add(ops::placeholder, {}, attributes, g.name_of(like.op), g.line_of(like.op)), 0};
}

// Puts something in the place of tensors for the users that are accepted.
template <class Accept, class Make>
std::vector<any_tensor> cut(Graph& g, const std::vector<tensor_id>& tensors, bool only_used,
                            Accept&& accept, Make&& make) {
  std::unordered_map<tensor_id, tensor_id> made;
  std::vector<rerouting> pairs;
  std::vector<any_tensor> result;
  for (const tensor_id t : tensors) {
    if (const auto found = made.find(t); found != made.end()) {
      result.push_back(found->second.valid() ? g.handle(found->second) : any_tensor());
      continue;
    }
    const std::vector<Graph::use> uses = g.uses(t);
    const bool used =
        std::any_of(uses.begin(), uses.end(), [&](const Graph::use& u) { return accept(u.user); });
    const tensor_id instead = used || !only_used ? make(g, t) : tensor_id();
    made.emplace(t, instead);
    result.push_back(instead.valid() ? g.handle(instead) : any_tensor());
    if (used) pairs.push_back({t, instead});
  }
  change(g, {"detach", {}}, pairs, accept);
  return result;
}

std::vector<any_tensor> cut_inputs(Graph& g, const Region& r) {
  return cut(g, r.inputs(), false, [&](op_id user) { return r.contains(user); }, add_placeholder);
}

std::vector<any_tensor> cut_hidden(Graph& g, const Region& r) {
  return cut(
      g, r.kept(), false, [&](op_id user) { return r.contains(user); },
      [&](Graph& in, tensor_id t) {
        const Array* value = r.value_of(t);
        if (value == nullptr) return add_placeholder(in, t);
        return in.add_constant(*value, in.name_of(t.op), in.line_of(t.op));
      });
}

std::vector<any_tensor> cut_outputs(Graph& g, const Region& r) {
  std::vector<tensor_id> outputs;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < r.outputs().size(); ++i) {
    const tensor_id t = r.outputs()[i];
    const auto& through = r.passthroughs();
    if (std::find(through.begin(), through.end(), t) != through.end()) continue;
    outputs.push_back(t);
    places.push_back(i);
  }
  const std::vector<any_tensor> made =
      cut(g, outputs, true, [&](op_id user) { return !r.contains(user); }, add_placeholder);
  std::vector<any_tensor> result(r.outputs().size());
  for (std::size_t i = 0; i < places.size(); ++i) result[places[i]] = made[i];
  return result;
}

template <class Inside>
void cut_control(Graph& g, const std::vector<op_id>& ops, Inside&& inside) {
  for (const op_id op : ops) {
    for (const op_id before : g.control_predecessors(op)) {
      if (!inside(before)) g.remove_control_edge(before, op);
    }
    for (const op_id after : g.control_successors(op)) {
      if (!inside(after)) g.remove_control_edge(op, after);
    }
  }
}

std::vector<tensor_id> outputs_of(const Graph& g, op_id op) {
  std::vector<tensor_id> outputs;
  for (std::uint32_t o = 0; o < g.output_count(op); ++o) outputs.push_back({op, o});
  return outputs;
}

void refuse_bypass(const Graph& g, op_id op, const std::string& found, const char* hint) {
  throw argument_error({"'" + g.path_of(op) + "' was to be bypassed", found, g.path_of(op), hint});
}

}  // namespace

namespace detail {

std::size_t reroute_all(const std::vector<graph_reference>& from,
                        const std::vector<graph_reference>& to, const edit_choices& choices) {
  if (from.size() != to.size())
    refuse_count("the uses of tensors were to be rerouted", from.size(), to.size());
  if (from.empty()) return 0;
  Graph& g = graph_of(from.front());
  Graph::transaction all(g);
  std::vector<tensor_id> values;
  for (const graph_reference& r : to) values.push_back(id_for_use(g, r));
  const std::size_t changed =
      change(g, {"reroute", choices.shapes}, paired("", ids_of(g, from), values),
             [&](op_id user) { return choices.users(g, user); });
  all.commit();
  return changed;
}

std::size_t swap_all(const std::vector<graph_reference>& a, const std::vector<graph_reference>& b,
                     const edit_choices& choices) {
  if (a.size() != b.size())
    refuse_count("the uses of tensors were to be exchanged", a.size(), b.size());
  if (a.empty()) return 0;
  Graph& g = graph_of(a.front());
  std::vector<rerouting> pairs = paired("", ids_of(g, a), ids_of(g, b));
  std::erase_if(pairs, [](const rerouting& p) { return p.from == p.to; });
  for (std::size_t i = pairs.size(); i-- > 0;) pairs.push_back({pairs[i].to, pairs[i].from});
  return change(g, {"swap_uses", choices.shapes}, pairs,
                [&](op_id user) { return choices.users(g, user); });
}

}  // namespace detail

std::size_t swap_uses(Graph& g, op_id a, op_id b, shape_choice shapes) {
  std::vector<rerouting> pairs = paired("the uses of two ops' outputs were to be exchanged",
                                        outputs_of(g, a), outputs_of(g, b));
  if (a == b) return 0;
  for (std::size_t i = pairs.size(); i-- > 0;) pairs.push_back({pairs[i].to, pairs[i].from});
  return change(g, {"swap_uses", shapes}, pairs, [](op_id) { return true; });
}

std::size_t swap_operands(Graph& g, op_id a, op_id b, shape_choice shapes) {
  const auto of_a = g.operands(a), of_b = g.operands(b);
  if (of_a.size() != of_b.size())
    refuse_count("the operands of two ops were to be exchanged", of_a.size(), of_b.size());
  if (a == b) return 0;
  std::vector<operand_change> changes;
  for (std::uint32_t i = 0; i < of_a.size(); ++i) {
    detail::check_takes_place(g, "swap_operands", of_a[i], of_b[i], shapes);
    detail::check_takes_place(g, "swap_operands", of_b[i], of_a[i], shapes);
    changes.push_back({a, i, of_b[i]});
    changes.push_back({b, i, of_a[i]});
  }
  g.set_operands(changes);
  return changes.size();
}

std::size_t detail::join(const Region& first, const Region& second, shape_choice shapes) {
  Graph& g = graph_of_two(first, second);
  return change(g, {"connect", shapes},
                paired("the outputs of a region were to be joined to the inputs of another",
                       second.inputs(), first.outputs()),
                [&](op_id user) { return second.contains(user); });
}

std::size_t swap_inputs(const Region& a, const Region& b, shape_choice shapes) {
  Graph& g = graph_of_two(a, b);
  const edit_call call{"swap_inputs", shapes};
  const char* asked = "the inputs of two regions were to be exchanged";
  std::vector<operand_change> changes = changes_for(g, call, paired(asked, a.inputs(), b.inputs()),
                                                    [&](op_id user) { return a.contains(user); });
  // Of ops in both, what takes an input of a was found above, and what takes one of b is found now. One tensor that
  // is an input of both is what such an op cannot exchange.
  std::map<std::pair<op_id, std::uint32_t>, tensor_id> shared;
  for (const operand_change& c : changes) {
    if (b.contains(c.user)) shared.emplace(std::pair{c.user, c.slot}, c.value);
  }
  for (const operand_change& c : changes_for(g, call, paired(asked, b.inputs(), a.inputs()),
                                             [&](op_id user) { return b.contains(user); })) {
    const auto met = shared.find({c.user, c.slot});
    if (met == shared.end()) {
      changes.push_back(c);
    } else if (met->second != c.value) {
      throw argument_error(
          {asked,
           "'" + g.path_of(c.user) + "' is in both regions, and what it takes, '" +
               g.path_of(g.operand(c.user, c.slot)) + "', would become '" + g.path_of(met->second) +
               "' in one and '" + g.path_of(c.value) + "' in the other",
           g.path_of(c.user), "exchange the inputs of regions without this op in common"});
    }
  }
  g.set_operands(changes);
  return changes.size();
}

std::size_t swap_outputs(const Region& a, const Region& b, shape_choice shapes) {
  Graph& g = graph_of_two(a, b);
  std::vector<rerouting> pairs =
      paired("the outputs of two regions were to be exchanged", a.outputs(), b.outputs());
  std::erase_if(pairs, [](const rerouting& p) { return p.from == p.to; });
  for (std::size_t i = pairs.size(); i-- > 0;) pairs.push_back({pairs[i].to, pairs[i].from});
  return change(g, {"swap_outputs", shapes}, pairs,
                [&](op_id user) { return !a.contains(user) && !b.contains(user); });
}

namespace {

void bypass_single(Graph& g, op_id op, shape_choice shapes) {
  if (g.operand_count(op) == 1) return bypass(g, op, 0, shapes);
  if (g.operand_count(op) == 0) {
    refuse_bypass(g, op, "it takes nothing that its users could take in its place",
                  "lead its users to another tensor: reroute(tensor, other)");
  }
  refuse_bypass(g, op, "it has " + std::to_string(g.operand_count(op)) + " operands",
                "say which of them its users shall take: bypass(g, op, operand)");
}

}  // namespace

void bypass(Graph& g, op_id op) { bypass_single(g, op, {}); }
void bypass(Graph& g, op_id op, reshaping::allowed allow) { bypass_single(g, op, allow); }

void bypass(Graph& g, op_id op, std::uint32_t operand, shape_choice shapes) {
  const tensor_id instead = g.operand(op, operand);
  std::vector<tensor_id> used;
  for (const tensor_id t : outputs_of(g, op)) {
    if (!g.uses(t).empty()) used.push_back(t);
  }
  if (used.size() > 1) {
    refuse_bypass(g, op, "ops take " + std::to_string(used.size()) + " of its outputs",
                  "reroute their uses one by one");
  }
  if (used.empty() && g.output_count(op) != 0) used.push_back({op, 0});  // collections may name it
  steps all(g.data());
  const std::vector<op_id> before = g.control_predecessors(op);
  for (const op_id after : g.control_successors(op)) {
    g.add_control_edge(instead.op, after);
    for (const op_id b : before) g.add_control_edge(b, after);
  }
  for (const tensor_id t : used) {
    const std::vector<Graph::use> uses = g.uses(t);
    for (const Graph::use& u : uses) {
      for (const op_id b : before) g.add_control_edge(b, u.user);
    }
    if (!uses.empty()) {
      detail::take_instead(g, "bypass", t, uses, g.handle(instead).ref(), shapes);
    }
    detail::replace_members(g.data(), t, instead);
  }
  g.erase_ops({&op, 1});
  all.commit();
}

std::size_t bypass(const Region& region, shape_choice shapes) {
  Graph& g = detail::require_current(*region.data());
  return change(g, {"bypass", shapes},
                paired("a region was to be bypassed, its inputs joined to the users of its outputs",
                       region.outputs(), region.inputs()),
                [&](op_id user) { return !region.contains(user); });
}

detached detach(const Region& region) {
  Graph& g = detail::require_current(*region.data());
  steps all(g.data());
  detached result{cut_inputs(g, region), cut_outputs(g, region), cut_hidden(g, region)};
  cut_control(g, region.nodes(), [&](op_id op) { return region.contains(op); });
  all.commit();
  return result;
}

std::vector<any_tensor> detach_inputs(const Region& region) {
  Graph& g = detail::require_current(*region.data());
  steps all(g.data());
  std::vector<any_tensor> result = cut_inputs(g, region);
  all.commit();
  return result;
}

std::vector<any_tensor> detach_outputs(const Region& region) {
  Graph& g = detail::require_current(*region.data());
  steps all(g.data());
  std::vector<any_tensor> result = cut_outputs(g, region);
  all.commit();
  return result;
}

detached detach(Graph& g, op_id op) {
  const auto operands = g.operands(op);
  steps all(g.data());
  detached result{cut(
                      g, {operands.begin(), operands.end()}, false,
                      [&](op_id user) { return user == op; }, add_placeholder),
                  cut(
                      g, outputs_of(g, op), true, [&](op_id) { return true; }, add_placeholder),
                  {}};
  cut_control(g, {op}, [](op_id) { return false; });
  all.commit();
  return result;
}

any_tensor insert_after(const any_tensor& x, const operator_schema& schema,
                        const attribute_list& attributes, const op_filter& users,
                        shape_choice shapes) {
  Graph& g = detail::graph_of(x.ref());
  const std::vector<Graph::use> uses = detail::uses_by(x.ref(), users);
  steps all(g.data());
  const tensor_id operand = x.ref().id;
  const any_tensor y = g.handle({g.add(schema, {&operand, 1}, attributes), 0});
  detail::take_instead(g, "insert_after", operand, uses, y.ref(), shapes);
  all.commit();
  return y;
}

void add_control_edges(Graph& g, const std::vector<op_id>& before, op_id after) {
  steps all(g.data());
  (void)g.index_of(after);
  for (const op_id b : before) {
    (void)g.index_of(b);
    const std::vector<op_id> there = g.control_predecessors(after);
    if (std::find(there.begin(), there.end(), b) != there.end()) {
      throw graph_error({"'" + g.path_of(after) + "' was to wait for '" + g.path_of(b) + "'",
                         "it does so already", g.path_of(after), "add each control edge once"});
    }
    g.add_control_edge(b, after);
  }
  all.commit();
}

void remove_control_edges(Graph& g, const std::vector<op_id>& before, op_id after) {
  steps all(g.data());
  (void)g.index_of(after);
  for (const op_id b : before) g.remove_control_edge(b, after);
  all.commit();
}

std::size_t move_control_edges(Graph& g, op_id from, op_id to) {
  (void)g.index_of(from);
  (void)g.index_of(to);
  if (from == to) return 0;
  steps all(g.data());
  const std::vector<op_id> before = g.control_predecessors(from),
                           after = g.control_successors(from);
  // All go before the first comes: edges between the two must not make a cycle on the way.
  for (const op_id b : before) g.remove_control_edge(b, from);
  for (const op_id a : after) g.remove_control_edge(from, a);
  std::size_t moved = 0;
  for (const op_id b : before) {
    if (b == to) continue;
    g.add_control_edge(b, to);
    ++moved;
  }
  for (const op_id a : after) {
    if (a == to) continue;
    g.add_control_edge(to, a);
    ++moved;
  }
  all.commit();
  return moved;
}

}  // namespace graft
