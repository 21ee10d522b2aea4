// The places through which handles find their graphs.
#pragma once

#include "graft/graph/handle.hpp"

namespace graft::detail {

/// Gives a graph a slot; thread-safe.
graph_slot* take_slot(Graph* graph);
/// Takes the graph out of a slot, so that its handles are stale; thread-safe.
void free_slot(graph_slot* slot) noexcept;

}  // namespace graft::detail
