// What is to be initialised: some variables of one graph.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "graft/graph/graph.hpp"

namespace graft {

/// Variables of one graph that a session is to give their first values.
///
/// A set holds exactly the variables it was made with: variables added to the graph later are not
/// in it. Initial values may read other variables; a session orders the work and refuses cycles.
/// It finds its graph wherever that was moved to, and notices that it is gone.
class initializer_set {
 public:
  initializer_set() = default;
  /// @param which variables of the graph
  initializer_set(Graph& g, std::vector<variable_id> which)
      : variables(std::move(which)), place_(g) {}

  /// The graph. @throws handle_error if it is gone, or the set was made of none
  [[nodiscard]] Graph& graph() const;

  std::vector<variable_id> variables;  ///< each once, in order of creation

 private:
  std::optional<target_traits<Graph>::place> place_;
};

/// All variables of a graph as it is now.
initializer_set initializer_of(Graph& g);

/// Some variables of a graph, in the order given. @throws handle_error for one that the graph does not have
initializer_set initializer_of(Graph& g, std::span<const variable_id> variables);

/// The variables that have no value yet, in order of creation: read from the graph, not from a list
/// somebody keeps.
std::vector<variable_id> uninitialized(const Graph& g);

}  // namespace graft
