#include "surgery/collected.hpp"

#include <algorithm>
#include <tuple>

#include "graft/graph/tables.hpp"

#include "graph/lookup.hpp"

namespace graft::detail {

std::vector<collected> collected_in(const Graph& g, const region_data& r) {
  const memberships& all = g.data().lookup->memberships;
  std::vector<collected> result;
  const auto take = [&](std::uint32_t i) { result.push_back({all[i].collection, i, all[i].what}); };
  if (all.size() > r.nodes.size() + r.variables.size()) {
    for (const variable_id v : r.variables) all.for_each(v, take);
    for (const op_id op : r.nodes) all.for_each(op, take);
  } else {
    for (std::uint32_t i = 0; i < all.size(); ++i) {
      const member& m = all[i].what;
      const bool inside =
          m.what == member::kind::variable
              ? std::binary_search(r.variables.begin(), r.variables.end(), m.variable)
              : r.places.find(m.tensor.op.value) != place_map::none;
      if (inside && all[i].collection != Graph::tables::none) take(i);
    }
  }
  std::sort(result.begin(), result.end(), [](const collected& a, const collected& b) {
    return std::tie(a.collection, a.entry) < std::tie(b.collection, b.entry);
  });
  return result;
}

}  // namespace graft::detail
