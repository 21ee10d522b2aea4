// Names of things in a graph, by number. Ids are stable: they survive edits and are never reused.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace graft {

/// The number of no id.
inline constexpr std::uint32_t no_id = 0xffffffffu;

namespace detail {

/// What ids have in common. An id knows the graph that gave it: functions that are given one of another graph refuse it.
///
/// Ids compare, and hash, by their number alone, so those of two graphs can be equal: a map or a set should hold ids of
/// one graph.
template <class Id, std::uint32_t first>
struct graph_id {
  std::uint32_t value = first;
  std::uint32_t graph = 0;  ///< Graph::number() of the graph that gave it; 0: no graph did

  constexpr graph_id() = default;
  /// @param of the graph's number; without it, it is a number that a program made up, which every graph takes
  constexpr explicit graph_id(std::uint32_t number, std::uint32_t of = 0)
      : value(number), graph(of) {}

  /// False for an id that another graph than that of the number gave.
  [[nodiscard]] constexpr bool may_be_of(std::uint32_t number) const {
    return graph == number || graph == 0;
  }
  friend constexpr bool operator==(Id a, Id b) { return a.value == b.value; }
  friend constexpr std::weak_ordering operator<=>(Id a, Id b) { return a.value <=> b.value; }
};

}  // namespace detail

/// An op of a graph. Ids are stable and never used again.
struct op_id : detail::graph_id<op_id, no_id> {
  using graph_id::graph_id;
  /// False for an id that names nothing. Whether the graph has it tells Graph::contains().
  [[nodiscard]] constexpr bool valid() const { return value != no_id; }
};
/// A variable of a graph.
struct variable_id : detail::graph_id<variable_id, no_id> {
  using graph_id::graph_id;
  /// False for an id that names nothing. Whether the graph has it tells Graph::contains().
  [[nodiscard]] constexpr bool valid() const { return value != no_id; }
};
/// A scope of a graph; 0 is the root.
struct scope_id : detail::graph_id<scope_id, 0> {
  using graph_id::graph_id;
};
/// One output of one op.
struct tensor_id {
  op_id op;                  ///< what makes it
  std::uint32_t output = 0;  ///< which output of the op, from 0
  constexpr auto operator<=>(const tensor_id&) const = default;
  /// False for an id that names nothing.
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
