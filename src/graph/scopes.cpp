// Scopes, modes, names of ops; finding by name.
#include "graft/core/error.hpp"

#include "graph/building.hpp"
#include "graph/foreign_ids.hpp"
#include "graph/lookup.hpp"

namespace graft {

using detail::none;

namespace {

std::uint32_t checked(const Graph::tables& t, scope_id scope) {
  const bool own = scope.may_be_of(t.number), given = own && scope.value < t.scopes.size();
  if (given && !detail::is_removed(t.scopes[scope.value])) return scope.value;
  const std::string asked = detail::in_words(scope) + " was asked for";
  if (!own) detail::refuse_foreign(asked);
  throw handle_error(
      {.asked = asked,
       .found = given ? "'" + detail::path_of_scope(t, scope.value) +
                            "' is gone: the last of its ops was removed, or what made it was undone"
                      : "the graph has " + std::to_string(t.scopes.size()) + " scopes",
       .where = {},
       .hint = "use ids that this graph gave"});
}

}  // namespace

// --- Scopes
// -------------------------------------------------------------------------------------------

scope_id Graph::current_scope() const { return data().scope(data().scope_stack.back()); }

scope_id Graph::enter_scope(name_view name) {
  tables& t = data();
  t.scope_stack.reserve(t.scope_stack.size() + 1);
  const std::uint32_t made = detail::append_scope(t, t.scope_stack.back(), name);
  t.scope_stack.push_back(made);
  return t.scope(made);
}

scope_id Graph::reenter_scope(scope_id scope) {
  tables& t = data();
  t.scope_stack.push_back(checked(t, scope));
  return t.scope(scope.value);
}

void Graph::leave_scope() {
  tables& t = data();
  if (t.scope_stack.size() == 1) {
    throw graph_error({.asked = "a scope was to be left",
                       .found = "none was entered",
                       .where = {},
                       .hint = "leave each scope once"});
  }
  t.scope_stack.pop_back();
}

std::string Graph::scope_path(scope_id scope) const {
  return detail::path_of_scope(data(), checked(data(), scope));
}
scope_id Graph::parent_scope(scope_id scope) const {
  return data().scope(data().scopes[checked(data(), scope)].parent);
}
std::size_t Graph::scope_count() const { return data().scopes.size(); }

bool Graph::scope_within(scope_id inner, scope_id outer) const {
  const tables& t = data();
  (void)checked(t, outer);
  for (std::uint32_t s = checked(t, inner); s != outer.value; s = t.scopes[s].parent) {
    if (s == 0) return false;
  }
  return true;
}

mode Graph::current_mode() const { return data().current; }
void Graph::set_mode(mode m) { data().current = m; }

// --- Names
// ----------------------------------------------------------------------------------------------

scope_id Graph::scope_of(op_id op) const {
  return data().scope(data().ops[data().index(op)].scope);
}

std::string Graph::name_of(op_id op) const {
  const tables& t = data();
  const tables::op_record& r = t.ops[t.index(op)];
  return detail::full_name(t, r.name, r.ordinal);
}

std::string Graph::path_of(op_id op) const { return detail::path_of_op(data(), data().index(op)); }

std::string Graph::path_of(tensor_id id) const {
  const tables& t = data();
  std::string path = detail::path_of_op(t, t.index(id));
  if (id.output != 0) path += ":" + std::to_string(id.output);
  return path;
}

// --- Finding
// ----------------------------------------------------------------------------------------------

namespace {

using place = detail::name_place;

place place_of(const Graph::tables::op_record& r) { return {r.scope, r.name, r.ordinal}; }

// No two ops have one name at a time, so what is looked at last has the name.
void look_at_new_ops(const Graph::tables& t, detail::graph_lookup& l) {
  if (l.ops.size() / 2 > t.ops.size()) l.forget_ops();  // most are gone
  for (; !l.renamed.empty(); l.renamed.pop_back()) {
    const op_id op = l.renamed.back();
    if (t.contains(op)) l.ops.insert_or_assign(place_of(t.ops[t.index(op)]), op);
  }
  if (l.ops_seen == t.next_id) return;
  std::uint32_t first = t.ops.size();  // ids ascend
  while (first > 0 && t.id(first - 1).value >= l.ops_seen) --first;
  if (first == 0) l.ops.reserve(t.ops.size());
  for (std::uint32_t i = first; i < t.ops.size(); ++i) {
    l.ops.insert_or_assign(place_of(t.ops[i]), t.id(i));
  }
  l.ops_seen = t.next_id;
}

// Each scope is looked at once, but when they have doubled: then those that are gone leave the map.
void look_at_new_scopes(const Graph::tables& t, detail::graph_lookup& l) {
  if (t.scopes.size() / 2 > l.scopes_then) {
    l.forget_scopes();
    l.scopes_then = t.scopes.size();
  }
  for (; l.scopes_seen < t.scopes.size(); ++l.scopes_seen) {
    const Graph::tables::scope_record& s = t.scopes[l.scopes_seen];
    if (!detail::is_removed(s)) {
      l.scopes.insert_or_assign(place{s.parent, s.name, s.ordinal}, l.scopes_seen);
    }
  }
}

// The scope and the rest of a path whose last component is not a scope.
struct last_component {
  std::uint32_t scope = 0;
  std::string_view name;
};

std::optional<place> place_in(const Graph::tables& t, std::uint32_t scope, std::string_view name) {
  const detail::parsed_name parts = detail::parse_name(name);
  const std::uint32_t base = t.strings.find(parts.base);
  if (base == no_id) return std::nullopt;
  return place{scope, base, parts.ordinal};
}

std::uint32_t find_scope_in(const Graph::tables& t, const detail::graph_lookup& l,
                            std::uint32_t parent, std::string_view name) {
  const auto wanted = place_in(t, parent, name);
  const auto known = wanted ? l.scopes.find(*wanted) : l.scopes.end();
  if (known == l.scopes.end()) return none;
  const std::uint32_t found = known->second;
  if (found >= t.scopes.size() || detail::is_removed(t.scopes[found])) return none;
  const Graph::tables::scope_record& s = t.scopes[found];
  // The place of one that was undone may be another's now.
  return s.parent == parent && detail::full_name(t, s.name, s.ordinal) == name ? found : none;
}

std::optional<last_component> walk(const Graph::tables& t, const detail::graph_lookup& l,
                                   std::string_view path) {
  last_component at;
  for (std::size_t slash; (slash = path.find('/')) != std::string_view::npos;) {
    at.scope = find_scope_in(t, l, at.scope, path.substr(0, slash));
    if (at.scope == none) return std::nullopt;
    path.remove_prefix(slash + 1);
  }
  at.name = path;
  return at;
}

}  // namespace

std::optional<scope_id> Graph::find_scope(name_view of_scope) const {
  const std::string_view path = of_scope;
  const tables& t = data();
  if (path.empty()) return t.scope(0);
  const std::lock_guard lock(t.lookup->guard);
  look_at_new_scopes(t, *t.lookup);
  const auto at = walk(t, *t.lookup, path);
  if (!at) return std::nullopt;
  const std::uint32_t found = find_scope_in(t, *t.lookup, at->scope, at->name);
  if (found == none) return std::nullopt;
  return t.scope(found);
}

std::optional<op_id> Graph::find_op(name_view path) const {
  const tables& t = data();
  const std::lock_guard lock(t.lookup->guard);
  look_at_new_scopes(t, *t.lookup);
  look_at_new_ops(t, *t.lookup);
  const auto at = walk(t, *t.lookup, path);
  if (!at) return std::nullopt;
  const auto wanted = place_in(t, at->scope, at->name);
  if (!wanted) return std::nullopt;
  const auto known = t.lookup->ops.find(*wanted);
  if (known == t.lookup->ops.end() || !t.contains(known->second)) return std::nullopt;
  if (place_of(t.ops[t.index(known->second)]) != *wanted) return std::nullopt;
  return known->second;
}

std::optional<variable_id> Graph::find_variable(name_view path) const {
  const auto op = find_op(path);
  return op ? variable_read_by({*op, 0}) : std::nullopt;
}

}  // namespace graft
