// Arithmetic on two tensors with broadcasting, and the operators + - * / on handles and C++
// numbers.
#pragma once

#include "graft/ops/symbols.hpp"
#include "graft/schema/apply.hpp"
#include "graft/schema/rules.hpp"

namespace graft::ops {
namespace detail {

constexpr inferred infer_arithmetic(const infer_args& in) {
  for (const value_type& v : in.operands) {
    if (!rules::may_be_number(v.type)) {
      return rules::type_problem("arithmetic needs numbers", value_type::unranked(dtype::float32),
                                 v);
    }
  }
  const value_type &a = in.operands[0], &b = in.operands[1];
  if (in.attributes.integer("equal_shapes") == 0) return rules::broadcast(a, b);
  if (!rules::types_agree(a.type, b.type)) return rules::types_differ(a, b);
  if (rules::surely_differ(a, b)) {
    return rules::shape_problem("the shapes must be equal", a, b,
                                "nothing is broadcast here: reshape one of them");
  }
  return rules::refine(a, b);
}

// A number without operands: "type", and "value" as a real or an integer.
constexpr inferred infer_scalar(const infer_args& in) {
  const value_type result = value_type::of(in.attributes.type("type"), {});
  const attribute* value = in.attributes.find("value");
  if (value != nullptr) {
    if (const problem why = rules::number_problem(*value, result)) return why;
  }
  if (result.type == dtype::string) {
    return rules::type_problem("a scalar must be a number or a truth value",
                               value_type::unranked(dtype::float32), result, "");
  }
  return result;
}

constexpr inferred infer_fill_like(const infer_args& in) {
  value_type result = in.operands[0];
  const dtype type = in.attributes.type("type");
  if (type != dtype::any) result.type = type;
  if (result.type == dtype::string) {
    return rules::type_problem("a fill must be of numbers or truth values",
                               value_type::unranked(dtype::float32), result, "");
  }
  if (const attribute* value = in.attributes.find("value")) {
    if (const problem why = rules::number_problem(*value, result)) return why;
  }
  return result;
}

}  // namespace detail

namespace detail {
inline constexpr attribute_rule fill_takes[] = {declare::type("type"), declare::shape("shape"),
                                                declare::number("value")};
inline constexpr attribute_rule scalar_takes[] = {declare::type("type"), declare::number("value")};
inline constexpr attribute_rule arithmetic_takes[] = {declare::flag("equal_shapes")};
}  // namespace detail

/// () -> a tensor of rank 0. Attributes: type, value (a real, or an integer where that matters).
inline constexpr operator_schema scalar{
    "scalar", 0, 0, detail::infer_scalar, 0, detail::scalar_takes};
/// (x, only its shape) -> one number in every element. Attributes: value; type, x's where absent.
inline constexpr operator_schema fill_like{
    "fill_like", 1, 1, detail::infer_fill_like, shape_of_first, detail::fill_takes};

/// (a, b) -> a + b, and so on, element by element after broadcasting. Integers wrap. Attribute of all:
/// equal_shapes; where it is 1 nothing is broadcast, and a run whose shapes differ is refused. ONNX Add,
/// Sub, Mul, Div, Pow.
inline constexpr operator_schema add{
    "add", 2, 2, detail::infer_arithmetic, elementwise | commutative, detail::arithmetic_takes};
inline constexpr operator_schema sub{
    "sub", 2, 2, detail::infer_arithmetic, elementwise, detail::arithmetic_takes};
inline constexpr operator_schema mul{
    "mul", 2, 2, detail::infer_arithmetic, elementwise | commutative, detail::arithmetic_takes};
/// Integers: towards zero; by zero gives 0.
inline constexpr operator_schema div{
    "div", 2, 2, detail::infer_arithmetic, elementwise, detail::arithmetic_takes};
inline constexpr operator_schema pow{
    "pow", 2, 2, detail::infer_arithmetic, elementwise, detail::arithmetic_takes};
/// The larger of two elements; NaN where either is. ONNX Max, Min.
inline constexpr operator_schema maximum{
    "maximum", 2, 2, detail::infer_arithmetic, elementwise | commutative, detail::arithmetic_takes};
inline constexpr operator_schema minimum{
    "minimum", 2, 2, detail::infer_arithmetic, elementwise | commutative, detail::arithmetic_takes};
/// (a, b) -> (a - b)^2.
inline constexpr operator_schema squared_difference{
    "squared_difference",    2, 2, detail::infer_arithmetic, elementwise | commutative,
    detail::arithmetic_takes};

}  // namespace graft::ops

namespace graft {

namespace detail {

template <dtype Type>
struct type_attribute {
  static constexpr attribute_list list() {
    attribute_list a;
    if (Type != dtype::any) a.set("type", Type);
    return a;
  }
};

// Of arithmetic that must not broadcast.
struct equal_shapes {
  static constexpr attribute_list list() {
    attribute_list a;
    a.set("equal_shapes", true);
    return a;
  }
};

template <number_like S>
constexpr void set_number(attribute_list& a, S value) {
  if constexpr (std::is_floating_point_v<S>) {
    a.set("value", static_cast<double>(value));
  } else {
    a.set("value", static_cast<std::int64_t>(value));
  }
}

// Throws dtype_error: a number beside a tensor whose elements cannot hold it. Not constexpr: in constant evaluation
// the compiler names this function and prints its arguments.
[[noreturn]] void refuse_number(const attribute& number, std::string_view tensor,
                                const problem& why, source_line here);

template <class Target>
[[gnu::noinline]] constexpr void check_number(const attribute& number, const value_type& type,
                                              const typename target_traits<Target>::reference& x,
                                              source_line here) {
  const problem why = rules::number_problem(number, type);
  if (!why) return;
  if constexpr (requires { target_traits<Target>::in_words(x); }) {
    const auto words = target_traits<Target>::in_words(x);
    refuse_number(number, words, why, here);
  } else {
    refuse_number(number, {}, why, here);
  }
}

// A C++ number as a tensor of x's element type, in x's target: of rank 0, or of x's shape where not even the target
// knows the type yet and the number takes it in the run. Beside x, the two make no difference to shapes.
template <tensor_like X, number_like S>
constexpr auto number_beside(const X& x, S value, source_line here) {
  using Target = typename X::target_type;
  Target& target = target_traits<Target>::target_of(x.ref());
  attribute_list a;
  set_number(a, value);
  const value_type type = target_traits<Target>::type_of(x.ref());
  if constexpr (X::type == dtype::any) {
    using number = tensor<Target, dtype::any, shape<>>;
    check_number<Target>(*a.begin(), type, x.ref(), here);
    if (type.type == dtype::any) return number(apply<ops::fill_like>(a, {}, here, x).ref());
    a.set("type", type.type);
    return apply_source<ops::scalar, type_attribute<X::type>>(target, a, {}, here);
  } else if constexpr (std::is_floating_point_v<S> && !is_floating(X::type)) {
    dtype_mismatch<text("a floating number beside integers"), needs_type<dtype::float32>,
                   got_type<X::type>>
        error{};
    (void)error;
    return tensor<Target, X::type, shape<>>{};
  } else {
    check_number<Target>(*a.begin(), type, x.ref(), here);
    return apply_source<ops::scalar, type_attribute<X::type>>(target, a, {}, here);
  }
}

// Applies a binary operator to two tensors, or to a tensor and a number on either side.
template <const operator_schema& Schema, class A, class B>
constexpr auto apply_binary(const A& a, const B& b, std::string_view name, source_line here) {
  if constexpr (number_like<A>) {
    return all_or_nothing(
        b, [&] { return apply<Schema>({}, name, here, number_beside(b, a, here), b); });
  } else if constexpr (number_like<B>) {
    return all_or_nothing(
        a, [&] { return apply<Schema>({}, name, here, a, number_beside(a, b, here)); });
  } else {
    return apply<Schema>({}, name, here, a, b);
  }
}

template <>
inline constexpr const operator_schema* meant<meaning::add> = &ops::add;
template <>
inline constexpr const operator_schema* meant<meaning::sub> = &ops::sub;
template <>
inline constexpr const operator_schema* meant<meaning::mul> = &ops::mul;
template <>
inline constexpr const operator_schema* meant<meaning::div> = &ops::div;

template <meaning Meaning, class A, class B>
constexpr auto apply_symbol(symbol<Meaning>, const A& a, const B& b, source_line here) {
  return apply_binary<*meant<Meaning>>(a, b, {}, here);
}

}  // namespace detail

/// Operands of binary operators: two tensors, or one and a number.
template <class A, class B>
concept binary_operands = (tensor_like<A> && (tensor_like<B> || number_like<B>)) ||  //
                          (number_like<A> && tensor_like<B>);

/// a + b, element by element.
///
/// Shapes broadcast as in NumPy: aligned at the last axis, extents equal or 1. A C++ number takes
/// the element type of the tensor beside it; a fraction beside integers is refused. `a + b` is the same, as are
/// - * / and the comparisons < <= > >= of their functions. `a += b` is `a = a + b`: the handle names the sum from there
/// on, which must be of its type and shape; the tensor that it named before is what it was.
/// @throws shape_error or dtype_error with what the types do not tell; what they tell does not
/// compile
template <class A, class B>
  requires binary_operands<A, B>
constexpr auto add(const A& a, const B& b, name_view name = {},
                   source_line here = source_line::now()) {
  return detail::apply_binary<ops::add>(a, b, name, here);
}
/// a - b, element by element. @see add
template <class A, class B>
  requires binary_operands<A, B>
constexpr auto sub(const A& a, const B& b, name_view name = {},
                   source_line here = source_line::now()) {
  return detail::apply_binary<ops::sub>(a, b, name, here);
}
/// a * b, element by element. @see add, matmul
template <class A, class B>
  requires binary_operands<A, B>
constexpr auto mul(const A& a, const B& b, name_view name = {},
                   source_line here = source_line::now()) {
  return detail::apply_binary<ops::mul>(a, b, name, here);
}
/// a / b, element by element; integers towards zero, and 0 where b is 0. @see add
template <class A, class B>
  requires binary_operands<A, B>
constexpr auto div(const A& a, const B& b, name_view name = {},
                   source_line here = source_line::now()) {
  return detail::apply_binary<ops::div>(a, b, name, here);
}
/// a to the power of b, element by element. The gradient in b takes log(a) as 0 where a <= 0. @see
/// add
template <class A, class B>
  requires binary_operands<A, B>
constexpr auto pow(const A& a, const B& b, name_view name = {},
                   source_line here = source_line::now()) {
  return detail::apply_binary<ops::pow>(a, b, name, here);
}
/// The larger of a and b, element by element; NaN where one is. Where they are equal, a has the
/// gradient. @see add
template <class A, class B>
  requires binary_operands<A, B>
constexpr auto maximum(const A& a, const B& b, name_view name = {},
                       source_line here = source_line::now()) {
  return detail::apply_binary<ops::maximum>(a, b, name, here);
}
/// The smaller of a and b. @see maximum
template <class A, class B>
  requires binary_operands<A, B>
constexpr auto minimum(const A& a, const B& b, name_view name = {},
                       source_line here = source_line::now()) {
  return detail::apply_binary<ops::minimum>(a, b, name, here);
}
/// (a - b)^2, element by element. @see add
template <class A, class B>
  requires binary_operands<A, B>
constexpr auto squared_difference(const A& a, const B& b, name_view name = {},
                                  source_line here = source_line::now()) {
  return detail::apply_binary<ops::squared_difference>(a, b, name, here);
}

}  // namespace graft
