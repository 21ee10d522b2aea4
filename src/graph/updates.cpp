// Finding the ops that update a variable.
#include "graph/building.hpp"
#include "graph/lookup.hpp"

namespace graft::detail {
namespace {

template <class F>
void each_updated_variable(const tables& t, op_id op, F&& f) {
  const tables::op_record& r = t.ops[t.index(op)];
  if (!r.schema->has(ops::update)) return;
  for (const stored_attribute& a : t.stored(r)) {
    if (a.kind == attribute_kind::variable) f(static_cast<std::size_t>(a.integer));
  }
}

void look_at_new_ops(const tables& t, graph_lookup& l) {
  for (; l.looked_at < t.next_id; ++l.looked_at) {
    const op_id op = t.op(l.looked_at);
    if (!t.contains(op)) continue;
    each_updated_variable(t, op, [&](std::size_t variable) {
      if (l.updates.size() <= variable) l.updates.resize(variable + 1);
      std::vector<op_id>& list = l.updates[variable];
      // Ids that were taken back are given again.
      while (!list.empty() && list.back() >= op) list.pop_back();
      list.push_back(op);
    });
  }
}

}  // namespace

std::vector<op_id> updates_of(const Graph& g, variable_id v) {
  const tables& t = g.data();
  graph_lookup& l = *t.lookup;
  const std::lock_guard lock(l.guard);
  look_at_new_ops(t, l);
  std::vector<op_id> found;
  if (v.value >= l.updates.size()) return found;
  for (const op_id op : l.updates[v.value]) {
    bool updates = false;
    if (t.contains(op)) {
      each_updated_variable(t, op,
                            [&](std::size_t other) { updates = updates || other == v.value; });
    }
    if (updates) found.push_back(op);
  }
  return found;
}

}  // namespace graft::detail
