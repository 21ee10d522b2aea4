#include "graft/surgery/pattern.hpp"

#include <algorithm>
#include <bit>
#include <unordered_set>

#include "graft/ops/sources.hpp"

#include "graph/building.hpp"
#include "surgery/pattern_search.hpp"
#include "surgery/region_data.hpp"

namespace graft {

using detail::pattern_access;
using detail::pattern_node;

namespace {

using kind = pattern_node::kind;

template <class F>
pattern changed(const pattern_node& node, F&& change) {
  auto copy = std::make_shared<pattern_node>(node);
  change(*copy);
  return pattern(std::move(copy));
}

template <class F>
pattern changed_op(const pattern_node& node, const char* asked, F&& change) {
  if (node.what != kind::op) {
    throw argument_error({std::string("'") + asked + "' was asked of a pattern",
                          "the pattern does not stand for an op", "",
                          "ask it of patterns::op(...)"});
  }
  return changed(node, std::forward<F>(change));
}

pattern condition(const pattern_node& node, pattern::predicate holds) {
  return changed(node, [&](pattern_node& n) { n.conditions.push_back(std::move(holds)); });
}

}  // namespace

// --- Declaring -----------------------------------------------------------------------------------

pattern pattern::as(name_view name) const {
  return changed(*node_, [&](pattern_node& n) { n.name = name; });
}
pattern pattern::typed(dtype type) const {
  return condition(*node_,
                   [type](const Graph& g, tensor_id t) { return g.type_of(t).type == type; });
}
pattern pattern::ranked(std::size_t rank) const {
  return condition(*node_, [rank](const Graph& g, tensor_id t) {
    const value_type type = g.type_of(t);
    return type.ranked && type.shape.size() == rank;
  });
}
pattern pattern::shaped(const dims& shape) const {
  return condition(*node_, [shape](const Graph& g, tensor_id t) {
    const value_type type = g.type_of(t);
    if (!type.ranked || type.shape.size() != shape.size()) return false;
    for (std::size_t i = 0; i < shape.size(); ++i) {
      if (shape[i] != dyn && shape[i] != type.shape[i]) return false;
    }
    return true;
  });
}
pattern pattern::where(predicate holds) const { return condition(*node_, std::move(holds)); }
pattern pattern::where(op_filter makers) const {
  return condition(*node_, [accept = std::move(makers)](const Graph& g, tensor_id t) {
    return accept(g, t.op);
  });
}

pattern pattern::uses(std::size_t count) const {
  return condition(*node_,
                   [count](const Graph& g, tensor_id t) { return g.uses(t).size() == count; });
}
pattern pattern::used_by(op_filter user) const {
  return condition(*node_, [accept = std::move(user)](const Graph& g, tensor_id t) {
    const std::vector<Graph::use> all = g.uses(t);
    return std::any_of(all.begin(), all.end(),
                       [&](const Graph::use& u) { return accept(g, u.user); });
  });
}
pattern pattern::used_only_by(op_filter users) const {
  return condition(*node_, [accept = std::move(users)](const Graph& g, tensor_id t) {
    const std::vector<Graph::use> all = g.uses(t);
    return !all.empty() && std::all_of(all.begin(), all.end(),
                                       [&](const Graph::use& u) { return accept(g, u.user); });
  });
}
pattern pattern::after(op_filter earlier) const {
  return condition(*node_, [accept = std::move(earlier)](const Graph& g, tensor_id t) {
    return !find_ops(g, g.control_predecessors(t.op), accept).empty();
  });
}
pattern pattern::before(op_filter later) const {
  return condition(*node_, [accept = std::move(later)](const Graph& g, tensor_id t) {
    return !find_ops(g, g.control_successors(t.op), accept).empty();
  });
}

pattern pattern::with(name_view key, std::int64_t value) const {
  return changed_op(*node_, "with", [&](pattern_node& n) {
    n.attributes.emplace_back([key = std::string(key), value](const attribute_list& a) {
      return a.integer(key) == value;
    });
  });
}
pattern pattern::with(name_view key, double value) const {
  return changed_op(*node_, "with", [&](pattern_node& n) {
    n.attributes.emplace_back([key = std::string(key), value](const attribute_list& a) {
      return std::bit_cast<std::uint64_t>(a.real(key)) == std::bit_cast<std::uint64_t>(value);
    });
  });
}
pattern pattern::with(name_view key, const dims& value) const {
  return changed_op(*node_, "with", [&](pattern_node& n) {
    n.attributes.emplace_back([key = std::string(key), value](const attribute_list& a) {
      return a.integers(key) == value;
    });
  });
}
pattern pattern::with(name_view key, dtype value) const {
  return changed_op(*node_, "with", [&](pattern_node& n) {
    n.attributes.emplace_back(
        [key = std::string(key), value](const attribute_list& a) { return a.type(key) == value; });
  });
}
pattern pattern::with(name_view key, const char* value) const {
  return changed_op(*node_, "with", [&](pattern_node& n) {
    n.attributes.emplace_back([key = std::string(key), value = std::string(name_view(value))](
                                  const attribute_list& a) { return a.string(key) == value; });
  });
}
pattern pattern::output(std::uint32_t index) const {
  return changed_op(*node_, "output", [&](pattern_node& n) { n.output = index; });
}
pattern pattern::sole_use() const {
  return changed_op(*node_, "sole_use", [&](pattern_node& n) { n.sole_use = true; });
}
pattern pattern::commutative(bool value) const {
  return changed_op(*node_, "commutative", [&](pattern_node& n) { n.commutative = value; });
}

namespace patterns {

pattern any(name_view name) {
  pattern_node node;
  node.name = name;
  return pattern(std::make_shared<const pattern_node>(std::move(node)));
}
pattern number(double value) {
  pattern_node node;
  node.what = kind::number;
  node.value = value;
  return pattern(std::make_shared<const pattern_node>(std::move(node)));
}
pattern variable(name_view name) {
  pattern_node node;
  node.what = kind::variable;
  node.name = name;
  return pattern(std::make_shared<const pattern_node>(std::move(node)));
}
pattern any_of(std::vector<pattern> choices) {
  if (choices.empty()) {
    throw argument_error(
        {"a pattern of choices was made", "there is no choice", "", "give at least one pattern"});
  }
  pattern_node node;
  node.what = kind::choice;
  node.operands = std::move(choices);
  return pattern(std::make_shared<const pattern_node>(std::move(node)));
}
pattern op_of(const operator_schema& schema, std::vector<pattern> operands) {
  const auto n = static_cast<int>(operands.size());
  if (n != 0 &&
      (n < schema.min_operands || (schema.max_operands >= 0 && n > schema.max_operands))) {
    throw argument_error(
        {"a pattern of the operator " + std::string(schema.name) + " was made",
         "it has " + std::to_string(n) + " operands, which that operator never has", "",
         "give as many patterns as the op has operands, or none"});
  }
  pattern_node node;
  node.what = kind::op;
  node.schema = &schema;
  node.any_operands = operands.empty();
  node.operands = std::move(operands);
  return pattern(std::make_shared<const pattern_node>(std::move(node)));
}

}  // namespace patterns

tensor_id pattern_match::operator[](name_view name) const {
  for (const auto& [known, tensor] : captures) {
    if (known == name.view()) return tensor;
  }
  throw name_error({"the tensor '" + std::string(name) + "' of a match was asked for",
                    "the pattern has no such name", "", "name it by as(...) or any(...)"});
}

// --- Searching -----------------------------------------------------------------------------------

namespace detail {

bool is_number(const Graph& g, tensor_id t, double value) {
  const operator_schema& schema = g.schema_of(t.op);
  const attribute_view a = g.attributes_of(t.op);
  if (is_operator(schema, ops::scalar) || is_operator(schema, ops::fill) ||
      is_operator(schema, ops::fill_like)) {
    const auto v = a.find("value");
    if (!v) return false;
    return v->kind == attribute_kind::real ? v->real == value
                                           : static_cast<double>(v->integer) == value;
  }
  if (!is_operator(schema, ops::constant)) return false;
  const Array& stored = g.constant(a.integer("value"));
  if (stored.empty()) return false;
  const Array wide = stored.type() == dtype::float64 ? stored : stored.cast(dtype::float64);
  for (const double e : wide.span<double>()) {
    if (e != value) return false;
  }
  return true;
}

search_space::search_space(const Graph& g, const Region* r) : graph(g), region(r) {
  if (r == nullptr) return;
  cuts = r->data()->cuts;
  outputs = r->outputs();
  std::sort(outputs.begin(), outputs.end());
}

bool search_space::inside(tensor_id t) const {
  if (region != nullptr) {
    if (!region->contains(t.op) || std::binary_search(cuts.begin(), cuts.end(), t)) return false;
  }
  return taken == nullptr || taken->count(t.op) == 0;
}

namespace {

class search {
 public:
  search(const search_space& space, tensor_id root) : space_(space), g_(space.graph) {
    match_.root = root;
  }

  std::optional<pattern_match> run(const pattern& what) {
    const goal first{&pattern_access::node(what), match_.root, nullptr};
    if (!solve(&first)) return std::nullopt;
    return std::move(match_);
  }

 private:
  // What is still to be matched, as a list that alternatives share.
  struct goal {
    const pattern_node* node;
    tensor_id tensor;
    const goal* rest;
  };

  bool solve(const goal* next) {
    if (next == nullptr) return finish();
    const pattern_node& node = *next->node;
    for (const auto& [known, tensor] : bound_) {
      if (known == &node) return tensor == next->tensor && solve(next->rest);
    }
    const std::size_t names = match_.captures.size();
    if (!node.name.empty()) {
      bool there = false;
      for (const auto& [name, tensor] : match_.captures) {
        if (name != node.name) continue;
        if (tensor != next->tensor) return false;
        there = true;
      }
      if (!there) match_.captures.emplace_back(node.name, next->tensor);
    }
    bound_.emplace_back(&node, next->tensor);
    if (fits(node, next->tensor) && expand(node, next)) return true;
    bound_.pop_back();
    match_.captures.resize(names);
    return false;
  }

  [[nodiscard]] bool fits(const pattern_node& node, tensor_id t) const {
    switch (node.what) {
      case pattern_node::kind::number:
        if (!is_number(g_, t, node.value)) return false;
        break;
      case pattern_node::kind::variable:
        if (!g_.variable_read_by(t)) return false;
        break;
      case pattern_node::kind::op: {
        if (t.output != node.output || !is_operator(g_.schema_of(t.op), *node.schema)) return false;
        if (!space_.inside(t)) return false;
        if (!node.any_operands && g_.operand_count(t.op) != node.operands.size()) return false;
        const attribute_list a = g_.attributes_of(t.op);
        for (const auto& holds : node.attributes) {
          if (!holds(a)) return false;
        }
        break;
      }
      default:
        break;
    }
    return std::all_of(node.conditions.begin(), node.conditions.end(),
                       [&](const pattern::predicate& holds) { return holds(g_, t); });
  }

  bool expand(const pattern_node& node, const goal* next) {
    if (node.what == pattern_node::kind::choice) {
      for (const pattern& choice : node.operands) {
        const goal one{&pattern_access::node(choice), next->tensor, next->rest};
        if (solve(&one)) return true;
      }
      return false;
    }
    if (node.what != pattern_node::kind::op) return solve(next->rest);
    ops_.push_back({next->tensor.op, &node});
    if (node.any_operands ? solve(next->rest) : operands(node, next)) return true;
    ops_.pop_back();
    return false;
  }

  bool operands(const pattern_node& node, const goal* next) {
    const std::size_t n = node.operands.size();
    const op_id op = next->tensor.op;
    const bool exchange = n == 2 && node.commutative.value_or(node.schema->has(ops::commutative));
    for (int turn = 0; turn < (exchange ? 2 : 1); ++turn) {
      std::vector<goal> goals(n);
      for (std::size_t i = n; i-- > 0;) {
        const std::size_t from = turn == 0 ? i : n - 1 - i;
        goals[i] = {&pattern_access::node(node.operands[i]),
                    g_.operand(op, static_cast<std::uint32_t>(from)),
                    i + 1 < n ? &goals[i + 1] : next->rest};
      }
      if (solve(goals.data())) return true;
    }
    return false;
  }

  [[nodiscard]] bool matched(op_id op) const {
    return std::any_of(ops_.begin(), ops_.end(), [&](const auto& o) { return o.first == op; });
  }

  bool finish() {
    for (const auto& [op, node] : ops_) {
      if (!node->sole_use || op == match_.root.op) continue;
      bool alone = true;
      g_.for_each_use(
          op, [&](const Graph::use& u, std::uint32_t) { alone = alone && matched(u.user); });
      for (std::uint32_t i = 0; alone && i < g_.output_count(op); ++i) {
        alone = !std::binary_search(space_.outputs.begin(), space_.outputs.end(), tensor_id{op, i});
      }
      if (!alone) return false;
    }
    for (const auto& [op, node] : ops_) match_.ops.push_back(op);
    std::sort(match_.ops.begin(), match_.ops.end());
    match_.ops.erase(std::unique(match_.ops.begin(), match_.ops.end()), match_.ops.end());
    return true;
  }

  const search_space& space_;
  const Graph& g_;
  pattern_match match_;
  std::vector<std::pair<const pattern_node*, tensor_id>> bound_;
  std::vector<std::pair<op_id, const pattern_node*>> ops_;
};

// The operators that a root may have.
void root_schemas(const pattern_node& node, std::vector<const pattern_node*>& found) {
  if (node.what == kind::op) {
    found.push_back(&node);
  } else if (node.what == kind::choice) {
    for (const pattern& choice : node.operands) root_schemas(pattern_access::node(choice), found);
  } else {
    throw argument_error({"a pattern was searched for", "its root is not an op", "",
                          "begin it with patterns::op(...)"});
  }
}

}  // namespace

std::optional<pattern_match> match_at(const search_space& space, const pattern& what,
                                      tensor_id root) {
  return search(space, root).run(what);
}

std::vector<tensor_id> possible_roots(const search_space& space, const pattern& what) {
  std::vector<const pattern_node*> roots;
  root_schemas(pattern_access::node(what), roots);
  const Graph& g = space.graph;
  std::vector<tensor_id> result;
  const auto look = [&](op_id op) {
    const operator_schema& schema = g.schema_of(op);
    for (std::uint32_t i = 0; i < g.output_count(op); ++i) {
      const bool fits = std::any_of(roots.begin(), roots.end(), [&](const pattern_node* n) {
        return n->output == i && is_operator(schema, *n->schema);
      });
      if (fits) result.push_back({op, i});
    }
  };
  if (space.region == nullptr) {
    for (std::size_t i = 0; i < g.op_count(); ++i) look(g.op_at(i));
  } else {
    std::vector<op_id> nodes = space.region->nodes();
    std::sort(nodes.begin(), nodes.end(),
              [&](op_id a, op_id b) { return g.index_of(a) < g.index_of(b); });
    for (const op_id op : nodes) look(op);
  }
  return result;
}

namespace {

std::vector<pattern_match> find_all(search_space space, const pattern& what) {
  std::unordered_set<op_id> taken;
  space.taken = &taken;
  std::vector<pattern_match> found;
  for (const tensor_id root : possible_roots(space, what)) {
    auto match = match_at(space, what, root);
    if (!match) continue;
    taken.insert(match->ops.begin(), match->ops.end());
    found.push_back(std::move(*match));
  }
  return found;
}

}  // namespace
}  // namespace detail

std::vector<pattern_match> find_matches(const Graph& graph, const pattern& what) {
  return detail::find_all(detail::search_space(graph, nullptr), what);
}
std::vector<pattern_match> find_matches(const Region& region, const pattern& what) {
  return detail::find_all(detail::search_space(detail::require_current(*region.data()), &region),
                          what);
}

}  // namespace graft
