// Building in a scope.
#pragma once

#include <string_view>

#include "graft/graph/graph.hpp"

namespace graft::detail {

/// Builds in a scope that was made before, or in a new one under the current one; comes back on every way out.
class inside_scope {
 public:
  inside_scope(Graph& g, std::string_view name) : graph_(g) { graph_.enter_scope(name); }
  inside_scope(Graph& g, scope_id s) : graph_(g) { graph_.reenter_scope(s); }
  ~inside_scope() { graph_.leave_scope(); }
  inside_scope(const inside_scope&) = delete;
  inside_scope& operator=(const inside_scope&) = delete;

 private:
  Graph& graph_;
};

}  // namespace graft::detail
