// Gradients of the operators that own bodies: bodies that run the source's body and then back.
#include "train/bodies.hpp"

#include <algorithm>
#include <bit>
#include <unordered_map>
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

std::vector<bool> presence(std::span<const std::optional<any_tensor>> gradients) {
  std::vector<bool> there;
  for (const auto& g : gradients) there.push_back(g.has_value());
  return there;
}

// The body of the way back through one body of an op: made, or one that was made from the same.
class body_back {
 public:
  body_back(const gradient_args& a, std::string_view key, known_gradients& known)
      : a_(a),
        source_(a.graph.data().bodies[static_cast<std::size_t>(a.attributes.integer(key))]),
        known_(known) {
    describe(key);
  }
  [[nodiscard]] const Graph& source() const { return *source_; }

  /// @param make adds ops to an open body: its results, and which of the gradients asked for there are
  /// @param operands of the op that will own it; what it captures is appended
  /// @return its number
  template <class Make>
  std::int64_t add(handles& operands, Make&& make) {
    if (const auto known = all_here_ ? known_.find(words_) : known_.end(); known != known_.end()) {
      found_ = known->second.found;
      for (const std::uint32_t place : known->second.captures) operands.push_back(taken_[place]);
      return append_body(a_.graph, known->second.body);
    }
    open_body body(a_);
    const handles results = make(body, found_);
    const std::size_t first = operands.size();
    const std::int64_t number = body.close(results, operands);
    remember(std::span(operands).subspan(first), number);
    return number;
  }
  [[nodiscard]] const std::vector<bool>& found() const { return found_; }

 private:
  void word(std::uint64_t w) { words_.append(reinterpret_cast<const char*>(&w), sizeof w); }
  void text(std::string_view s) {
    word(s.size());
    words_ += s;
  }
  void type(const any_tensor& t) {
    const value_type type = traits::type_of(t.ref());
    word(static_cast<std::uint64_t>(type.type) << 16 | static_cast<std::uint64_t>(type.kind) << 8 |
         std::uint64_t{type.ranked});
    word(type.shape.size());
    for (const extent e : type.shape) word(static_cast<std::uint64_t>(e));
  }
  // Which tensor it is counts as far as others are the same one.
  void tensor(const any_tensor& t) {
    all_here_ = all_here_ && t.ref().slot == a_.graph.slot();
    const auto place = static_cast<std::uint32_t>(taken_.size());
    word(all_here_ ? places_.try_emplace(t.ref().id, place).first->second : place);
    type(t);
    taken_.push_back(t);
  }

  void describe(std::string_view key) {
    text(a_.graph.schema_of(a_.op).name);
    text(key);
    word(a_.attributes.size());
    for (const attribute& a : a_.attributes) {
      text(a.key);
      word(static_cast<std::uint64_t>(a.kind));
      if (a.kind == attribute_kind::body) {
        word(reinterpret_cast<std::uintptr_t>(&a_.graph.body(a.integer)));
      } else {
        word(static_cast<std::uint64_t>(a.integer));
      }
      word(std::bit_cast<std::uint64_t>(a.real));
      text(a.string);
      word(a.integers.size());
      for (const extent e : a.integers) word(static_cast<std::uint64_t>(e));
    }
    word(a_.operands.size());
    for (const any_tensor& t : a_.operands) tensor(t);
    for (const bool wanted : a_.wanted) word(wanted);
    word(a_.outputs.size());
    for (const any_tensor& t : a_.outputs) type(t);
    for (const auto& gradient : a_.output_gradients) {
      word(gradient.has_value());
      if (gradient) tensor(*gradient);
    }
  }

  void remember(std::span<const any_tensor> captured, std::int64_t number) {
    if (!all_here_) return;
    body_of_gradient made{
        source_, a_.graph.data().bodies[static_cast<std::size_t>(number)], {}, found_};
    for (const any_tensor& t : captured) {
      const auto place = places_.find(t.ref().id);
      if (place == places_.end()) return;  // a rule took something else
      made.captures.push_back(place->second);
    }
    known_.emplace(words_, std::move(made));
  }

  const gradient_args& a_;
  const std::shared_ptr<const Graph> source_;
  known_gradients& known_;
  std::string words_;
  handles taken_;  // the operands, then the gradients that arrived
  std::unordered_map<tensor_id, std::uint32_t> places_;
  bool all_here_ = true;
  std::vector<bool> found_;
};

// --- cond
// ----------------------------------------------------------------------------------------------------

operand_gradients cond_gradient(const gradient_args& a, known_gradients& known) {
  const auto thens = static_cast<std::size_t>(a.attributes.integer("then_captures"));
  std::vector<std::size_t> places;  // of the operands with gradients
  for (std::size_t k = 1; k < a.operands.size(); ++k) {
    if (a.wanted[k]) places.push_back(k);
  }
  handles operands{a.operands[0]};
  attribute_list attributes;
  for (const char* const key : {"then", "else"}) {
    const bool then = key[0] == 't';
    const std::size_t first = then ? 1 : 1 + thens,
                      count = then ? thens : a.operands.size() - 1 - thens;
    body_back back(a, key, known);
    const std::size_t before = operands.size();
    const std::int64_t number = back.add(operands, [&](open_body& body, std::vector<bool>&) {
      const handles inputs = body.captured(a.operands.subspan(first, count));
      const handles outputs = body.run(back.source(), inputs);
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
      const auto found = pull_back(body.graph(), seeds, by, known);
      handles results;
      std::size_t next = 0;
      for (const std::size_t k : places) {
        const bool mine = k - first < count;
        const std::optional<any_tensor> gradient = mine ? found[next++] : std::nullopt;
        results.push_back(gradient ? *gradient : any_tensor(zeros_like(a.operands[k])));
      }
      return results;
    });
    attributes.set(key, number, attribute_kind::body);
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

operand_gradients while_gradient(const gradient_args& a, known_gradients& known) {
  const while_parts p(a.attributes);
  const std::size_t first_capture = p.states + p.condition_captures;
  const carried_back c = carry(a, p.states, first_capture, p.body_captures);
  handles operands(a.operands.begin(), a.operands.end());
  append(operands, c.start);

  body_back way(a, "body", known);
  const std::int64_t number = way.add(operands, [&](open_body& body, std::vector<bool>& there) {
    handles inputs = body.arguments(a.operands.subspan(0, p.states));
    const handles back = body.arguments(like_states(a, c, first_capture));
    append(inputs, body.captured(a.operands.subspan(first_capture, p.body_captures)));
    const handles outputs = body.run(way.source(), inputs);
    std::vector<gradient_seed> seeds;
    handles by;
    for (std::size_t i = 0; i < c.states.size(); ++i) {
      seeds.push_back({outputs[c.states[i]], back[i]});
      by.push_back(inputs[c.states[i]]);
    }
    for (const std::size_t i : c.captures) by.push_back(inputs[p.states + i]);
    const auto found = pull_back(body.graph(), seeds, by, known);
    there = presence(found);
    handles results;
    for (std::size_t i = 0; i < c.states.size(); ++i) {
      results.push_back(found[i] ? *found[i] : any_tensor(zeros_like(by[i])));
    }
    for (std::size_t i = c.states.size(); i < by.size(); ++i) {
      results.push_back(found[i] ? any_tensor(back[i] + *found[i]) : back[i]);
    }
    return results;
  });
  attribute_list attributes = a.attributes;
  attributes.set("gradient", number, attribute_kind::body)
      .set("gradients", static_cast<std::int64_t>(c.states.size()))
      .set("sums", static_cast<std::int64_t>(c.captures.size()))
      .set("outputs", static_cast<std::int64_t>(c.states.size() + c.captures.size()));
  const handles made = add(a.graph, ops::while_loop_gradient, operands, attributes);
  operand_gradients result(a.operands.size());
  for (std::size_t i = 0; i < c.states.size(); ++i) result[c.states[i]] = made[i];
  for (std::size_t i = 0; i < c.captures.size(); ++i) {
    if (way.found()[c.states.size() + i]) {
      result[first_capture + c.captures[i]] = made[c.states.size() + i];
    }
  }
  return result;
}

operand_gradients scan_gradient(const gradient_args& a, known_gradients& known) {
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

  std::vector<std::size_t> wanted;  // sequences
  for (std::size_t i = 0; i < p.sequences; ++i) {
    if (a.wanted[p.states + i]) wanted.push_back(i);
  }
  const std::size_t sums = c.states.size() + c.captures.size();

  body_back way(a, "body", known);
  const std::int64_t number = way.add(operands, [&](open_body& body, std::vector<bool>& there) {
    const handles back = body.arguments(like_states(a, c, first_capture));
    const handles elements = body.elements(sequences);
    // A sum has no trace; steps only add to it, so what they found there does not matter.
    handles inputs(elements.begin(), elements.begin() + static_cast<std::ptrdiff_t>(p.traces));
    append(inputs, body.captured(a.operands.subspan(p.traces, p.states - p.traces)));
    inputs.insert(inputs.end(), elements.begin() + static_cast<std::ptrdiff_t>(p.traces),
                  elements.begin() + static_cast<std::ptrdiff_t>(p.traces + p.sequences));
    append(inputs, body.captured(a.operands.subspan(first_capture, captures)));
    const handles outputs = body.run(way.source(), inputs);

    std::size_t next = p.traces + p.sequences;
    std::vector<gradient_seed> seeds;
    handles by;
    for (std::size_t i = 0; i < c.states.size(); ++i) {
      seeds.push_back({outputs[c.states[i]], back[i]});
      by.push_back(inputs[c.states[i]]);
    }
    for (const std::size_t i : stacked) seeds.push_back({outputs[p.states + i], elements[next++]});
    for (const std::size_t i : c.captures) by.push_back(inputs[first_capture + i]);
    for (const std::size_t i : wanted) by.push_back(inputs[p.states + i]);
    auto found = pull_back(body.graph(), seeds, by, known);
    there = presence(found);
    for (const std::size_t i : traced) {
      const auto place = std::find(c.states.begin(), c.states.end(), i) - c.states.begin();
      auto& gradient = found[static_cast<std::size_t>(place)];
      gradient = sum_of(gradient, elements[next++]);
    }
    handles results;
    for (std::size_t i = 0; i < by.size(); ++i) {
      if (i >= c.states.size() && i < sums) {
        results.push_back(found[i] ? any_tensor(back[i] + *found[i]) : back[i]);
      } else {
        results.push_back(found[i] ? *found[i] : any_tensor(zeros_like(by[i])));
      }
    }
    return results;
  });
  attribute_list attributes;
  attributes.set("body", number, attribute_kind::body)
      .set("states", static_cast<std::int64_t>(sums))
      .set("sequences", static_cast<std::int64_t>(sequences.size()))
      .set("reverse", !p.reverse)
      .set("untraced", static_cast<std::int64_t>(c.captures.size()))
      .set("outputs", static_cast<std::int64_t>(sums + wanted.size() + c.states.size()));
  const handles made = add(a.graph, ops::scan, operands, attributes);
  operand_gradients result(a.operands.size());
  for (std::size_t i = 0; i < c.states.size(); ++i) result[c.states[i]] = made[i];
  for (std::size_t i = 0; i < c.captures.size(); ++i) {
    if (way.found()[c.states.size() + i]) {
      result[first_capture + c.captures[i]] = made[c.states.size() + i];
    }
  }
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (way.found()[sums + i]) result[p.states + wanted[i]] = made[sums + i];
  }
  return result;
}

}  // namespace

operand_gradients gradient_of_bodies(const gradient_args& a, known_gradients& known) {
  const operator_schema& schema = a.graph.schema_of(a.op);
  if (is_operator(schema, ops::cond)) return cond_gradient(a, known);
  if (is_operator(schema, ops::while_loop)) return while_gradient(a, known);
  if (is_operator(schema, ops::scan)) return scan_gradient(a, known);
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
