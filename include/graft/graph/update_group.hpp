// Updates that are run together.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "graft/graph/graph.hpp"

namespace graft {

/// Assign ops of one graph, to be run by a session: all read what was at the start, all commit at the end.
class update_group {
 public:
  update_group() = default;
  update_group(const Graph& g, std::vector<op_id> assigns)
      : slot_(g.slot()), generation_(g.slot()->generation), assigns_(std::move(assigns)) {}

  /// The graph. @throws handle_error if it is gone, or the group is empty-handed
  [[nodiscard]] Graph& graph() const {
    return target_traits<Graph>::target_of(graph_reference{slot_, generation_, {}});
  }
  [[nodiscard]] const std::vector<op_id>& assigns() const& { return assigns_; }
  [[nodiscard]] std::vector<op_id> assigns() && { return std::as_const(*this).assigns(); }
  [[nodiscard]] bool empty() const { return assigns_.empty(); }

  /// Both groups' updates, each once. @throws handle_error for groups of different graphs
  friend update_group operator+(update_group a, const update_group& b) {
    if (a.slot_ == nullptr) return b;
    if (b.slot_ == nullptr) return a;
    if (a.slot_ != b.slot_ || a.generation_ != b.generation_) {
      throw handle_error({"two groups of updates were joined", "they belong to different graphs",
                          "", "run each in a session of its own graph"});
    }
    for (const op_id op : b.assigns_) {
      if (std::find(a.assigns_.begin(), a.assigns_.end(), op) == a.assigns_.end())
        a.assigns_.push_back(op);
    }
    return a;
  }

 private:
  graph_slot* slot_ = nullptr;
  std::uint32_t generation_ = 0;
  std::vector<op_id> assigns_;
};

}  // namespace graft
