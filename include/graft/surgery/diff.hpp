// What differs between two regions or graphs, in sentences.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "graft/surgery/isomorphic.hpp"

namespace graft {

/// What two regions or graphs differ in.
enum class difference_kind : std::uint8_t {
  inputs,      ///< their number, one is an input on one side only, another given value
  outputs,     ///< their number
  op,          ///< another operator
  operands,    ///< another number of operands, or another output of the producer
  attribute,   ///< an attribute, a constant among them
  type,        ///< element type or shape of a tensor
  tie,         ///< one op or variable where the other side has two
  added,       ///< an op of the right that the left has no counterpart of
  removed,     ///< an op of the left that the right has no counterpart of
  variable,    ///< role, type, trainable flag, initial value, own updates
  control,     ///< a control edge
  body,        ///< a nested graph
  name,        ///< with including::names
  value,       ///< with including::values
  stream,      ///< with including::streams
  collection,  ///< with including::collections
};

/// One difference.
struct difference {
  difference_kind what = difference_kind::op;  ///< where they differ
  op_id left;                                  ///< of the first region; not valid where it has none
  op_id right;                                 ///< of the second
  std::string text;                            ///< "'net/act' is relu, 'copy/act' is tanh"
};

/// How two regions correspond, as far as they do.
struct correspondence {
  std::vector<std::pair<op_id, op_id>> ops;                    ///< pairs, in the order found
  std::vector<std::pair<variable_id, variable_id>> variables;  ///< pairs, in the order found
  std::vector<difference> differences;                         ///< the nearest to output 0 first
  std::vector<op_id> only_left;   ///< ops of the first without a counterpart, ascending
  std::vector<op_id> only_right;  ///< ops of the second without a counterpart, ascending

  /// Whether nothing differs.
  [[nodiscard]] bool same() const { return differences.empty(); }
};

/// Pairs two regions from their outputs backwards as isomorphic() does, but goes on after a
/// difference: where the operators differ it looks whether one side has an op more.
/// Complexity: O(both regions)
/// @throws handle_error if a graph is gone, graph_error if a region is stale
correspondence correspond_regions(const Region& a, const Region& b, const compare_options& options);
/// The same for whole graphs.
correspondence correspond_graphs(const Graph& a, const Graph& b, const compare_options& options);

/// Regions; the choices are those of isomorphic().
template <class... Choices>
correspondence correspond(const Region& a, const Region& b, const Choices&... choices) {
  compare_options options;
  (options.set(choices), ...);
  return correspond_regions(a, b, options);
}
/// Whole graphs; the choices are those of isomorphic().
template <class... Choices>
correspondence correspond(const Graph& a, const Graph& b, const Choices&... choices) {
  compare_options options;
  (options.set(choices), ...);
  return correspond_graphs(a, b, options);
}

/// The differences of two regions, or of two graphs, the nearest to the first output first; empty
/// exactly where isomorphic() holds.
template <class Subject, class... Choices>
std::vector<difference> diff(const Subject& a, const Subject& b, const Choices&... choices) {
  return correspond(a, b, choices...).differences;
}

/// Gives the variables of one region the values that those of another have now, where both are the same network: they
/// are paired as isomorphic() pairs them, so neither needs to be a clone of the other, and their graphs may differ.
/// Which variables are trainable does not matter. Elements are copied when either is written.
/// @throws argument_error with the first difference where the regions are not the same network, uninitialized_error
/// naming a source without a value, handle_error, graph_error as correspond(); nothing has changed then
void copy_values(const Region& source, const Region& target);

/// One line a difference; "no difference" where there is none. Deterministic: fit for golden files.
std::string to_string(const std::vector<difference>& differences);

}  // namespace graft
