// The updates of the layers that a tensor depends on.
#pragma once

#include <optional>
#include <unordered_map>
#include <vector>

#include "graft/graph/graph.hpp"

namespace graft::detail {

/// How an operator follows a variable: it takes it as an operand and gives its next value as an output, as its
/// definition declares.
struct follower {
  variable_id variable;
  op_id update;  ///< declared by the layer
  std::uint32_t operand, output;
};

/// How the layer that declared a variable's updates follows it, if it does.
std::optional<follower> follower_of(const Graph& g, const variable_info& v);
/// The ops that follow a variable as the layer's op does, each with the row of the variable's value that it follows if
/// it follows one: members of ensembles read rows of stacked variables.
std::unordered_map<op_id, std::optional<std::int64_t>> applications(const Graph& g,
                                                                    const follower& f);

/// Once each, in the order of their variables: the updates that layers declared for the variables that y depends on.
///
/// Some operators declare that they give a variable's next value (operator_definition::next_values), as batch norm
/// does. Of these only the updates of
/// the applications that y depends on count, one after the other in the order in which they were made; those in
/// inference mode have none. What is missing of them, as for a clone that shares the variables of its source or a member
/// of an ensemble, is added to the graph beside the application, once.
/// Complexity: linear in the ops that y depends on, in the uses of their variables and in the updates of these.
std::vector<op_id> own_updates_below(Graph& g, tensor_id y);

}  // namespace graft::detail
