// What the shape rules of many operators share: element types that agree, broadcasting.
#pragma once

#include "graft/schema/operator_schema.hpp"

namespace graft {

/// The extent that two extents broadcast to, as in NumPy.
///
/// Equal extents give themselves and 1 gives the other; a known extent other than 1 decides over an
/// unknown one, which can only be 1 or equal to it; two different unknown ones give `dyn`.
/// @param ok set to false where no run can make them fit, else left alone
constexpr extent broadcast(extent a, extent b, bool& ok) {
  if (a == b || b == 1) return a;
  if (a == 1) return b;
  if (a >= 0 && b >= 0) {
    ok = false;
    return dyn;
  }
  if (a >= 0) return a;
  if (b >= 0) return b;
  return dyn;
}

/// A broadcast shape, or the problem.
struct broadcast_result {
  bool ok = true;  ///< false where no run can make the shapes fit
  dims shape;      ///< where ok
};

/// The shape that two shapes broadcast to: aligned at the last axis, missing axes count as 1.
constexpr broadcast_result broadcast(const dims& a, const dims& b) {
  const dims& longer = a.size() >= b.size() ? a : b;
  const dims& shorter = a.size() >= b.size() ? b : a;
  broadcast_result result{true, longer};
  const std::size_t skip = longer.size() - shorter.size();
  for (std::size_t i = 0; i < shorter.size(); ++i) {
    result.shape[skip + i] = broadcast(longer[skip + i], shorter[i], result.ok);
  }
  return result;
}

}  // namespace graft

namespace graft::rules {

// --- Element types
// ---------------------------------------------------------------------------------

/// True unless both types are known and differ.
constexpr bool types_agree(dtype a, dtype b) {
  return a == b || a == dtype::any || b == dtype::any;
}
/// The known one of two types that agree.
constexpr dtype join(dtype a, dtype b) { return a == dtype::any ? b : a; }

/// True unless the type is known and is not one of the kind.
/// False for NaN and the infinities.
constexpr bool is_finite(double value) { return value - value == 0; }

/// True for floating types and where the type is not known.
constexpr bool may_be_floating(dtype t) { return t == dtype::any || is_floating(t); }
/// True for integers and where the type is not known.
constexpr bool may_be_integer(dtype t) { return t == dtype::any || is_integer(t); }
/// True for bool and where the type is not known.
constexpr bool may_be_boolean(dtype t) { return t == dtype::any || t == dtype::boolean; }
/// True for numbers and where the type is not known.
constexpr bool may_be_number(dtype t) { return t == dtype::any || is_floating(t) || is_integer(t); }

/// A problem of shapes.
constexpr problem shape_problem(const char* clause, const value_type& needs, const value_type& got,
                                const char* hint = "") {
  return {.clause = clause, .needs = needs, .got = got, .hint = hint};
}
/// A problem of element types.
constexpr problem type_problem(const char* clause, const value_type& needs, const value_type& got,
                               const char* hint = "insert cast<T>(x)") {
  return {.clause = clause, .needs = needs, .got = got, .hint = hint, .about_type = true};
}
/// The usual complaint about two operands whose element types differ.
constexpr problem types_differ(const value_type& first, const value_type& second) {
  return type_problem("the operands must have one element type", first, second);
}

/// True for the whole numbers that an integer type, or the truth values, can hold.
constexpr bool holds(dtype type, std::int64_t number) {
  switch (type) {
    case dtype::boolean:
      return number == 0 || number == 1;
    case dtype::int8:
      return number >= -128 && number <= 127;
    case dtype::int16:
      return number >= -32768 && number <= 32767;
    case dtype::int32:
      return number >= -2147483648ll && number <= 2147483647ll;
    case dtype::uint8:
      return number >= 0 && number <= 255;
    case dtype::uint16:
      return number >= 0 && number <= 65535;
    case dtype::uint32:
      return number >= 0 && number <= 4294967295ll;
    case dtype::uint64:
      return number >= 0;
    default:
      return true;
  }
}

/// The problem of a number, real or integer, that a tensor's elements cannot hold; else none.
constexpr problem number_problem(const attribute& number, const value_type& tensor) {
  if (!is_integer(tensor.type) && tensor.type != dtype::boolean) return {};
  std::int64_t whole = number.integer;
  if (number.kind == attribute_kind::real) {
    const double v = number.real;
    if (!(v >= -9007199254740992.0 && v <= 9007199254740992.0) ||
        static_cast<double>(static_cast<std::int64_t>(v)) != v) {
      return type_problem("a number among integers must be a whole number",
                          value_type::unranked(dtype::float64), tensor, "insert cast<float>(x)");
    }
    whole = static_cast<std::int64_t>(v);
  }
  if (holds(tensor.type, whole)) return {};
  return type_problem("a number must be one that its element type holds",
                      value_type::unranked(dtype::int64), tensor,
                      "use a number in its range, or insert cast<std::int64_t>(x)");
}

// --- Shapes
// ------------------------------------------------------------------------------------------

/// The type of an operator that works element by element on two operands after broadcasting.
constexpr inferred broadcast(const value_type& a, const value_type& b) {
  if (!types_agree(a.type, b.type)) return types_differ(a, b);
  value_type result = value_type::unranked(join(a.type, b.type));
  if (!a.ranked || !b.ranked) return result;
  const broadcast_result joined = graft::broadcast(a.shape, b.shape);
  result.ranked = true;
  result.shape = joined.shape;
  if (!joined.ok) {
    return shape_problem(
        "the shapes must be equal or broadcast: aligned at the last axis, extents equal or 1", a, b,
        "reshape or expand_dims one of them");
  }
  return result;
}

/// True where both types are ranked and have equal shapes, extents known or of one name: no run can
/// make them differ.
constexpr bool surely_equal_shapes(const value_type& a, const value_type& b) {
  if (!a.ranked || !b.ranked || a.shape.size() != b.shape.size()) return false;
  for (std::size_t i = 0; i < a.shape.size(); ++i) {
    if (a.shape[i] != b.shape[i] || a.shape[i] == dyn) return false;
  }
  return true;
}

/// True where no run can make the shapes equal.
constexpr bool surely_differ(const value_type& a, const value_type& b) {
  if (!a.ranked || !b.ranked) return false;
  if (a.shape.size() != b.shape.size()) return true;
  for (std::size_t i = 0; i < a.shape.size(); ++i) {
    if (graft::surely_differ(a.shape[i], b.shape[i])) return true;
  }
  return false;
}

/// The more precise of two shapes that must be equal; the element type is the first's unless
/// unknown.
constexpr value_type refine(const value_type& a, const value_type& b) {
  value_type result = a.ranked ? a : b;
  result.type = join(a.type, b.type);
  if (a.ranked && b.ranked && a.shape.size() == b.shape.size()) {
    for (std::size_t i = 0; i < a.shape.size(); ++i) {
      result.shape[i] = graft::refine(a.shape[i], b.shape[i]);
    }
  }
  return result;
}

}  // namespace graft::rules
