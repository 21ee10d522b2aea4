// Checks every invariant of a graph.
#include <algorithm>
#include <numeric>
#include <unordered_set>

#include "graft/core/error.hpp"
#include "graft/schema/core_operators.hpp"

#include "graph/building.hpp"
#include "graph/lookup.hpp"

namespace graft {

namespace {

using detail::none;
using tables = Graph::tables;

class validator {
 public:
  /// @param bodies those that were checked already: they may own one another many times over
  validator(const Graph& g, std::unordered_set<const Graph*>& bodies)
      : g_(g), t_(g.data()), bodies_(bodies) {}

  void run() {
    ids();
    scopes();
    for (std::uint32_t i = 0; i < t_.ops.size(); ++i) op(i);
    use_lists();
    control_lists();
    cycles();
    names();
    for (std::uint32_t i = 0; i < t_.ops.size(); ++i) types(i);
    variables();
    collections();
  }

 private:
  [[noreturn]] static void broken(std::string found) {
    throw graph_error(
        {.asked = "a graph was checked",
         .found = std::move(found),
         .where = {},
         .hint =
             "undo the edit that led here; if it used only this library's functions, report it"});
  }
  [[nodiscard]] std::string name(std::uint32_t i) const {
    return "'" + detail::path_of_op(t_, i) + "'";
  }

  void ids() const {
    if (t_.ids_are_indices) {
      if (t_.next_id != t_.ops.size()) broken("ids are not numbered like ops");
      return;
    }
    if (t_.id_of_index.size() != t_.ops.size() || t_.index_of_id.size() != t_.next_id) {
      broken("the maps between ids and ops have wrong sizes");
    }
    std::size_t live = 0;
    for (std::uint32_t id = 0; id < t_.next_id; ++id) {
      const std::uint32_t i = t_.index_of_id[id];
      if (i == none) continue;
      ++live;
      if (i >= t_.ops.size() || t_.id_of_index[i] != id)
        broken("id " + std::to_string(id) + " leads astray");
    }
    if (live != t_.ops.size()) broken("some ops have no id");
  }

  void scopes() const {
    if (t_.scopes.empty() || t_.scope_stack.empty()) broken("there is no root scope");
    std::unordered_set<detail::name_place, detail::name_place_hash> seen;
    for (std::uint32_t s = 1; s < t_.scopes.size(); ++s) {
      const tables::scope_record& r = t_.scopes[s];
      if (r.parent >= s || r.name >= t_.strings.size()) {
        broken("scope " + std::to_string(s) + " has no parent before it");
      }
      if (!detail::is_removed(r) && !seen.insert({r.parent, r.name, r.ordinal}).second) {
        broken("two scopes are named '" + detail::path_of_scope(t_, s) + "'");
      }
    }
    for (const std::uint32_t s : t_.scope_stack) {
      if (s >= t_.scopes.size() || detail::is_removed(t_.scopes[s]))
        broken("a scope that does not exist was entered");
    }
  }

  void op(std::uint32_t i) const {
    const tables::op_record& r = t_.ops[i];
    const std::string what = "op " + std::to_string(i);
    if (r.schema == nullptr) broken(what + " has no operator");
    if (r.scope >= t_.scopes.size() || detail::is_removed(t_.scopes[r.scope]) ||
        r.name >= t_.strings.size())
      broken(what + " has no name");
    if (r.attributes >= t_.attributes.lists.size()) broken(what + " has no attributes");
    if (std::size_t{r.first_operand} + r.operand_count > t_.edges.size() ||
        std::size_t{r.first_output} + r.output_count > t_.outputs.size()) {
      broken(what + " reaches beyond the pools");
    }
    for (const tables::edge& e : t_.operands_of(i)) {
      if (e.user != i) broken("an operand of " + name(i) + " belongs to another op");
      if (e.producer >= t_.ops.size() || e.output >= t_.ops[e.producer].output_count) {
        broken("an operand of " + name(i) + " does not exist");
      }
      if (t_.ordered && e.producer >= i) broken("an operand of " + name(i) + " comes after it");
    }
    for (std::uint32_t k = 0; k < r.output_count; ++k) {
      const tables::output_record& o = t_.output(i, k);
      if (std::size_t{o.extents} + o.rank > t_.extents.size() || (!o.ranked && o.rank != 0)) {
        broken("an output of " + name(i) + " has no shape");
      }
    }
  }

  void use_lists() const {
    std::vector<bool> seen(t_.edges.size());
    for (std::uint32_t i = 0; i < t_.ops.size(); ++i) {
      std::uint32_t last = none;
      for (std::uint32_t e = t_.ops[i].first_use; e != none; e = t_.edges[e].next_use) {
        if (e >= t_.edges.size() || seen[e] || t_.edges[e].producer != i ||
            t_.edges[e].prev_use != last) {
          broken("the uses of " + name(i) + " do not match operands");
        }
        seen[e] = true;
        last = e;
      }
      if (t_.ops[i].last_use != last) broken("the uses of " + name(i) + " end elsewhere");
    }
    for (std::uint32_t i = 0; i < t_.ops.size(); ++i) {
      for (std::uint32_t k = 0; k < t_.ops[i].operand_count; ++k) {
        if (!seen[t_.ops[i].first_operand + k])
          broken("an operand of " + name(i) + " is in no use list");
      }
    }
  }

  void control_lists() const {
    std::vector<char> seen(t_.controls.size());
    const auto walk = [&](std::uint32_t i, std::uint32_t c,
                          std::uint32_t tables::control_edge::* next,
                          std::uint32_t tables::control_edge::* end, char bit) {
      for (; c != none; c = t_.controls[c].*next) {
        if (c >= t_.controls.size() || (seen[c] & bit) != 0 || t_.controls[c].*end != i) {
          broken("the control edges of " + name(i) + " do not match");
        }
        seen[c] = static_cast<char>(seen[c] | bit);
        const tables::control_edge& e = t_.controls[c];
        if (t_.ordered && e.before >= e.after)
          broken("a control edge of " + name(i) + " leads back");
      }
    };
    for (std::uint32_t i = 0; i < t_.ops.size(); ++i) {
      walk(i, t_.ops[i].control_in, &tables::control_edge::next_in, &tables::control_edge::after,
           1);
      walk(i, t_.ops[i].control_out, &tables::control_edge::next_out, &tables::control_edge::before,
           2);
    }
    for (std::uint32_t c = 0; c < t_.controls.size(); ++c) {
      if (seen[c] != (t_.controls[c].before == none ? 0 : 3))
        broken("a control edge is in one list only");
    }
  }

  void cycles() const {
    std::vector<std::uint32_t> all(t_.ops.size());
    std::iota(all.begin(), all.end(), 0u);
    if (all.empty()) return;
    const auto cycle = detail::find_cycle(t_, all, 0, all.back());
    if (!cycle.empty()) broken(name(cycle.front()) + " depends on itself");
  }

  void names() const {
    std::unordered_set<detail::name_place, detail::name_place_hash> seen;
    seen.reserve(t_.ops.size());
    for (std::uint32_t i = 0; i < t_.ops.size(); ++i) {
      const tables::op_record& r = t_.ops[i];
      if (!seen.insert({r.scope, r.name, r.ordinal}).second) broken("two ops are named " + name(i));
      const std::uint32_t batch = t_.scopes[r.scope].batch;
      if (batch != none && !t_.batches[batch].counted) continue;
      if (!t_.names.taken(detail::counter_key(t_, r.scope, r.name, detail::name_kind::op),
                          r.ordinal)) {
        broken("the name " + name(i) + " might be given again");
      }
    }
    for (std::uint32_t s = 1; s < t_.scopes.size(); ++s) {
      const tables::scope_record& r = t_.scopes[s];
      if (t_.scopes[r.parent].uncounted || detail::is_removed(r)) continue;
      if (!t_.names.taken(detail::counter_key(t_, r.parent, r.name, detail::name_kind::scope),
                          r.ordinal)) {
        broken("the scope name '" + detail::path_of_scope(t_, s) + "' might be given again");
      }
    }
  }

  void types(std::uint32_t i) const {
    const tables::op_record& r = t_.ops[i];
    inferred answer;
    try {
      answer = detail::infer_op(t_, i, t_.attributes_of(r));
    } catch (const error& e) {
      broken(e.parts().asked + "; " + e.parts().found);
    }
    bool equal = answer.outputs.size() == r.output_count;
    for (std::uint32_t k = 0; equal && k < r.output_count; ++k) {
      equal = answer.outputs[k] == t_.type_of(i, k);
    }
    if (!equal) broken("the types of " + name(i) + " are not what its operands give");
    for (const attribute& a : t_.attributes_of(r)) {
      if (a.kind == attribute_kind::body) body(i, a);
    }
  }

  void body(std::uint32_t owner, const attribute& a) const {
    const Graph& inner = g_.body(a.integer);
    if (!bodies_.insert(&inner).second) return;
    try {
      validator(inner, bodies_).run();
    } catch (const graph_error& e) {
      broken("in body '" + std::string(a.key) + "' of " + name(owner) + ": " + e.parts().found);
    }
  }

  void variables() const {
    if (t_.store->size() != t_.variables.size()) broken("the store has not one cell a variable");
    std::vector<std::uint32_t> readers(t_.variables.size());
    for (std::uint32_t i = 0; i < t_.ops.size(); ++i) {
      if (!detail::is_operator(*t_.ops[i].schema, ops::variable)) continue;
      const auto v = t_.attributes_of(t_.ops[i]).integer("variable", -1);
      if (v < 0 || static_cast<std::uint64_t>(v) >= t_.variables.size())
        broken(name(i) + " reads no variable");
      ++readers[static_cast<std::size_t>(v)];
      if (t_.variables[static_cast<std::size_t>(v)].read != tensor_id{t_.id(i), 0}) {
        broken("the variable of " + name(i) + " has another read op");
      }
    }
    for (std::size_t k = 0; k < t_.variables.size(); ++k) {
      const variable_info& v = t_.variables[k];
      if (!v.id.valid()) continue;
      const std::string what = "variable " + std::to_string(k);
      if (v.id.value != k) broken(what + " has another id");
      if (readers[k] != 1) broken(what + " has " + std::to_string(readers[k]) + " read ops");
      if (!exists(v.initial)) broken(what + " has no initial value");
      if (t_.ordered && t_.index(v.initial.op) >= t_.index(v.read.op))
        broken("the initial value of " + what + " comes after its read");
      const value_type initial = g_.type_of(v.initial);
      if (!detail::may_be(v.type, initial)) broken(what + " cannot hold its initial value");
      if (!(g_.type_of(v.read) == v.type)) broken(what + " is read as another type");
      if (t_.store->cell(v.id) == nullptr) broken(what + " has no cell");
      for (const op_id u : v.own_updates) {
        if (!t_.contains(u) || !g_.schema_of(u).has(ops::update)) broken(what + " owns no update");
      }
    }
    for (const auto& [key, id] : t_.shared_keys) {
      if (!g_.contains(id)) broken("the key '" + key + "' has no variable");
    }
  }

  [[nodiscard]] bool exists(tensor_id x) const {
    return t_.contains(x.op) && x.output < t_.ops[t_.index(x.op)].output_count;
  }

  void collections() const {
    const detail::memberships& index = t_.lookup->memberships;
    std::size_t entries = 0, members = 0;
    for (std::uint32_t i = 0; i < index.size(); ++i) entries += index[i].collection != detail::none;
    for (std::uint32_t i = 0; i < t_.collections.size(); ++i) {
      const tables::named_collection& c = t_.collections[i];
      const std::string what = "the collection '" + std::string(t_.strings[c.name]) + "'";
      if (c.known.size() != c.members.size()) broken(what + " has a member twice");
      members += c.members.size();
      std::uint32_t before = 0;
      for (const member& m : c.members) {
        const bool there = m.what == member::kind::variable ? g_.contains(m.variable)
                           : m.what == member::kind::tensor ? exists(m.tensor)
                                                            : t_.contains(m.tensor.op);
        if (!there) broken(what + " has a member that does not exist");
        const std::uint32_t entry = index.find(i, m);
        if (entry == detail::none || entry < before) broken(what + " is not as its members know");
        before = entry;
      }
    }
    if (entries != members) broken("members know of a collection that they are not in");
  }

  const Graph& g_;
  const tables& t_;
  std::unordered_set<const Graph*>& bodies_;
};

}  // namespace

void Graph::validate() const {
  std::unordered_set<const Graph*> bodies;
  validator(*this, bodies).run();
}

}  // namespace graft
