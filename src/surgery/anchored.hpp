// A piece of a graph whose boundary has an order: what comparing and saving look at.
#pragma once

#include <vector>

#include "graft/graph/tables.hpp"

#include "surgery/extract.hpp"

namespace graft::detail {

/// A region, or a whole graph seen as the region from its placeholders to what nothing takes. Ops are
/// named by their place, 0 <= place < count.
class anchored {
 public:
  /// @throws handle_error if the graph is gone, graph_error if the region is stale
  explicit anchored(const Region& region);
  explicit anchored(const Graph& graph);

  static constexpr std::uint32_t none = 0xffffffffu;

  [[nodiscard]] const Graph& graph() const { return *g_; }
  /// Inputs in order, then the sources kept.
  [[nodiscard]] const std::vector<tensor_id>& cuts() const { return cuts_; }
  [[nodiscard]] std::size_t given() const { return given_; }  ///< inputs without those kept
  /// The value that a tensor of cuts() was given, or nullptr.
  [[nodiscard]] const Array* value(std::size_t cut) const {
    return region_ != nullptr ? value_of(*region_, cuts_[cut]) : nullptr;
  }
  [[nodiscard]] const std::vector<tensor_id>& outputs() const { return outputs_; }
  [[nodiscard]] std::size_t count() const { return region_ ? region_->nodes.size() : graph_ops_; }

  /// Place of an op of the region, none for others.
  [[nodiscard]] std::uint32_t place(op_id op) const {
    if (region_ != nullptr) return region_->places.find(op.value);
    const std::uint32_t index = g_->data().index(op);
    return open_[index] ? none : index;
  }
  [[nodiscard]] op_id op(std::uint32_t place) const {
    return region_ != nullptr ? region_->nodes[place] : g_->data().id(place);
  }
  /// Place among cuts(), or -1.
  [[nodiscard]] int cut(tensor_id t) const {
    return cut_set_.find(g_->data().index(t.op), t.output);
  }
  /// Ops with effects that an op of the region waits for, in storage order.
  [[nodiscard]] std::vector<op_id> effects_before(op_id op) const;
  /// Ops of the region that an op of it waits for, in storage order.
  [[nodiscard]] std::vector<op_id> waits_for(op_id op) const;

 private:
  const Graph* g_ = nullptr;
  std::shared_ptr<const region_data> region_;
  std::size_t graph_ops_ = 0;
  std::vector<bool> open_;  // of a whole graph: by index
  std::vector<tensor_id> cuts_;
  std::size_t given_ = 0;
  std::vector<tensor_id> outputs_;
  cut_set cut_set_;
};

/// The ops and variables of a piece in an order that isomorphic pieces share.
struct canonical {
  std::vector<op_id> ops;              ///< producers first
  std::vector<std::uint32_t> number;   ///< by place: where in `ops`
  std::vector<variable_id> variables;  ///< in the order in which `ops` refer to them
  /// By place among cuts(): inputs as they are, kept by use.
  std::vector<std::uint32_t> cut_number;
};
canonical canonical_of(const anchored& a);

/// True for the attributes that only say which random numbers are drawn.
bool is_stream_key(const operator_schema& schema, const attribute& a);

}  // namespace graft::detail
