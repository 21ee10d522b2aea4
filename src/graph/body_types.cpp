// The types of ops with bodies: those of their bodies' results at the types of the operands.
#include <algorithm>
#include <optional>
#include <unordered_map>

#include "graft/core/error.hpp"
#include "graft/schema/body_rules.hpp"
#include "graft/schema/core_operators.hpp"

#include "graph/body_view.hpp"
#include "graph/building.hpp"

namespace graft::detail {

namespace {

using types = std::vector<value_type>;

[[noreturn]] void refuse_body(const std::string& found) {
  throw graph_error({.asked = "a body was to be used",
                     .found = found,
                     .where = {},
                     .hint = "make bodies with cond, while_loop or scan"});
}

// What bodies gave for types of their inputs: bodies may own one another many times over.
class known_results {
 public:
  [[nodiscard]] const types* find(const Graph& body, std::span<const value_type> inputs) const {
    const auto known = all_.find(&body);
    if (known == all_.end()) return nullptr;
    for (const auto& [asked, results] : known->second) {
      if (std::equal(asked.begin(), asked.end(), inputs.begin(), inputs.end())) return &results;
    }
    return nullptr;
  }
  void add(const Graph& body, std::span<const value_type> inputs, const types& results) {
    all_[&body].push_back({{inputs.begin(), inputs.end()}, results});
  }

 private:
  std::unordered_map<const Graph*, std::vector<std::pair<types, types>>> all_;
};

// The results of a body that an op owns under a key.
types infer_within(const body_view& body, std::span<const value_type> inputs,
                   const op_in_words* owner, std::string_view key, known_results& known);

[[noreturn]] void refuse_counts(const op_in_words& op, const char* what) {
  throw argument_error({.asked = describe_op(op) + " was to be added",
                        .found = std::string("its ") + what + " do not fit its bodies",
                        .where = where(op.line),
                        .hint = "make it with the function of its name"});
}

// One op with bodies while its types are worked out.
class refinement {
 public:
  refinement(const tables& t, const op_in_words& op, const attribute_list& attributes,
             std::span<const value_type> operands, known_results& known, inferred& answer)
      : t_(t),
        op_(op),
        attributes_(attributes),
        operands_(operands),
        known_(known),
        answer_(answer) {}

  void run() {
    if (is_operator(op_.schema, ops::cond)) {
      refine_cond();
    } else if (is_operator(op_.schema, ops::while_loop)) {
      refine_while();
    } else if (is_operator(op_.schema, ops::scan)) {
      refine_scan();
    } else if (is_operator(op_.schema, ops::while_loop_gradient)) {
      refine_gradient();
    }
  }

 private:
  [[noreturn]] void refuse(std::string asked, std::string found, std::string hint,
                           bool about_type) {
    error_parts parts{.asked = describe_op(op_) + " " + std::move(asked),
                      .found = std::move(found),
                      .where = where(op_.line),
                      .hint = std::move(hint)};
    if (about_type) throw dtype_error(std::move(parts));
    throw shape_error(std::move(parts));
  }
  [[noreturn]] void refuse_parts(const char* what) { refuse_counts(op_, what); }

  body_view body(const char* key) {
    return body_view(*t_.bodies[static_cast<std::size_t>(attributes_.integer(key))]);
  }
  // Operands [first, first + count).
  types some(std::size_t first, std::size_t count) {
    if (first + count > operands_.size()) refuse_parts("operands");
    return {operands_.begin() + static_cast<std::ptrdiff_t>(first),
            operands_.begin() + static_cast<std::ptrdiff_t>(first + count)};
  }
  types infer(const char* key, const types& inputs, std::size_t results) {
    const body_view b = body(key);
    if (b.inputs.size() != inputs.size()) refuse_parts("operands");
    if (b.results.size() != results) refuse_parts("outputs");
    return infer_within(b, inputs, &op_, key, known_);
  }
  static void append(types& to, const types& more) {
    to.insert(to.end(), more.begin(), more.end());
  }

  void refine_cond() {
    const value_type& pred = operands_[0];
    require_truth(pred, "takes the condition", "the condition");
    const auto thens = static_cast<std::size_t>(attributes_.integer("then_captures"));
    const std::size_t outputs = answer_.outputs.size();
    const types a = infer("then", some(1, thens), outputs);
    const types b = infer("else", some(1 + thens, operands_.size() - 1 - thens), outputs);
    for (std::size_t i = 0; i < outputs; ++i) {
      if (!may_be(a[i], b[i])) {
        refuse("has two branches",
               "result " + std::to_string(i) + " is " + to_string(a[i]) + " in the first and " +
                   to_string(b[i]) + " in the second",
               "give both branches results of one type and shape", a[i].type != b[i].type);
      }
      answer_.outputs[i] = rules::common(a[i], b[i]);
    }
  }

  void require_truth(const value_type& v, const char* asked, const char* what) {
    const bool type = rules::types_agree(v.type, dtype::boolean);
    bool one = true;
    for (const extent e : v.shape) one = one && (e == 1 || e < 0);
    if (type && one) return;
    refuse(std::string(asked) + " " + to_string(v), std::string(what) + " must be one boolean",
           "compare with <, or reduce it with any() or all()", !type);
  }

  // A state must come out of a step as it went in.
  value_type carried(std::size_t state, const value_type& in, const value_type& out) {
    if (!may_be(in, out)) {
      refuse("carries state " + std::to_string(state),
             "it goes into a step as " + to_string(in) + " and comes out as " + to_string(out),
             "let the body return the state with the type and shape it starts with",
             !rules::types_agree(in.type, out.type));
    }
    return rules::common(in, out);
  }

  void refine_while() {
    const while_parts p(attributes_);
    if (p.own() != operands_.size()) refuse_parts("operands");
    (void)infer_loop(p);
  }

  types infer_loop(const while_parts& p) {
    const types states = some(0, p.states);
    types condition = states, next = states;
    append(condition, some(p.states, p.condition_captures));
    append(next, some(p.states + p.condition_captures, p.body_captures));
    require_truth(infer("condition", condition, 1)[0], "goes on by", "what decides");
    next = infer("body", next, p.states);
    for (std::size_t i = 0; i < p.states; ++i) next[i] = carried(i, states[i], next[i]);
    if (!attributes_.find("gradient")) std::copy(next.begin(), next.end(), answer_.outputs.begin());
    return next;
  }

  void refine_gradient() {
    const while_parts p(attributes_);
    const std::size_t carried_back = p.gradients + p.sums;
    (void)infer_loop(p);
    types inputs = some(0, p.states);
    append(inputs, some(p.own(), operands_.size() - p.own()));
    const types out = infer("gradient", inputs, carried_back);
    for (std::size_t i = 0; i < carried_back; ++i) {
      answer_.outputs[i] = carried(i, inputs[p.states + i], out[i]);
    }
  }

  void refine_scan() {
    const scan_parts p(attributes_);
    if (p.sequences == 0) {
      refuse("goes over no sequence", "the number of steps is that of a sequence's elements",
             "give it at least one sequence", false);
    }
    types inputs = some(0, p.states);
    std::optional<extent> steps;
    for (std::size_t i = 0; i < p.sequences; ++i) {
      value_type x = operands_[p.states + i];
      if (x.ranked && x.shape.empty()) {
        refuse("goes over " + to_string(x), "there is no first axis to go along",
               "give it tensors whose first axis is time", false);
      }
      extent length = dyn;
      if (x.ranked) {
        length = x.shape[0];
        dims rest;
        for (std::size_t k = 1; k < x.shape.size(); ++k) rest.push_back(x.shape[k]);
        x.shape = rest;
      }
      if (steps && graft::surely_differ(*steps, length)) {
        refuse("goes over sequences of " + to_string(dims{*steps}) + " and " +
                   to_string(dims{length}) + " elements",
               "their first axes differ", "give sequences of one length", false);
      }
      steps = steps ? graft::refine(*steps, length) : length;
      inputs.push_back(x);
    }
    append(inputs, some(p.states + p.sequences, operands_.size() - p.states - p.sequences));
    const types out = infer("body", inputs, p.states + p.stacked);
    for (std::size_t i = 0; i < p.states; ++i) {
      answer_.outputs[i] = carried(i, inputs[i], out[i]);
      if (i < p.traces) {
        answer_.outputs[p.states + p.stacked + i] = rules::stacked(*steps, answer_.outputs[i]);
      }
    }
    for (std::size_t i = 0; i < p.stacked; ++i) {
      answer_.outputs[p.states + i] = rules::stacked(*steps, out[p.states + i]);
    }
  }

  const tables& t_;
  const op_in_words& op_;
  const attribute_list& attributes_;
  std::span<const value_type> operands_;
  known_results& known_;
  inferred& answer_;
};

}  // namespace

body_view::body_view(const Graph& body) : graph(body) {
  const tables& t = body.data();
  for (std::uint32_t i = 0; i < t.ops.size(); ++i) {
    if (is_operator(*t.ops[i].schema, ops::variable)) {
      refuse_body("it has a variable of its own, '" + path_of_op(t, i) + "'");
    }
    if (!is_operator(*t.ops[i].schema, ops::captured)) continue;
    const auto number = static_cast<std::size_t>(t.attributes_of(t.ops[i]).integer("capture"));
    if (number >= inputs.size()) inputs.resize(number + 1);
    inputs[number] = {t.id(i), 0};
  }
  for (const tensor_id input : inputs) {
    if (!input.valid()) refuse_body("an input of it is missing");
  }
  if (t.ops.empty() || !is_operator(*t.ops[t.ops.size() - 1].schema, ops::results)) {
    refuse_body("its last op is not 'results'");
  }
  for (const tables::edge& e : t.operands_of(t.ops.size() - 1)) {
    results.push_back({t.id(e.producer), e.output});
  }
}

namespace {

types infer_within(const body_view& body, std::span<const value_type> inputs,
                   const op_in_words* owner, std::string_view key, known_results& results) {
  if (const types* before = results.find(body.graph, inputs)) return *before;
  const tables& t = body.graph.data();
  types known(t.outputs.size());
  for (const std::uint32_t i : data_order(t, 0)) {
    const tables::op_record& r = t.ops[i];
    const attribute_list attributes = t.attributes_of(r);
    if (is_operator(*r.schema, ops::captured)) {
      known[r.first_output] = inputs[static_cast<std::size_t>(attributes.integer("capture"))];
      continue;
    }
    if (r.schema->has(ops::source)) {
      for (std::uint32_t o = 0; o < r.output_count; ++o)
        known[r.first_output + o] = t.type_of(i, o);
      continue;
    }
    small_vector<value_type, 4> operands;
    for (const tables::edge& e : t.operands_of(i)) {
      operands.push_back(known[t.ops[e.producer].first_output + e.output]);
    }
    const auto words = [&] {
      const source_line line{r.file == none ? "" : t.files[r.file].text, r.line};
      return op_in_words{*r.schema, path_of_op(t, i), line, owner, key};
    };
    inferred answer = infer(*r.schema, {operands, attributes});
    if (answer.error) refuse_operands(words(), operands, answer.error, attributes);
    if (r.schema->has(ops::bodies)) {
      const op_in_words op = words();
      refinement(t, op, attributes, operands, results, answer).run();
    }
    for (std::uint32_t o = 0; o < r.output_count; ++o)
      known[r.first_output + o] = answer.outputs[o];
  }
  types result;
  for (const tensor_id r : body.results) {
    result.push_back(known[t.ops[t.index(r.op)].first_output + r.output]);
  }
  results.add(body.graph, inputs, result);
  return result;
}

}  // namespace

std::vector<value_type> infer_body(const body_view& body, std::span<const value_type> inputs) {
  known_results results;
  return infer_within(body, inputs, nullptr, {}, results);
}

void refine_by_bodies(const tables& t, const op_in_words& op, const attribute_list& attributes,
                      std::span<const value_type> operands, inferred& answer) {
  known_results results;
  refinement(t, op, attributes, operands, results, answer).run();
}

void check_body_counts(const tables& t, const operator_schema& schema,
                       const attribute_list& attributes, std::size_t operands,
                       function_ref<op_in_words()> words) {
  const auto count = [&attributes](const char* key) {
    return static_cast<std::size_t>(attributes.integer(key));
  };
  const auto results = [&](const char* key) -> std::size_t {
    const tables& body = t.bodies[count(key)]->data();
    return body.ops.empty() ? 0 : body.ops[body.ops.size() - 1].operand_count;
  };
  const auto require = [&words](bool fit, const char* what) {
    if (!fit) refuse_counts(words(), what);
  };
  if (is_operator(schema, ops::cond)) {
    require(1 + count("then_captures") <= operands, "operands");
    require(count("outputs") == results("then"), "outputs");
  } else if (is_operator(schema, ops::scan)) {
    const std::size_t states = count("states"), untraced = count("untraced");
    require(states + count("sequences") <= operands, "operands");
    require(untraced <= states && states <= results("body"), "states");
    require(count("outputs") == results("body") + states - untraced, "outputs");
  } else if (is_operator(schema, ops::while_loop)) {
    require(while_parts(attributes).own() <= operands, "operands");
    require(count("outputs") == count("states"), "outputs");
  } else if (is_operator(schema, ops::while_loop_gradient)) {
    const while_parts p(attributes);
    require(p.own() + p.gradients + p.sums <= operands, "operands");
    require(count("outputs") == p.gradients + p.sums, "outputs");
  }
}

}  // namespace graft::detail
