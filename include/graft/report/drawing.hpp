// Pictures of graphs: DOT for Graphviz, and SVG that stands alone.
#pragma once

#include <string>
#include <vector>

#include "graft/graph/graph.hpp"

namespace graft {

/// Ops drawn in one colour under one heading.
struct drawing_group {
  std::string title;       ///< the heading; "": none
  std::vector<op_id> ops;  ///< in any order
};

/// What to draw. Ops of the initial values of variables are left out: they run once.
struct drawing {
  std::vector<drawing_group> groups;  ///< an op in two groups is drawn once, as shared
  std::vector<tensor_id> inputs;      ///< drawn as ports coming in
  std::vector<tensor_id> outputs;     ///< drawn as ports going out
  /// Pairs (copy, original) of ops, joined by dashed lines in DOT.
  std::vector<std::pair<op_id, op_id>> copies;
};

/// All ops of a graph as one group, without initial values.
drawing draw_all(const Graph& graph);

/// Returns the picture in the DOT language. Deterministic: fit for golden files.
/// @throws handle_error for an op that is not of the graph
std::string dot(const Graph& graph, const drawing& what);
/// The whole graph, without initial values.
std::string dot(const Graph& graph);

/// Returns the picture as a self-contained SVG document: layers from top to bottom, variables as
/// rounded boxes, types as tooltips. Complexity: O(ops + edges) but for ordering within layers, O(n
/// log n).
/// @throws handle_error for an op that is not of the graph
std::string svg(const Graph& graph, const drawing& what);
/// The whole graph, without initial values.
std::string svg(const Graph& graph);

}  // namespace graft
