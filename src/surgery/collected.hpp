// What of a region is in collections.
#pragma once

#include <vector>

#include "surgery/region_data.hpp"

namespace graft::detail {

/// A member of a collection of a graph.
struct collected {
  std::uint32_t collection, entry;  ///< numbers of the graph's
  member what;
};

/// The members of collections among the ops, tensors and variables of a region: by collection, in the order these were
/// made, and of each in its order. Complexity: O(region), however much else is in the collections
std::vector<collected> collected_in(const Graph& g, const region_data& r);

}  // namespace graft::detail
