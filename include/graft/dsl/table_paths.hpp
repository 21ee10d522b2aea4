// What paths name in the table of a compile-time network.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "graft/dsl/network_table.hpp"

namespace graft::detail {

inline constexpr std::uint32_t no_value = 0xffffffffu;

constexpr bool is_path(const small_vector<char, 64>& of_table, std::string_view path) {
  return std::string_view(of_table.data(), of_table.size()) == path;
}

/// What stands where a path leads: the tensors by which a scope is left.
struct scope_results {
  bool is_scope = false;
  std::uint32_t count = 0;
  std::array<std::uint32_t, 2> values{no_value, no_value};  // the first two
};

/// Finds a scope, and which of its tensors are read outside of it or are results of the network. Values of variables
/// and updates do not count: what another use of a layer reads of the first one is no result of that.
template <class Table>
constexpr scope_results results_of_scope(const Table& t, std::string_view path) {
  scope_results found;
  // Those of bodies, which hold no op of the network, may have the same path. Parents come before what is in them.
  small_vector<char, 64> inside(t.scopes.size());
  for (std::uint32_t s = 1; s < t.scopes.size(); ++s) {
    const bool named = is_path(t.scope_path(s), path);
    found.is_scope = found.is_scope || named;
    inside[s] = named || inside[t.scopes[s].parent] != 0;
  }
  if (!found.is_scope) return found;
  small_vector<char, 64> read_outside(t.values.size());
  for (const std::uint32_t output : t.outputs) read_outside[output] = 1;
  for (const table_op& op : t.ops) {
    if (op.body != 0 || inside[op.scope] != 0) continue;
    for (std::uint32_t k = 0; k < op.operands.count; ++k) read_outside[t.operand(op, k)] = 1;
  }
  for (const table_op& op : t.ops) {
    if (op.body != 0 || inside[op.scope] == 0) continue;
    if (op.schema->has(ops::source) || op.schema->has(ops::update)) continue;
    for (std::uint32_t k = 0; k < op.outputs.count; ++k) {
      if (read_outside[op.outputs.first + k] == 0) continue;
      if (found.count < found.values.size()) found.values[found.count] = op.outputs.first + k;
      ++found.count;
    }
  }
  return found;
}

/// The tensor of a path: an op's first output, with ":1" after it the second one; or the one tensor by which a scope is
/// left. Else no_value.
template <class Table>
constexpr std::uint32_t value_of_path(const Table& t, std::string_view path) {
  std::uint32_t output = 0;
  const std::size_t colon = path.rfind(':');
  if (colon != std::string_view::npos) {
    for (const char c : path.substr(colon + 1)) {
      if (c < '0' || c > '9' || output > 9999) return no_value;
      output = output * 10 + static_cast<std::uint32_t>(c - '0');
    }
  }
  for (std::size_t i = 0; i < t.op_count(); ++i) {
    if (t.ops[i].body != 0 || !is_path(t.op_path(i), path.substr(0, colon))) continue;
    return output < t.ops[i].outputs.count ? t.ops[i].outputs.first + output : no_value;
  }
  const scope_results results = results_of_scope(t, path);
  return results.count == 1 ? results.values[0] : no_value;
}

/// The op of the network in whose bodies a path, one of an output too, leads; or no_value.
template <class Table>
constexpr std::uint32_t owner_of_path(const Table& t, std::string_view path) {
  path = path.substr(0, path.rfind(':'));
  for (std::uint32_t i = 0; i < t.op_count(); ++i) {
    if (t.ops[i].body == 0 || !is_path(t.op_path(i), path)) continue;
    std::uint32_t owner = i;
    while (t.ops[owner].body != 0) owner = t.owner_of(t.ops[owner].body).op;
    return owner;
  }
  return no_value;
}

}  // namespace graft::detail
