// The operators that own bodies: graphs which they run as often as their operands say.
#pragma once

#include "graft/schema/operator_schema.hpp"

namespace graft {

namespace detail {

// How many outputs there are is all that the rule knows; what they are follows from the bodies, which
// the graph asks (graph/body_types.cpp).
constexpr inferred infer_of_bodies(const infer_args& a) {
  inferred answer;
  for (std::int64_t i = 0; i < a.attributes.integer("outputs"); ++i) {
    answer.outputs.push_back(value_type::unranked(dtype::any));
  }
  return answer;
}

constexpr inferred infer_results(const infer_args&) { return {}; }

inline constexpr attribute_rule cond_takes[] = {declare::body("then"), declare::body("else"),
                                                declare::count("then_captures"),
                                                declare::count("outputs")};
inline constexpr attribute_rule while_takes[] = {
    declare::body("condition"),        declare::body("body"),
    declare::count("states"),          declare::count("condition_captures"),
    declare::count("body_captures"),   declare::count("outputs"),
    declare::integer("max_iterations")};
inline constexpr attribute_rule scan_takes[] = {
    declare::body("body"),      declare::count("states"), declare::count("sequences"),
    declare::count("untraced"), declare::flag("reverse"), declare::count("outputs")};
inline constexpr attribute_rule while_gradient_takes[] = {declare::body("condition"),
                                                          declare::body("body"),
                                                          declare::body("gradient"),
                                                          declare::count("states"),
                                                          declare::count("condition_captures"),
                                                          declare::count("body_captures"),
                                                          declare::count("gradients"),
                                                          declare::count("sums"),
                                                          declare::count("outputs"),
                                                          declare::integer("max_iterations")};

}  // namespace detail

// A body is a graph whose inputs are its `captured` ops, numbered from 0, and whose results are the
// operands of its last op, `results`. It never refers to the graph around it: everything comes
// through operands, so a body may be shared by many ops and by many graphs.
namespace ops {

/// In a body: the last op; its operands are what the body computes.
inline constexpr operator_schema results{"results", 0, -1, graft::detail::infer_results};

/// (pred, captures of "then", captures of "else") -> what the chosen body computes. ONNX If.
///
/// pred is a boolean of one element. Attributes: then, else (bodies), then_captures, outputs.
inline constexpr operator_schema cond{
    "cond", 1, -1, graft::detail::infer_of_bodies, bodies, graft::detail::cond_takes};

/// (states, captures of "condition", captures of "body") -> the states when the condition fails. ONNX
/// Loop.
///
/// Inputs of both bodies: the states, then captures. Attributes: condition, body, states,
/// condition_captures, outputs; max_iterations if there is a bound.
inline constexpr operator_schema while_loop{
    "while_loop", 1, -1, graft::detail::infer_of_bodies, bodies, graft::detail::while_takes};

/// (states, sequences, captures) -> (last states, stacked results, traces). ONNX Scan.
///
/// Runs the body once for each place of the sequences' first axis. Inputs of the body: the states, one
/// element of each sequence, captures; results: the new states, then what is stacked. A trace is a
/// state as each step found it, stacked; nothing is stored for traces that nobody reads.
/// Attributes: body, states, sequences, reverse (steps go from the last place to the first), untraced
/// (this many of the last states have no trace: they are sums that steps add to), outputs.
inline constexpr operator_schema scan{
    "scan", 1, -1, graft::detail::infer_of_bodies, bodies, graft::detail::scan_takes};

/// What flows back through a while_loop: the loop is run again with its states recorded, then back.
///
/// (states, captures of "condition", captures of "body", gradients of some states, sums of gradients,
/// captures of "gradient") -> (gradients of those states at the start, sums). Attributes: those of
/// while_loop, gradient (a body), gradients, sums.
inline constexpr operator_schema while_loop_gradient{
    "while_loop_gradient",          1,      -1,
    graft::detail::infer_of_bodies, bodies, graft::detail::while_gradient_takes};

}  // namespace ops
}  // namespace graft
