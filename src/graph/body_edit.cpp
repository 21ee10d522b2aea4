#include "graph/body_edit.hpp"

#include <algorithm>
#include <numeric>
#include <string>
#include <unordered_map>

#include "graft/core/error.hpp"
#include "graft/schema/control_operators.hpp"
#include "graft/schema/core_operators.hpp"

#include "graph/body_view.hpp"
#include "graph/building.hpp"
#include "graph/copy.hpp"

namespace graft::detail {

void copy_whole(const Graph& from, Graph& to,
                function_view<void(op_id old_op, attribute_list&)> attributes,
                unsigned ask_traits) {
  std::vector<std::uint32_t> all(from.op_count());
  std::iota(all.begin(), all.end(), 0u);
  copy_request request;
  request.from = &from;
  request.to = &to;
  request.ops = all;
  request.attributes = attributes;
  request.ask_traits = ask_traits;
  std::unordered_map<std::uint32_t, std::uint32_t> scopes{{0, 0}};
  const auto scope = [&](scope_id s) {
    std::vector<scope_id> path;  // those without an image, the innermost first
    for (; !scopes.contains(s.value); s = from.parent_scope(s)) path.push_back(s);
    std::uint32_t image = scopes.at(s.value);
    for (; !path.empty(); path.pop_back()) {
      image = append_scope(to, to.data().scope(image), scope_name(from, path.back())).value;
      scopes.emplace(path.back().value, image);
    }
    return to.data().scope(image);
  };
  request.scope = scope;
  append_copy(request);
}

// --- A body that is being changed
// -----------------------------------------------------------------------------

body_copy::body_copy(Graph& around, const std::shared_ptr<const Graph>& body)
    : around_(around), body_(body), copy_(around.open_body()) {
  const Graph& from = *body_;
  copy_whole(from, copy_, [&](op_id, attribute_list& list) {
    for (attribute& a : list) {
      if (a.kind == attribute_kind::constant) {
        a.integer = append_constant(copy_, from.constant(a.integer));
      } else if (a.kind == attribute_kind::body) {
        a.integer = share_body(copy_, from, a.integer);
      }
    }
  });
  // What they are of the graph around is the op's affair: several may own the body. A further capture of the same
  // tensor is an input of its own.
  for (const tensor_id input : body_view(copy_).inputs) {
    copy_.data().captures.push_back({{}, input});
  }
  inputs_ = copy_.data().captures.size();
  version_ = copy_.version();
}

body_copy::~body_copy() {
  if (around_.current_body() == &copy_) around_.abandon_body();
}

other_body body_copy::close() {
  tables& t = copy_.data();
  if (copy_.version() == version_) {
    around_.abandon_body();
    return {body_, {}};
  }
  if (!is_operator(*t.ops[t.ops.size() - 1].schema, ops::results)) {
    // What computes the results comes before them.
    for (std::uint32_t i = t.ops.size(); i-- > 0;) {
      if (!is_operator(*t.ops[i].schema, ops::results)) continue;
      const op_id old = t.id(i);
      const small_vector<tensor_id, 4> operands = copy_.operands(old);
      const std::vector<op_id> before = copy_.control_predecessors(old);
      const attribute_list attributes = copy_.attributes_of(old);
      const std::string name(copy_.name_of(old));
      const source_line line = copy_.line_of(old);
      copy_.reenter_scope(copy_.scope_of(old));
      copy_.erase_ops({&old, 1});
      const op_id last = copy_.add(ops::results, operands, attributes, name, line);
      copy_.leave_scope();
      for (const op_id op : before) copy_.add_control_edge(op, last);
      break;
    }
  }
  other_body result;
  for (std::size_t k = inputs_; k < t.captures.size(); ++k) {
    result.captures.push_back(t.captures[k].outer);
  }
  const Graph::closed_body closed = around_.close_body();
  result.body = around_.data().bodies[static_cast<std::size_t>(closed.index)];
  return result;
}

// --- Its place
// ------------------------------------------------------------------------------------------------

std::optional<body_captures> captures_of(const operator_schema& schema, std::string_view key,
                                         const attribute_list& a, std::size_t operands) {
  const auto rest = [operands](std::size_t first, std::size_t first_input) {
    return body_captures{first, first_input, operands - first};
  };
  if (is_operator(schema, ops::cond)) {
    const auto thens = static_cast<std::size_t>(a.integer("then_captures"));
    return key == "then" ? body_captures{1, 0, thens} : rest(1 + thens, 0);
  }
  if (is_operator(schema, ops::while_loop) || is_operator(schema, ops::while_loop_gradient)) {
    const while_parts p(a);
    if (key == "condition") return body_captures{p.states, p.states, p.condition_captures};
    if (key == "body") {
      return body_captures{p.states + p.condition_captures, p.states, p.body_captures};
    }
    const std::size_t carried = p.gradients + p.sums;
    return rest(p.own() + carried, p.states + carried);
  }
  if (is_operator(schema, ops::scan)) {
    const scan_parts p(a);
    return rest(p.states + p.sequences, p.states + p.sequences);
  }
  return std::nullopt;
}

namespace {

// The attribute that counts a body's captures, for operators with one.
const char* counter_of(const operator_schema& schema, std::string_view key) {
  if (is_operator(schema, ops::cond)) return key == "then" ? "then_captures" : nullptr;
  if (is_operator(schema, ops::scan) || key == "gradient") return nullptr;
  return key == "condition" ? "condition_captures" : "body_captures";
}

void refuse_capture(const Graph& g, op_id op, std::string_view key, tensor_id taken) {
  throw graph_error({.asked = "body '" + std::string(key) + "' of '" + g.path_of(op) +
                              "' was to take '" + g.path_of(taken) + "'",
                     .found = "that depends on what the body computes",
                     .where = where(g.line_of(op)),
                     .hint = "take what is there before the op that has the body"});
}

// Gives an op more operands. Its edges move to the end of the pool; what is left behind is nobody's.
void insert_operands(tables& t, std::uint32_t op, std::size_t at,
                     std::span<const tensor_id> added) {
  const tables::op_record before = t.ops[op];
  std::vector<tables::edge> edges;
  for (std::uint32_t k = 0; k < before.operand_count; ++k) {
    edges.push_back(t.edges[before.first_operand + k]);
  }
  std::vector<tables::edge> more;
  for (const tensor_id x : added) more.push_back({t.index(x), x.output, op, none, none});
  edges.insert(edges.begin() + static_cast<std::ptrdiff_t>(at), more.begin(), more.end());
  t.edges.reserve(edges.size());
  stamp(t, op);
  for (std::uint32_t k = 0; k < before.operand_count; ++k) {
    const std::uint32_t e = before.first_operand + k;
    const tables::edge old = t.edges[e];
    note(t, [e, old](tables& u) {
      u.edges[e] = old;
      tables::op_record& p = u.ops[old.producer];
      (old.prev_use != none ? u.edges[old.prev_use].next_use : p.first_use) = e;
      (old.next_use != none ? u.edges[old.next_use].prev_use : p.last_use) = e;
    });
    unlink_use(t, e);
  }
  note(t, [op, first = before.first_operand, count = before.operand_count](tables& u) {
    u.ops[op].first_operand = first;
    u.ops[op].operand_count = count;
  });
  t.ops[op].first_operand = t.edges.size();
  t.ops[op].operand_count = static_cast<std::uint32_t>(edges.size());
  for (const tables::edge& e : edges) {
    t.edges.push_back(e);
    link_use(t, t.edges.size() - 1);
    if (e.producer > op) t.ordered = false;
  }
}

}  // namespace

std::uint32_t replace_body(Graph& g, op_id op, std::string_view key, const other_body& by) {
  tables& t = g.data();
  const std::uint32_t index = t.index(op);
  attribute_list attributes = g.attributes_of(op);
  const auto captures = captures_of(g.schema_of(op), key, attributes, g.operand_count(op));
  const std::size_t end =
      captures ? captures->first_operand + captures->count : g.operand_count(op);
  if (!by.captures.empty()) {
    if (!captures) {
      throw unsupported_error({.asked = "body '" + std::string(key) + "' of '" + g.path_of(op) +
                                        "' was to take '" + g.path_of(by.captures[0]) + "'",
                               .found = "nobody knows where that is to be among the operands of " +
                                        std::string(g.schema_of(op).name),
                               .where = where(g.line_of(op)),
                               .hint = "build what the body gets of its own tensors"});
    }
    for (const tensor_id taken : by.captures) {
      if (reaches(t, index, t.index(taken))) refuse_capture(g, op, key, taken);
    }
    insert_operands(t, index, end, by.captures);
    if (const char* counter = counter_of(g.schema_of(op), key)) {
      attributes.set(counter,
                     attributes.integer(counter) + static_cast<std::int64_t>(by.captures.size()));
    }
  }
  attributes.set(key, append_body(g, by.body), attribute_kind::body);
  stamp(t, index);
  const std::uint32_t before = t.ops[index].attributes;
  const std::uint32_t stored = store_attributes(t, attributes);
  note(t, [index, before](tables& u) { u.ops[index].attributes = before; });
  t.ops[index].attributes = stored;
  return static_cast<std::uint32_t>(end);
}

}  // namespace graft::detail
