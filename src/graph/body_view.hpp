// What ops with bodies ask of a body, and what their operands are to it.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "graft/graph/graph.hpp"

namespace graft::detail {

/// The inputs and results of a body.
struct body_view {
  explicit body_view(const Graph& body);  ///< @throws graph_error for a graph that is not a body

  const Graph& graph;
  std::vector<tensor_id> inputs;  ///< by number
  std::vector<tensor_id> results;
};

/// The types of a body's results for given types of its inputs.
/// @throws what adding its ops would
std::vector<value_type> infer_body(const body_view& body, std::span<const value_type> inputs);

/// How the operands and outputs of a scan are divided.
struct scan_parts {
  explicit scan_parts(const attribute_list& a)
      : states(static_cast<std::size_t>(a.integer("states"))),
        sequences(static_cast<std::size_t>(a.integer("sequences"))),
        traces(states - static_cast<std::size_t>(a.integer("untraced"))),
        stacked(static_cast<std::size_t>(a.integer("outputs")) - states - traces),
        reverse(a.integer("reverse") != 0) {}
  std::size_t states, sequences, traces, stacked;
  bool reverse;
};

/// How the operands of a while_loop and of its gradient are divided.
struct while_parts {
  explicit while_parts(const attribute_list& a)
      : states(static_cast<std::size_t>(a.integer("states"))),
        condition_captures(static_cast<std::size_t>(a.integer("condition_captures"))),
        body_captures(static_cast<std::size_t>(a.integer("body_captures"))),
        gradients(static_cast<std::size_t>(a.integer("gradients"))),
        sums(static_cast<std::size_t>(a.integer("sums"))) {}
  std::size_t states, condition_captures, body_captures, gradients, sums;
  /// Where the operands after the loop's own begin.
  [[nodiscard]] std::size_t own() const { return states + condition_captures + body_captures; }
};

/// Adds the ops of a body to a graph, its inputs being tensors of that graph, and returns its results.
std::vector<tensor_id> inline_body(Graph& to, const body_view& body,
                                   std::span<const tensor_id> inputs);

/// Makes a body one of a graph, if it is not yet. Bodies do not change, so they may be shared.
std::int64_t append_body(Graph& to, std::shared_ptr<const Graph> body);
/// Makes a body of one graph one of another too.
std::int64_t share_body(Graph& to, const Graph& from, std::int64_t index);

}  // namespace graft::detail
