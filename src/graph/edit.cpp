// Edits of ops that are there.
#include <algorithm>

#include "graft/core/error.hpp"
#include "graft/schema/core_operators.hpp"

#include "graph/building.hpp"

namespace graft {

using detail::none;

void Graph::set_operand(op_id user, std::uint32_t slot, tensor_id value) {
  tables& t = data();
  const tensor_id before = operand(user, slot);
  const std::uint32_t at = t.index(user), producer = t.index(value);
  if (before == value) return;
  if (detail::reaches(t, at, producer)) {
    throw graph_error({.asked = "operand " + std::to_string(slot) + " of '" + path_of(user) +
                                "' was to become '" + path_of(value) + "'",
                       .found = at == producer ? "that is its own output" : "that depends on it",
                       .where = detail::where(line_of(user)),
                       .hint = "a graph has no cycles"});
  }
  detail::steps all(t);
  detail::stamp(t, at);
  const std::uint32_t e = t.ops[at].first_operand + slot;
  const tables::edge old = t.edges[e];
  detail::note(t, [e, old](tables& u) {
    detail::unlink_use(u, e);
    u.edges[e] = old;
    tables::op_record& p = u.ops[old.producer];
    (old.prev_use != none ? u.edges[old.prev_use].next_use : p.first_use) = e;
    (old.next_use != none ? u.edges[old.next_use].prev_use : p.last_use) = e;
  });
  detail::unlink_use(t, e);
  t.edges[e].producer = producer;
  t.edges[e].output = value.output;
  detail::link_use(t, e);
  if (producer > at) t.ordered = false;
  detail::infer_downstream(t, {at});
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
  (void)detail::infer_op(t, at, t.attribute_lists[stored]);  // checks what types do not show
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

void Graph::rename(op_id op, std::string_view name) {
  tables& t = data();
  const std::uint32_t at = t.index(op);
  detail::check_name(name, "an op");
  if (name_of(op) == name) return;
  const detail::parsed_name parts = detail::parse_name(name);
  detail::steps all(t);
  detail::stamp(t, at);
  const std::uint32_t base = t.strings.intern(parts.base);
  const std::uint32_t old_name = t.ops[at].name, old_ordinal = t.ops[at].ordinal;
  detail::count_names(t, t.ops[at].scope);  // or the old name would be free for a moment
  const std::uint32_t ordinal =
      detail::take_name(t, t.ops[at].scope, base, parts.ordinal, detail::name_kind::op);
  detail::note(t, [=](tables& u) {
    u.ops[at].name = old_name;
    u.ops[at].ordinal = old_ordinal;
  });
  t.ops[at].name = base;
  t.ops[at].ordinal = ordinal;
  all.commit();
}

}  // namespace graft
