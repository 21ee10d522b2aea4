// The updates of the layers that a tensor depends on.
#pragma once

#include <vector>

#include "graft/graph/graph.hpp"

namespace graft::detail {

/// Once each, in the order of their variables: the updates that layers declared for the variables that y depends on.
///
/// Some operators give a variable's next value beside their result, as batch norm does. Of these only the updates of
/// the applications that y depends on count, one after the other in the order in which they were made; those in
/// inference mode have none. What is missing of them, as for a clone that shares the variables of its source, is added
/// to the graph beside the application, once.
/// Complexity: linear in the ops that y depends on, in the uses of their variables and in the updates of these.
std::vector<op_id> own_updates_below(Graph& g, tensor_id y);

}  // namespace graft::detail
