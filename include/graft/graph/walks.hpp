// Walks over any graph that models Boost.Graph's concepts: forward, backward, what lies on paths
// between, and undirected floods.
//
// All are breadth first, from the seeds in their order, so that results are the same in every run;
// none recurses. What was met is kept in a hash set by default, so a walk costs what it visits,
// whatever the size of the graph (num_vertices of a filtered graph counts what is filtered out,
// too).
#pragma once

#include <cstddef>
#include <unordered_set>
#include <utility>
#include <vector>

#include <boost/graph/graph_traits.hpp>

namespace graft::walks {

/// The vertices of a graph, as Boost.Graph names them.
template <class G>
using vertex_of = typename boost::graph_traits<G>::vertex_descriptor;
/// The edges of a graph, as Boost.Graph names them.
template <class G>
using edge_of = typename boost::graph_traits<G>::edge_descriptor;

/// Allows every vertex and every edge.
struct anything {
  /// True for all.
  template <class T>
  constexpr bool operator()(const T&) const {
    return true;
  }
};

/// Where a walk may go.
/// @tparam Within bool(vertex): whether a walk may visit it; seeds are asked as well
/// @tparam Follow bool(edge): whether a walk may go along it
template <class Within = anything, class Follow = anything>
struct limits {
  Within within{};        ///< whether a walk may visit a vertex
  Follow follow{};        ///< whether a walk may go along an edge
  bool inclusive = true;  ///< false: seeds are walked from but left out of the result
};

/// The vertices met by a walk, by descriptor.
template <class Vertex>
class hashed_marks {
 public:
  /// @returns false if it was there already
  bool insert(const Vertex& v) { return met_.insert(v).second; }
  /// Whether it was met. O(1) on average
  [[nodiscard]] bool contains(const Vertex& v) const { return met_.count(v) != 0; }

 private:
  std::unordered_set<Vertex> met_;
};

namespace detail {

// Breadth first from the seeds; `expand(v, visit)` calls visit for the neighbours of v.
template <class Vertex, class Seeds, class Within, class Follow, class Marks, class Expand>
std::vector<Vertex> walk(const Seeds& seeds, const limits<Within, Follow>& where, Marks& marks,
                         Expand&& expand) {
  std::vector<Vertex> order;
  const auto visit = [&](const Vertex& v) {
    if (where.within(v) && marks.insert(v)) order.push_back(v);
  };
  for (const auto& seed : seeds) visit(seed);
  const std::size_t seeded = order.size();
  for (std::size_t i = 0; i < order.size(); ++i) {
    const Vertex v = order[i];  // the list may move
    expand(v, visit);
  }
  if (!where.inclusive) {
    order.erase(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(seeded));
  }
  return order;
}

}  // namespace detail

/// The seeds and what can be reached from them along edges.
/// @tparam G a model of IncidenceGraph
/// @param seeds a range of vertices; repetitions count once
/// @param marks filled with what was met, seeds included; must be empty
/// Complexity: O(vertices met and the edges out of them)
template <class G, class Seeds, class Within = anything, class Follow = anything, class Marks>
std::vector<vertex_of<G>> forward(const G& g, const Seeds& seeds,
                                  const limits<Within, Follow>& where, Marks& marks) {
  return detail::walk<vertex_of<G>>(seeds, where, marks,
                                    [&](const vertex_of<G>& v, const auto& visit) {
                                      const auto range = out_edges(v, g);
                                      for (auto at = range.first; at != range.second; ++at) {
                                        if (where.follow(*at)) visit(target(*at, g));
                                      }
                                    });
}

/// The seeds and what they can be reached from.
/// @tparam G a model of BidirectionalGraph
/// Complexity: O(vertices met and the edges into them)
template <class G, class Seeds, class Within = anything, class Follow = anything, class Marks>
std::vector<vertex_of<G>> backward(const G& g, const Seeds& seeds,
                                   const limits<Within, Follow>& where, Marks& marks) {
  return detail::walk<vertex_of<G>>(seeds, where, marks,
                                    [&](const vertex_of<G>& v, const auto& visit) {
                                      const auto range = in_edges(v, g);
                                      for (auto at = range.first; at != range.second; ++at) {
                                        if (where.follow(*at)) visit(source(*at, g));
                                      }
                                    });
}

/// The seeds and what is connected with them, whatever the direction of the edges.
/// @tparam G a model of BidirectionalGraph
template <class G, class Seeds, class Within = anything, class Follow = anything, class Marks>
std::vector<vertex_of<G>> flood(const G& g, const Seeds& seeds, const limits<Within, Follow>& where,
                                Marks& marks) {
  return detail::walk<vertex_of<G>>(seeds, where, marks,
                                    [&](const vertex_of<G>& v, const auto& visit) {
                                      const auto in = in_edges(v, g);
                                      for (auto at = in.first; at != in.second; ++at) {
                                        if (where.follow(*at)) visit(source(*at, g));
                                      }
                                      const auto out = out_edges(v, g);
                                      for (auto at = out.first; at != out.second; ++at) {
                                        if (where.follow(*at)) visit(target(*at, g));
                                      }
                                    });
}

/// The same with marks of its own.
template <class G, class Seeds, class Within = anything, class Follow = anything>
std::vector<vertex_of<G>> forward(const G& g, const Seeds& seeds,
                                  const limits<Within, Follow>& where = {}) {
  hashed_marks<vertex_of<G>> marks;
  return forward(g, seeds, where, marks);
}
/// The same with marks of its own.
template <class G, class Seeds, class Within = anything, class Follow = anything>
std::vector<vertex_of<G>> backward(const G& g, const Seeds& seeds,
                                   const limits<Within, Follow>& where = {}) {
  hashed_marks<vertex_of<G>> marks;
  return backward(g, seeds, where, marks);
}
/// The same with marks of its own.
template <class G, class Seeds, class Within = anything, class Follow = anything>
std::vector<vertex_of<G>> flood(const G& g, const Seeds& seeds,
                                const limits<Within, Follow>& where = {}) {
  hashed_marks<vertex_of<G>> marks;
  return flood(g, seeds, where, marks);
}

/// The vertices on paths from one set to another, in the order of the forward walk: those that both
/// walks meet. With `within`, the paths lie in it altogether.
/// @param from_where, to_where limits of the forward and of the backward walk; of these `inclusive`
/// says whether vertices of `from`, or of `to`, may be in the result
template <class G, class From, class To, class Within1 = anything, class Follow1 = anything,
          class Within2 = anything, class Follow2 = anything>
std::vector<vertex_of<G>> intersection(const G& g, const From& from, const To& to,
                                       const limits<Within1, Follow1>& from_where = {},
                                       const limits<Within2, Follow2>& to_where = {}) {
  const std::vector<vertex_of<G>> ahead = forward(g, from, from_where);
  hashed_marks<vertex_of<G>> behind;
  for (const vertex_of<G>& v : backward(g, to, to_where)) behind.insert(v);
  std::vector<vertex_of<G>> both;
  for (const vertex_of<G>& v : ahead) {
    if (behind.contains(v)) both.push_back(v);
  }
  return both;
}

/// What either walk meets: the forward walk, then the rest of the backward one.
template <class G, class From, class To, class Within1 = anything, class Follow1 = anything,
          class Within2 = anything, class Follow2 = anything>
std::vector<vertex_of<G>> union_of(const G& g, const From& from, const To& to,
                                   const limits<Within1, Follow1>& from_where = {},
                                   const limits<Within2, Follow2>& to_where = {}) {
  std::vector<vertex_of<G>> all = forward(g, from, from_where);
  hashed_marks<vertex_of<G>> met;
  for (const vertex_of<G>& v : all) met.insert(v);
  for (const vertex_of<G>& v : backward(g, to, to_where)) {
    if (met.insert(v)) all.push_back(v);
  }
  return all;
}

}  // namespace graft::walks
