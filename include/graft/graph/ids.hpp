// Names of things in a graph, by number. Ids are stable: they survive edits and are never reused.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace graft {

/// The number of no id.
inline constexpr std::uint32_t no_id = 0xffffffffu;

/// An op of a graph. Ids are stable and never used again.
struct op_id {
  std::uint32_t value = no_id;
  constexpr auto operator<=>(const op_id&) const = default;
  [[nodiscard]] constexpr bool valid() const { return value != no_id; }
};
/// A variable of a graph.
struct variable_id {
  std::uint32_t value = no_id;
  constexpr auto operator<=>(const variable_id&) const = default;
  [[nodiscard]] constexpr bool valid() const { return value != no_id; }
};
/// A scope of a graph; 0 is the root.
struct scope_id {
  std::uint32_t value = 0;  ///< 0 is the root
  constexpr auto operator<=>(const scope_id&) const = default;
};
/// One output of one op.
struct tensor_id {
  op_id op;
  std::uint32_t output = 0;
  constexpr auto operator<=>(const tensor_id&) const = default;
  [[nodiscard]] constexpr bool valid() const { return op.valid(); }
};

}  // namespace graft

template <>
struct std::hash<graft::op_id> {
  std::size_t operator()(graft::op_id id) const noexcept {
    return id.value * 0x9e3779b97f4a7c15ull;
  }
};
template <>
struct std::hash<graft::variable_id> {
  std::size_t operator()(graft::variable_id id) const noexcept {
    return id.value * 0x9e3779b97f4a7c15ull;
  }
};
template <>
struct std::hash<graft::tensor_id> {
  std::size_t operator()(graft::tensor_id id) const noexcept {
    return ((std::size_t{id.op.value} << 8) + id.output) * 0x9e3779b97f4a7c15ull;
  }
};
