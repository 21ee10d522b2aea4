// Comparing regions and graphs: whether they are the same network, a hash of what they compute, and
// an order of their ops that does not depend on how they were built.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "graft/surgery/region.hpp"

namespace graft {

/// What is compared beyond structure. Structure is always compared: operators, the order of
/// operands, ties, attributes, constants, element types and shapes, roles, types and trainable
/// flags of variables, their initial values and own updates, control edges, nested graphs.
enum class including : std::uint8_t {
  names,    ///< paths of ops and variables too
  values,   ///< values of variables too, bit by bit; that one has a value and the other none counts
  streams,  ///< keys of random streams too: equal draws
  collections,  ///< membership in collections too
};

/// The choices of isomorphic(), diff() and content_hash(), given by their values in any order.
struct compare_options {
  bool names = false;        ///< @see including::names
  bool values = false;       ///< @see including::values
  bool streams = false;      ///< @see including::streams
  bool collections = false;  ///< @see including::collections

  constexpr void set(including c) {
    switch (c) {
      case including::names:
        names = true;
        break;
      case including::values:
        values = true;
        break;
      case including::streams:
        streams = true;
        break;
      case including::collections:
        collections = true;
        break;
    }
  }
};

/// True where two regions are the same network: there is one way to pair their ops and variables
/// that leads from the outputs, in order, to the inputs, in order, through equal ops.
///
/// Names, ids, addresses, source lines, scopes and the places in storage say nothing; the order of
/// operands does, and values that tensors were given(). Inputs and outputs have an order: at most one pairing, no
/// search. Ops that only control edges hold in a region are paired in their storage order.
/// Complexity: O(region), without recursion.
/// @throws handle_error if a graph is gone, graph_error if a region is stale
bool isomorphic_regions(const Region& a, const Region& b, const compare_options& options);
/// The same for whole graphs: their placeholders and their results (ops whose outputs nothing
/// takes) are paired in storage order, and everything that these need.
bool isomorphic_graphs(const Graph& a, const Graph& b, const compare_options& options);

/// The same, with choices in any order: `isomorphic(a, b, including::names)`.
template <class... Choices>
bool isomorphic(const Region& a, const Region& b, const Choices&... choices) {
  compare_options options;
  (options.set(choices), ...);
  return isomorphic_regions(a, b, options);
}
/// The same for whole graphs.
template <class... Choices>
bool isomorphic(const Graph& a, const Graph& b, const Choices&... choices) {
  compare_options options;
  (options.set(choices), ...);
  return isomorphic_graphs(a, b, options);
}

/// A hash of a region's contents: equal for isomorphic regions, whatever their names, ids,
/// addresses and storage; the same on every run and machine. The choices are those of isomorphic().
/// Complexity: O(region), and the bytes of constants (and of variables with including::values)
std::uint64_t content_hash_of(const Region& region, const compare_options& options);
/// The same for a whole graph.
std::uint64_t content_hash_of(const Graph& graph, const compare_options& options);

/// The same of a region or a graph, with choices in any order: `content_hash(region, including::values)`.
template <class Subject, class... Choices>
std::uint64_t content_hash(const Subject& subject, const Choices&... choices) {
  compare_options options;
  (options.set(choices), ...);
  return content_hash_of(subject, options);
}

/// The ops of a region in an order that isomorphic regions share: op k of one corresponds to op k of
/// the other. Producers come before their users, and initial values before the reads of their
/// variables.
/// Complexity: O(region), without recursion
std::vector<op_id> canonical_order(const Region& region);
/// The same for a whole graph; placeholders come first.
std::vector<op_id> canonical_order(const Graph& graph);

}  // namespace graft
