#include "graft/graph/handle.hpp"

#include <deque>
#include <mutex>
#include <optional>
#include <ostream>
#include <vector>

#include "graft/core/error.hpp"
#include "graft/graph/graph.hpp"
#include "graft/schema/control_operators.hpp"
#include "graft/schema/core_operators.hpp"

#include "graph/body_edit.hpp"
#include "graph/building.hpp"
#include "graph/slots.hpp"

namespace graft {

namespace detail {

namespace {

struct slot_pool {
  std::mutex guard;
  std::deque<graph_slot> slots;
  std::vector<graph_slot*> free;
};

// Never destroyed: handles may be asked while static objects go.
slot_pool& slots() {
  static slot_pool* const all = new slot_pool;
  return *all;
}

}  // namespace

graph_slot* take_slot(Graph* graph) {
  slot_pool& all = slots();
  const std::lock_guard lock(all.guard);
  if (all.free.empty()) {
    // Room for all slots, so that giving one back cannot fail.
    all.free.reserve(all.slots.size() + 1);
    all.free.push_back(&all.slots.emplace_back());
  }
  graph_slot* slot = all.free.back();
  all.free.pop_back();
  slot->graph = graph;
  return slot;
}

void free_slot(graph_slot* slot) noexcept {
  slot_pool& all = slots();
  const std::lock_guard lock(all.guard);
  slot->graph = nullptr;
  // A slot whose generations are used up is left alone.
  if (++slot->generation != 0xffffffffu) all.free.push_back(slot);
}

void check_as(const any_tensor& tensor, const value_type& wanted) {
  (void)target_traits<Graph>::target_of(tensor.ref());  // refuses what is gone
  const Graph& g = *tensor.ref().slot->graph.load();
  const tensor_id id = g.id(tensor);
  const value_type found = g.type_of(id);
  // Where it was declared tells more than where it is viewed.
  error_parts parts{.asked = "'" + g.path_of(id) + "' was to be viewed as " + to_string(wanted),
                    .found = "it is " + to_string(found),
                    .where = where(g.line_of(id.op)),
                    .hint = "view it as what it is, or convert it"};
  if (wanted.type != dtype::any && found.type != dtype::any && wanted.type != found.type) {
    parts.hint = "insert cast<T>(x)";
    throw dtype_error(std::move(parts));
  }
  if (!may_be(wanted, found)) throw shape_error(std::move(parts));
}

graph_reference ensured_as(const any_tensor& tensor, const value_type& wanted, source_line line) {
  using traits = target_traits<Graph>;
  check_as(tensor, wanted);
  const graph_reference& r = tensor.ref();
  const value_type known = traits::type_of(r), ensured = rules::refine(known, wanted);
  if (ensured == known) return r;
  attribute_list attributes;
  attributes.set("type", ensured.type);
  if (ensured.ranked) attributes.set("shape", ensured.shape);
  // In a body, the tensor may be one from outside.
  return traits::add(traits::target_of(r), ops::ensure_shape, {&r, 1}, attributes, {}, line)[0];
}

}  // namespace detail

using traits = target_traits<Graph>;

template <class>
std::ostream& operator<<(std::ostream& out, const any_tensor& t) {
  const graph_reference& r = t.ref();
  if (r.slot == nullptr) return out << "an empty handle";
  const Graph* const g = r.slot->graph.load();
  if (g == nullptr || r.slot->generation != r.generation) {
    return out << "a handle whose graph is gone";
  }
  if (!g->contains(r.id.op)) return out << "a handle whose op is gone";
  if (r.id.output >= g->output_count(r.id.op))
    return out << "a handle of an output that is not there";
  return out << '\'' << g->path_of(r.id) << "' of " << to_string(g->type_of(r.id));
}
template std::ostream& operator<< <void>(std::ostream& out, const any_tensor& t);

Graph& traits::target_of(const reference& r) {
  Graph* g = r.slot == nullptr ? nullptr : r.slot->graph.load();
  if (g != nullptr && r.slot->generation == r.generation) {
    if (g->data().closed) {
      throw handle_error({.asked = "'" + g->path_of(r.id) + "' was used",
                          .found = "it is a tensor of a body, which is complete",
                          .where = detail::where(g->line_of(r.id.op)),
                          .hint = "return it from the body, and use what cond, while_loop or scan "
                                  "returned"});
    }
    // What is built goes to the innermost body that is open.
    while (Graph* body = g->current_body()) g = body;
    return *g;
  }
  throw handle_error({.asked = "a tensor was used",
                      .found = r.slot == nullptr ? "its handle is empty" : "its graph is gone",
                      .where = {},
                      .hint = r.slot == nullptr
                                  ? "give it what an operator or placeholder() returned"
                                  : "keep the graph alive as long as its handles are used"});
}

value_type traits::type_of(const reference& r) {
  (void)target_of(r);  // refuses what is gone
  return r.slot->graph.load()->type_of(r.id);
}

void traits::check_stated(std::span<const reference> handles, const detail::stated_type* stated,
                          std::string_view what, source_line line) {
  for (const reference& r : handles) {
    const detail::stated_type& s = *stated++;
    if (s.type == dtype::any && !s.ranked) continue;
    const Graph* const g = r.slot == nullptr ? nullptr : r.slot->graph.load();
    // What is gone is refused where it is taken. Types are what handles were made with until an edit changes some.
    if (g == nullptr || r.slot->generation != r.generation || !g->data().retyped ||
        !g->contains(r.id.op)) {
      continue;
    }
    const value_type found = g->type_of(r.id);
    const value_type said{s.type, value_kind::tensor, s.ranked,
                          dims(s.extents, s.extents + s.rank)};
    if (detail::may_be(said, found)) continue;
    error_parts parts{
        .asked = std::string(what) + " was to take '" + g->path_of(r.id) + "' by a handle of " +
                 to_string(said),
        .found = "since an edit it is " + to_string(found),
        .where = detail::where(detail::where(line).empty() ? g->line_of(r.id.op) : line),
        .hint = "as<T, shape<...>>(t) gives a handle of what it is now"};
    if (!rules::types_agree(said.type, found.type)) throw dtype_error(std::move(parts));
    throw shape_error(std::move(parts));
  }
}

std::string traits::in_words(const reference& r) {
  const Graph& g = target_of(r);
  const std::string tensor = "'" + g.path_of(r.id) + "'";
  const scope_id scope = g.current_scope();
  return scope == scope_id{} ? tensor : tensor + " in scope '" + g.scope_path(scope) + "'";
}

traits::references traits::add(Graph& g, const operator_schema& schema,
                               std::span<const reference> operands,
                               const attribute_list& attributes, std::string_view name,
                               source_line line) {
  small_vector<tensor_id, 4> ids;
  std::optional<Graph::transaction> all;  // captures go if the op is refused
  for (const reference& r : operands) {
    // A body takes tensors of the graphs around it.
    const bool outer = r.slot != g.slot() && g.data().around != nullptr && r.slot != nullptr;
    if (outer) (void)target_of(r);
    if (outer && !all) all.emplace(g);
    ids.push_back(outer ? g.capture(r) : g.id(r));
  }
  const op_id op = g.add(schema, ids, attributes, name, line);
  if (all) all->commit();
  references result;
  const std::uint32_t generation = g.slot()->generation;
  const std::uint32_t count = g.output_count(op);
  for (std::uint32_t i = 0; i < count; ++i) result.push_back({g.slot(), generation, {op, i}});
  return result;
}

traits::reference traits::add_variable(Graph& g, const variable_spec& spec, source_line line) {
  // Bodies run many times, variables are one: they belong to the outermost graph.
  Graph& owner = detail::outermost_of(g);
  const auto made = [&] {
    return owner.handle(owner.variable_of(owner.add_variable(spec, line)).read).ref();
  };
  if (&owner == &g) return made();
  Graph::transaction all(g);
  // A variable that is shared by key is where it was made first.
  const bool known = owner.data().shared_keys.contains(spec.shared_key);
  owner.reenter_scope(known ? scope_id{} : detail::scope_of_variables(g, g.current_scope()));
  const reference read = made();
  owner.leave_scope();
  const reference inside = g.handle(g.capture(read)).ref();
  all.commit();
  return inside;
}

traits::place::place(Graph& g) : slot_(g.slot()), generation_(slot_->generation) {}

Graph* traits::place::find() const noexcept {
  Graph* const g = slot_->graph;
  return g != nullptr && slot_->generation == generation_ ? g : nullptr;
}

void traits::enter_scope(Graph& g, std::string_view name) { g.enter_scope(name); }
void traits::leave_scope(Graph& g) { g.leave_scope(); }
mode traits::mode_of(Graph& g) { return g.current_mode(); }
void traits::set_mode(Graph& g, mode m) { g.set_mode(m); }

void traits::own_update(Graph& g, const reference& variable_read, const reference& update) {
  if (g.is_open_body()) {
    throw graph_error({.asked = "a layer that updates a variable was to be built in a body",
                       .found = "a body may run often or never, so it updates no variable",
                       .where = {},
                       .hint = "build the layer outside the body"});
  }
  const tensor_id read = g.id(variable_read);
  const auto v = g.variable_read_by(read);
  if (!v) {
    throw argument_error({.asked = "'" + g.path_of(read) + "' was to own an update",
                          .found = "it reads no variable",
                          .where = {},
                          .hint = "pass the tensor that add_variable returned"});
  }
  g.own_update(*v, g.id(update).op);
}

Graph& traits::open_body(Graph& g) { return g.open_body(); }
traits::reference traits::add_argument(Graph& body, const value_type& type) {
  return body.handle(body.add_argument(type)).ref();
}
traits::closed_body traits::close_body(Graph& g, std::span<const reference> results) {
  Graph* body = g.current_body();
  if (body != nullptr) (void)add(*body, ops::results, results, {}, {}, {});
  const Graph::closed_body closed = g.close_body();
  closed_body result{closed.index, {}};
  for (const tensor_id t : closed.captures) {
    if (t.valid()) result.captures.push_back(g.handle(t).ref());
  }
  return result;
}

traits::references traits::latest_own_update(Graph& g, const reference& variable_read) {
  references result;
  if (const auto v = g.variable_read_by(g.id(variable_read))) {
    const std::vector<op_id>& updates = g.variable_of(*v).own_updates;
    if (!updates.empty()) result.push_back(g.handle({updates.back(), 0}).ref());
  }
  return result;
}

}  // namespace graft
