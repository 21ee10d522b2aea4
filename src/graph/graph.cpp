// Graph: its life, adding ops, reading them.
#include "graft/graph/graph.hpp"

#include <algorithm>

#include "graft/core/error.hpp"
#include "graft/schema/core_operators.hpp"

#include "graph/building.hpp"
#include "graph/foreign_ids.hpp"
#include "graph/slots.hpp"

namespace graft {

using detail::none;

// --- Life
// ---------------------------------------------------------------------------------------------

Graph::Graph()
    : tables_(std::make_unique<tables>()),
      store_(std::make_shared<VariableStore>(tables_->number)) {
  tables_->store = store_.get();
  slot_ = detail::take_slot(this);
}

Graph::~Graph() {
  if (slot_ != nullptr) detail::free_slot(slot_);
}

Graph::Graph(Graph&& other) noexcept
    : slot_(std::exchange(other.slot_, nullptr)),
      tables_(std::move(other.tables_)),
      store_(std::move(other.store_)) {
  if (slot_ != nullptr) slot_->graph = this;
}

Graph& Graph::operator=(Graph&& other) noexcept {
  if (this == &other) return *this;
  if (slot_ != nullptr) detail::free_slot(slot_);
  slot_ = std::exchange(other.slot_, nullptr);
  tables_ = std::move(other.tables_);
  store_ = std::move(other.store_);
  if (slot_ != nullptr) slot_->graph = this;
  return *this;
}

void Graph::refuse_moved() {
  throw handle_error({.asked = "a graph was used",
                      .found = "it was moved from",
                      .where = {},
                      .hint = "use the graph it was moved to"});
}

void Graph::tables::refuse(op_id op) const {
  const std::string asked = detail::in_words(op) + " was asked for";
  if (!op.may_be_of(number)) detail::refuse_foreign(asked);
  const bool was_there = op.value < next_id;
  throw handle_error({.asked = asked,
                      .found = !op.valid() ? "the id is empty"
                               : was_there ? "the op was removed"
                                           : "the graph has no such op",
                      .where = {},
                      .hint = "use ids and handles of this graph's own ops"});
}

void Graph::tables::refuse(tensor_id t) const {
  const std::uint32_t i = index(t.op);
  throw handle_error({.asked = "output " + std::to_string(t.output) + " of '" +
                               detail::path_of_op(*this, i) + "' was asked for",
                      .found = "the op has " + std::to_string(ops[i].output_count) + " outputs",
                      .where = {},
                      .hint = "outputs count from 0"});
}

// --- Adding
// -------------------------------------------------------------------------------------------

namespace detail {

// The path that an op would get, for messages.
std::string future_path(Graph::tables& t, const operator_schema& schema, std::string_view name) {
  const std::uint32_t scope = t.scope_stack.back();
  const std::string_view wanted = name.empty() ? schema.name : name;
  const parsed_name parts = parse_name(wanted);
  const std::uint32_t base = t.strings.intern(parts.base);
  const std::uint32_t ordinal = next_ordinal(t, scope, base, parts.ordinal, name_kind::op);
  return join_path(path_of_scope(t, scope), full_name(t, base, ordinal));
}

// Whether the product of the extents that are known fits in 63 bits.
namespace {
bool countable(const dims& shape) {
  if (std::find(shape.begin(), shape.end(), extent{0}) != shape.end()) return true;
  extent count = 1;
  return std::none_of(shape.begin(), shape.end(),
                      [&](extent e) { return e > 0 && __builtin_mul_overflow(count, e, &count); });
}
}  // namespace

// Adds an op of any operator, variable reads included.
std::uint32_t append_op(Graph::tables& t, const operator_schema& schema,
                        std::span<const tensor_id> operands, const attribute_list& attributes,
                        std::string_view name, source_line declared) {
  const source_line line = t.placed.value_or(declared);
  // Everything that may fail stands before the first change.
  if (!name.empty()) check_name(name, "an op");
  small_vector<value_type, 3> types;
  for (const tensor_id& o : operands) types.push_back(t.type_of(t.index(o), o.output));
  const auto words = [&] { return op_in_words{schema, future_path(t, schema, name), line}; };
  check_attributes(t, schema, attributes, operands.size(), words);
  inferred answer = infer(schema, {types, attributes});
  if (answer.error) refuse_operands(words(), types, answer.error, attributes);
  if (schema.has(ops::update) || has_references(attributes)) {
    check_op(t, words(), attributes, types, answer);
  }
  std::size_t room = 0;
  for (const value_type& v : answer.outputs) {
    if (!countable(v.shape)) {
      throw size_error(
          {.asked = "'" + future_path(t, schema, name) + "' was to be made as " + to_string(v),
           .found = "its number of elements does not fit in 63 bits",
           .where = where(line),
           .hint = "check its extents"});
    }
    room += v.shape.size();
  }
  reserve_ops(t, 1);
  t.edges.reserve(operands.size());
  t.outputs.reserve(answer.outputs.size());
  const parsed_name parts = parse_name(name.empty() ? schema.name : name);
  const std::uint32_t base = t.strings.intern(parts.base);
  const std::uint32_t file = file_number(t, line.file);
  const std::uint32_t scope = t.scope_stack.back();
  const std::uint32_t stored = store_attributes(t, attributes);
  t.extents.reserve(room);  // attributes take some, too
  const std::uint32_t ordinal = take_name(t, scope, base, parts.ordinal, name_kind::op);

  const std::uint32_t op = t.ops.size();
  t.ops.push_back({&schema, t.edges.size(), static_cast<std::uint32_t>(operands.size()),
                   t.outputs.size(), static_cast<std::uint32_t>(answer.outputs.size()), stored,
                   scope, base, ordinal, none, none, none, none, file, line.line, 0});
  for (const tensor_id& o : operands) {
    t.edges.push_back(
        {t.ids_are_indices ? o.op.value : t.index_of_id[o.op.value], o.output, op, none, none});
    link_use(t, t.edges.size() - 1);
  }
  for (const value_type& v : answer.outputs) t.outputs.push_back(store_type(t, v, op));
  give_ids(t, op);
  touch(t);
  return op;
}

}  // namespace detail

op_id Graph::add(const operator_schema& schema, std::span<const tensor_id> operands,
                 const attribute_list& attributes, name_view name, source_line line) {
  tables& t = data();
  if (detail::is_operator(schema, ops::variable)) {
    throw argument_error({.asked = "an op that reads a variable was to be added",
                          .found = "a variable has one such op, made together with it",
                          .where = detail::where(line),
                          .hint = "use add_variable, or the tensor variable_of(v).read"});
  }
  return t.id(detail::append_op(t, schema, operands, attributes, name, line));
}

tensor_id Graph::add_constant(Array value, name_view name, source_line line) {
  tables& t = data();
  if (value.type() == dtype::any) {
    throw argument_error({.asked = "a constant was to be added",
                          .found = "the array is empty",
                          .where = detail::where(line),
                          .hint = "give an array with a type and a shape"});
  }
  attribute_list attributes;
  attributes.set("value", static_cast<std::int64_t>(t.constants.size()), attribute_kind::constant);
  attributes.set("type", value.type()).set("shape", value.shape());
  t.constants.push_back(std::move(value));
  try {
    return {t.id(detail::append_op(t, ops::constant, {}, attributes, name, line)), 0};
  } catch (...) {
    t.constants.pop_back();
    throw;
  }
}

void Graph::add_control_edge(op_id before, op_id after) {
  tables& t = data();
  const std::uint32_t from = t.index(before), to = t.index(after);
  if (detail::has_control(t, from, to)) return;
  if (detail::reaches(t, to, from)) {
    throw graph_error(
        {.asked = "'" + path_of(after) + "' was to run after '" + path_of(before) + "'",
         .found = from == to ? "they are the same op" : "the second depends on the first",
         .where = {},
         .hint = "a graph has no cycles"});
  }
  detail::steps all(t);
  t.controls.reserve(1);
  detail::stamp(t, to);
  if (from > to) t.ordered = false;
  detail::link_control(t, from, to);
  all.commit();
}

// --- Ops
// ------------------------------------------------------------------------------------------------

std::size_t Graph::op_count() const { return data().ops.size(); }
std::uint32_t Graph::op_id_bound() const { return data().next_id; }
std::uint32_t Graph::number() const { return data().number; }
bool Graph::contains(op_id op) const { return data().contains(op); }
std::size_t Graph::index_of(op_id op) const { return data().index(op); }
std::uint64_t Graph::edit_stamp(op_id op) const { return data().ops[data().index(op)].stamp; }
std::uint64_t Graph::version() const { return data().version; }

op_id Graph::op_at(std::size_t index) const {
  const tables& t = data();
  if (index >= t.ops.size()) {
    throw handle_error({.asked = "the op at place " + std::to_string(index) + " was asked for",
                        .found = "the graph has " + std::to_string(t.ops.size()) + " ops",
                        .where = {},
                        .hint = "places count from 0 to op_count() - 1"});
  }
  return t.id(static_cast<std::uint32_t>(index));
}

const operator_schema& Graph::schema_of(op_id op) const {
  return *data().ops[data().index(op)].schema;
}
attribute_view Graph::attributes_of(op_id op) const {
  return data().attributes_of(data().ops[data().index(op)]);
}
std::uint32_t Graph::operand_count(op_id op) const {
  return data().ops[data().index(op)].operand_count;
}
std::uint32_t Graph::output_count(op_id op) const {
  return data().ops[data().index(op)].output_count;
}

tensor_id Graph::operand(op_id op, std::uint32_t i) const {
  const tables& t = data();
  const std::uint32_t at = t.index(op);
  if (i >= t.ops[at].operand_count) {
    throw handle_error(
        {.asked = "operand " + std::to_string(i) + " of '" + path_of(op) + "' was asked for",
         .found = "the op has " + std::to_string(t.ops[at].operand_count) + " operands",
         .where = {},
         .hint = "operands count from 0"});
  }
  const tables::edge& e = t.edges[t.ops[at].first_operand + i];
  return {t.id(e.producer), e.output};
}

small_vector<tensor_id, 4> Graph::operands(op_id op) const {
  const tables& t = data();
  small_vector<tensor_id, 4> result;
  for (const tables::edge& e : t.operands_of(t.index(op))) {
    result.push_back({t.id(e.producer), e.output});
  }
  return result;
}

std::vector<op_id> Graph::control_predecessors(op_id op) const {
  const tables& t = data();
  std::vector<op_id> result;
  for (std::uint32_t c = t.ops[t.index(op)].control_in; c != none; c = t.controls[c].next_in) {
    result.push_back(t.id(t.controls[c].before));
  }
  return {result.rbegin(), result.rend()};  // the lists have the latest first
}

std::vector<op_id> Graph::control_successors(op_id op) const {
  const tables& t = data();
  std::vector<op_id> result;
  for (std::uint32_t c = t.ops[t.index(op)].control_out; c != none; c = t.controls[c].next_out) {
    result.push_back(t.id(t.controls[c].after));
  }
  return {result.rbegin(), result.rend()};
}

source_line Graph::line_of(op_id op) const {
  const tables& t = data();
  const tables::op_record& r = t.ops[t.index(op)];
  return {r.file == none ? "" : t.files[r.file].text, r.line};
}

// --- Tensors
// --------------------------------------------------------------------------------------------

value_type Graph::type_of(tensor_id id) const {
  const tables& t = data();
  return t.type_of(t.index(id), id.output);
}

std::vector<Graph::use> Graph::uses(tensor_id id) const {
  const tables& t = data();
  (void)t.index(id);
  std::vector<use> result;
  for_each_use(id.op, [&](const use& u, std::uint32_t output) {
    if (output == id.output) result.push_back(u);
  });
  return result;
}

void Graph::visit_uses(op_id op, function_ref<void(const use&, std::uint32_t)> visit) const {
  const tables& t = data();
  for (std::uint32_t e = t.ops[t.index(op)].first_use; e != tables::none;) {
    const tables::edge& at = t.edges[e];
    const std::uint32_t next = at.next_use;
    visit(use{t.id(at.user), e - t.ops[at.user].first_operand}, at.output);
    e = next;
  }
}

any_tensor Graph::handle(tensor_id id) const {
  (void)data().index(id);
  id.op.graph = data().number;  // also where a program made it of a number
  return any_tensor(graph_reference{slot_, slot_->generation, id});
}

namespace {

bool is_around(const Graph& outer, const Graph& g) {
  for (const graph_slot* at = g.data().around; at != nullptr;) {
    const Graph* around = at->graph;
    if (around == &outer) return true;
    at = around->data().around;
  }
  return false;
}

}  // namespace

std::optional<tensor_id> detail::captured(const Graph& body, const graph_reference& r) {
  const graph_slot* const around = body.data().around;
  if (around == nullptr) return std::nullopt;
  const std::optional<tensor_id> outer =
      around == r.slot ? r.id : captured(*around->graph.load(), r);
  if (!outer) return std::nullopt;
  for (const tables::capture& c : body.data().captures) {
    if (c.outer == *outer) return c.inner;
  }
  return std::nullopt;
}

tensor_id Graph::id(const graph_reference& r) const {
  const tables& t = data();
  if (r.slot != slot_ || r.generation != slot_->generation) {
    (void)target_traits<Graph>::target_of(r);  // says so if its graph is gone
    if (const auto inside = detail::captured(*this, r)) return *inside;
    const Graph& of = *r.slot->graph.load();
    if (is_around(of, *this)) {
      throw handle_error({.asked = "'" + of.path_of(r.id) + "' was used within a body",
                          .found = "it is outside, and nothing in the body uses it",
                          .where = detail::where(of.line_of(r.id.op)),
                          .hint = "use identity(x) of it: a tensor of the body"});
    }
    if (is_around(*this, of)) {
      throw handle_error(
          {.asked = "'" + of.path_of(r.id) + "' was used outside of its body",
           .found = "the body is still open, and what it computes is known inside only",
           .where = detail::where(of.line_of(r.id.op)),
           .hint = "return it from the body, and use what cond, while_loop or scan "
                   "returned"});
    }
    throw handle_error({.asked = "'" + of.path_of(r.id) + "' was used with a graph",
                        .found = "it belongs to another graph",
                        .where = detail::where(of.line_of(r.id.op)),
                        .hint = "clone what it belongs to into this graph"});
  }
  (void)t.index(r.id);
  return r.id;
}

}  // namespace graft
