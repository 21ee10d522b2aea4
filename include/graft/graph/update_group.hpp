// Updates that are run together.
#pragma once

#include <utility>
#include <vector>

#include "graft/graph/graph.hpp"

namespace graft {

/// Assign ops of one graph, to be run by a session: all read what was at the start, all commit at the end.
class update_group {
 public:
  update_group() = default;
  /// @throws handle_error for an op of another graph
  update_group(const Graph& g, std::vector<op_id> assigns);

  /// The graph. @throws handle_error if it is gone, or the group is empty-handed
  [[nodiscard]] Graph& graph() const;
  /// The assign ops, each once.
  [[nodiscard]] const std::vector<op_id>& assigns() const& { return assigns_; }
  [[nodiscard]] std::vector<op_id> assigns() && { return std::as_const(*this).assigns(); }
  /// Whether there are none.
  [[nodiscard]] bool empty() const { return assigns_.empty(); }

  /// Both groups' updates, each once. @throws handle_error for groups of different graphs
  friend update_group operator+(update_group a, const update_group& b);

 private:
  graph_slot* slot_ = nullptr;
  std::uint32_t generation_ = 0;
  std::vector<op_id> assigns_;
};

}  // namespace graft
