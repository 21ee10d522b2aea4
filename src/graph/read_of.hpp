// Reads of variables among ops of any kind.
#pragma once

#include <optional>

#include "graft/graph/graph.hpp"

namespace graft::detail {

/// The variable that an op reads; nothing for other ops, those without outputs among them.
inline std::optional<variable_id> variable_read_by(const Graph& g, op_id op) {
  return g.output_count(op) == 0 ? std::nullopt : g.variable_read_by({op, 0});
}

}  // namespace graft::detail
