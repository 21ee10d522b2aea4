// Gradients of the operators that own bodies: bodies that run the source's body and then back.
#include "train/bodies.hpp"

#include <algorithm>
#include <unordered_set>

#include "graft/core/error.hpp"
#include "graft/ops/elementwise.hpp"
#include "graft/ops/sources.hpp"
#include "graft/schema/control_operators.hpp"

#include "graph/body_view.hpp"
#include "graph/building.hpp"

namespace graft::detail {
namespace {

using handles = std::vector<any_tensor>;
using traits = target_traits<Graph>;

bool is_floating_or_unknown(const any_tensor& t) {
  const dtype type = traits::type_of(t.ref()).type;
  return type == dtype::any || is_floating(type);
}

std::vector<tensor_id> ids_in(Graph& body, const handles& tensors) {
  std::vector<tensor_id> ids;
  for (const any_tensor& t : tensors) {
    ids.push_back(t.ref().slot == body.slot() ? t.ref().id : body.capture(t.ref()));
  }
  return ids;
}

// A body that is being built in a graph; given up unless it is closed.
class open_body {
 public:
  explicit open_body(const gradient_args& a) : around_(a.graph), body_(around_.open_body()) {
    std::unordered_set<tensor_id> seen;
    for (const any_tensor& t : a.operands) {
      if (!seen.insert(around_.id(t)).second) repeated_.insert(around_.id(t));
    }
  }
  ~open_body() {
    if (open_) around_.abandon_body();
  }
  open_body(const open_body&) = delete;
  open_body& operator=(const open_body&) = delete;

  Graph& graph() { return body_; }
  handles arguments(std::span<const any_tensor> like) {
    handles made;
    for (const any_tensor& t : like) {
      made.push_back(body_.handle(body_.add_argument(traits::type_of(t.ref()))));
    }
    return made;
  }
  // One element of each sequence.
  handles elements(std::span<const any_tensor> sequences) {
    handles made;
    for (const any_tensor& t : sequences) {
      value_type type = traits::type_of(t.ref());
      dims rest;
      for (std::size_t i = 1; i < type.shape.size(); ++i) rest.push_back(type.shape[i]);
      type.shape = rest;
      made.push_back(body_.handle(body_.add_argument(type)));
    }
    return made;
  }
  // Tensors of graphs around as tensors of the body. Two operands may be one tensor: each then gets a
  // tensor of its own, so that each gets its own gradient.
  handles captured(std::span<const any_tensor> tensors) {
    handles made;
    for (const any_tensor& t : tensors) {
      made.push_back(body_.handle(body_.capture(t.ref())));
      if (repeated_.contains(around_.id(t))) made.back() = identity(made.back());
    }
    return made;
  }
  // What another body computes from tensors of this one.
  handles run(const Graph& other, const handles& inputs) {
    handles made;
    for (const tensor_id t : inline_body(body_, body_view(other), ids_in(body_, inputs))) {
      made.push_back(body_.handle(t));
    }
    return made;
  }
  // Closes it; appends its captures to the operands.
  std::int64_t close(const handles& results, handles& operands) {
    std::vector<graph_reference> refs;
    for (const any_tensor& r : results) refs.push_back(r.ref());
    const traits::closed_body closed = traits::close_body(around_, refs);
    open_ = false;
    for (const graph_reference& c : closed.captures) operands.push_back(any_tensor(c));
    return closed.index;
  }

 private:
  Graph& around_;
  Graph& body_;
  std::unordered_set<tensor_id> repeated_;
  bool open_ = true;
};

void append(handles& to, std::span<const any_tensor> more) {
  to.insert(to.end(), more.begin(), more.end());
}

handles add(Graph& g, const operator_schema& schema, const handles& operands,
            const attribute_list& attributes) {
  std::vector<graph_reference> refs;
  for (const any_tensor& t : operands) refs.push_back(t.ref());
  handles made;
  for (const graph_reference& r : traits::add(g, schema, refs, attributes, {}, {})) {
    made.push_back(any_tensor(r));
  }
  return made;
}

any_tensor sum_of(const std::optional<any_tensor>& a, const any_tensor& b) {
  return a ? any_tensor(*a + b) : b;
}

// --- cond
// ----------------------------------------------------------------------------------------------------

operand_gradients cond_gradient(const gradient_args& a) {
  const auto thens = static_cast<std::size_t>(a.attributes.integer("then_captures"));
  std::vector<std::size_t> places;  // of the operands with gradients
  for (std::size_t k = 1; k < a.operands.size(); ++k) {
    if (a.wanted[k]) places.push_back(k);
  }
  handles operands{a.operands[0]};
  attribute_list attributes;
  for (const bool then : {true, false}) {
    const std::size_t first = then ? 1 : 1 + thens,
                      count = then ? thens : a.operands.size() - 1 - thens;
    open_body body(a);
    const handles inputs = body.captured(a.operands.subspan(first, count));
    const handles outputs =
        body.run(a.graph.body(a.attributes.integer(then ? "then" : "else")), inputs);
    std::vector<gradient_seed> seeds;
    for (std::size_t o = 0; o < outputs.size(); ++o) {
      if (a.output_gradients[o]) {
        seeds.push_back({outputs[o], body.captured({&*a.output_gradients[o], 1})[0]});
      }
    }
    handles by;
    for (const std::size_t k : places) {
      if (k - first < count) by.push_back(inputs[k - first]);
    }
    const auto found = pull_back(body.graph(), seeds, by);
    handles results;
    std::size_t next = 0;
    for (const std::size_t k : places) {
      const bool mine = k - first < count;
      const std::optional<any_tensor> gradient = mine ? found[next++] : std::nullopt;
      results.push_back(gradient ? *gradient : any_tensor(zeros_like(a.operands[k])));
    }
    const std::size_t before = operands.size();
    attributes.set(then ? "then" : "else", body.close(results, operands), attribute_kind::body);
    if (then) {
      attributes.set("then_captures", static_cast<std::int64_t>(operands.size() - before));
    }
  }
  attributes.set("outputs", static_cast<std::int64_t>(places.size()));
  const handles outputs = add(a.graph, ops::cond, operands, attributes);
  operand_gradients result(a.operands.size());
  for (std::size_t i = 0; i < places.size(); ++i) result[places[i]] = outputs[i];
  return result;
}

// --- loops
// ---------------------------------------------------------------------------------------------------

// What goes back through a loop: gradients of floating states, and sums of gradients of captures.
struct carried_back {
  std::vector<std::size_t> states;    // which states
  std::vector<std::size_t> captures;  // which captures
  handles start;                      // gradients of the states at the end, zeros for the sums
};

carried_back carry(const gradient_args& a, std::size_t states, std::size_t first_capture,
                   std::size_t captures) {
  carried_back c;
  for (std::size_t i = 0; i < states; ++i) {
    if (!is_floating_or_unknown(a.operands[i])) continue;
    c.states.push_back(i);
    c.start.push_back(a.output_gradients[i] ? *a.output_gradients[i]
                                            : any_tensor(zeros_like(a.operands[i])));
  }
  for (std::size_t i = 0; i < captures; ++i) {
    if (!a.wanted[first_capture + i]) continue;
    c.captures.push_back(i);
    c.start.push_back(zeros_like(a.operands[first_capture + i]));
  }
  return c;
}

handles like_states(const gradient_args& a, const carried_back& c, std::size_t first_capture) {
  handles like;
  for (const std::size_t i : c.states) like.push_back(a.operands[i]);
  for (const std::size_t i : c.captures) like.push_back(a.operands[first_capture + i]);
  return like;
}

operand_gradients while_gradient(const gradient_args& a) {
  const while_parts p(a.attributes);
  const std::size_t first_capture = p.states + p.condition_captures;
  const carried_back c = carry(a, p.states, first_capture, p.body_captures);
  handles operands(a.operands.begin(), a.operands.end());
  append(operands, c.start);

  open_body body(a);
  handles inputs = body.arguments(a.operands.subspan(0, p.states));
  const handles back = body.arguments(like_states(a, c, first_capture));
  append(inputs, body.captured(a.operands.subspan(first_capture, p.body_captures)));
  const handles outputs = body.run(a.graph.body(a.attributes.integer("body")), inputs);
  std::vector<gradient_seed> seeds;
  handles by;
  for (std::size_t i = 0; i < c.states.size(); ++i) {
    seeds.push_back({outputs[c.states[i]], back[i]});
    by.push_back(inputs[c.states[i]]);
  }
  for (const std::size_t i : c.captures) by.push_back(inputs[p.states + i]);
  const auto found = pull_back(body.graph(), seeds, by);
  handles results;
  for (std::size_t i = 0; i < c.states.size(); ++i) {
    results.push_back(found[i] ? *found[i] : any_tensor(zeros_like(by[i])));
  }
  for (std::size_t i = c.states.size(); i < by.size(); ++i) {
    results.push_back(found[i] ? any_tensor(back[i] + *found[i]) : back[i]);
  }
  attribute_list attributes = a.attributes;
  attributes.set("gradient", body.close(results, operands), attribute_kind::body)
      .set("gradients", static_cast<std::int64_t>(c.states.size()))
      .set("sums", static_cast<std::int64_t>(c.captures.size()))
      .set("outputs", static_cast<std::int64_t>(results.size()));
  const handles made = add(a.graph, ops::while_loop_gradient, operands, attributes);
  operand_gradients result(a.operands.size());
  for (std::size_t i = 0; i < c.states.size(); ++i) result[c.states[i]] = made[i];
  for (std::size_t i = 0; i < c.captures.size(); ++i) {
    if (found[c.states.size() + i]) {
      result[first_capture + c.captures[i]] = made[c.states.size() + i];
    }
  }
  return result;
}

operand_gradients scan_gradient(const gradient_args& a) {
  const scan_parts p(a.attributes);
  const std::size_t first_capture = p.states + p.sequences;
  const std::size_t captures = a.operands.size() - first_capture;
  const std::size_t first_trace = p.states + p.stacked;
  const carried_back c = carry(a, p.states, first_capture, captures);

  // Sequences of the way back: what each step found, and the gradients of what it gave.
  handles sequences(a.outputs.begin() + static_cast<std::ptrdiff_t>(first_trace), a.outputs.end());
  append(sequences, a.operands.subspan(p.states, p.sequences));
  std::vector<std::size_t> stacked, traced;
  for (std::size_t i = 0; i < p.stacked; ++i) {
    if (!a.output_gradients[p.states + i]) continue;
    stacked.push_back(i);
    sequences.push_back(*a.output_gradients[p.states + i]);
  }
  for (std::size_t i = 0; i < p.traces; ++i) {
    if (!a.output_gradients[first_trace + i]) continue;
    traced.push_back(i);
    sequences.push_back(*a.output_gradients[first_trace + i]);
  }
  handles operands = c.start;
  append(operands, sequences);

  open_body body(a);
  const handles back = body.arguments(like_states(a, c, first_capture));
  const handles elements = body.elements(sequences);
  // A sum has no trace; steps only add to it, so what they found there does not matter.
  handles inputs(elements.begin(), elements.begin() + static_cast<std::ptrdiff_t>(p.traces));
  append(inputs, body.captured(a.operands.subspan(p.traces, p.states - p.traces)));
  inputs.insert(inputs.end(), elements.begin() + static_cast<std::ptrdiff_t>(p.traces),
                elements.begin() + static_cast<std::ptrdiff_t>(p.traces + p.sequences));
  append(inputs, body.captured(a.operands.subspan(first_capture, captures)));
  const handles outputs = body.run(a.graph.body(a.attributes.integer("body")), inputs);

  std::size_t next = p.traces + p.sequences;
  std::vector<gradient_seed> seeds;
  handles by;
  for (std::size_t i = 0; i < c.states.size(); ++i) {
    seeds.push_back({outputs[c.states[i]], back[i]});
    by.push_back(inputs[c.states[i]]);
  }
  for (const std::size_t i : stacked) seeds.push_back({outputs[p.states + i], elements[next++]});
  for (const std::size_t i : c.captures) by.push_back(inputs[first_capture + i]);
  std::vector<std::size_t> wanted;  // sequences
  for (std::size_t i = 0; i < p.sequences; ++i) {
    if (!a.wanted[p.states + i]) continue;
    wanted.push_back(i);
    by.push_back(inputs[p.states + i]);
  }
  auto found = pull_back(body.graph(), seeds, by);
  for (const std::size_t i : traced) {
    const auto place = std::find(c.states.begin(), c.states.end(), i) - c.states.begin();
    auto& gradient = found[static_cast<std::size_t>(place)];
    gradient = sum_of(gradient, elements[next++]);
  }
  const std::size_t sums = c.states.size() + c.captures.size();
  handles results;
  for (std::size_t i = 0; i < by.size(); ++i) {
    if (i >= c.states.size() && i < sums) {
      results.push_back(found[i] ? any_tensor(back[i] + *found[i]) : back[i]);
    } else {
      results.push_back(found[i] ? *found[i] : any_tensor(zeros_like(by[i])));
    }
  }
  attribute_list attributes;
  attributes.set("body", body.close(results, operands), attribute_kind::body)
      .set("states", static_cast<std::int64_t>(sums))
      .set("sequences", static_cast<std::int64_t>(sequences.size()))
      .set("reverse", !p.reverse)
      .set("untraced", static_cast<std::int64_t>(c.captures.size()))
      .set("outputs", static_cast<std::int64_t>(sums + wanted.size() + c.states.size()));
  const handles made = add(a.graph, ops::scan, operands, attributes);
  operand_gradients result(a.operands.size());
  for (std::size_t i = 0; i < c.states.size(); ++i) result[c.states[i]] = made[i];
  for (std::size_t i = 0; i < c.captures.size(); ++i) {
    if (found[c.states.size() + i]) {
      result[first_capture + c.captures[i]] = made[c.states.size() + i];
    }
  }
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (found[sums + i]) result[p.states + wanted[i]] = made[sums + i];
  }
  return result;
}

}  // namespace

operand_gradients gradient_of_bodies(const gradient_args& a) {
  const operator_schema& schema = a.graph.schema_of(a.op);
  if (is_operator(schema, ops::cond)) return cond_gradient(a);
  if (is_operator(schema, ops::while_loop)) return while_gradient(a);
  if (is_operator(schema, ops::scan)) return scan_gradient(a);
  throw unsupported_error(
      {"a gradient was asked for through '" + a.graph.path_of(a.op) + "'",
       is_operator(schema, ops::while_loop_gradient)
           ? std::string("it is the gradient of a while_loop, which is differentiated once only")
           : "the operator " + std::string(schema.name) + " has no gradient",
       a.graph.path_of(a.op),
       "use scan, which is differentiated as often as its steps, where the number of steps is "
       "known"});
}

}  // namespace graft::detail
