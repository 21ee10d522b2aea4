#include "graph/own_updates.hpp"

#include <algorithm>
#include <unordered_set>

namespace graft::detail {

std::vector<op_id> own_updates_below(const Graph& g, tensor_id y) {
  std::vector<op_id> open{y.op};
  std::unordered_set<op_id> seen(open.begin(), open.end());
  std::vector<variable_id> variables;
  while (!open.empty()) {
    const op_id op = open.back();
    open.pop_back();
    if (const auto v = g.variable_read_by({op, 0})) variables.push_back(*v);
    for (std::uint32_t k = 0; k < g.operand_count(op); ++k) {
      const op_id producer = g.operand(op, k).op;
      if (seen.insert(producer).second) open.push_back(producer);
    }
  }
  std::sort(variables.begin(), variables.end());
  std::vector<op_id> updates;
  std::unordered_set<op_id> listed;
  for (const variable_id v : variables) {
    for (const op_id u : g.variable_of(v).own_updates) {
      if (listed.insert(u).second) updates.push_back(u);
    }
  }
  return updates;
}

}  // namespace graft::detail
