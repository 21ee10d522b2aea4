// The shape rules as a graph applies them: checks beyond the rule, errors as sentences, working
// types out anew.
#include "graft/schema/rules.hpp"

#include <algorithm>
#include <cstring>
#include <functional>
#include <set>
#include <sstream>
#include <unordered_map>

#include "graft/core/error.hpp"
#include "graft/schema/body_rules.hpp"
#include "graft/schema/core_operators.hpp"

#include "graph/attribute_lists.hpp"
#include "graph/building.hpp"

namespace graft::detail {

std::string describe_op(const op_in_words& op) {
  std::string text = std::string(op.schema.name) + " '" + op.path + "'";
  for (const op_in_words* at = &op; at->owner != nullptr; at = at->owner) {
    text += " in body '" + std::string(at->body) + "' of " + std::string(at->owner->schema.name) +
            " '" + at->owner->path + "'";
  }
  return text;
}

namespace {

// "float32 [64, 784], float32 [128, 10] and float32 [10]"; long lists are cut.
std::string list(std::span<const value_type> operands) {
  constexpr std::size_t shown = 6;
  std::string text;
  for (std::size_t i = 0; i < operands.size() && i < shown; ++i) {
    if (i != 0) text += i + 1 == operands.size() ? " and " : ", ";
    text += to_string(operands[i]);
  }
  if (operands.size() > shown) text += " and " + std::to_string(operands.size() - shown) + " more";
  return text;
}

// " with axis 3, steps [1, -1]": the numbers that the operator declares.
std::string numbers_of(const operator_schema& schema, const attribute_list& attributes) {
  std::string text;
  for (const attribute& a : attributes) {
    if (rule_of(schema, a.key) == nullptr) continue;
    std::string number;
    if (a.kind == attribute_kind::integer) number = std::to_string(a.integer);
    if (a.kind == attribute_kind::integers) number = integers_text(schema, a);
    if (a.kind == attribute_kind::real) number = (std::ostringstream() << a.real).str();
    if (number.empty()) continue;
    text += (text.empty() ? " with " : ", ") + std::string(a.key) + " " + number;
  }
  return text;
}

std::string shape_in_words(const value_type& v) {
  return v.ranked ? to_string(v.shape) : "unknown rank";
}

}  // namespace

bool is_operator(const operator_schema& schema, const operator_schema& known) {
  return &schema == &known || schema.name == known.name;
}

bool may_be(const value_type& wanted, const value_type& got) { return rules::may_be(wanted, got); }

void refuse_operands(const op_in_words& op, std::span<const value_type> operands,
                     const problem& why, const attribute_list& attributes) {
  error_parts parts;
  parts.asked =
      describe_op(op) + (operands.empty() ? " cannot be made" : " cannot take " + list(operands));
  if (!why.about_type && !why.needs.ranked) parts.asked += numbers_of(op.schema, attributes);
  parts.found = why.clause;
  const int n = static_cast<int>(operands.size());
  const bool miscounted =
      n < op.schema.min_operands || (op.schema.max_operands >= 0 && n > op.schema.max_operands);
  if (miscounted) {
    parts.found += ": needs ";
    if (op.schema.max_operands < 0) {
      parts.found += "at least " + std::to_string(op.schema.min_operands);
    } else if (op.schema.min_operands == op.schema.max_operands) {
      parts.found += std::to_string(op.schema.min_operands);
    } else {
      parts.found +=
          std::to_string(op.schema.min_operands) + " to " + std::to_string(op.schema.max_operands);
    }
    parts.found += ", found " + std::to_string(n);
  } else if (why.about_type) {
    if (why.needs.type != dtype::any) {
      parts.found += ": needs " + std::string(name_of(why.needs.type)) + ", found " +
                     std::string(name_of(why.got.type));
    } else if (why.got.type != dtype::any) {
      parts.found += ": found " + std::string(name_of(why.got.type));
    }
  } else if (why.needs.ranked) {
    parts.found += ": needs " + to_string(why.needs.shape) + ", found " + shape_in_words(why.got);
  } else if (why.got.ranked) {
    parts.found += ": found " + to_string(why.got.shape);
  }
  parts.where = where(op.line);
  parts.hint = why.hint == nullptr ? "" : why.hint;
  if (why.about_type) throw dtype_error(std::move(parts));
  // Where no shape would fit, it is what the op was given beside its operands that is wrong.
  if (!miscounted && why.needs.ranked) throw shape_error(std::move(parts));
  throw argument_error(std::move(parts));
}

void check_op(const tables& t, const op_in_words& op, const attribute_list& attributes,
              std::span<const value_type> operands, inferred& answer) {
  if (op.schema.has(ops::bodies)) refine_by_bodies(t, op, attributes, operands, answer);
  if (!op.schema.has(ops::update)) return;
  const attribute* a = attributes.find("variable");
  if (a == nullptr || a->kind != attribute_kind::variable) {
    throw argument_error({.asked = describe_op(op) + " was to be added",
                          .found = a == nullptr
                                       ? "it updates no variable: it has no attribute 'variable'"
                                       : "its attribute 'variable' does not refer to a variable",
                          .where = where(op.line),
                          .hint = "make it with assign(variable, value)"});
  }
  const variable_info& v = t.variables[static_cast<std::size_t>(a->integer)];
  value_type& result = answer.outputs[0];
  if (!rules::types_agree(v.type.type, result.type)) {
    refuse_operands(
        op, operands,
        rules::type_problem("an update must have the variable's element type", v.type, result),
        attributes);
  }
  if (rules::surely_differ(v.type, result)) {
    refuse_operands(
        op, operands,
        rules::shape_problem("an update must have the variable's shape", v.type, result),
        attributes);
  }
  result = v.type;
}

inferred infer_op(const tables& t, std::uint32_t op, const attribute_list& attributes) {
  const tables::op_record& r = t.ops[op];
  small_vector<value_type, 4> types;
  for (const tables::edge& e : t.operands_of(op)) types.push_back(t.type_of(e.producer, e.output));
  const source_line line{r.file == none ? "" : t.files[r.file].text, r.line};
  const auto words = [&] { return op_in_words{*r.schema, path_of_op(t, op), line}; };
  const attribute* variable = attributes.find("variable");
  const bool registered = variable == nullptr || variable->kind != attribute_kind::variable ||
                          static_cast<std::uint64_t>(variable->integer) < t.variables.size();
  if (registered) {
    check_attributes(t, *r.schema, attributes, types.size(), words);
  } else {
    check_attribute_rules(*r.schema, attributes, words);
  }
  inferred answer = infer(*r.schema, {types, attributes});
  if (answer.error) refuse_operands(words(), types, answer.error, attributes);
  if (!registered) {
    // A copy whose variable comes next: the update has the variable's type already.
    if (r.schema->has(ops::update)) answer.outputs[0] = t.type_of(op, 0);
  } else if (has_references(attributes) || r.schema->has(ops::update)) {
    check_op(t, words(), attributes, types, answer);
  }
  return answer;
}

namespace {

// The order in which types are worked out: an op after all that it depends on.
class work_order {
 public:
  // Storage order will do where it is topological; otherwise all that depends on the ops is sorted.
  // Of ops that do not depend on one another, those stored first come first.
  work_order(const tables& t, std::vector<std::uint32_t> ops) : ordered_(t.ordered) {
    if (ordered_) return;
    std::sort(ops.begin(), ops.end(), std::greater<>());
    struct visit {
      std::uint32_t op, next_use;  // from the last to the first
    };
    std::vector<std::uint32_t> finished;
    std::vector<visit> path;
    const auto enter = [&](std::uint32_t op) {
      if (ranks_.emplace(op, 0).second) path.push_back({op, t.ops[op].last_use});
    };
    for (const std::uint32_t op : ops) {
      enter(op);
      while (!path.empty()) {
        if (path.back().next_use == none) {
          finished.push_back(path.back().op);
          path.pop_back();
          continue;
        }
        const tables::edge& use = t.edges[path.back().next_use];
        path.back().next_use = use.prev_use;
        enter(use.user);
      }
    }
    for (std::size_t i = 0; i < finished.size(); ++i) {
      ranks_[finished[i]] = static_cast<std::uint32_t>(finished.size() - i);
    }
  }

  /// False for an op that comes before the one taken last: then there is a cycle.
  [[nodiscard]] bool add(std::uint32_t op) {
    const std::uint32_t rank = ordered_ ? op : ranks_.at(op);
    waiting_.emplace(rank, op);
    return rank > taken_;
  }
  [[nodiscard]] bool empty() const { return waiting_.empty(); }
  std::uint32_t take() {
    const std::uint32_t op = waiting_.begin()->second;
    taken_ = waiting_.begin()->first;
    waiting_.erase(waiting_.begin());
    return op;
  }

 private:
  bool ordered_;
  std::uint32_t taken_ = 0;
  std::unordered_map<std::uint32_t, std::uint32_t> ranks_;
  std::set<std::pair<std::uint32_t, std::uint32_t>> waiting_;
};

// What infer_op says of an op that is there and has as many outputs as it says.
inferred infer_again(const tables& t, std::uint32_t op) {
  const tables::op_record& r = t.ops[op];
  inferred answer = infer_op(t, op, t.attributes_of(r));
  if (answer.outputs.size() == r.output_count) return answer;
  throw graph_error({.asked = "the types of '" + path_of_op(t, op) + "' were worked out anew",
                     .found = "it would have " + std::to_string(answer.outputs.size()) +
                              " outputs instead of " + std::to_string(r.output_count),
                     .where = {},
                     .hint = "add a new op instead"});
}

bool same_types(const tables& t, std::uint32_t op, const inferred& answer) {
  for (std::uint32_t i = 0; i < t.ops[op].output_count; ++i) {
    if (!(answer.outputs[i] == t.type_of(op, i))) return false;
  }
  return true;
}

// Most edits change no type, which is seen without sorting anything.
bool nothing_changes(const tables& t, const std::vector<std::uint32_t>& ops) {
  try {
    return std::all_of(ops.begin(), ops.end(),
                       [&t](std::uint32_t op) { return same_types(t, op, infer_again(t, op)); });
  } catch (const error&) {
    return false;  // perhaps because an operand's type is not up to date
  }
}

}  // namespace

void check_initial_values(const tables& t, const std::set<std::uint32_t>& changed) {
  if (changed.empty()) return;
  for (const std::uint32_t number : live_variables(t)) {
    const variable_info& v = t.variables[number];
    if (!v.initial.valid() || !changed.contains(t.index(v.initial.op))) continue;
    const value_type initial = t.type_of(t.index(v.initial.op), v.initial.output);
    if (may_be(v.type, initial)) continue;
    const std::string path = path_of_op(t, t.index(v.read.op));
    throw shape_error({.asked = "the initial value of variable '" + path + "' was to become " +
                                to_string(initial),
                       .found = "the variable is " + to_string(v.type),
                       .where = path,
                       .hint = "a variable keeps its type; add a new one"});
  }
}

bool infer_in_place(tables& t, std::uint32_t op) {
  const tables::op_record& r = t.ops[op];
  const inferred answer = infer_again(t, op);
  if (same_types(t, op, answer)) return false;
  std::vector<tables::output_record> before(t.outputs.begin() + r.first_output,
                                            t.outputs.begin() + r.first_output + r.output_count);
  std::size_t room = 0;
  for (const value_type& v : answer.outputs) room += v.shape.size();
  t.extents.reserve(room);
  stamp(t, op);
  note(t, [op, before](tables& u) {
    std::copy(before.begin(), before.end(), u.outputs.begin() + u.ops[op].first_output);
  });
  t.retyped = true;
  for (std::uint32_t i = 0; i < r.output_count; ++i) {
    t.outputs[r.first_output + i] = store_type(t, answer.outputs[i], op);
  }
  return true;
}

void infer_downstream(tables& t, std::vector<std::uint32_t> ops) {
  if (!t.ordered && nothing_changes(t, ops)) return;
  work_order waiting(t, ops);
  for (const std::uint32_t op : ops) (void)waiting.add(op);
  std::set<std::uint32_t> changed;
  while (!waiting.empty()) {
    const std::uint32_t op = waiting.take();
    if (!infer_in_place(t, op)) continue;
    changed.insert(op);
    for (std::uint32_t e = t.ops[op].first_use; e != none; e = t.edges[e].next_use) {
      if (waiting.add(t.edges[e].user)) continue;
      throw graph_error(
          {.asked = "the types behind '" + path_of_op(t, op) + "' were worked out anew",
           .found = "'" + path_of_op(t, t.edges[e].user) + "' depends on itself",
           .where = {},
           .hint = "a graph has no cycles"});
    }
  }
  if (!changed.empty()) check_initial_values(t, changed);
}

}  // namespace graft::detail
