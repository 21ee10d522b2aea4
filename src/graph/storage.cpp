// Appending to the pools of a graph, and small questions about them.
#include <algorithm>
#include <atomic>

#include "graft/schema/core_operators.hpp"

#include "graph/building.hpp"
#include "graph/index_map.hpp"
#include "graph/lookup.hpp"

namespace graft {

Graph::tables::tables() : lookup(std::make_unique<detail::graph_lookup>()) {
  scopes.reserve(1);
  strings.intern("");
  scopes.push_back({0, 0, 0, next_serial++, none, false, false});
  scope_stack.push_back(0);
  attributes.lists.reserve(1);
  attributes.lists.push_back({0, 0, 0});
}
Graph::tables::~tables() = default;

std::uint32_t Graph::tables::next_number() {
  static std::atomic<std::uint32_t> given{0};
  std::uint32_t number = 0;
  while (number == 0) number = given.fetch_add(1, std::memory_order_relaxed) + 1;  // 0 is no graph
  return number;
}

namespace detail {

void reserve_ops(tables& t, std::size_t count) {
  t.ops.reserve(count);
  if (!t.ids_are_indices) {
    t.id_of_index.reserve(count);
    t.index_of_id.reserve(count);
  }
}

std::vector<std::uint32_t> live_variables(const tables& t) {
  std::vector<std::uint32_t> live;
  if (t.variables.size() <= t.ops.size()) {
    for (const variable_info& v : t.variables) {
      if (v.id.valid()) live.push_back(v.id.value);
    }
    return live;
  }
  for (const tables::op_record& r : t.ops) {
    if (!is_operator(*r.schema, ops::variable)) continue;
    for (const stored_attribute& a : t.stored(r)) {
      const auto v = static_cast<std::uint32_t>(a.integer);
      const bool there = a.kind == attribute_kind::variable && v < t.variables.size();
      if (there && t.variables[v].id.valid()) live.push_back(v);
    }
  }
  std::sort(live.begin(), live.end());
  return live;
}

void give_ids(tables& t, std::uint32_t first) {
  const std::uint32_t count = t.ops.size() - first;
  if (!t.ids_are_indices) {
    for (std::uint32_t i = 0; i < count; ++i) {
      t.id_of_index.push_back(t.next_id + i);
      t.index_of_id.push_back(first + i);
    }
  }
  t.next_id += count;
}

tables::output_record store_type(tables& t, const value_type& type, std::uint32_t op) {
  tables::output_record o{0, static_cast<std::uint32_t>(type.shape.size()), type.type, type.kind,
                          type.ranked};
  if (o.rank == 0) return o;
  const auto equal = [&](std::uint32_t at) {
    return std::equal(type.shape.begin(), type.shape.end(), t.extents.begin() + at);
  };
  for (const tables::edge& e : t.operands_of(op)) {
    const tables::output_record& operand = t.output(e.producer, e.output);
    if (operand.rank == o.rank && equal(operand.extents)) {
      o.extents = operand.extents;
      return o;
    }
  }
  if (t.extents.size() >= o.rank && equal(t.extents.size() - o.rank)) {
    o.extents = t.extents.size() - o.rank;
    return o;
  }
  o.extents = t.extents.size();
  for (const extent e : type.shape) t.extents.push_back(e);
  return o;
}

void link_control(tables& t, std::uint32_t before, std::uint32_t after) {
  const std::uint32_t c = t.controls.size();
  t.controls.push_back({before, after, t.ops[before].control_out, t.ops[after].control_in});
  t.ops[before].control_out = c;
  t.ops[after].control_in = c;
}

bool has_control(const tables& t, std::uint32_t before, std::uint32_t after) {
  for (std::uint32_t c = t.ops[after].control_in; c != none; c = t.controls[c].next_in) {
    if (t.controls[c].before == before) return true;
  }
  return false;
}

std::vector<std::uint32_t> data_order(const tables& t, std::uint32_t first) {
  std::vector<std::uint32_t> order;
  order.reserve(t.ops.size() - first);
  std::vector<bool> met(t.ops.size() - first);
  struct visit {
    std::uint32_t op;
    std::size_t next_operand;
  };
  std::vector<visit> path;
  const auto enter = [&](std::uint32_t op) {
    if (op < first || met[op - first]) return;
    met[op - first] = true;
    path.push_back({op, 0});
  };
  for (std::uint32_t i = first; i < t.ops.size(); ++i) {
    if (t.ordered) {
      order.push_back(i);
      continue;
    }
    enter(i);
    while (!path.empty()) {
      const auto operands = t.operands_of(path.back().op);
      if (path.back().next_operand < operands.size()) {
        enter(operands[path.back().next_operand++].producer);
      } else {
        order.push_back(path.back().op);
        path.pop_back();
      }
    }
  }
  return order;
}

namespace {

// The op of the initial value of the variable that an op reads, or none.
std::uint32_t initial_behind(const tables& t, std::uint32_t op) {
  const tables::op_record& r = t.ops[op];
  if (!t.marked(r) || !is_operator(*r.schema, ops::variable)) return none;
  const auto v = static_cast<std::size_t>(t.attributes_of(r).integer("variable", -1));
  if (v >= t.variables.size() || !t.variables[v].initial.valid()) return none;
  return t.contains(t.variables[v].initial.op) ? t.index(t.variables[v].initial.op) : none;
}

// Goes through what an op needs, one after another.
struct needs {
  std::uint32_t op;
  std::uint32_t operand, control;
  bool initial = true;

  needs(const tables& t, std::uint32_t of) : op(of), operand(0), control(t.ops[of].control_in) {}

  std::uint32_t next(const tables& t) {
    const tables::op_record& r = t.ops[op];
    if (operand < r.operand_count) return t.edges[r.first_operand + operand++].producer;
    if (control != none) {
      const std::uint32_t before = t.controls[control].before;
      control = t.controls[control].next_in;
      return before;
    }
    if (!std::exchange(initial, false)) return none;
    return initial_behind(t, op);
  }
};

}  // namespace

namespace {

// Whether some ops need some others: forwards from these and backwards from those in turn, until the two meet or one has
// come to its end. So it costs what the smaller side has.
class two_sided_search {
 public:
  two_sided_search(const tables& t, std::uint32_t lowest, std::uint32_t highest)
      : t_(t), lowest_(lowest), highest_(highest) {}

  bool finds_way(std::span<const std::uint32_t> from, std::span<const std::uint32_t> to) {
    for (const std::uint32_t op : to) (void)reach(behind_, ahead_, op);
    for (const std::uint32_t op : from) {
      if (reach(ahead_, behind_, op)) return true;
    }
    while (!behind_.done()) {
      if (ahead_.cost > behind_.cost) {
        if (step_back()) return true;
      } else if (!ahead_.done()) {
        if (step_on()) return true;
      } else {
        const std::size_t met = ahead_.order.size();
        if (follow_initial_values()) return true;
        if (ahead_.order.size() == met) return false;
      }
    }
    return false;
  }

 private:
  // By 64 neighbours, as ways lead from one to the next as a rule.
  class marks {
   public:
    bool insert(std::uint32_t op) {
      if (std::uint64_t* const block = blocks_.find(op >> 6)) {
        const bool fresh = (*block & bit(op)) == 0;
        *block |= bit(op);
        return fresh;
      }
      blocks_.set(op >> 6, bit(op));
      return true;
    }
    [[nodiscard]] bool contains(std::uint32_t op) const {
      const std::uint64_t* const block = blocks_.find(op >> 6);
      return block != nullptr && (*block & bit(op)) != 0;
    }

   private:
    static std::uint64_t bit(std::uint32_t op) { return std::uint64_t{1} << (op & 63); }
    index_map<std::uint64_t> blocks_;
  };
  struct side {
    marks met;
    std::vector<std::uint32_t> order;
    std::size_t next = 0, cost = 0;
    [[nodiscard]] bool done() const { return next == order.size(); }
  };

  // True if the other side has been there.
  bool reach(side& mine, const side& other, std::uint32_t op) const {
    ++mine.cost;
    if (op < lowest_ || op > highest_ || !mine.met.insert(op)) return false;
    mine.order.push_back(op);
    return other.met.contains(op);
  }

  bool step_back() {
    needs of(t_, behind_.order[behind_.next++]);
    for (std::uint32_t i = of.next(t_); i != none; i = of.next(t_)) {
      if (reach(behind_, ahead_, i)) return true;
    }
    return false;
  }

  bool step_on() {
    const tables::op_record& r = t_.ops[ahead_.order[ahead_.next++]];
    for (std::uint32_t e = r.first_use; e != none; e = t_.edges[e].next_use) {
      if (reach(ahead_, behind_, t_.edges[e].user)) return true;
    }
    for (std::uint32_t c = r.control_out; c != none; c = t_.controls[c].next_out) {
      if (reach(ahead_, behind_, t_.controls[c].after)) return true;
    }
    return false;
  }

  // Ops do not know which variables start with them, so all variables are asked when nothing else is left.
  bool follow_initial_values() {
    for (const std::uint32_t v : live_variables(t_)) {
      ++ahead_.cost;
      const std::uint32_t read = t_.index(t_.variables[v].read.op);
      const std::uint32_t initial = initial_behind(t_, read);
      if (initial == none || !ahead_.met.contains(initial)) continue;
      if (reach(ahead_, behind_, read)) return true;
    }
    return false;
  }

  const tables& t_;
  const std::uint32_t lowest_, highest_;
  side ahead_, behind_;
};

}  // namespace

bool any_needs(const tables& t, std::span<const std::uint32_t> to,
               std::span<const std::uint32_t> from, std::uint32_t lowest, std::uint32_t highest) {
  return two_sided_search(t, lowest, highest).finds_way(from, to);
}

bool reaches(const tables& t, std::uint32_t from, std::uint32_t to) {
  if (from == to) return true;
  if (t.ordered && from > to) return false;
  const std::uint32_t last = t.ops.size() - 1;
  return any_needs(t, {&to, 1}, {&from, 1}, t.ordered ? from : 0, t.ordered ? to : last);
}

std::vector<std::uint32_t> find_cycle(const tables& t, std::span<const std::uint32_t> through,
                                      std::uint32_t lowest, std::uint32_t highest) {
  enum : std::uint8_t { unseen, open, closed };
  std::vector<std::uint8_t> state(highest - lowest + 1, unseen);
  std::vector<needs> path;
  const auto enter = [&](std::uint32_t op) {
    state[op - lowest] = open;
    path.emplace_back(t, op);
  };
  for (const std::uint32_t start : through) {
    if (start < lowest || start > highest || state[start - lowest] != unseen) continue;
    enter(start);
    while (!path.empty()) {
      const std::uint32_t next = path.back().next(t);
      if (next == none) {
        state[path.back().op - lowest] = closed;
        path.pop_back();
      } else if (next >= lowest && next <= highest) {
        if (state[next - lowest] == unseen) {
          enter(next);
        } else if (state[next - lowest] == open) {
          std::vector<std::uint32_t> cycle;
          std::size_t at = path.size();
          while (path[--at].op != next) {
          }
          for (; at < path.size(); ++at) cycle.push_back(path[at].op);
          return cycle;
        }
      }
    }
  }
  return {};
}

}  // namespace detail
}  // namespace graft
