#include <algorithm>

#include "graph/body_edit.hpp"
#include "graph/building.hpp"
#include "graph/lookup.hpp"

namespace graft {

namespace detail {

namespace {

// Takes appended edges out of the lists they end, latest first.
void unlink_to(tables& t, std::uint32_t edges, std::uint32_t controls) noexcept {
  while (t.edges.size() > edges) {
    unlink_use(t, t.edges.size() - 1);
    t.edges.truncate(t.edges.size() - 1);
  }
  while (t.controls.size() > controls) {
    const tables::control_edge& c = t.controls.back();
    t.ops[c.before].control_out = c.next_out;
    t.ops[c.after].control_in = c.next_in;
    t.controls.truncate(t.controls.size() - 1);
  }
}

// Ids given since the mark are not given again: their handles may be outside.
bool retire_ids(tables& t, const tables::mark& m) noexcept {
  if (t.next_id == m.next_id) return true;
  try {
    if (t.ids_are_indices) {
      detail::pool<std::uint32_t> id_of_index, index_of_id;
      id_of_index.reserve(m.ops);
      index_of_id.reserve(t.next_id);
      for (std::uint32_t i = 0; i < m.ops; ++i) {
        id_of_index.push_back(i);
        index_of_id.push_back(i);
      }
      while (index_of_id.size() < t.next_id) index_of_id.push_back(none);
      t.id_of_index.swap(id_of_index);
      t.index_of_id.swap(index_of_id);
      t.ids_are_indices = false;
      return true;
    }
    if (t.index_of_id.size() < t.next_id) t.index_of_id.reserve(t.next_id - t.index_of_id.size());
    t.index_of_id.truncate(m.next_id);
    while (t.index_of_id.size() < t.next_id) t.index_of_id.push_back(none);
    t.id_of_index.truncate(m.ops);
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

// The same of variables and scopes: what was made since the mark stays as removed.
void retire_variables(tables& t, std::size_t first) noexcept {
  while (t.variables.size() > t.store->size()) t.variables.pop_back();
  for (std::size_t i = first; i < t.variables.size(); ++i) {
    variable_info removed;
    removed.type = std::move(t.variables[i].type);
    t.variables[i] = std::move(removed);
    t.store->exchange(t.variable(static_cast<std::uint32_t>(i)), nullptr);
  }
}

void retire_scopes(tables& t, std::uint32_t first) noexcept {
  for (std::uint32_t s = first; s < t.scopes.size(); ++s) {
    tables::scope_record& r = t.scopes[s];
    r.serial = r.batch = none;
    r.used = r.uncounted = false;
  }
}

}  // namespace

std::size_t begin(tables& t) {
  tables::mark m{};
  m.ops = t.ops.size();
  m.edges = t.edges.size();
  m.outputs = t.outputs.size();
  m.extents = t.extents.size();
  m.controls = t.controls.size();
  m.scopes = t.scopes.size();
  m.batches = t.batches.size();
  m.files = t.files.size();
  m.attributes = t.attributes.items.size();
  m.attribute_lists = t.attributes.lists.size();
  m.variables = t.variables.size();
  m.collections = t.collections.size();
  m.constants = t.constants.size();
  m.bodies = t.bodies.size();
  m.captures = t.captures.size();
  m.edits = t.edits.size();
  m.counters = t.counter_log.size();
  m.next_id = t.next_id;
  m.ordered = t.ordered;
  m.in_body = t.open_body != nullptr;
  m.scope_stack = t.scope_stack;
  m.current = t.current;
  t.marks.push_back(std::move(m));
  return t.marks.size() - 1;
}

void commit(tables& t, std::size_t mark) noexcept {
  if (mark >= t.marks.size()) return;
  t.marks.erase(t.marks.begin() + static_cast<std::ptrdiff_t>(mark), t.marks.end());
  if (t.marks.empty()) {
    t.edits.clear();
    t.counter_log.truncate(0);
  }
}

void give_names_back(tables& t, std::size_t taken) noexcept {
  while (t.counter_log.size() > taken) {
    const tables::counter_entry& c = t.counter_log.back();
    t.names.undo(c.key, c.next, c.apart);
    t.counter_log.truncate(t.counter_log.size() - 1);
  }
}

void roll_back(tables& t, std::size_t mark, bool reuse_ids) noexcept {
  if (mark >= t.marks.size()) return;
  tables::mark& m = t.marks[mark];
  while (t.edits.size() > m.edits) {
    const tables::edit_entry& e = t.edits.back();
    unlink_to(t, e.edges, e.controls);
    e.undo(t);
    t.edits.pop_back();
  }
  unlink_to(t, m.edges, m.controls);
  give_names_back(t, m.counters);
  if (reuse_ids || !retire_ids(t, m)) {
    t.next_id = m.next_id;
    t.lookup->looked_at = std::min(t.lookup->looked_at, t.next_id);
    t.lookup->ops_seen = std::min(t.lookup->ops_seen, t.next_id);
    if (!t.ids_are_indices) {
      t.id_of_index.truncate(m.ops);
      t.index_of_id.truncate(m.next_id);
    }
  }
  t.ops.truncate(m.ops);
  t.outputs.truncate(m.outputs);
  t.extents.truncate(m.extents);
  if (reuse_ids) {
    t.scopes.truncate(m.scopes);
    t.lookup->scopes_seen = std::min(t.lookup->scopes_seen, m.scopes);
  } else {
    retire_scopes(t, m.scopes);
  }
  if (t.owner_scopes.size() > m.scopes) t.owner_scopes.resize(m.scopes);
  t.batches.truncate(m.batches);
  t.files.truncate(m.files);
  t.attributes.items.truncate(m.attributes);
  t.attributes.lists.truncate(m.attribute_lists);
  if (t.variables.size() > m.variables) {
    for (auto at = t.shared_keys.begin(); at != t.shared_keys.end();) {
      at = at->second.value >= m.variables ? t.shared_keys.erase(at) : std::next(at);
    }
    if (reuse_ids) {
      while (t.variables.size() > m.variables) t.variables.pop_back();
      t.store->truncate(m.variables);
    } else {
      retire_variables(t, m.variables);
    }
  }
  while (t.collections.size() > m.collections) t.collections.pop_back();
  while (t.constants.size() > m.constants) t.constants.pop_back();
  while (t.bodies.size() > m.bodies) t.bodies.pop_back();
  while (t.captures.size() > m.captures) t.captures.pop_back();
  if (!m.in_body) t.open_body.reset();
  t.scope_stack.swap(m.scope_stack);
  t.current = m.current;
  t.ordered = m.ordered;
  t.marks.erase(t.marks.begin() + static_cast<std::ptrdiff_t>(mark), t.marks.end());
  touch(t);
}

void stamp(tables& t, std::uint32_t op) {
  const std::uint64_t before = t.ops[op].stamp;
  note(t, [op, before](tables& u) { u.ops[op].stamp = before; });
  touch(t);
  t.ops[op].stamp = t.version;
  t.stamped = true;
}

}  // namespace detail

Graph::transaction::transaction(Graph& g) {
  try {
    for (Graph* each = &detail::outermost_of(g); each != nullptr; each = each->current_body()) {
      parts_.push_back({each->slot(), each->slot()->generation, detail::none});
      parts_.back().mark = detail::begin(each->data());
    }
  } catch (...) {
    commit();
    throw;
  }
}

Graph::transaction::~transaction() {
  // Inner ones first: going back closes the bodies that were opened since.
  for (std::size_t i = parts_.size(); i-- > 0;) {
    const part& p = parts_[i];
    Graph* const g = p.of->graph;
    if (g != nullptr && p.of->generation == p.generation) {
      detail::roll_back(g->data(), p.mark, false);
    }
  }
}

void Graph::transaction::commit() noexcept {
  for (const part& p : parts_) {
    Graph* const g = p.of->graph;
    if (g != nullptr && p.of->generation == p.generation) detail::commit(g->data(), p.mark);
  }
  parts_.clear();
}

}  // namespace graft
