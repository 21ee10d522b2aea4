// The operators that a graph itself knows: reading a variable, a stored constant, assigning a
// variable.
#pragma once

#include "graft/schema/operator_schema.hpp"
#include "graft/schema/rules.hpp"

namespace graft {

namespace detail {

// The type that the attributes "type" and "shape" declare; without "shape" the rank is unknown.
constexpr inferred infer_declared(const infer_args& a) {
  value_type declared = value_type::unranked(a.attributes.type("type"));
  if (const attribute* shape = a.attributes.find("shape"); shape != nullptr) {
    declared.ranked = true;
    declared.shape = shape->integers;
  }
  return declared;
}

constexpr inferred infer_ensured(const infer_args& a) {
  const value_type declared = infer_declared(a).outputs[0], &given = a.operands[0];
  if (!rules::types_agree(declared.type, given.type)) {
    return rules::type_problem("the elements must be of the type that was declared", declared,
                               given, "view it as what it is, or convert it");
  }
  if (rules::surely_differ(declared, given)) {
    return rules::shape_problem("the shape must be the one that was declared", declared, given);
  }
  return rules::refine(declared, given);
}

constexpr inferred infer_assign(const infer_args& a) { return a.operands[0]; }

inline constexpr attribute_rule variable_takes[] = {declare::variable("variable"),
                                                    declare::type("type"), declare::shape("shape")};
inline constexpr attribute_rule constant_takes[] = {declare::constant("value"),
                                                    declare::type("type"), declare::shape("shape")};
inline constexpr attribute_rule captured_takes[] = {declare::count("capture").required(),
                                                    declare::type("type"), declare::shape("shape")};
inline constexpr attribute_rule ensured_takes[] = {declare::type("type"), declare::shape("shape")};
inline constexpr attribute_rule assign_takes[] = {declare::variable("variable")};

}  // namespace detail

namespace ops {

/// Reads a variable, as it was when the run began. Attributes: "variable", "type", "shape".
///
/// Made by Graph::add_variable only.
inline constexpr operator_schema variable{
    "variable", 0, 0, graft::detail::infer_declared, source, graft::detail::variable_takes};

/// A stored value. Attributes: "value" (a constant of the graph), "type", "shape".
///
/// Made by Graph::add_constant only.
/// @see ONNX operator Constant
inline constexpr operator_schema constant{
    "constant", 0, 0, graft::detail::infer_declared, 0, graft::detail::constant_takes};

/// In a body: a tensor of the graph around it. Attributes: "capture" (its number), "type", "shape".
///
/// Made by the graph where a body uses an outer tensor.
inline constexpr operator_schema captured{
    "captured", 0, 0, graft::detail::infer_declared, source, graft::detail::captured_takes};

/// x -> x, of the element type and shape that are declared: a run in which x is another is refused. Attributes: "type",
/// "shape" (absent: any rank).
///
/// Made by as<T, Shape>(x) where the graph knows less of x.
inline constexpr operator_schema ensure_shape{
    "ensure_shape", 1, 1, graft::detail::infer_ensured, view, graft::detail::ensured_takes};

/// Gives a variable a new value at the end of the run. Attribute: "variable". The output is the new
/// value.
///
/// Two assigns of one variable in one run are an error unless one depends on the other.
inline constexpr operator_schema assign{
    "assign", 1, 1, graft::detail::infer_assign, update, graft::detail::assign_takes};

}  // namespace ops
}  // namespace graft
