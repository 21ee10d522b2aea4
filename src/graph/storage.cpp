// Appending to the pools of a graph, and small questions about them.
#include <algorithm>

#include "graph/building.hpp"
#include "graph/lookup.hpp"

namespace graft {

Graph::tables::tables() : lookup(std::make_unique<detail::graph_lookup>()) {
  scopes.reserve(1);
  strings.intern("");
  scopes.push_back({0, 0, 0, next_serial++, none, false});
  scope_stack.push_back(0);
  attribute_lists.emplace_back();
  attribute_marks.reserve(1);
  attribute_marks.push_back(0);
}
Graph::tables::~tables() = default;

namespace detail {

bool has_references(const attribute_list& attributes) {
  return std::any_of(attributes.begin(), attributes.end(), [](const attribute& a) {
    return a.kind == attribute_kind::constant || a.kind == attribute_kind::variable ||
           a.kind == attribute_kind::body;
  });
}

std::uint32_t store_attributes(tables& t, attribute_list own) {
  if (own.empty()) return 0;
  t.attribute_marks.reserve(1);
  for (attribute& a : own) {
    a.key = t.strings[t.strings.intern(a.key)];
    if (!a.string.empty()) a.string = t.strings[t.strings.intern(a.string)];
  }
  const bool marked = has_references(own);
  t.attribute_lists.push_back(std::move(own));
  t.attribute_marks.push_back(marked ? 1 : 0);
  return static_cast<std::uint32_t>(t.attribute_lists.size() - 1);
}

void reserve_ops(tables& t, std::size_t count) {
  t.ops.reserve(count);
  if (!t.ids_are_indices) {
    t.id_of_index.reserve(count);
    t.index_of_id.reserve(count);
  }
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

bool reaches(const tables& t, std::uint32_t from, std::uint32_t to) {
  if (from == to) return true;
  if (t.ordered && from > to) return false;
  // Backwards from `to`: producers are in one piece, users are not.
  std::vector<bool> seen(t.ops.size());
  std::vector<std::uint32_t> waiting{to};
  seen[to] = true;
  const auto visit = [&](std::uint32_t i) {
    if (t.ordered && i < from) return;
    if (!seen[i]) waiting.push_back(i);
    seen[i] = true;
  };
  while (!waiting.empty()) {
    const std::uint32_t at = waiting.back();
    waiting.pop_back();
    if (at == from) return true;
    for (const tables::edge& e : t.operands_of(at)) visit(e.producer);
    for (std::uint32_t c = t.ops[at].control_in; c != none; c = t.controls[c].next_in) {
      visit(t.controls[c].before);
    }
  }
  return false;
}

}  // namespace detail
}  // namespace graft
