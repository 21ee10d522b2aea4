// How ops with bodies run for all members of an ensemble: their bodies are stacked as the region is.
//
// First it is worked out what differs between members (divide), as loops hand that on from step to step;
// then bodies are made to it.
#include <algorithm>
#include <bit>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "graft/ops/shape_ops.hpp"
#include "graft/schema/control_operators.hpp"
#include "graft/schema/core_operators.hpp"

#include "graph/building.hpp"
#include "graph/copy.hpp"
#include "surgery/stacked.hpp"

namespace graft::detail {

/// What differs between the members at an op with bodies.
struct division {
  /// One body of the op, and the operands that its inputs are.
  struct part {
    std::string_view key;
    std::vector<std::size_t> operands;
    std::vector<bool> results;
  };
  bool together = false;  ///< one op does it for all members
  std::vector<bool> operands, outputs;
  std::vector<part> parts;
};

namespace {

using flags = std::vector<bool>;

bool any_of(const flags& f) { return std::find(f.begin(), f.end(), true) != f.end(); }

const std::shared_ptr<const Graph>& body_of(const Graph& owner, const attribute& a) {
  (void)owner.body(a.integer);  // refuses numbers that are none
  return owner.data().bodies[static_cast<std::size_t>(a.integer)];
}

// The ops that a body's results need, producers first.
std::vector<op_id> needed_ops(const body_view& body) {
  std::vector<op_id> order;
  std::unordered_set<std::uint32_t> met;
  std::vector<std::pair<op_id, std::uint32_t>> path;  // op, next operand
  const auto enter = [&](op_id op) {
    if (!is_operator(body.graph.schema_of(op), ops::captured) && met.insert(op.value).second) {
      path.emplace_back(op, 0u);
    }
  };
  for (const tensor_id result : body.results) {
    enter(result.op);
    while (!path.empty()) {
      const op_id op = path.back().first;
      if (path.back().second < body.graph.operand_count(op)) {
        enter(body.graph.operand(op, path.back().second++).op);
      } else {
        order.push_back(op);
        path.pop_back();
      }
    }
  }
  return order;
}

// Results of bodies that were found before: bodies may own one another many times over.
using known_results = std::map<std::pair<const Graph*, flags>, flags>;

division divide(const Graph& owner, op_id op, flags operands, known_results& known);

// Whether the results of a body differ, for inputs that do or do not.
flags results_of(const Graph& graph, const flags& inputs, known_results& known) {
  if (const auto found = known.find({&graph, inputs}); found != known.end()) return found->second;
  const body_view body(graph);
  std::unordered_set<tensor_id> differ;
  for (std::size_t k = 0; k < body.inputs.size(); ++k) {
    if (inputs[k]) differ.insert(body.inputs[k]);
  }
  for (const op_id op : needed_ops(body)) {
    flags operands;
    for (const tensor_id t : graph.operands(op)) operands.push_back(differ.contains(t));
    const operator_schema& schema = graph.schema_of(op);
    flags outputs(graph.output_count(op), any_of(operands) || schema.has(ops::random));
    if (schema.has(ops::bodies)) outputs = divide(graph, op, operands, known).outputs;
    for (std::uint32_t o = 0; o < outputs.size(); ++o) {
      if (outputs[o]) differ.insert({op, o});
    }
  }
  flags result;
  for (const tensor_id t : body.results) result.push_back(differ.contains(t));
  known.emplace(std::pair(&graph, inputs), result);
  return result;
}

class divider {
 public:
  divider(const Graph& owner, op_id op, flags operands, known_results& known)
      : owner_(owner), op_(op), attributes_(owner.attributes_of(op)), known_(known) {
    d_.operands = std::move(operands);
  }

  division run() {
    const operator_schema& schema = owner_.schema_of(op_);
    const flags given = d_.operands;
    if (is_operator(schema, ops::cond)) {
      cond();
    } else if (is_operator(schema, ops::scan)) {
      scan();
    } else if (is_operator(schema, ops::while_loop) ||
               is_operator(schema, ops::while_loop_gradient)) {
      loop();
    }
    if (d_.together) return std::move(d_);
    division apart;
    apart.operands = given;
    apart.outputs = flags(owner_.output_count(op_), any_of(given));
    return apart;
  }

 private:
  using part = division::part;

  part& add(std::string_view key,
            std::initializer_list<std::pair<std::size_t, std::size_t>> ranges) {
    part p{key, {}, {}};
    for (const auto& [first, count] : ranges) {
      for (std::size_t i = 0; i < count; ++i) p.operands.push_back(first + i);
    }
    d_.parts.push_back(std::move(p));
    return d_.parts.back();
  }
  void look(part& p) {
    flags inputs;
    for (const std::size_t k : p.operands) inputs.push_back(d_.operands[k]);
    p.results = results_of(owner_.body(attributes_.find(p.key)->integer), inputs, known_);
  }
  // Looks until what goes out of a step differs only where what goes in does: the first `count` results are the
  // operands from `first` on in the next step.
  void carry(part& p, std::size_t first, std::size_t count) {
    for (bool again = true; again;) {
      again = false;
      look(p);
      for (std::size_t i = 0; i < count; ++i) {
        if (p.results[i] && !d_.operands[first + i]) d_.operands[first + i] = again = true;
      }
    }
    for (std::size_t i = 0; i < count; ++i) p.results[i] = d_.operands[first + i];
  }

  void cond() {
    const auto thens = static_cast<std::size_t>(attributes_.integer("then_captures"));
    d_.parts.reserve(2);
    part& a = add("then", {{1, thens}});
    part& b = add("else", {{1 + thens, d_.operands.size() - 1 - thens}});
    look(a);
    look(b);
    for (std::size_t i = 0; i < a.results.size(); ++i) {
      a.results[i] = b.results[i] = a.results[i] || b.results[i];
    }
    d_.outputs = a.results;
    d_.together = !d_.operands[0];
  }

  void scan() {
    const scan_parts p(attributes_);
    const std::size_t captures = p.states + p.sequences;
    for (std::size_t i = p.states; i < captures; ++i) {
      if (d_.operands[i] &&
          !owner_.type_of(owner_.operand(op_, static_cast<std::uint32_t>(i))).ranked)
        return;
    }
    part& body = add("body", {{0, d_.operands.size()}});
    carry(body, 0, p.states);
    d_.outputs = body.results;
    for (std::size_t i = 0; i < p.traces; ++i) d_.outputs.push_back(d_.operands[i]);
    for (std::uint32_t o = static_cast<std::uint32_t>(p.states); o < d_.outputs.size(); ++o) {
      if (d_.outputs[o] && !owner_.type_of(tensor_id{op_, o}).ranked) return;
    }
    d_.together = true;
  }

  void loop() {
    const while_parts p(attributes_);
    const std::size_t body_captures = p.states + p.condition_captures,
                      carried = p.gradients + p.sums;
    d_.parts.reserve(3);
    part& body = add("body", {{0, p.states}, {body_captures, p.body_captures}});
    carry(body, 0, p.states);
    part& condition = add("condition", {{0, body_captures}});
    look(condition);
    d_.together = !condition.results[0];
    d_.outputs = body.results;
    if (attributes_.find("gradient") == nullptr) return;
    part& back = add("gradient", {{0, p.states}, {p.own(), d_.operands.size() - p.own()}});
    carry(back, p.own(), carried);
    d_.outputs = back.results;
  }

  const Graph& owner_;
  const op_id op_;
  const attribute_list attributes_;
  known_results& known_;
  division d_;
};

division divide(const Graph& owner, op_id op, flags operands, known_results& known) {
  return divider(owner, op, std::move(operands), known).run();
}

// Whether f(body, op) is true of an op of a body, or of one of a body within, each looked at once.
template <class F>
bool any_op_within(const Graph& outermost, F&& f) {
  std::unordered_set<const Graph*> met{&outermost};
  std::vector<const Graph*> open{&outermost};
  while (!open.empty()) {
    const Graph& body = *open.back();
    open.pop_back();
    for (std::size_t i = 0; i < body.op_count(); ++i) {
      const op_id op = body.op_at(i);
      if (f(body, op)) return true;
      for (const attribute& a : body.attributes_of(op)) {
        if (a.kind != attribute_kind::body) continue;
        const Graph* inner = &body.body(a.integer);
        if (met.insert(inner).second) open.push_back(inner);
      }
    }
  }
  return false;
}

bool draws(const Graph& owner, const attribute_list& attributes) {
  return std::any_of(attributes.begin(), attributes.end(), [&](const attribute& a) {
    return a.kind == attribute_kind::body &&
           any_op_within(owner.body(a.integer), [](const Graph& body, op_id op) {
             return body.schema_of(op).has(ops::random);
           });
  });
}

}  // namespace

// From [members, steps, ...] to [steps, members, ...] and back.
tensor_id stacker::swap_axes(tensor_id t) {
  dims order;
  for (std::size_t i = 0; i < type(t).shape.size(); ++i) order.push_back(static_cast<extent>(i));
  std::swap(order[0], order[1]);
  return make(ops::transpose, {&t, 1}, attribute_list().set("perm", order));
}

stacker::outputs stacker::add_with_bodies(const call& c) {
  flags given;
  for (const member_tensor& t : c.operands) given.push_back(t.stacked);
  known_results known;
  const division d = divide(c.from, c.source, given, known);
  call changed = c;
  if (!d.together) {
    if (draws(c.from, c.attributes)) {
      const bool decides = is_operator(c.schema, ops::cond) ||
                           is_operator(c.schema, ops::while_loop) ||
                           is_operator(c.schema, ops::while_loop_gradient);
      throw unsupported_error({"an ensemble was asked of '" + c.from.path_of(c.source) + "'",
                               std::string(decides ? "its condition differs between members"
                                                   : "it cannot run once for all members") +
                                   ", and its bodies draw random numbers",
                               c.from.path_of(c.source),
                               "make " + std::to_string(members_) +
                                   " networks of their own with replicate(region, " +
                                   std::to_string(members_) + ")"});
    }
    set_bodies(changed.attributes, c, d);
    if (!any_of(given)) {
      std::vector<tensor_id> plain;
      for (const member_tensor& t : c.operands) plain.push_back(t.tensor);
      outputs result = direct(changed, plain, changed.attributes);
      for (member_tensor& t : result) t.stacked = false;
      return result;
    }
    return member_by_member(changed);
  }
  set_bodies(changed.attributes, c, d);
  const bool scans = is_operator(c.schema, ops::scan);
  const scan_parts parts(c.attributes);  // where it is one
  std::vector<tensor_id> operands;
  for (std::size_t k = 0; k < c.operands.size(); ++k) {
    const tensor_id t = d.operands[k] ? broadcast(c.operands[k]) : c.operands[k].tensor;
    const bool sequence = scans && k >= parts.states && k < parts.states + parts.sequences;
    operands.push_back(sequence && d.operands[k] ? swap_axes(t) : t);
  }
  outputs result = direct(changed, operands, changed.attributes);
  for (std::size_t o = 0; o < result.size(); ++o) {
    result[o].stacked = d.outputs[o];
    if (scans && o >= parts.states && d.outputs[o]) result[o].tensor = swap_axes(result[o].tensor);
  }
  return result;
}

void stacker::set_bodies(attribute_list& attributes, const call& c, const division& d) {
  for (attribute& a : attributes) {
    if (a.kind != attribute_kind::body) continue;
    const std::shared_ptr<const Graph> body = body_of(c.from, a);
    const auto part = std::find_if(d.parts.begin(), d.parts.end(),
                                   [&](const division::part& p) { return p.key == a.key; });
    flags inputs, results;
    if (part != d.parts.end()) {
      for (const std::size_t k : part->operands) inputs.push_back(d.operands[k]);
      results = part->results;
    }
    a.integer = append_body(graph_, stacked_body(body, inputs, results));
  }
}

// Whether a body is another one in the ensemble even where nothing in it is stacked.
bool stacker::changes(const Graph& body) const {
  return any_op_within(body, [&](const Graph& in, op_id op) {
    const operator_schema& schema = in.schema_of(op);
    const attribute_view attributes = in.attributes_of(op);
    return (schema.has(ops::random) && attributes.find("key")) ||
           (schema.has(ops::modal) && bodies_->as_mode &&
            (attributes.integer("training") != 0) != (*bodies_->as_mode == mode::training));
  });
}

std::shared_ptr<const Graph> stacker::stacked_body(const std::shared_ptr<const Graph>& body,
                                                   const flags& inputs, const flags& results) {
  const auto differs = [](const flags& f, std::size_t k) { return k < f.size() && f[k]; };
  if (!any_of(inputs) && !any_of(results) && !changes(*body)) return body;
  std::shared_ptr<const Graph>& known = bodies_->made[{body.get(), inputs, results}];
  if (known != nullptr) return known;

  const body_view view(*body);
  const Graph& from = *body;
  auto made = std::make_shared<Graph>();
  stacker inner(*made, members_, bodies_);
  std::unordered_map<std::uint32_t, scope_id> scopes{{0u, scope_id{}}};
  const auto enter_scope_of = [&](op_id op) {
    std::vector<scope_id> path;  // those without an image, the innermost first
    scope_id s = from.scope_of(op);
    for (; !scopes.contains(s.value); s = from.parent_scope(s)) path.push_back(s);
    scope_id image = scopes.at(s.value);
    for (; !path.empty(); path.pop_back()) {
      image = append_scope(*made, image, scope_name(from, path.back()));
      scopes.emplace(path.back().value, image);
    }
    made->reenter_scope(image);
  };
  std::unordered_map<tensor_id, member_tensor> images;
  for (std::size_t k = 0; k < view.inputs.size(); ++k) {
    const op_id op = view.inputs[k].op;
    attribute_list attributes = from.attributes_of(op);
    const value_type type = from.type_of(view.inputs[k]);
    if (differs(inputs, k) && type.ranked) {
      dims shape{members_};
      shape.append(type.shape.begin(), type.shape.end());
      attributes.set("shape", shape);
    }
    enter_scope_of(op);
    images[view.inputs[k]] = {{made->add(ops::captured, {}, attributes, from.name_of(op)), 0},
                              differs(inputs, k)};
    made->leave_scope();
  }
  for (const op_id op : needed_ops(view)) {
    std::vector<value_type> types;
    std::vector<member_tensor> operands;
    for (const tensor_id t : from.operands(op)) {
      types.push_back(from.type_of(t));
      operands.push_back(images.at(t));
    }
    const operator_schema& schema = from.schema_of(op);
    attribute_list attributes = from.attributes_of(op);
    if (schema.has(ops::modal) && bodies_->as_mode) {
      attributes.set("training", *bodies_->as_mode == mode::training);
    }
    if (const attribute* key = attributes.find("key"); key != nullptr && schema.has(ops::random)) {
      // From the key, not the path, so that the body of a gradient draws what its loop does.
      attributes.set("key", std::bit_cast<std::int64_t>(stream_key_of(
                                bodies_->stream + "/" + std::to_string(key->integer))));
    }
    enter_scope_of(op);
    const outputs added = inner.add(from, op, attributes, types, operands);
    made->leave_scope();
    for (std::uint32_t o = 0; o < added.size(); ++o) images[{op, o}] = added[o];
  }
  std::vector<tensor_id> out;
  for (std::size_t r = 0; r < view.results.size(); ++r) {
    const member_tensor& t = images.at(view.results[r]);
    out.push_back(differs(results, r) ? inner.broadcast(t) : t.tensor);
  }
  (void)made->add(ops::results, out);
  made->data().closed = true;
  return known = std::move(made);
}

}  // namespace graft::detail
