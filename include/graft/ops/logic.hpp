// Comparisons, logic, choice and conversion, element by element.
#pragma once

#include "graft/ops/arithmetic.hpp"

namespace graft::ops {
namespace detail {

constexpr inferred infer_compare(const infer_args& in) {
  for (const value_type& v : in.operands) {
    if (v.type == dtype::string) {
      return rules::type_problem("a comparison needs numbers or truth values",
                                 value_type::unranked(dtype::float32), v, "");
    }
  }
  inferred result = rules::broadcast(in.operands[0], in.operands[1]);
  if (!result.error) result.outputs[0].type = dtype::boolean;
  return result;
}

constexpr inferred infer_logic(const infer_args& in) {
  for (const value_type& v : in.operands) {
    if (!rules::may_be_boolean(v.type)) {
      return rules::type_problem("logic needs truth values", value_type::unranked(dtype::boolean),
                                 v, "compare with something first, as in not_equal(x, 0)");
    }
  }
  value_type result = in.operands[0];
  if (in.operands.size() == 2) {
    const inferred joined = rules::broadcast(in.operands[0], in.operands[1]);
    if (joined.error) return joined;
    result = joined.outputs[0];
  }
  result.type = dtype::boolean;
  return result;
}

constexpr inferred infer_select(const infer_args& in) {
  if (!rules::may_be_boolean(in.operands[0].type)) {
    return rules::type_problem("the condition must be of truth values",
                               value_type::unranked(dtype::boolean), in.operands[0],
                               "compare with something first, as in x > 0");
  }
  const inferred values = rules::broadcast(in.operands[1], in.operands[2]);
  if (values.error) return values;
  value_type condition = in.operands[0];
  condition.type = values.outputs[0].type;
  return rules::broadcast(condition, values.outputs[0]);
}

constexpr inferred infer_cast(const infer_args& in) {
  value_type result = in.operands[0];
  const dtype type = in.attributes.type("type");
  if (result.type == dtype::string || type == dtype::string) {
    return rules::type_problem("numbers are cast to numbers, text to nothing",
                               value_type::unranked(dtype::float32),
                               value_type::unranked(dtype::string), "cast to a type of numbers");
  }
  result.type = type;
  return result;
}

constexpr inferred infer_is_nan(const infer_args& in) {
  if (!rules::may_be_floating(in.operands[0].type)) {
    return rules::type_problem("only floating elements can be NaN",
                               value_type::unranked(dtype::float32), in.operands[0], "");
  }
  value_type result = in.operands[0];
  result.type = dtype::boolean;
  return result;
}

}  // namespace detail

/// (a, b) -> truth values, element by element after broadcasting. NaN is unequal to everything.
inline constexpr operator_schema equal{"equal", 2, 2, detail::infer_compare,
                                       elementwise | commutative};
inline constexpr operator_schema not_equal{"not_equal", 2, 2, detail::infer_compare,
                                           elementwise | commutative};
inline constexpr operator_schema less{"less", 2, 2, detail::infer_compare, elementwise};
inline constexpr operator_schema less_equal{"less_equal", 2, 2, detail::infer_compare, elementwise};
inline constexpr operator_schema greater{"greater", 2, 2, detail::infer_compare, elementwise};
inline constexpr operator_schema greater_equal{"greater_equal", 2, 2, detail::infer_compare,
                                               elementwise};

inline constexpr operator_schema logical_and{"logical_and", 2, 2, detail::infer_logic,
                                             elementwise | commutative};
inline constexpr operator_schema logical_or{"logical_or", 2, 2, detail::infer_logic,
                                            elementwise | commutative};
inline constexpr operator_schema logical_xor{"logical_xor", 2, 2, detail::infer_logic,
                                             elementwise | commutative};
inline constexpr operator_schema logical_not{"logical_not", 1, 1, detail::infer_logic, elementwise};
/// (condition, a, b) -> a where the condition holds, else b; all three broadcast. ONNX Where.
inline constexpr operator_schema select{"select", 3, 3, detail::infer_select, elementwise};
namespace detail {
inline constexpr attribute_rule cast_takes[] = {declare::type("type").required()};
}  // namespace detail

/// Attribute: type. Floating to integer truncates and saturates, NaN becomes 0; to boolean: x != 0.
/// ONNX Cast.
inline constexpr operator_schema cast{
    "cast", 1, 1, detail::infer_cast, elementwise, detail::cast_takes};
/// ONNX IsNaN.
inline constexpr operator_schema is_nan{"is_nan", 1, 1, detail::infer_is_nan, elementwise};

}  // namespace graft::ops

namespace graft {

namespace detail {
template <>
inline constexpr const operator_schema* meant<meaning::less> = &ops::less;
template <>
inline constexpr const operator_schema* meant<meaning::less_equal> = &ops::less_equal;
template <>
inline constexpr const operator_schema* meant<meaning::greater> = &ops::greater;
template <>
inline constexpr const operator_schema* meant<meaning::greater_equal> = &ops::greater_equal;
template <>
inline constexpr const operator_schema* meant<meaning::logical_and> = &ops::logical_and;
template <>
inline constexpr const operator_schema* meant<meaning::logical_or> = &ops::logical_or;

// Not among the symbols of handles: an operand that is converted, as theirs are, fits no better than a truth value does
// for C++'s own `!`. So the line is not told.
template <class X, only_if<is_tensor<X>> = 0>
constexpr auto operator!(const X& x) {
  return apply<ops::logical_not>({}, {}, {}, x);
}
}  // namespace detail

// Comparisons take tensors of one type that broadcast, or a tensor and a number, and return truth
// values. There are no operators == and !=: handles would seem to be compared. `a && b`, `a || b` and `!a` on truth
// values are logical_and, logical_or and logical_not, element by element: both operands are always built.

/// a == b, element by element. ONNX Equal.
template <class A, class B>
  requires binary_operands<A, B>
constexpr auto equal(const A& a, const B& b, name_view name = {},
                     source_line here = source_line::now()) {
  return detail::apply_binary<ops::equal>(a, b, name, here);
}
/// a != b, element by element.
template <class A, class B>
  requires binary_operands<A, B>
constexpr auto not_equal(const A& a, const B& b, name_view name = {},
                         source_line here = source_line::now()) {
  return detail::apply_binary<ops::not_equal>(a, b, name, here);
}
/// a < b, element by element. ONNX Less.
template <class A, class B>
  requires binary_operands<A, B>
constexpr auto less(const A& a, const B& b, name_view name = {},
                    source_line here = source_line::now()) {
  return detail::apply_binary<ops::less>(a, b, name, here);
}
/// a <= b, element by element. ONNX LessOrEqual.
template <class A, class B>
  requires binary_operands<A, B>
constexpr auto less_equal(const A& a, const B& b, name_view name = {},
                          source_line here = source_line::now()) {
  return detail::apply_binary<ops::less_equal>(a, b, name, here);
}
/// a > b, element by element. ONNX Greater.
template <class A, class B>
  requires binary_operands<A, B>
constexpr auto greater(const A& a, const B& b, name_view name = {},
                       source_line here = source_line::now()) {
  return detail::apply_binary<ops::greater>(a, b, name, here);
}
/// a >= b, element by element. ONNX GreaterOrEqual.
template <class A, class B>
  requires binary_operands<A, B>
constexpr auto greater_equal(const A& a, const B& b, name_view name = {},
                             source_line here = source_line::now()) {
  return detail::apply_binary<ops::greater_equal>(a, b, name, here);
}

/// True where both are. ONNX And.
template <tensor_like A, tensor_like B>
constexpr auto logical_and(const A& a, const B& b, name_view name = {},
                           source_line here = source_line::now()) {
  return apply<ops::logical_and>({}, name, here, a, b);
}
/// True where one is. ONNX Or.
template <tensor_like A, tensor_like B>
constexpr auto logical_or(const A& a, const B& b, name_view name = {},
                          source_line here = source_line::now()) {
  return apply<ops::logical_or>({}, name, here, a, b);
}
/// True where exactly one is. ONNX Xor.
template <tensor_like A, tensor_like B>
constexpr auto logical_xor(const A& a, const B& b, name_view name = {},
                           source_line here = source_line::now()) {
  return apply<ops::logical_xor>({}, name, here, a, b);
}
/// True where x is not. ONNX Not.
template <tensor_like X>
constexpr auto logical_not(const X& x, name_view name = {}, source_line here = source_line::now()) {
  return apply<ops::logical_not>({}, name, here, x);
}

/// a where the condition holds, else b; condition, a and b broadcast. a or b may be a C++ number.
template <tensor_like C, class A, class B>
  requires binary_operands<A, B>
constexpr auto select(const C& condition, const A& a, const B& b, name_view name = {},
                      source_line here = source_line::now()) {
  if constexpr (number_like<A>) {
    return detail::all_or_nothing(b, [&] {
      return apply<ops::select>({}, name, here, condition, detail::number_beside(b, a, here), b);
    });
  } else if constexpr (number_like<B>) {
    return detail::all_or_nothing(a, [&] {
      return apply<ops::select>({}, name, here, condition, a, detail::number_beside(a, b, here));
    });
  } else {
    return apply<ops::select>({}, name, here, condition, a, b);
  }
}

/// x with elements of type T: `cast<float>(labels)`. From floating to integer truncates and
/// saturates.
template <element T, tensor_like X>
constexpr auto cast(const X& x, name_view name = {}, source_line here = source_line::now()) {
  return apply<ops::cast, detail::type_attribute<dtype_of<T>>>({}, name, here, x);
}
/// The same for a type known only at run time.
template <tensor_like X>
constexpr auto cast(const X& x, dtype type, name_view name = {},
                    source_line here = source_line::now()) {
  return apply<ops::cast>(attribute_list().set("type", type), name, here, x);
}

/// True where x is not a number.
template <tensor_like X>
constexpr auto is_nan(const X& x, name_view name = {}, source_line here = source_line::now()) {
  return apply<ops::is_nan>({}, name, here, x);
}

}  // namespace graft
