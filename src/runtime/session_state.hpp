// What a session holds; prepared calls share it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "graft/runtime/session.hpp"

#include "runtime/parallel.hpp"
#include "runtime/plan_cache.hpp"

namespace graft::detail {

/// A call before it has a plan: ids instead of handles, feeds in the order of their tensors.
struct session_call {
  std::vector<tensor_id> fetches;
  std::vector<op_id> updates;
  struct fed {
    tensor_id tensor;
    std::uint32_t place;  ///< in the list of feeds
  };
  std::vector<fed> feeds;
};

class session_state {
 public:
  session_state(Graph& g, const session_options& options);

  /// @throws handle_error if the graph is gone
  [[nodiscard]] Graph& graph() const;

  /// @throws handle_error for handles of other graphs
  session_call resolve(const Graph& g, const fetch_list& list,
                       std::span<const feed_item> feeds) const;
  /// The plan of a call, from the cache if there is one.
  std::shared_ptr<planned_call> plan_for(const Graph& g, const session_call& call,
                                         std::span<const feed_item> feeds);
  /// The same for a call that will hardly come again.
  std::shared_ptr<planned_call> plan_once(const Graph& g, const session_call& call,
                                          std::span<const feed_item> feeds);
  std::vector<Array> run(Graph& g, planned_call& plan, const session_call& call,
                         std::span<const feed_item> feeds);

  void initialize(Graph& g, const std::vector<variable_id>& variables);

  [[nodiscard]] run_arguments arguments(const void* const* feeds, void* const* fetches) const {
    return {feeds, fetches, *parallel_, options_.seed};
  }
  [[nodiscard]] std::uint64_t seed() const { return options_.seed; }
  [[nodiscard]] int threads() const { return parallel_->threads(); }
  [[nodiscard]] std::uint64_t plans_made() const { return cache_.made(); }

 private:
  graph_slot* slot_;
  std::uint32_t generation_;
  session_options options_;
  std::unique_ptr<parallel_runner> parallel_;
  plan_cache cache_;
};

/// Checks feeds against what the graph knows of their tensors.
/// @throws feed_error for a tensor fed twice; dtype_error, shape_error for a value that does not
/// fit, or for two extents where the graph names one
void check_feeds(const Graph& g, const session_call& call, std::span<const feed_item> feeds);

}  // namespace graft::detail
