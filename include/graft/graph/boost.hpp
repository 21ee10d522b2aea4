// Graph as a model of the Boost.Graph concepts VertexListGraph, EdgeListGraph, BidirectionalGraph,
// AdjacencyGraph and PropertyGraph.
//
// Vertices are dense indices (Graph::index_of), so Boost's default maps and vectors fit. Edges are
// operands, from producer to user, and control edges after them; `data_graph` leaves control edges
// out. The model reads; graphs change through Graph's own functions, which invalidate descriptors
// and iterators. Unlike ids they are bare numbers, which nobody can tell from those of another graph.
#pragma once

#include <string>
#include <utility>

#include <boost/graph/graph_traits.hpp>
#include <boost/graph/properties.hpp>
#include <boost/iterator/counting_iterator.hpp>
#include <boost/iterator/iterator_facade.hpp>
#include <boost/property_map/property_map.hpp>

#include "graft/graph/graph.hpp"
#include "graft/graph/tables.hpp"

namespace graft {

/// A graph without its control edges, for algorithms that follow data only. Refers to the graph.
class data_graph {
 public:
  explicit data_graph(const Graph& g) : graph_(&g) {}
  [[nodiscard]] const Graph& graph() const { return *graph_; }

 private:
  const Graph* graph_;
};

namespace graph_model {

using vertex = std::size_t;

/// An operand (its place in the pool of operands) or a control edge.
struct edge {
  std::uint32_t at = Graph::tables::none;
  bool control = false;
  std::uint32_t from = 0, to = 0;
  friend bool operator==(const edge& a, const edge& b) {
    return a.at == b.at && a.control == b.control;
  }
  friend bool operator<(const edge& a, const edge& b) {
    return a.control != b.control ? b.control : a.at < b.at;
  }
};

inline edge data_edge(const Graph::tables& t, std::uint32_t at) {
  return {at, false, t.edges[at].producer, t.edges[at].user};
}
inline edge control_edge(const Graph::tables& t, std::uint32_t at) {
  return {at, true, t.controls[at].before, t.controls[at].after};
}

/// Follows a list of uses, then one of control edges out of an op.
class out_iterator
    : public boost::iterator_facade<out_iterator, edge, boost::forward_traversal_tag, edge> {
 public:
  out_iterator() = default;
  out_iterator(const Graph::tables& t, std::uint32_t use, std::uint32_t control)
      : tables_(&t), use_(use), control_(control) {}

 private:
  friend class boost::iterator_core_access;
  [[nodiscard]] edge dereference() const {
    return use_ != Graph::tables::none ? data_edge(*tables_, use_)
                                       : control_edge(*tables_, control_);
  }
  [[nodiscard]] bool equal(const out_iterator& other) const {
    return use_ == other.use_ && control_ == other.control_;
  }
  void increment() {
    if (use_ != Graph::tables::none) {
      use_ = tables_->edges[use_].next_use;
    } else {
      control_ = tables_->controls[control_].next_out;
    }
  }

  const Graph::tables* tables_ = nullptr;
  std::uint32_t use_ = Graph::tables::none;
  std::uint32_t control_ = Graph::tables::none;
};

/// The ops at the ends of edges out of an op; one that takes an output twice comes twice.
class adjacency_iterator : public boost::iterator_facade<adjacency_iterator, vertex,
                                                         boost::forward_traversal_tag, vertex> {
 public:
  adjacency_iterator() = default;
  explicit adjacency_iterator(const out_iterator& at) : at_(at) {}

 private:
  friend class boost::iterator_core_access;
  [[nodiscard]] vertex dereference() const { return (*at_).to; }
  [[nodiscard]] bool equal(const adjacency_iterator& other) const { return at_ == other.at_; }
  void increment() { ++at_; }

  out_iterator at_;
};

/// Counts through the operands of an op, then follows the control edges into it.
class in_iterator
    : public boost::iterator_facade<in_iterator, edge, boost::forward_traversal_tag, edge> {
 public:
  in_iterator() = default;
  in_iterator(const Graph::tables& t, std::uint32_t operand, std::uint32_t last,
              std::uint32_t control)
      : tables_(&t), operand_(operand), last_(last), control_(control) {}

 private:
  friend class boost::iterator_core_access;
  [[nodiscard]] edge dereference() const {
    return operand_ != last_ ? data_edge(*tables_, operand_) : control_edge(*tables_, control_);
  }
  [[nodiscard]] bool equal(const in_iterator& other) const {
    return operand_ == other.operand_ && control_ == other.control_;
  }
  void increment() {
    if (operand_ != last_) {
      ++operand_;
    } else {
      control_ = tables_->controls[control_].next_in;
    }
  }

  const Graph::tables* tables_ = nullptr;
  std::uint32_t operand_ = 0, last_ = 0;
  std::uint32_t control_ = Graph::tables::none;
};

/// Walks all edges: op by op, the edges into each.
class edge_iterator
    : public boost::iterator_facade<edge_iterator, edge, boost::forward_traversal_tag, edge> {
 public:
  edge_iterator() = default;
  edge_iterator(const Graph::tables& t, std::uint32_t op, bool with_control)
      : tables_(&t), op_(op), with_control_(with_control) {
    enter();
  }

 private:
  friend class boost::iterator_core_access;
  [[nodiscard]] edge dereference() const { return *in_; }
  [[nodiscard]] bool equal(const edge_iterator& other) const {
    return op_ == other.op_ && (op_ == size() || in_ == other.in_);
  }
  void increment() {
    if (++in_ == end_) {
      ++op_;
      enter();
    }
  }
  [[nodiscard]] std::uint32_t size() const { return tables_ == nullptr ? 0 : tables_->ops.size(); }
  void enter() {
    for (; op_ < size(); ++op_) {
      const Graph::tables::op_record& r = tables_->ops[op_];
      const std::uint32_t last = r.first_operand + r.operand_count;
      in_ = in_iterator(*tables_, r.first_operand, last,
                        with_control_ ? r.control_in : Graph::tables::none);
      end_ = in_iterator(*tables_, last, last, Graph::tables::none);
      if (in_ != end_) return;
    }
  }

  const Graph::tables* tables_ = nullptr;
  std::uint32_t op_ = 0;
  bool with_control_ = true;
  in_iterator in_, end_;
};

struct traversal : virtual boost::vertex_list_graph_tag,
                   virtual boost::edge_list_graph_tag,
                   virtual boost::bidirectional_graph_tag,
                   virtual boost::adjacency_graph_tag {};

// Found by the edge type, as `source` is also the name of a trait of operators.
inline vertex source(const edge& e, const Graph&) { return e.from; }
inline vertex target(const edge& e, const Graph&) { return e.to; }
inline vertex source(const edge& e, const data_graph&) { return e.from; }
inline vertex target(const edge& e, const data_graph&) { return e.to; }

inline std::pair<out_iterator, out_iterator> out_edges(vertex v, const Graph::tables& t,
                                                       bool control) {
  const Graph::tables::op_record& r = t.ops[v];
  constexpr std::uint32_t none = Graph::tables::none;
  return {out_iterator(t, r.first_use, control ? r.control_out : none),
          out_iterator(t, none, none)};
}
inline std::pair<in_iterator, in_iterator> in_edges(vertex v, const Graph::tables& t,
                                                    bool control) {
  const Graph::tables::op_record& r = t.ops[v];
  const std::uint32_t last = r.first_operand + r.operand_count;
  constexpr std::uint32_t none = Graph::tables::none;
  return {in_iterator(t, r.first_operand, last, control ? r.control_in : none),
          in_iterator(t, last, last, none)};
}

/// The path of an op as a property, for pictures and messages.
struct name_map {
  using key_type = vertex;
  using value_type = std::string;
  using reference = std::string;
  using category = boost::readable_property_map_tag;
  const Graph* graph = nullptr;
  friend std::string get(const name_map& m, vertex v) {
    return m.graph->path_of(m.graph->op_at(v));
  }
};

}  // namespace graph_model

// --- The functions of the concepts, for a graph and for its data alone
// ------------------------------------

inline auto vertices(const Graph& g) {
  using iterator = boost::counting_iterator<graph_model::vertex>;
  return std::pair(iterator(0), iterator(g.op_count()));
}
inline std::size_t num_vertices(const Graph& g) { return g.op_count(); }
inline auto edges(const Graph& g) {
  return std::pair(graph_model::edge_iterator(g.data(), 0, true),
                   graph_model::edge_iterator(g.data(), g.data().ops.size(), true));
}
inline auto out_edges(graph_model::vertex v, const Graph& g) {
  return graph_model::out_edges(v, g.data(), true);
}
inline auto in_edges(graph_model::vertex v, const Graph& g) {
  return graph_model::in_edges(v, g.data(), true);
}

inline auto adjacent_vertices(graph_model::vertex v, const Graph& g) {
  const auto [first, last] = out_edges(v, g);
  return std::pair(graph_model::adjacency_iterator(first), graph_model::adjacency_iterator(last));
}

inline auto vertices(const data_graph& g) { return vertices(g.graph()); }
inline std::size_t num_vertices(const data_graph& g) { return g.graph().op_count(); }
inline auto edges(const data_graph& g) {
  const Graph::tables& t = g.graph().data();
  return std::pair(graph_model::edge_iterator(t, 0, false),
                   graph_model::edge_iterator(t, t.ops.size(), false));
}
inline auto out_edges(graph_model::vertex v, const data_graph& g) {
  return graph_model::out_edges(v, g.graph().data(), false);
}
inline auto in_edges(graph_model::vertex v, const data_graph& g) {
  return graph_model::in_edges(v, g.graph().data(), false);
}
inline auto adjacent_vertices(graph_model::vertex v, const data_graph& g) {
  const auto [first, last] = out_edges(v, g);
  return std::pair(graph_model::adjacency_iterator(first), graph_model::adjacency_iterator(last));
}

namespace graph_model {

template <class Range>
std::size_t count(const Range& range) {
  std::size_t n = 0;
  for (auto at = range.first; at != range.second; ++at) ++n;
  return n;
}

template <class G>
struct traits {
  using vertex_descriptor = vertex;
  using edge_descriptor = edge;
  using directed_category = boost::bidirectional_tag;
  using edge_parallel_category = boost::allow_parallel_edge_tag;
  using traversal_category = traversal;
  using vertex_iterator = boost::counting_iterator<vertex>;
  using edge_iterator = graph_model::edge_iterator;
  using out_edge_iterator = out_iterator;
  using in_edge_iterator = in_iterator;
  using adjacency_iterator = graph_model::adjacency_iterator;
  using vertices_size_type = std::size_t;
  using edges_size_type = std::size_t;
  using degree_size_type = std::size_t;
  static vertex null_vertex() { return static_cast<vertex>(-1); }
};

}  // namespace graph_model

/// Complexity: O(edges), as Boost asks for no better.
inline std::size_t num_edges(const Graph& g) { return graph_model::count(edges(g)); }
inline std::size_t num_edges(const data_graph& g) { return graph_model::count(edges(g)); }
inline std::size_t out_degree(graph_model::vertex v, const Graph& g) {
  return graph_model::count(out_edges(v, g));
}
inline std::size_t out_degree(graph_model::vertex v, const data_graph& g) {
  return graph_model::count(out_edges(v, g));
}
inline std::size_t in_degree(graph_model::vertex v, const Graph& g) {
  return graph_model::count(in_edges(v, g));
}
inline std::size_t in_degree(graph_model::vertex v, const data_graph& g) {
  return graph_model::count(in_edges(v, g));
}
inline std::size_t degree(graph_model::vertex v, const Graph& g) {
  return in_degree(v, g) + out_degree(v, g);
}
inline std::size_t degree(graph_model::vertex v, const data_graph& g) {
  return in_degree(v, g) + out_degree(v, g);
}

inline auto get(boost::vertex_index_t, const Graph&) {
  return boost::typed_identity_property_map<graph_model::vertex>();
}
inline auto get(boost::vertex_index_t, const data_graph&) {
  return boost::typed_identity_property_map<graph_model::vertex>();
}
inline std::size_t get(boost::vertex_index_t, const Graph&, graph_model::vertex v) { return v; }
inline std::size_t get(boost::vertex_index_t, const data_graph&, graph_model::vertex v) {
  return v;
}
inline graph_model::name_map get(boost::vertex_name_t, const Graph& g) { return {&g}; }
inline graph_model::name_map get(boost::vertex_name_t, const data_graph& g) { return {&g.graph()}; }
inline std::string get(boost::vertex_name_t, const Graph& g, graph_model::vertex v) {
  return get(graph_model::name_map{&g}, v);
}
inline std::string get(boost::vertex_name_t, const data_graph& g, graph_model::vertex v) {
  return get(graph_model::name_map{&g.graph()}, v);
}

}  // namespace graft

namespace boost {

template <>
struct graph_traits<graft::Graph> : graft::graph_model::traits<graft::Graph> {};
template <>
struct graph_traits<graft::data_graph> : graft::graph_model::traits<graft::data_graph> {};

template <>
struct property_map<graft::Graph, vertex_index_t> {
  using type = typed_identity_property_map<graft::graph_model::vertex>;
  using const_type = type;
};
template <>
struct property_map<graft::data_graph, vertex_index_t> {
  using type = typed_identity_property_map<graft::graph_model::vertex>;
  using const_type = type;
};
template <>
struct property_map<graft::Graph, vertex_name_t> {
  using type = graft::graph_model::name_map;
  using const_type = type;
};
template <>
struct property_map<graft::data_graph, vertex_name_t> {
  using type = graft::graph_model::name_map;
  using const_type = type;
};

}  // namespace boost
