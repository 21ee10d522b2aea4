// What a bulk copy adds besides ops: variables, scopes and constants, with the names that they may have.
#include <algorithm>

#include "graft/core/error.hpp"
#include "graft/schema/core_operators.hpp"

#include "graph/building.hpp"
#include "graph/copy.hpp"

namespace graft::detail {

variable_id next_variable(const Graph& g) {
  return g.data().variable(static_cast<std::uint32_t>(g.data().variables.size()));
}

variable_id append_variable(Graph& g, variable_info info, std::shared_ptr<variable_cell> cell) {
  tables& t = g.data();
  if (g.is_open_body()) refuse_in_body(g, path_of_op(t, t.index(info.read)));
  const variable_id id = next_variable(g);
  (void)t.index(info.initial);
  const std::uint32_t read = t.index(info.read);
  const tables::op_record& r = t.ops[read];
  const auto refers = [&](const stored_attribute& a) {
    return a.kind == attribute_kind::variable && a.integer == id.value;
  };
  const auto attributes = t.stored(r);
  if (!is_operator(*r.schema, ops::variable) ||
      std::none_of(attributes.begin(), attributes.end(), refers)) {
    throw graph_error(
        {.asked = "variable " + std::to_string(id.value) + " was to be registered",
         .found = "'" + path_of_op(t, read) + "' does not read it",
         .where = {},
         .hint = "set the attribute \"variable\" of its read op to the next variable's id"});
  }
  info.id = id;
  const variable_info& made = t.variables.push_back(std::move(info));
  try {
    t.store->add(std::move(cell), made.type);
  } catch (...) {
    t.variables.pop_back();
    t.store->truncate(t.variables.size());
    throw;
  }
  touch(t);
  return id;
}

scope_id append_scope(Graph& g, scope_id parent, std::string_view name) {
  tables& t = g.data();
  if (parent.value >= t.scopes.size() || is_removed(t.scopes[parent.value])) {
    throw graph_error({.asked = "scope '" + std::string(name) + "' was to be made",
                       .found = "the scope it was to be in does not exist",
                       .where = {},
                       .hint = "name a scope of this graph"});
  }
  return t.scope(append_scope(t, parent.value, name));
}

std::uint32_t append_inner_scope(tables& t, std::uint32_t parent, std::uint32_t base,
                                 std::uint32_t ordinal) {
  t.scopes.reserve(1);
  t.scopes[parent].uncounted = true;
  t.first_uncounted = std::min(t.first_uncounted, parent);
  t.scopes.push_back({parent, base, ordinal, t.next_serial++, none, false, false});
  touch(t);
  return t.scopes.size() - 1;
}

std::string scope_name(const Graph& g, scope_id scope) {
  const tables& t = g.data();
  if (scope.value >= t.scopes.size()) return {};
  return full_name(t, t.scopes[scope.value].name, t.scopes[scope.value].ordinal);
}

bool name_is_free(const Graph& g, scope_id scope, std::string_view name) {
  const tables& t = g.data();
  const parsed_name parts = parse_name(name);
  const std::uint32_t base = t.strings.find(parts.base);
  if (base == no_id) return true;
  const std::uint32_t batch = t.scopes[scope.value].batch;
  if (batch != none && !t.batches[batch].counted) {
    for (std::uint32_t i = t.batches[batch].first_op; i < t.batches[batch].last_op; ++i) {
      const tables::op_record& r = t.ops[i];
      if (r.scope == scope.value && r.name == base && r.ordinal == parts.ordinal) return false;
    }
  }
  return !t.names.taken(counter_key(t, scope.value, base, name_kind::op), parts.ordinal);
}

bool scope_name_is_free(const Graph& g, scope_id parent, std::string_view name) {
  const tables& t = g.data();
  const parsed_name parts = parse_name(name);
  const std::uint32_t base = t.strings.find(parts.base);
  if (base == no_id) return true;
  if (t.scopes[parent.value].uncounted) {
    for (std::uint32_t s = parent.value + 1; s < t.scopes.size(); ++s) {
      const tables::scope_record& r = t.scopes[s];
      if (r.parent == parent.value && r.name == base && r.ordinal == parts.ordinal &&
          !is_removed(r)) {
        return false;
      }
    }
  }
  return !t.names.taken(counter_key(t, parent.value, base, name_kind::scope), parts.ordinal);
}

std::int64_t append_constant(Graph& g, Array value) {
  tables& t = g.data();
  t.constants.push_back(std::move(value));
  touch(t);
  return static_cast<std::int64_t>(t.constants.size() - 1);
}

}  // namespace graft::detail
