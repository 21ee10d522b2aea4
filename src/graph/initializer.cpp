#include "graft/graph/initializer.hpp"

namespace graft {

initializer_set initializer_of(Graph& g) { return {&g, g.variables()}; }

initializer_set initializer_of(Graph& g, std::span<const variable_id> variables) {
  for (const variable_id v : variables) (void)g.variable_of(v);  // refuses what is not the graph's
  return {&g, {variables.begin(), variables.end()}};
}

std::vector<variable_id> uninitialized(const Graph& g) {
  std::vector<variable_id> missing;
  for (const variable_id v : g.variables()) {
    if (!g.store().initialized(v)) missing.push_back(v);
  }
  return missing;
}

}  // namespace graft
