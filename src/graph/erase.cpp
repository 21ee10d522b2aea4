// Removing ops: everything is built anew beside the old, then exchanged.
#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "graft/core/error.hpp"
#include "graft/schema/core_operators.hpp"

#include "graph/building.hpp"
#include "graph/lookup.hpp"

namespace graft {

using detail::none;

namespace {

// What removal replaces. Exchanging cannot fail, and exchanging again undoes it.
struct replaced {
  detail::pool<Graph::tables::op_record> ops;
  detail::pool<Graph::tables::edge> edges;
  detail::pool<Graph::tables::output_record> outputs;
  detail::pool<Graph::tables::control_edge> controls;
  detail::pool<std::uint32_t> id_of_index;
  detail::pool<std::uint32_t>
      index_of_id;  // if it is the first removal, which the ids are equal to indices before
  bool first = false;
  std::vector<std::pair<std::size_t, variable_info>> variables;
  std::vector<std::pair<variable_id, std::shared_ptr<variable_cell>>> cells;
  std::map<std::string, variable_id, std::less<>> shared_keys;
  std::vector<Graph::tables::named_collection> collections;
  detail::memberships memberships;
  std::vector<std::pair<std::size_t, Array>> constants;
  std::vector<std::pair<std::size_t, std::shared_ptr<const Graph>>> bodies;

  void exchange(Graph::tables& t) noexcept {
    ops.swap(t.ops);
    edges.swap(t.edges);
    outputs.swap(t.outputs);
    controls.swap(t.controls);
    exchange_ids(t);
    for (auto& [place, info] : variables) std::swap(info, t.variables[place]);
    for (auto& [id, cell] : cells) cell = t.store->exchange(id, std::move(cell));
    shared_keys.swap(t.shared_keys);
    collections.swap(t.collections);
    std::swap(memberships, t.lookup->memberships);
    for (auto& [place, value] : constants) std::swap(value, t.constants[place]);
    for (auto& [place, body] : bodies) body.swap(t.bodies[place]);
  }

 private:
  // The way from ids to indices has a place for each id ever given: only those of ops that are there are touched.
  void exchange_ids(Graph::tables& t) noexcept {
    if (first) {
      id_of_index.swap(t.id_of_index);
      index_of_id.swap(t.index_of_id);
      t.ids_are_indices = !t.ids_are_indices;
      return;
    }
    for (const std::uint32_t id : t.id_of_index) t.index_of_id[id] = none;
    id_of_index.swap(t.id_of_index);
    for (std::uint32_t i = 0; i < t.id_of_index.size(); ++i) t.index_of_id[t.id_of_index[i]] = i;
  }
};

class eraser {
 public:
  eraser(Graph::tables& t, std::span<const op_id> ops)
      : t_(t), variables_(detail::live_variables(t)), gone_(t.ops.size()) {
    for (const op_id op : ops) gone_[t.index(op)] = true;
  }

  void check() const {
    for (std::uint32_t i = 0; i < t_.ops.size(); ++i) {
      const Graph::tables::op_record& r = t_.ops[i];
      if (!gone_[i]) {
        check_variable_of(i, r);
        continue;
      }
      if (detail::is_operator(*r.schema, ops::captured)) {
        refuse(i, "it stands for an input of a body", "leave it: unused, it does no harm");
      }
      for (std::uint32_t e = r.first_use; e != none; e = t_.edges[e].next_use) {
        if (!gone_[t_.edges[e].user])
          refuse(i, "'" + detail::path_of_op(t_, t_.edges[e].user) + "' takes it");
      }
    }
    for (const std::uint32_t number : variables_) {
      const variable_info& v = t_.variables[number];
      if (goes(v)) continue;
      if (gone_[t_.index(v.initial.op)]) {
        refuse(t_.index(v.initial.op), "it is the initial value of variable '" +
                                           detail::path_of_op(t_, t_.index(v.read.op)) + "'");
      }
    }
  }

  std::shared_ptr<replaced> build() {
    auto made = std::make_shared<replaced>();
    build_ops(*made);
    build_controls(*made);
    build_ids(*made);
    build_variables(*made);
    build_collections(*made);
    build_references(*made);
    return made;
  }

  // Ops that lose a predecessor: dense indices after the exchange.
  std::vector<std::uint32_t> touched;

 private:
  [[noreturn]] void refuse(
      std::uint32_t op, std::string found,
      const char* hint = "remove what uses it too, or give the users another operand first") const {
    throw graph_error({.asked = "'" + detail::path_of_op(t_, op) + "' was to be removed",
                       .found = std::move(found),
                       .where = {},
                       .hint = hint});
  }

  [[nodiscard]] bool goes(const variable_info& v) const { return gone_[t_.index(v.read.op)]; }

  // An op that stays and names a variable that would go.
  void check_variable_of(std::uint32_t op, const Graph::tables::op_record& r) const {
    if (!t_.marked(r)) return;
    for (const detail::stored_attribute& a : t_.stored(r)) {
      if (a.kind != attribute_kind::variable) continue;
      const variable_info& v = t_.variables[static_cast<std::size_t>(a.integer)];
      if (v.id.valid() && goes(v)) {
        refuse(t_.index(v.read.op), "'" + detail::path_of_op(t_, op) + "' refers to its variable");
      }
    }
  }

  void build_ops(replaced& made) {
    new_index_.assign(t_.ops.size(), none);
    std::uint32_t live = 0;
    std::size_t edges = 0, outputs = 0;
    for (std::uint32_t i = 0; i < t_.ops.size(); ++i) {
      if (gone_[i]) continue;
      new_index_[i] = live++;
      edges += t_.ops[i].operand_count;
      outputs += t_.ops[i].output_count;
    }
    made.ops.reserve(live);
    made.edges.reserve(edges);
    made.outputs.reserve(outputs);
    std::vector<std::uint32_t> new_edge(t_.edges.size(), none);
    for (std::uint32_t i = 0; i < t_.ops.size(); ++i) {
      if (gone_[i]) continue;
      Graph::tables::op_record r = t_.ops[i];
      r.first_use = r.last_use = r.control_in = r.control_out = none;
      r.first_operand = made.edges.size();
      r.first_output = made.outputs.size();
      for (std::uint32_t k = 0; k < r.operand_count; ++k) {
        const std::uint32_t old = t_.ops[i].first_operand + k;
        new_edge[old] = made.edges.size();
        made.edges.push_back(
            {new_index_[t_.edges[old].producer], t_.edges[old].output, new_index_[i], none, none});
      }
      for (std::uint32_t k = 0; k < r.output_count; ++k) made.outputs.push_back(t_.output(i, k));
      made.ops.push_back(r);
    }
    // Use lists in the order they had.
    for (std::uint32_t i = 0; i < t_.ops.size(); ++i) {
      if (gone_[i]) continue;
      Graph::tables::op_record& r = made.ops[new_index_[i]];
      for (std::uint32_t e = t_.ops[i].first_use; e != none; e = t_.edges[e].next_use) {
        const std::uint32_t at = new_edge[e];
        if (at == none) continue;
        made.edges[at].prev_use = r.last_use;
        (r.last_use != none ? made.edges[r.last_use].next_use : r.first_use) = at;
        r.last_use = at;
      }
    }
  }

  void build_controls(replaced& made) {
    made.controls.reserve(t_.controls.size());
    for (const Graph::tables::control_edge& c : t_.controls) {
      if (c.before == none) continue;
      const std::uint32_t before = new_index_[c.before], after = new_index_[c.after];
      if (after == none) continue;
      if (before == none) {
        touched.push_back(after);
        continue;
      }
      const std::uint32_t at = made.controls.size();
      made.controls.push_back(
          {before, after, made.ops[before].control_out, made.ops[after].control_in});
      made.ops[before].control_out = made.ops[after].control_in = at;
    }
  }

  void build_ids(replaced& made) {
    made.first = t_.ids_are_indices;
    if (made.first) {
      made.index_of_id.reserve(t_.ops.size());
      for (const std::uint32_t index : new_index_) made.index_of_id.push_back(index);
    }
    made.id_of_index.reserve(made.ops.size());
    for (std::uint32_t i = 0; i < t_.ops.size(); ++i) {
      if (!gone_[i]) made.id_of_index.push_back(t_.id(i).value);
    }
  }

  void build_variables(replaced& made) {
    for (const std::uint32_t i : variables_) {
      const variable_info& v = t_.variables[i];
      if (goes(v)) {
        variable_info empty;
        empty.type = v.type;
        made.variables.emplace_back(i, std::move(empty));
        (void)t_.store->cell(v.id);  // made now, as it comes back should this be undone
        made.cells.emplace_back(v.id, nullptr);
        continue;
      }
      const auto gone = [&](op_id op) { return gone_[t_.index(op)]; };
      if (!std::any_of(v.own_updates.begin(), v.own_updates.end(), gone)) continue;
      variable_info shorter = v;
      std::erase_if(shorter.own_updates, gone);
      made.variables.emplace_back(i, std::move(shorter));
    }
    for (const auto& [key, id] : t_.shared_keys) {
      if (!goes(t_.variables[id.value])) made.shared_keys.emplace(key, id);
    }
  }

  void build_collections(replaced& made) {
    for (const Graph::tables::named_collection& c : t_.collections) {
      Graph::tables::named_collection kept{c.name, {}, {}};
      for (const member& m : c.members) {
        const bool goes_with = m.what == member::kind::variable
                                   ? goes(t_.variables[m.variable.value])
                                   : gone_[t_.index(m.tensor.op)];
        if (goes_with) continue;
        kept.add(m);
        made.memberships.add(static_cast<std::uint32_t>(made.collections.size()), m);
      }
      made.collections.push_back(std::move(kept));
    }
  }

  // Constants and bodies that only removed ops referred to leave empty places, so that their memory is free once
  // nothing can bring them back. Others keep their numbers.
  void build_references(replaced& made) {
    using reference = std::pair<attribute_kind, std::size_t>;
    std::set<reference> lost;
    const auto each = [&](bool gone, auto&& see) {
      for (std::uint32_t i = 0; i < t_.ops.size(); ++i) {
        if (gone_[i] != gone || !t_.marked(t_.ops[i])) continue;
        for (const detail::stored_attribute& a : t_.stored(t_.ops[i])) {
          if (a.kind != attribute_kind::constant && a.kind != attribute_kind::body) continue;
          see(reference(a.kind, static_cast<std::size_t>(a.integer)));
        }
      }
    };
    each(true, [&](const reference& r) { lost.insert(r); });
    if (lost.empty()) return;
    each(false, [&](const reference& r) { lost.erase(r); });
    for (const auto& [kind, number] : lost) {
      if (kind == attribute_kind::constant) made.constants.emplace_back(number, Array());
      if (kind == attribute_kind::body) made.bodies.emplace_back(number, nullptr);
    }
  }

  Graph::tables& t_;
  const std::vector<std::uint32_t> variables_;  // that are there
  std::vector<bool> gone_;
  std::vector<std::uint32_t> new_index_;
};

}  // namespace

void Graph::erase_ops(std::span<const op_id> ops) {
  tables& t = data();
  if (ops.empty()) return;
  eraser job(t, ops);
  job.check();
  detail::steps all(t);
  for (std::uint32_t i = 0; i < t.ops.size(); ++i) {
    // Bulk copies are counted by ranges of indices, which are about to change. Each of their scopes has an op.
    detail::count_names(t, t.ops[i].scope);
  }
  std::vector<std::uint32_t> lost;
  for (const op_id op : ops) {
    const std::uint32_t scope = t.ops[t.index(op)].scope;
    if (lost.empty() || lost.back() != scope) lost.push_back(scope);
  }
  const std::shared_ptr<replaced> made = job.build();
  detail::note(t, [made](tables& u) {
    made->exchange(u);
    u.lookup->forget_ops();
  });
  made->exchange(t);
  for (const std::uint32_t op : job.touched) detail::stamp(t, op);
  detail::remove_empty_scopes(t, std::move(lost));
  detail::touch(t);
  all.commit();
}

}  // namespace graft
