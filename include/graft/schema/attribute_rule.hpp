// What an operator says of its attributes: their keys, kinds and ranges.
#pragma once

#include <cstddef>
#include <limits>

#include "graft/schema/attribute.hpp"

namespace graft {

/// What an operator says of one of its attributes. Made by the functions of `declare`, in an array that the
/// operator's schema names: `constexpr attribute_rule softmax_takes[] = {declare::integer("axis")};`
///
/// An attribute is optional unless it is `required()`; the operator knows what holds without it.
struct attribute_rule {
  std::string_view key;    ///< "axes"
  unsigned kinds = 0;      ///< a bit of each kind that it may have
  bool needed = false;     ///< an op without it is refused
  bool extents = false;    ///< its integers are extents: known, unknown or named
  std::size_t length = 0;  ///< how many integers there are; 0: any number
  /// Of an integer, of each of integers.
  std::int64_t least = std::numeric_limits<std::int64_t>::min();
  /// The largest, likewise.
  std::int64_t most = std::numeric_limits<std::int64_t>::max();

  /// Whether it may have that kind.
  [[nodiscard]] constexpr bool allows(attribute_kind kind) const {
    return (kinds >> static_cast<unsigned>(kind) & 1u) != 0;
  }
  /// The same, which every op must have.
  [[nodiscard]] constexpr attribute_rule required() const {
    attribute_rule r = *this;
    r.needed = true;
    return r;
  }
  /// The same, a list of exactly so many integers.
  [[nodiscard]] constexpr attribute_rule of(std::size_t count) const {
    attribute_rule r = *this;
    r.length = count;
    return r;
  }
};

namespace declare {

/// Sizes, counts and paddings stay below this, so that products of two and sums of several fit in 63 bits.
inline constexpr std::int64_t size_limit = std::numeric_limits<std::int32_t>::max();

constexpr attribute_rule of_kind(std::string_view key, attribute_kind kind) {
  return {.key = key, .kinds = 1u << static_cast<unsigned>(kind)};
}
constexpr attribute_rule integer(std::string_view key) {
  return of_kind(key, attribute_kind::integer);
}
constexpr attribute_rule integer(std::string_view key, std::int64_t least, std::int64_t most) {
  attribute_rule r = integer(key);
  r.least = least, r.most = most;
  return r;
}
/// true or false, as 1 or 0.
constexpr attribute_rule flag(std::string_view key) { return integer(key, 0, 1); }
/// How many of something there are.
constexpr attribute_rule count(std::string_view key) { return integer(key, 0, size_limit); }
constexpr attribute_rule real(std::string_view key) { return of_kind(key, attribute_kind::real); }
/// A real, or an integer for operators of integers.
constexpr attribute_rule number(std::string_view key) {
  attribute_rule r = real(key);
  r.kinds |= integer(key).kinds;
  return r;
}
constexpr attribute_rule integers(std::string_view key) {
  return of_kind(key, attribute_kind::integers);
}
/// Sizes, strides, paddings; negative ones are left to the operator to refuse.
constexpr attribute_rule sizes(std::string_view key) {
  attribute_rule r = integers(key);
  r.least = -size_limit, r.most = size_limit;
  return r;
}
/// A shape: each extent is known, unknown or named.
constexpr attribute_rule shape(std::string_view key) {
  attribute_rule r = integers(key);
  r.extents = true;
  return r;
}
constexpr attribute_rule string(std::string_view key) {
  return of_kind(key, attribute_kind::string);
}
constexpr attribute_rule type(std::string_view key) { return of_kind(key, attribute_kind::type); }
/// What an op refers to; required, as it would mean nothing without.
constexpr attribute_rule constant(std::string_view key) {
  return of_kind(key, attribute_kind::constant).required();
}
constexpr attribute_rule variable(std::string_view key) {
  return of_kind(key, attribute_kind::variable).required();
}
constexpr attribute_rule body(std::string_view key) {
  return of_kind(key, attribute_kind::body).required();
}

}  // namespace declare
}  // namespace graft
