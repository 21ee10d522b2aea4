// The updates that layers declared for the variables a tensor depends on.
#pragma once

#include <vector>

#include "graft/graph/graph.hpp"

namespace graft::detail {

/// Once each, in order of their variables. Complexity: linear in the ops that y depends on, and in the
/// updates.
std::vector<op_id> own_updates_below(const Graph& g, tensor_id y);

}  // namespace graft::detail
