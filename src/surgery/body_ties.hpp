// Ties that run through bodies: which ops read a tensor, those in bodies included, and how each gets one of its own.
#pragma once

#include <memory>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "graph/body_view.hpp"
#include "surgery/cloner.hpp"
#include "surgery/index_set.hpp"

namespace graft::detail {

/// What bodies take and what their results depend on, found once for each body.
class body_needs {
 public:
  struct found {
    std::shared_ptr<const Graph> body;
    index_set needed;  ///< by dense index
    body_view view;
  };
  const found& of(const std::shared_ptr<const Graph>& body);
  /// To be called for a body that another one takes the place of.
  void forget(const std::shared_ptr<const Graph>& body) { known_.erase(body.get()); }

 private:
  std::unordered_map<const Graph*, found> known_;
};

/// How often an op reads some tensors: once by its own operands, and once for each op in a body, at any depth, that reads
/// what stands for them there and that the body's results depend on.
std::size_t readings(const Graph& g, op_id op, std::span<const tensor_id> read, body_needs& needs);

/// Gives each reading a tensor of its own, in the order of the ops; the first keeps what it read.
class reading_splitter {
 public:
  /// @param further one for each reading but the first; of the graph that the ops are in, or of one around it
  /// @param first_body the number of the first body of `g` that splitters made: each is one op's alone
  reading_splitter(std::vector<graph_reference> further, const Graph& g, std::size_t first_body,
                   body_needs& needs)
      : further_(std::move(further)), graph_(g), first_body_(first_body), needs_(needs) {}

  /// The next op. A body with several readings is changed: a copy takes its place, which takes more from around it.
  /// @param edit of the graph
  void visit(Graph& g, op_id op, std::span<const tensor_id> read, ordered_edit& edit);

 private:
  [[nodiscard]] other_body split_body(Graph& g, const std::shared_ptr<const Graph>& body,
                                      std::span<const tensor_id> inputs);

  std::vector<graph_reference> further_;
  const Graph& graph_;
  const std::size_t first_body_;
  body_needs& needs_;
  std::size_t used_ = 0;
  bool first_ = true;
};

}  // namespace graft::detail
