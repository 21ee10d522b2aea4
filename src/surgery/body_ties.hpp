// Ties that run through bodies: which ops read a tensor, those in bodies included, and how each gets one of its own.
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "graph/body_view.hpp"
#include "surgery/cloner.hpp"
#include "surgery/index_set.hpp"

namespace graft::detail {

/// The tensors of one graph that stand for tensors whose ties are split, each with the number of its tie.
using tied_reads = std::unordered_map<tensor_id, std::size_t>;
/// How often something reads, by tie.
using reading_counts = std::unordered_map<std::size_t, std::size_t>;

/// What bodies take and what their results depend on, found once for each body.
class body_needs {
 public:
  struct found {
    std::shared_ptr<const Graph> body;
    index_set needed;  ///< by dense index
    body_view view;
  };
  const found& of(const std::shared_ptr<const Graph>& body);

 private:
  std::unordered_map<const Graph*, found> known_;
};

/// Counts how often an op reads some tensors: once by its own operands, and once for each op in a body, at any depth, that
/// reads what stands for them there and that the body's results depend on.
void count_readings(const Graph& g, op_id op, const tied_reads& read, body_needs& needs,
                    reading_counts& counts);

/// Gives each reading of each tie a tensor of its own, in the order of the ops; the first keeps what it read.
class reading_splitter {
 public:
  /// @param further by tie, one for each reading but the first; of the graph that the ops are in, or of one around it
  reading_splitter(std::vector<std::vector<graph_reference>> further, body_needs& needs);

  /// The next op. A body with several readings of a tie is changed, once for all ties: a copy takes its place, which takes
  /// more from around it.
  /// @param edit of the graph
  void visit(Graph& g, op_id op, const tied_reads& read, ordered_edit& edit);

 private:
  struct rest {  // of a tie
    std::vector<graph_reference> further;
    std::size_t used = 0;
    bool first = true;
  };
  [[nodiscard]] other_body split_body(Graph& g, const std::shared_ptr<const Graph>& body,
                                      const tied_reads& inputs);

  std::vector<rest> ties_;
  body_needs& needs_;
};

}  // namespace graft::detail
