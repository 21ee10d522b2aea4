// Edits of ops that are there.
#include <algorithm>
#include <set>

#include "graft/core/error.hpp"
#include "graft/schema/core_operators.hpp"

#include "graph/building.hpp"
#include "graph/lookup.hpp"

namespace graft {

using detail::none;
using detail::tables;

namespace {

// The cycle in words: "'y' <- 'h' <- 'y'"; the middle of a long one is left out.
std::string describe_cycle(const tables& t, const std::vector<std::uint32_t>& cycle) {
  constexpr std::size_t head = 6, tail = 3;
  std::string text;
  for (std::size_t i = 0; i < cycle.size(); ++i) {
    if (cycle.size() > head + tail + 1 && i == head) {
      text += "... (" + std::to_string(cycle.size() - head - tail) + " ops) ... <- ";
      i = cycle.size() - tail;
    }
    text += "'" + detail::path_of_op(t, cycle[i]) + "' <- ";
  }
  return text + "'" + detail::path_of_op(t, cycle.front()) + "'";
}

struct placed_change {
  std::uint32_t user, slot, producer, output;
};

std::vector<placed_change> place(const Graph& g, std::span<const operand_change> changes) {
  const tables& t = g.data();
  std::vector<placed_change> placed;
  placed.reserve(changes.size());
  for (const operand_change& c : changes) {
    const tensor_id before = g.operand(c.user, c.slot);
    const std::uint32_t producer = t.index(c.value);
    if (before != c.value) placed.push_back({t.index(c.user), c.slot, producer, c.value.output});
  }
  std::vector<std::pair<std::uint32_t, std::uint32_t>> operands;
  operands.reserve(changes.size());
  for (const operand_change& c : changes) operands.emplace_back(t.index(c.user), c.slot);
  std::sort(operands.begin(), operands.end());
  const auto twice = std::adjacent_find(operands.begin(), operands.end());
  if (twice == operands.end()) return placed;
  throw argument_error({.asked = "operand " + std::to_string(twice->second) + " of '" +
                                 detail::path_of_op(t, twice->first) + "' was to be changed",
                        .found = "it is named twice",
                        .where = {},
                        .hint = "name each operand once"});
}

// Says which of the changes made a cycle.
[[noreturn]] void refuse_cycle(const Graph& g, const std::vector<placed_change>& changes,
                               const std::vector<std::uint32_t>& cycle) {
  const tables& t = g.data();
  const placed_change* guilty = nullptr;
  for (std::size_t i = 0; i < cycle.size(); ++i) {
    const std::uint32_t user = cycle[i], need = cycle[(i + 1) % cycle.size()];
    for (const placed_change& c : changes) {
      if (c.user == user && c.producer == need) guilty = &c;
    }
  }
  const bool by_variable = std::any_of(cycle.begin(), cycle.end(), [&](std::uint32_t op) {
    return detail::is_operator(*t.ops[op].schema, ops::variable);
  });
  const char* const hint =
      by_variable ? "a variable needs its initial value first, which may read other variables only"
                  : "a graph has no cycles";
  if (guilty == nullptr) {
    throw graph_error({.asked = "ops were to be changed",
                       .found = "they depend on one another: " + describe_cycle(t, cycle),
                       .where = {},
                       .hint = hint});
  }
  const op_id user = t.id(guilty->user);
  throw graph_error({.asked = "operand " + std::to_string(guilty->slot) + " of '" +
                              g.path_of(user) + "' was to become '" +
                              g.path_of({t.id(guilty->producer), guilty->output}) + "'",
                     .found = guilty->user == guilty->producer
                                  ? "that is its own output"
                                  : "that depends on it: " + describe_cycle(t, cycle),
                     .where = detail::where(g.line_of(user)),
                     .hint = hint});
}

// Every new cycle goes through an edge that was made. In an ordered graph it goes through one that
// leads backwards, and lies between the lowest user and the highest producer of such edges.
void check_cycles(const Graph& g, const std::vector<placed_change>& changes) {
  const tables& t = g.data();
  std::uint32_t lowest = none, highest = 0;
  std::vector<std::uint32_t> users, producers;
  for (const placed_change& c : changes) {
    if (t.ordered && c.producer < c.user) continue;
    users.push_back(c.user);
    producers.push_back(c.producer);
    lowest = std::min(lowest, c.user);
    highest = std::max(highest, c.producer);
  }
  if (users.empty()) return;
  if (!t.ordered) {
    lowest = 0;
    highest = t.ops.size() - 1;
  }
  if (!detail::any_needs(t, producers, users, lowest, highest)) return;
  const std::vector<std::uint32_t> cycle = detail::find_cycle(t, users, lowest, highest);
  if (!cycle.empty()) refuse_cycle(g, changes, cycle);
}

// All edges are taken out before the first is put in: then the uses of each tensor come out in
// the order of the changes, and changing back restores the order there was.
void relink(tables& t, const std::vector<placed_change>& changes) {
  for (const placed_change& c : changes) {
    detail::stamp(t, c.user);
    const std::uint32_t e = t.ops[c.user].first_operand + c.slot;
    const tables::edge old = t.edges[e];
    detail::note(t, [e, old](tables& u) {
      u.edges[e] = old;
      tables::op_record& p = u.ops[old.producer];
      (old.prev_use != none ? u.edges[old.prev_use].next_use : p.first_use) = e;
      (old.next_use != none ? u.edges[old.next_use].prev_use : p.last_use) = e;
    });
    detail::unlink_use(t, e);
  }
  for (const placed_change& c : changes) {
    const std::uint32_t e = t.ops[c.user].first_operand + c.slot;
    detail::note(t, [e](tables& u) { detail::unlink_use(u, e); });
    t.edges[e].producer = c.producer;
    t.edges[e].output = c.output;
    detail::link_use(t, e);
  }
}

void note_order(tables& t, const std::vector<placed_change>& changes) {
  for (const placed_change& c : changes) t.ordered = t.ordered && c.producer < c.user;
}

}  // namespace

void Graph::set_operand(op_id user, std::uint32_t slot, tensor_id value) {
  const operand_change change{user, slot, value};
  set_operands({&change, 1});
}

void Graph::set_operands(std::span<const operand_change> wanted) {
  tables& t = data();
  const std::vector<placed_change> changes = place(*this, wanted);
  if (changes.empty()) return;
  detail::steps all(t);
  relink(t, changes);
  check_cycles(*this, changes);
  note_order(t, changes);
  std::vector<std::uint32_t> users;
  for (const placed_change& c : changes) users.push_back(c.user);
  detail::infer_downstream(t, std::move(users));
  all.commit();
}

void Graph::set_attributes(op_id op, const attribute_list& attributes) {
  tables& t = data();
  const std::uint32_t at = t.index(op);
  const auto variable = [](const attribute_list& list) { return list.integer("variable", -1); };
  if (schema_of(op).has(ops::update) || detail::is_operator(schema_of(op), ops::variable)) {
    if (variable(attributes) != variable(attributes_of(op))) {
      throw argument_error({.asked = "the attributes of '" + path_of(op) + "' were to be replaced",
                            .found = "it would belong to another variable",
                            .where = detail::where(line_of(op)),
                            .hint = "add a new op instead"});
    }
  }
  detail::steps all(t);
  detail::stamp(t, at);
  const std::uint32_t before = t.ops[at].attributes;
  const std::uint32_t stored = detail::store_attributes(t, attributes);
  detail::note(t, [at, before](tables& u) { u.ops[at].attributes = before; });
  t.ops[at].attributes = stored;
  (void)detail::infer_op(t, at,
                         attribute_view(t.attributes, stored));  // checks what types do not show
  detail::infer_downstream(t, {at});
  if (detail::is_operator(schema_of(op), ops::variable)) {
    const variable_info& v = t.variables[static_cast<std::size_t>(variable(attributes))];
    if (!(v.type == type_of({op, 0}))) {
      throw shape_error({.asked = "the attributes of '" + path_of(op) + "' were to be replaced",
                         .found = "its variable is " + to_string(v.type),
                         .where = detail::where(line_of(op)),
                         .hint = "a variable keeps its type; add a new one"});
    }
  }
  all.commit();
}

void Graph::remove_control_edge(op_id before, op_id after) {
  tables& t = data();
  const std::uint32_t from = t.index(before), to = t.index(after);
  // The edge and what points at it in each of its two lists.
  std::uint32_t c = t.ops[to].control_in, in = none, out = none;
  for (; c != none && t.controls[c].before != from; c = t.controls[c].next_in) in = c;
  if (c == none) {
    throw graph_error(
        {.asked = "'" + path_of(after) + "' was to wait no more for '" + path_of(before) + "'",
         .found = "there is no control edge between them",
         .where = {},
         .hint = "remove edges that control_predecessors lists"});
  }
  for (std::uint32_t i = t.ops[from].control_out; i != c; i = t.controls[i].next_out) out = i;
  detail::steps all(t);
  detail::stamp(t, to);
  detail::note(t, [=](tables& u) {
    (in != none ? u.controls[in].next_in : u.ops[to].control_in) = c;
    (out != none ? u.controls[out].next_out : u.ops[from].control_out) = c;
    u.controls[c].before = from;
    u.controls[c].after = to;
  });
  (in != none ? t.controls[in].next_in : t.ops[to].control_in) = t.controls[c].next_in;
  (out != none ? t.controls[out].next_out : t.ops[from].control_out) = t.controls[c].next_out;
  t.controls[c].before = t.controls[c].after = none;  // its place stays empty
  all.commit();
}

void Graph::rename(op_id op, name_view wanted) {
  const std::string_view name = wanted;
  tables& t = data();
  const std::uint32_t at = t.index(op);
  detail::check_name(name, "an op");
  if (name_of(op) == name) return;
  const detail::parsed_name parts = detail::parse_name(name);
  detail::steps all(t);
  detail::stamp(t, at);
  const std::uint32_t base = t.strings.intern(parts.base);
  const std::uint32_t old_name = t.ops[at].name, old_ordinal = t.ops[at].ordinal;
  t.lookup->look_again(t.id(at));
  detail::count_names(t, t.ops[at].scope);  // or the old name would be free for a moment
  const std::uint32_t ordinal =
      detail::take_name(t, t.ops[at].scope, base, parts.ordinal, detail::name_kind::op);
  detail::note(t, [=](tables& u) {
    u.ops[at].name = old_name;
    u.ops[at].ordinal = old_ordinal;
    u.lookup->forget_ops();
  });
  t.ops[at].name = base;
  t.ops[at].ordinal = ordinal;
  all.commit();
}

namespace detail {

void ordered_edit::visit(op_id op, std::span<const operand_change> changes, bool anew) {
  tables& t = graph_.data();
  const std::vector<placed_change> placed = place(graph_, changes);
  relink(t, placed);
  note_order(t, placed);
  made_.insert(made_.end(), changes.begin(), changes.end());
  const std::uint32_t at = t.index(op);
  const auto operands = t.operands_of(at);
  const bool again = anew || !placed.empty() ||
                     std::any_of(operands.begin(), operands.end(), [&](const tables::edge& e) {
                       return changed_.contains(t.id(e.producer));
                     });
  if (again && infer_in_place(t, at)) changed_.insert(op);
}

void ordered_edit::finish() {
  tables& t = graph_.data();
  check_cycles();
  if (changed_.empty()) return;
  std::set<std::uint32_t> changed;
  std::vector<std::uint32_t> after;
  for (const op_id op : changed_) {
    if (!graph_.contains(op)) continue;
    changed.insert(t.index(op));
    graph_.for_each_use(
        op, [&](const Graph::use& u, std::uint32_t) { after.push_back(t.index(u.user)); });
  }
  check_initial_values(t, changed);
  // What was added meanwhile may have taken an op before its turn.
  infer_downstream(t, std::move(after));
}

void ordered_edit::check_cycles() const {
  const tables& t = graph_.data();
  std::vector<placed_change> changes;
  std::vector<std::uint32_t> users;
  for (const operand_change& c : made_) {
    if (!graph_.contains(c.user) || !graph_.contains(c.value.op)) continue;  // removed meanwhile
    changes.push_back({t.index(c.user), c.slot, t.index(c.value.op), c.value.output});
    users.push_back(changes.back().user);
  }
  for (const op_id op : watched_) {
    if (graph_.contains(op)) users.push_back(t.index(op));
  }
  if (users.empty() || (t.ordered && watched_.empty())) return;
  std::uint32_t first = t.ops.size();
  while (first > 0 && t.id(first - 1) >= first_) --first;
  // A cycle goes through ops that were there before only if one of these waits for a new one.
  std::uint32_t lowest = first;
  for (std::uint32_t i = first; i < t.ops.size(); ++i) {
    for (std::uint32_t e = t.ops[i].first_use; e != none; e = t.edges[e].next_use) {
      if (t.edges[e].user < first) lowest = 0;
    }
    for (std::uint32_t c = t.ops[i].control_out; c != none; c = t.controls[c].next_out) {
      if (t.controls[c].after < first) lowest = 0;
    }
  }
  const std::vector<std::uint32_t> cycle = find_cycle(t, users, lowest, t.ops.size() - 1);
  if (!cycle.empty()) refuse_cycle(graph_, changes, cycle);
}

}  // namespace detail
}  // namespace graft
