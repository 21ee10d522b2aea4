// Names near a path that leads to nothing.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "graft/graph/graph.hpp"

namespace graft::detail {

struct names_near {
  std::string scope;  ///< the path of the deepest scope that exists; empty for the root
  std::vector<std::string> paths;  ///< of scopes and ops in it, those most like the path first

  /// "there are 'a', 'b' and 5 more".
  [[nodiscard]] std::string hint() const;
};

/// Complexity: O(graph)
names_near names_at(const Graph& g, std::string_view path);

}  // namespace graft::detail
