// Placing the ops of a drawing in layers.
#pragma once

#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "graft/report/drawing.hpp"

namespace graft::report {

struct placed_op {
  op_id op;
  std::string label;
  std::string tooltip;
  std::size_t group = 0;  // index in drawing::groups
  bool shared = false;    // in more than one group
  bool variable = false;
  std::size_t layer = 0;
  double x = 0, y = 0, width = 0;
};
struct placed_edge {
  std::size_t from, to;  // places in `ops`
  // Where the edge leaves the lane of its producer; none: it goes straight from the one to the
  // other.
  std::size_t lane = none,
              lane_end = 0;  // in `lanes`; the number of its points that the edge passes
  static constexpr std::size_t none = static_cast<std::size_t>(-1);
};
// The way of what one op gives to ops further down: the middle of a gap in each layer that it
// passes.
struct placed_lane {
  std::size_t from;
  std::vector<std::pair<double, double>> points;
};
// A panel: the ops of one group, or those that groups share.
struct placed_column {
  std::string title;
  std::size_t group = 0;
  bool shared = false;
  double left = 0, right = 0;
};
struct layout {
  std::vector<placed_op> ops;
  std::vector<placed_edge> edges;
  std::vector<placed_lane> lanes;
  std::vector<placed_column> columns;
  std::unordered_map<op_id, std::size_t> place;
  double width = 0, height = 0;
};

inline constexpr double box_height = 26, layer_gap = 30, box_gap = 14, column_gap = 28, margin = 20;
inline constexpr double panel_padding = 16, panel_title = 34;

/// About how wide a text of 12 pixels is.
inline double text_width(const std::string& text) { return 7.2 * static_cast<double>(text.size()); }

/// Each op comes in the layer after the last of its producers; sources, and what depends on
/// variables alone, come just above their first user. Groups stand side by side, what they share
/// between the first and the others. In each the longest path goes straight down, and edges over
/// several layers pass beside the boxes, those of one producer as one lane. Where lanes would pass
/// more than 50,000 layers in all, the longest are left out.
layout place(const Graph& graph, const drawing& what);

}  // namespace graft::report
