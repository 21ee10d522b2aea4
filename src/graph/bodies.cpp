// Constants and bodies.
#include <algorithm>

#include "graft/core/error.hpp"
#include "graft/schema/core_operators.hpp"

#include "graph/body_edit.hpp"
#include "graph/building.hpp"

namespace graft {

namespace {

[[noreturn]] void refuse_number(const char* what, std::int64_t index, std::size_t count) {
  throw handle_error({.asked = std::string(what) + " " + std::to_string(index) + " was asked for",
                      .found = "the graph has " + std::to_string(count),
                      .where = {},
                      .hint = "use the numbers in the attributes of this graph's ops"});
}

[[noreturn]] void refuse_removed(const char* what, std::int64_t index) {
  throw handle_error({.asked = std::string(what) + " " + std::to_string(index) + " was asked for",
                      .found = "it went with the last op that referred to it",
                      .where = {},
                      .hint = "use the numbers in the attributes of this graph's ops"});
}

}  // namespace

const Array& Graph::constant(std::int64_t index) const {
  const tables& t = data();
  if (index < 0 || static_cast<std::uint64_t>(index) >= t.constants.size()) {
    refuse_number("constant", index, t.constants.size());
  }
  const Array& value = t.constants[static_cast<std::size_t>(index)];
  if (value.type() == dtype::any) refuse_removed("constant", index);
  return value;
}

const Graph& Graph::body(std::int64_t index) const {
  const tables& t = data();
  if (index < 0 || static_cast<std::uint64_t>(index) >= t.bodies.size()) {
    refuse_number("body", index, t.bodies.size());
  }
  const Graph* const body = t.bodies[static_cast<std::size_t>(index)].get();
  if (body == nullptr) refuse_removed("body", index);
  return *body;
}

std::int64_t Graph::add_body(std::unique_ptr<Graph> body) {
  tables& t = data();
  if (body == nullptr) {
    throw argument_error({.asked = "a body was to be added",
                          .found = "it is empty",
                          .where = {},
                          .hint = "give a graph"});
  }
  body->validate();
  t.bodies.push_back(std::move(body));
  detail::touch(t);
  return static_cast<std::int64_t>(t.bodies.size() - 1);
}

std::size_t Graph::body_count() const { return data().bodies.size(); }

// --- Building bodies
// ------------------------------------------------------------------------------------------

Graph& Graph::open_body() {
  tables& t = data();
  if (t.open_body != nullptr) {
    throw graph_error({.asked = "a body was to be opened",
                       .found = "one is open already",
                       .where = {},
                       .hint = "open an inner body on the body"});
  }
  auto body = std::make_unique<Graph>();
  body->data().around = slot_;
  body->data().current = t.current;
  body->data().placed = t.placed;
  t.open_body = std::move(body);
  return *t.open_body;
}

Graph::closed_body Graph::close_body() {
  tables& t = data();
  if (t.open_body == nullptr) {
    throw graph_error({.asked = "a body was to be closed",
                       .found = "none is open",
                       .where = {},
                       .hint = "close each body once"});
  }
  tables& inner = t.open_body->data();
  if (inner.open_body != nullptr) {
    throw graph_error({.asked = "a body was to be closed",
                       .found = "one inside it is open",
                       .where = {},
                       .hint = "close inner bodies first"});
  }
  closed_body result;
  for (const tables::capture& c : inner.captures) result.captures.push_back(c.outer);
  t.bodies.reserve(t.bodies.size() + 1);
  result.index = static_cast<std::int64_t>(t.bodies.size());
  std::shared_ptr<Graph> body(std::move(t.open_body));
  inner.around = nullptr;
  inner.closed = true;
  t.bodies.push_back(std::move(body));
  detail::touch(t);
  return result;
}

void Graph::abandon_body() noexcept {
  if (tables_ != nullptr) tables_->open_body.reset();
}

Graph* Graph::current_body() const { return data().open_body.get(); }

bool Graph::is_open_body() const { return data().around != nullptr; }

Graph& detail::outermost_of(Graph& g) {
  Graph* owner = &g;
  while (graph_slot* around = owner->data().around) owner = around->graph;
  return *owner;
}

scope_id detail::scope_of_variables(Graph& g, scope_id scope) {
  tables& t = g.data();
  if (t.around == nullptr) return scope;
  if (scope == scope_id{}) {
    Graph& around = *t.around->graph.load();
    return scope_of_variables(around, around.current_scope());
  }
  const std::uint32_t s = scope.value;
  if (t.owner_scopes.size() <= s) t.owner_scopes.resize(s + 1, none);
  tables& owner = outermost_of(g).data();
  if (t.owner_scopes[s] != none) return owner.scope(t.owner_scopes[s]);
  const tables::scope_record& record = t.scopes[s];
  const std::string name = full_name(t, record.name, record.ordinal);
  const scope_id parent = scope_of_variables(g, t.scope(record.parent));
  note(t, [s](tables& u) { u.owner_scopes[s] = none; });
  t.owner_scopes[s] = append_scope(owner, parent.value, name);
  return owner.scope(t.owner_scopes[s]);
}

namespace {

// Adds the op that stands for input number t.captures.size().
tensor_id add_input(Graph& body, tensor_id outer, const value_type& type) {
  Graph::tables& t = body.data();
  attribute_list attributes;
  attributes.set("capture", static_cast<std::int64_t>(t.captures.size())).set("type", type.type);
  if (type.ranked) attributes.set("shape", type.shape);
  t.captures.reserve(t.captures.size() + 1);
  const tensor_id inner{body.add(ops::captured, {}, attributes), 0};
  t.captures.push_back({outer, inner});
  return inner;
}

}  // namespace

tensor_id Graph::add_argument(const value_type& type) {
  if (!is_open_body()) {
    throw graph_error({.asked = "an argument was to be added",
                       .found = "the graph is not a body that is open",
                       .where = {},
                       .hint = "add arguments to what open_body() returned"});
  }
  return add_input(*this, {}, type);
}

tensor_id Graph::capture(const graph_reference& outer) {
  // Every graph on the way takes it from the one around it.
  std::vector<Graph*> way{this};
  while (outer.slot != way.back()->slot_ || outer.generation != way.back()->slot_->generation) {
    graph_slot* around = way.back()->data().around;
    if (around == nullptr) {
      throw handle_error({.asked = "a tensor was used in a body",
                          .found = "it belongs to none of the graphs around it",
                          .where = {},
                          .hint = "pass what a body computes through its outputs"});
    }
    way.push_back(around->graph);
  }
  tensor_id taken = way.back()->id(outer);
  for (way.pop_back(); !way.empty(); way.pop_back()) {
    Graph& body = *way.back();
    tables& t = body.data();
    const auto known = std::find_if(t.captures.begin(), t.captures.end(),
                                    [&](const tables::capture& c) { return c.outer == taken; });
    if (known != t.captures.end()) {
      taken = known->inner;
      continue;
    }
    taken = add_input(body, taken, t.around->graph.load()->type_of(taken));
  }
  return taken;
}

}  // namespace graft
