// The shape rules of operators with bodies: what they give follows from what their bodies give.
#pragma once

#include "graft/schema/control_operators.hpp"
#include "graft/schema/rules.hpp"

namespace graft::rules {

/// True if a value of type `got` may always or sometimes be taken for `wanted`.
constexpr bool may_be(const value_type& wanted, const value_type& got) {
  return types_agree(wanted.type, got.type) && !surely_differ(wanted, got) &&
         wanted.kind == got.kind;
}

/// What two values that may take one another's place have in common.
constexpr value_type common(const value_type& a, const value_type& b) {
  value_type result = a;
  result.type = join(a.type, b.type);
  if (!a.ranked || !b.ranked) return value_type::unranked(result.type);
  for (std::size_t i = 0; i < a.shape.size(); ++i) {
    if (a.shape[i] != b.shape[i]) result.shape[i] = dyn;
  }
  return result;
}

/// A tensor of `steps` elements of one type along a new first axis.
constexpr value_type stacked(extent steps, const value_type& element) {
  if (!element.ranked) return element;
  value_type result = element;
  result.shape.insert(0, steps);
  return result;
}

/// The problem of what is to decide and is not one boolean; else none.
constexpr problem truth_problem(const value_type& v) {
  constexpr const char* clause = "what decides must be one boolean";
  constexpr const char* hint = "compare with <, or reduce it with any() or all()";
  if (!may_be_boolean(v.type)) {
    return type_problem(clause, value_type::unranked(dtype::boolean), v, hint);
  }
  for (const extent e : v.shape) {
    if (e >= 0 && e != 1) {
      return shape_problem(clause, value_type::of(dtype::boolean, {}), v, hint);
    }
  }
  return {};
}

namespace detail {

// Adds what `a` and `b`, of which either may come, have in common to the outputs.
constexpr void add_common(inferred& answer, const value_type& a, const value_type& b,
                          const char* clause, const char* hint) {
  if (answer.error) return;
  if (!may_be(a, b)) {
    answer.error = types_agree(a.type, b.type) ? shape_problem(clause, a, b, hint)
                                               : type_problem(clause, a, b, hint);
  } else {
    answer.outputs.push_back(common(a, b));
  }
}

// The states after the steps of a loop.
constexpr inferred carried(std::span<const value_type> states, std::span<const value_type> next) {
  inferred answer;
  for (std::size_t i = 0; i < states.size(); ++i) {
    add_common(answer, states[i], next[i], "a state must come out of a step as it went in",
               "let the body return the state with the type and shape it starts with");
  }
  return answer;
}

}  // namespace detail

/// The outputs of a cond.
/// @param first, second what its branches compute, as many
constexpr inferred infer_cond(const value_type& pred, std::span<const value_type> first,
                              std::span<const value_type> second) {
  inferred answer(truth_problem(pred));
  for (std::size_t i = 0; i < first.size(); ++i) {
    detail::add_common(answer, first[i], second[i], "the branches must give equal results",
                       "give both branches results of one type and shape");
  }
  return answer;
}

/// The outputs of a while_loop.
/// @param go_on what its condition computes
/// @param next what its body computes: as many as there are states
constexpr inferred infer_while(std::span<const value_type> states, const value_type& go_on,
                               std::span<const value_type> next) {
  if (const problem why = truth_problem(go_on)) return why;
  return detail::carried(states, next);
}

/// The outputs of a scan that traces all its states.
/// @param results what its body computes: the new states, then what is stacked
constexpr inferred infer_scan(std::span<const value_type> states,
                              std::span<const value_type> sequences,
                              std::span<const value_type> results) {
  extent steps = dyn;
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    const value_type& x = sequences[i];
    if (x.ranked && x.shape.empty()) {
      return shape_problem("a sequence must have a first axis", value_type::of(x.type, {dyn}), x,
                           "give tensors whose first axis is time");
    }
    const extent length = x.ranked ? x.shape[0] : dyn;
    if (i > 0 && graft::surely_differ(steps, length)) {
      value_type needs = x;
      needs.shape[0] = steps;
      return shape_problem("the sequences must be of one length", needs, x,
                           "give sequences of one length");
    }
    steps = i == 0 ? length : graft::refine(steps, length);
  }
  inferred answer = detail::carried(states, results.first(states.size()));
  if (answer.error) return answer;
  for (std::size_t i = states.size(); i < results.size(); ++i) {
    answer.outputs.push_back(stacked(steps, results[i]));
  }
  for (std::size_t i = 0; i < states.size(); ++i) {
    answer.outputs.push_back(stacked(steps, value_type(answer.outputs[i])));
  }
  return answer;
}

}  // namespace graft::rules
