// Variables and collections.
#include <algorithm>
#include <array>
#include <bit>

#include "graft/core/error.hpp"
#include "graft/schema/core_operators.hpp"

#include "graph/building.hpp"
#include "graph/copy.hpp"
#include "graph/foreign_ids.hpp"
#include "graph/lookup.hpp"

namespace graft {

namespace detail {

void refuse_in_body(const Graph& g, std::string_view variable) {
  if (!g.is_open_body()) return;
  throw graph_error(
      {.asked = "variable '" + std::string(variable) + "' was to be made in a body",
       .found = "a body runs any number of times and holds no values, so it has no variables",
       .where = {},
       .hint = "make it, or the clone that has it, outside the body and use its tensors inside"});
}

namespace {

std::string describe(std::string_view path) { return "variable '" + std::string(path) + "'"; }

void check_variable_type(std::string_view path, const value_type& type, source_line line) {
  const std::string asked = describe(path) + " of " + to_string(type) + " was to be made";
  if (size_of(type.type) == 0 || type.kind != value_kind::tensor) {
    throw dtype_error({.asked = asked,
                       .found = "a variable cannot hold elements of that type",
                       .where = where(line),
                       .hint = "use a number type or boolean"});
  }
  if (!type.ranked || !all_known(type.shape)) {
    throw shape_error({.asked = asked,
                       .found = "not all of its extents are known",
                       .where = where(line),
                       .hint = "give the variable a shape of known extents"});
  }
  (void)element_count(type.shape);  // throws if it overflows
}

// Appends the read op and the variable's record; `info.read` and `info.id` are set here.
variable_id append_with_read(Graph::tables& t, variable_info info, std::string_view name,
                             source_line line) {
  const variable_id id = t.variable(static_cast<std::uint32_t>(t.variables.size()));
  attribute_list attributes;
  attributes.set("variable", std::int64_t{id.value}, attribute_kind::variable);
  attributes.set("type", info.type.type).set("shape", info.type.shape);
  info.id = id;
  const variable_info& made = t.variables.push_back(std::move(info));
  t.store->add(nullptr, made.type);
  const std::uint32_t read = append_op(t, ops::variable, {}, attributes, name, line);
  t.variables.back().read = {t.id(read), 0};
  return id;
}

}  // namespace
}  // namespace detail

namespace {

[[noreturn, gnu::noinline]] void refuse(const Graph::tables& t, variable_id v) {
  const std::string asked = detail::in_words(v) + " was asked for";
  if (!v.may_be_of(t.number)) detail::refuse_foreign(asked);
  throw handle_error(
      {.asked = asked,
       .found = v.value < t.variables.size() ? "it was removed" : "the graph has no such variable",
       .where = {},
       .hint = "use ids of this graph's own variables"});
}

const variable_info& checked(const Graph::tables& t, variable_id v) {
  if (!t.contains(v)) refuse(t, v);
  return t.variables[v.value];
}

}  // namespace

variable_id Graph::add_variable(const variable_spec& spec, source_line line) {
  tables& t = data();
  detail::refuse_in_body(*this, spec.name);
  if (!spec.shared_key.empty()) {
    if (const auto found = t.shared_keys.find(spec.shared_key); found != t.shared_keys.end()) {
      const variable_info& there = t.variables[found->second.value];
      error_parts parts{
          .asked = "the variable of key '" + std::string(spec.shared_key) + "' was asked for as " +
                   to_string(spec.type),
          .found =
              "it was made as " + to_string(there.type) + ", named '" + path_of(there.id) + "'",
          .where = detail::where(line),
          .hint = "layers that share need equal shapes; use another key for another layer"};
      if (there.type.type != spec.type.type) throw dtype_error(std::move(parts));
      if (!(there.type == spec.type)) throw shape_error(std::move(parts));
      return found->second;
    }
  }
  const std::string_view name = spec.name.empty() ? std::string_view("variable") : spec.name;
  detail::check_name(name, "a variable");
  const std::string path = detail::join_path(scope_path(current_scope()), [&] {
    const detail::parsed_name parts = detail::parse_name(name);
    const std::uint32_t base = t.strings.intern(parts.base);
    return detail::full_name(
        t, base,
        detail::next_ordinal(t, t.scope_stack.back(), base, parts.ordinal, detail::name_kind::op));
  }());
  detail::check_variable_type(path, spec.type, line);
  if (spec.initial.schema == nullptr) {
    throw argument_error({.asked = detail::describe(path) + " was to be made",
                          .found = "it has no initial value",
                          .where = detail::where(line),
                          .hint = "give an initializer, such as zeros()"});
  }

  detail::steps all(t);
  const std::uint64_t key = detail::stream_key_of(path);
  attribute_list attributes = spec.initial.attributes;
  attributes.set("shape", spec.type.shape).set("type", spec.type.type);
  // What draws, and the streams that others draw from.
  if (spec.initial.schema->has(ops::random) || spec.role == variable_role::rng_stream) {
    attributes.set("key", std::bit_cast<std::int64_t>(key));
  }
  const op_id initial =
      add(*spec.initial.schema, {}, attributes, std::string(name) + "_initial", line);
  if (output_count(initial) == 0 || !(type_of({initial, 0}) == spec.type)) {
    throw shape_error(
        {.asked = detail::describe(path) + " of " + to_string(spec.type) + " was to be made",
         .found = "its initializer " + std::string(spec.initial.schema->name) + " gives " +
                  (output_count(initial) == 0 ? std::string("nothing")
                                              : to_string(type_of({initial, 0}))),
         .where = detail::where(line),
         .hint = "the operator must honour the attributes \"type\" and \"shape\""});
  }
  variable_info info;
  info.type = spec.type;
  info.role = spec.role;
  info.trainable = spec.trainable;
  info.initial = {initial, 0};
  info.stream_key = key;
  const variable_id made = detail::append_with_read(t, std::move(info), name, line);
  if (!spec.shared_key.empty()) t.shared_keys.emplace(spec.shared_key, made);
  all.commit();
  return made;
}

variable_id Graph::add_variable(name_view wanted, tensor_id initial, variable_role role,
                                bool trainable, source_line line) {
  tables& t = data();
  const std::string_view name = wanted.view().empty() ? "variable" : wanted.view();
  detail::refuse_in_body(*this, wanted);
  detail::check_name(name, "a variable");
  variable_info info;
  info.type = type_of(initial);
  const std::string scope = scope_path(current_scope());
  detail::check_variable_type(detail::join_path(scope, name), info.type, line);
  info.role = role;
  info.trainable = trainable;
  info.initial = {t.op(initial.op.value), initial.output};
  detail::steps all(t);
  const variable_id made = detail::append_with_read(t, std::move(info), name, line);
  t.variables.back().stream_key = detail::stream_key_of(path_of(made));
  all.commit();
  return made;
}

void Graph::own_update(variable_id variable, op_id assign) {
  tables& t = data();
  const variable_info& info = checked(t, variable);
  const auto a = attributes_of(assign).find("variable");
  if (!schema_of(assign).has(ops::update) || !a || a->integer != variable.value) {
    throw argument_error(
        {.asked = detail::describe(path_of(variable)) + " was to own '" + path_of(assign) + "'",
         .found = "that op does not update this variable",
         .where = {},
         .hint = "pass the op that assign(variable, value) added"});
  }
  std::vector<op_id> updates = info.own_updates;
  if (std::find(updates.begin(), updates.end(), assign) != updates.end()) return;
  updates.push_back(t.op(assign.value));
  detail::note(t, [variable](tables& u) { u.variables[variable.value].own_updates.pop_back(); });
  t.variables[variable.value].own_updates.swap(updates);
  detail::touch(t);
}

std::size_t Graph::variable_count() const { return variables().size(); }

bool Graph::contains(variable_id v) const { return data().contains(v); }

const variable_info& Graph::variable_of(variable_id v) const { return checked(data(), v); }

std::string Graph::path_of(variable_id v) const { return path_of(checked(data(), v).read.op); }

std::vector<variable_id> Graph::variables() const {
  std::vector<variable_id> all;
  for (const std::uint32_t v : detail::live_variables(data())) all.push_back(data().variable(v));
  return all;
}

std::optional<variable_id> Graph::variable_read_by(tensor_id id) const {
  const tables& t = data();
  const tables::op_record& r = t.ops[t.index(id)];
  if (!detail::is_operator(*r.schema, ops::variable)) return std::nullopt;
  return t.variable(t.attributes_of(r).integer("variable", no_id));
}

void Graph::set_trainable(variable_id v, bool trainable) {
  tables& t = data();
  const bool before = checked(t, v).trainable;
  if (before == trainable) return;
  detail::note(t, [v, before](tables& u) { u.variables[v.value].trainable = before; });
  t.variables[v.value].trainable = trainable;
  detail::touch(t);
}

// --- Collections
// --------------------------------------------------------------------------------------------

std::array<std::uint32_t, 3> Graph::tables::named_collection::key_of(const member& m) {
  switch (m.what) {
    case member::kind::variable:
      return {0, m.variable.value, 0};
    case member::kind::tensor:
      return {1, m.tensor.op.value, m.tensor.output};
    case member::kind::op:
      break;
  }
  return {2, m.tensor.op.value, 0};
}

bool Graph::tables::named_collection::add(const member& m) {
  if (members.size() == members.capacity()) members.reserve(2 * members.size() + 4);
  if (!known.insert(key_of(m)).second) return false;
  members.push_back(m);  // cannot fail: the room is there
  return true;
}

void Graph::tables::named_collection::remove_last() noexcept {
  known.erase(key_of(members.back()));
  members.pop_back();
}

namespace {

void remove_last_member(Graph::tables& t, std::size_t collection) noexcept {
  t.collections[collection].remove_last();
  t.lookup->memberships.remove_last();
}

// On an exception nothing is added.
void add_member(Graph::tables& t, std::size_t collection, const member& m) {
  t.lookup->memberships.add(static_cast<std::uint32_t>(collection), m);
  try {
    t.collections[collection].add(m);
  } catch (...) {
    t.lookup->memberships.remove_last();
    throw;
  }
}

// Another member in the place of one; where the collection had it already, one of their entries leaves. Doing it again
// undoes it.
struct member_change {
  struct entry {
    std::uint32_t number;
    member what;
    std::uint32_t collection;
  };
  std::size_t collection;
  Graph::tables::named_collection members;
  std::vector<entry> entries;

  void exchange(Graph::tables& t) noexcept {
    std::swap(members, t.collections[collection]);
    for (entry& e : entries) t.lookup->memberships.exchange(e.number, e.what, e.collection);
    std::reverse(entries.begin(), entries.end());
  }
};

}  // namespace

void Graph::add_to_collection(name_view collection, const member& asked) {
  const std::string_view name = collection;
  tables& t = data();
  if (name == "variables" || name == "trainable_variables") {
    throw name_error(
        {.asked = "something was to be added to the collection '" + std::string(name) + "'",
         .found = "the graph keeps that one itself",
         .where = {},
         .hint = "add a variable, or use set_trainable"});
  }
  member m = asked;  // the ids are the graph's own, also where a program made them of numbers
  switch (m.what) {
    case member::kind::variable:
      m.variable = checked(t, m.variable).id;
      break;
    case member::kind::tensor:
      m.tensor.op = t.id(t.index(m.tensor));
      break;
    case member::kind::op:
      m.tensor.op = t.id(t.index(m.tensor.op));
      break;
  }
  const std::uint32_t number = t.strings.intern(name);
  std::size_t i = 0;
  while (i < t.collections.size() && t.collections[i].name != number) ++i;
  if (i < t.collections.size() &&
      t.collections[i].known.count(tables::named_collection::key_of(m)) != 0) {
    return;
  }
  detail::steps all(t);
  if (i == t.collections.size()) t.collections.push_back({number, {}, {}});
  // Noted after it is done, as adding is all or nothing and noting is what may fail then.
  add_member(t, i, m);
  try {
    detail::note(t, [i](tables& u) { remove_last_member(u, i); });
  } catch (...) {
    remove_last_member(t, i);
    throw;
  }
  detail::touch(t);
  all.commit();
}

void detail::replace_members(tables& t, tensor_id from, tensor_id to) {
  const member old{member::kind::tensor, {}, from}, now{member::kind::tensor, {}, to};
  memberships& index = t.lookup->memberships;
  std::vector<std::uint32_t> concerned;
  index.for_each(from.op, [&](std::uint32_t entry) {
    if (is_same(index[entry].what, old)) concerned.push_back(entry);
  });
  for (const std::uint32_t entry : concerned) {
    const std::uint32_t c = index[entry].collection;
    const auto change = std::make_shared<member_change>();
    change->collection = c;
    change->members.name = t.collections[c].name;
    for (const member& m : t.collections[c].members) {
      change->members.add(is_same(m, old) ? now : m);
    }
    index.prepare(now);
    const std::uint32_t other = index.find(c, now);
    if (other != none) {  // the first of both places counts
      change->entries.push_back({std::max(entry, other), entry > other ? old : now, none});
    }
    if (other == none || entry < other) change->entries.push_back({entry, now, c});
    note(t, [change](tables& u) { change->exchange(u); });
    change->exchange(t);
  }
}

std::vector<member> Graph::collection(name_view wanted) const {
  const std::string_view name = wanted;
  const tables& t = data();
  if (name == "variables" || name == "trainable_variables") {
    std::vector<member> result;
    for (const std::uint32_t v : detail::live_variables(t)) {
      if (t.variables[v].trainable || name == "variables") {
        result.push_back({member::kind::variable, t.variable(v), {}});
      }
    }
    return result;
  }
  const std::uint32_t number = t.strings.find(name);
  for (const tables::named_collection& c : t.collections) {
    if (c.name == number) return c.members;
  }
  return {};
}

std::vector<std::string> Graph::collections() const {
  const tables& t = data();
  std::vector<std::string> names;
  for (const char* own : {"variables", "trainable_variables"}) {
    if (!collection(own).empty()) names.emplace_back(own);
  }
  for (const tables::named_collection& c : t.collections) {
    if (!c.members.empty()) names.emplace_back(t.strings[c.name]);
  }
  return names;
}

}  // namespace graft
