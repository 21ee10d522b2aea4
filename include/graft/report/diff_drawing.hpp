// Pictures of what differs between two regions or graphs.
#pragma once

#include <string>

#include "graft/surgery/diff.hpp"

namespace graft {

/// diff_dot() with its choices gathered.
std::string dot_of_diff(const Region& a, const Region& b, const compare_options& options);
/// diff_dot() with its choices gathered.
std::string dot_of_diff(const Graph& a, const Graph& b, const compare_options& options);
/// diff_svg() with its choices gathered.
std::string svg_of_diff(const Region& a, const Region& b, const compare_options& options);
/// diff_svg() with its choices gathered.
std::string svg_of_diff(const Graph& a, const Graph& b, const compare_options& options);

/// Both sides in one picture, in the DOT language: ops that correspond are one box, grey where they are
/// equal and amber where they differ (the sentence is the tooltip); what only the left has is red, what
/// only the right has is green. So are edges. Initial values are left out where nothing differs.
/// Deterministic: fit for golden files.
/// @param choices as those of diff()
/// @throws handle_error if a graph is gone, graph_error if a region is stale
template <class Subject, class... Choices>
std::string diff_dot(const Subject& a, const Subject& b, const Choices&... choices) {
  compare_options options;
  (options.set(choices), ...);
  return dot_of_diff(a, b, options);
}

/// The same as a self-contained SVG document, layers from top to bottom, with a legend.
template <class Subject, class... Choices>
std::string diff_svg(const Subject& a, const Subject& b, const Choices&... choices) {
  compare_options options;
  (options.set(choices), ...);
  return svg_of_diff(a, b, options);
}

}  // namespace graft
