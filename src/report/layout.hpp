// Placing the ops of a drawing in layers.
#pragma once

#include <unordered_map>
#include <vector>

#include "graft/report/drawing.hpp"

namespace graft::report {

struct placed_op {
  op_id op;
  std::string label;
  std::string tooltip;
  std::size_t group = 0;   // index in drawing::groups
  bool shared = false;     // in more than one group
  bool variable = false;
  std::size_t layer = 0;
  double x = 0, y = 0, width = 0;
};
struct placed_edge {
  std::size_t from, to;  // places in `ops`
};
struct layout {
  std::vector<placed_op> ops;
  std::vector<placed_edge> edges;
  std::unordered_map<op_id, std::size_t> place;
  double width = 0, height = 0;
};

inline constexpr double box_height = 26, layer_gap = 30, box_gap = 14, margin = 24;

/// Each op comes in the layer after the last of its producers, a variable just above its first user; within a layer ops
/// stand under the mean of their producers.
layout place(const Graph& graph, const drawing& what);

}  // namespace graft::report
