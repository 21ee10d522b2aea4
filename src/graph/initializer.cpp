#include "graft/graph/initializer.hpp"

#include "graft/core/error.hpp"

namespace graft {

Graph& initializer_set::graph() const {
  if (Graph* g = place_ ? place_->find() : nullptr) return *g;
  throw handle_error({"variables were to be initialised",
                      place_ ? "their graph is gone" : "they belong to no graph", "",
                      "make the initializer from the graph that the session runs"});
}

initializer_set initializer_of(Graph& g) { return {g, g.variables()}; }

initializer_set initializer_of(Graph& g, std::span<const variable_id> variables) {
  for (const variable_id v : variables) (void)g.variable_of(v);  // refuses what is not the graph's
  return {g, {variables.begin(), variables.end()}};
}

std::vector<variable_id> uninitialized(const Graph& g) {
  std::vector<variable_id> missing;
  for (const variable_id v : g.variables()) {
    if (!g.store().initialized(v)) missing.push_back(v);
  }
  return missing;
}

}  // namespace graft
