// Ties that run through bodies: which ops read a tensor, those in bodies included, and how each gets one of its own.
#pragma once

#include <span>
#include <utility>
#include <vector>

#include "surgery/cloner.hpp"

namespace graft::detail {

/// How often an op reads some tensors: once by its own operands, and once for each op in a body, at any depth, that reads
/// what stands for them there and that the body's results depend on.
std::size_t readings(const Graph& g, op_id op, std::span<const tensor_id> read);

/// Gives each reading a tensor of its own, in the order of the ops; the first keeps what it read.
class reading_splitter {
 public:
  /// @param further one for each reading but the first; of the graph that the ops are in, or of one around it
  explicit reading_splitter(std::vector<graph_reference> further) : further_(std::move(further)) {}

  /// The next op. A body with several readings is changed: a copy takes its place, which takes more from around it.
  /// @param edit of the graph
  void visit(Graph& g, op_id op, std::span<const tensor_id> read, ordered_edit& edit);

 private:
  [[nodiscard]] other_body split_body(Graph& g, const std::shared_ptr<const Graph>& body,
                                      std::span<const tensor_id> inputs);

  std::vector<graph_reference> further_;
  std::size_t used_ = 0;
  bool first_ = true;
};

}  // namespace graft::detail
