// Which ops a call needs, and in which order they can run.
#pragma once

#include <string>
#include <vector>

#include "graft/graph/graph.hpp"
#include "graft/graph/tables.hpp"

#include "graph/index_map.hpp"
#include "runtime/plan.hpp"

namespace graft::detail {

/// The ops of a call, as places in the order in which they were found.
class call_ops {
 public:
  /// An op that the call needs.
  struct node {
    std::uint32_t index = 0;         ///< dense
    std::uint32_t asked_by = no_id;  ///< the first node that needed it; no_id: the call itself
    std::uint32_t first_edge = 0, operands = 0, controls = 0;
    bool value = false;     ///< its results are needed, not only their shapes
    bool tied = false;      ///< a control edge of the call begins or ends here
    bool as_known = false;  ///< only its shapes are needed, and the graph knows them: no operands
  };
  /// An operand, or a node to wait for.
  struct edge {
    std::uint32_t node = no_id;  ///< no_id: it is fed
    std::uint32_t output = 0;    ///< of the node, or the place of the feed
  };

  /// @throws handle_error for what is gone, feed_error for a feed that nothing needs
  call_ops(const Graph& g, const plan_request& request);

  [[nodiscard]] const std::vector<node>& nodes() const { return nodes_; }
  [[nodiscard]] std::span<const edge> operands_of(const node& n) const {
    return std::span(edges_).subspan(n.first_edge, n.operands);
  }
  [[nodiscard]] std::span<const edge> controls_of(const node& n) const {
    return std::span(edges_).subspan(n.first_edge + n.operands, n.controls);
  }
  /// Where a tensor that is asked for comes from.
  [[nodiscard]] edge source_of(tensor_id t) const;
  /// Whether the request feeds an output of the op.
  [[nodiscard]] bool is_fed(std::uint32_t index) const { return first_feed_.contains(index); }
  [[nodiscard]] bool is_fed(std::uint32_t index, std::uint32_t output) const {
    return feed_of(index, output) != no_id;
  }

  /// All nodes, each after those it waits for and else as they are stored. O(nodes log nodes).
  [[nodiscard]] std::vector<std::uint32_t> in_order() const;

 private:
  [[nodiscard]] std::uint32_t feed_of(std::uint32_t index, std::uint32_t output) const;
  [[nodiscard]] bool known_without_operands(const node& n) const;
  std::uint32_t demand_op(std::uint32_t index, bool value, std::uint32_t by);
  edge demand(std::uint32_t index, std::uint32_t output, bool value, std::uint32_t by);
  void collect();
  void refuse_unused_feeds() const;
  [[nodiscard]] std::string unfed_sources() const;

  const Graph& g_;
  const Graph::tables& t_;
  const plan_request& r_;
  std::vector<node> nodes_;
  std::vector<edge> edges_;
  index_map<std::uint32_t> node_of_;     // by dense index
  index_map<std::uint32_t> first_feed_;  // by dense index; others of one op follow in next_feed_
  std::vector<std::uint32_t> next_feed_;
  std::vector<bool> fed_used_;
  std::vector<std::uint32_t> open_;
};

/// Whether an operator reads nothing of an operand but its shape.
inline bool reads_shape_only(const operator_schema& schema, std::uint32_t operand) {
  return (operand == 0 && schema.has(ops::shape_of_first)) ||
         (operand == 1 && schema.has(ops::shape_of_second));
}
/// Whether a kernel can be bound for a type.
inline bool settled(const value_type& type) {
  return type.ranked && all_known(type.shape) && type.type != dtype::any &&
         type.kind == value_kind::tensor;
}

}  // namespace graft::detail
