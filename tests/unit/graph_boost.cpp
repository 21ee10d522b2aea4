// Boost's algorithms run on a graph as it is.
#include <functional>
#include <iterator>
#include <sstream>
#include <vector>

#include <boost/concept/assert.hpp>
#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/breadth_first_search.hpp>
#include <boost/graph/copy.hpp>
#include <boost/graph/filtered_graph.hpp>
#include <boost/graph/graph_concepts.hpp>
#include <boost/graph/graphviz.hpp>
#include <boost/graph/isomorphism.hpp>
#include <boost/graph/reverse_graph.hpp>
#include <boost/graph/strong_components.hpp>
#include <boost/graph/topological_sort.hpp>

#include "graft/graph/boost.hpp"

#include "catch.hpp"
#include "small_graph.hpp"

using namespace graft;
using small::apply;
using small::make_input;

template <class G>
struct models {
  BOOST_CONCEPT_ASSERT((boost::VertexListGraphConcept<G>));
  BOOST_CONCEPT_ASSERT((boost::EdgeListGraphConcept<G>));
  BOOST_CONCEPT_ASSERT((boost::IncidenceGraphConcept<G>));
  BOOST_CONCEPT_ASSERT((boost::BidirectionalGraphConcept<G>));
  BOOST_CONCEPT_ASSERT((boost::AdjacencyGraphConcept<G>));
  BOOST_CONCEPT_ASSERT(
      (boost::ReadablePropertyGraphConcept<G, std::size_t, boost::vertex_index_t>));
  BOOST_CONCEPT_ASSERT((boost::ReadablePropertyGraphConcept<G, std::size_t, boost::vertex_name_t>));
  using edge = typename boost::graph_traits<G>::edge_descriptor;
  BOOST_CONCEPT_ASSERT(
      (boost::MultiPassInputIteratorConcept<typename boost::graph_traits<G>::edge_iterator>));
  BOOST_CONCEPT_ASSERT(
      (boost::MultiPassInputIteratorConcept<typename boost::graph_traits<G>::in_edge_iterator>));
  BOOST_CONCEPT_ASSERT((boost::DefaultConstructibleConcept<edge>));
};
template struct models<Graph>;
template struct models<data_graph>;

// So do Boost's own views of it, as far as Boost gives them these functions.
template <class G>
struct models_as_view {
  BOOST_CONCEPT_ASSERT((boost::VertexListGraphConcept<G>));
  BOOST_CONCEPT_ASSERT((boost::EdgeListGraphConcept<G>));
  BOOST_CONCEPT_ASSERT((boost::IncidenceGraphConcept<G>));
  BOOST_CONCEPT_ASSERT((boost::BidirectionalGraphConcept<G>));
  BOOST_CONCEPT_ASSERT(
      (boost::ReadablePropertyGraphConcept<G, std::size_t, boost::vertex_index_t>));
  BOOST_CONCEPT_ASSERT((boost::ReadablePropertyGraphConcept<G, std::size_t, boost::vertex_name_t>));
};
using keep_some = std::function<bool(std::size_t)>;
template struct models_as_view<boost::reverse_graph<Graph>>;
template struct models_as_view<boost::reverse_graph<data_graph>>;
template struct models_as_view<boost::filtered_graph<Graph, boost::keep_all, keep_some>>;
template struct models_as_view<boost::filtered_graph<data_graph, boost::keep_all, keep_some>>;

namespace {

// x -> (a, b); a, b -> sum (b twice through s); a control edge from b to a.
struct diamond {
  Graph g;
  tensor_id x, a, b, s, end;
  diamond() {
    x = make_input(g, {2}, "x");
    a = apply(g, small::relu, {x}, "a");
    b = apply(g, small::relu, {x}, "b");
    s = apply(g, small::add, {b, b}, "s");
    end = apply(g, small::add, {a, s}, "end");
    g.add_control_edge(b.op, end.op);
    g.add_control_edge(x.op, end.op);
  }
};

template <class G>
std::vector<std::pair<std::size_t, std::size_t>> all_edges(const G& g) {
  std::vector<std::pair<std::size_t, std::size_t>> list;
  for (auto [at, last] = edges(g); at != last; ++at)
    list.emplace_back(source(*at, g), target(*at, g));
  return list;
}

template <class G>
bool is_topological(const G& g, const std::vector<std::size_t>& order) {
  std::vector<std::size_t> place(num_vertices(g));
  for (std::size_t i = 0; i < order.size(); ++i) place[order[i]] = i;
  for (const auto& [from, to] : all_edges(g)) {
    if (place[from] >= place[to]) return false;
  }
  return order.size() == num_vertices(g);
}

template <class G>
std::vector<std::size_t> sorted_topologically(const G& g) {
  std::vector<std::size_t> order;
  boost::topological_sort(g, std::back_inserter(order));
  return {order.rbegin(), order.rend()};
}

}  // namespace

TEST_CASE("edges are operands, parallel ones too, and control edges") {
  const diamond d;
  using edge_list = std::vector<std::pair<std::size_t, std::size_t>>;
  CHECK(num_vertices(d.g) == 5);
  CHECK(all_edges(data_graph(d.g)) == edge_list{{0, 1}, {0, 2}, {2, 3}, {2, 3}, {1, 4}, {3, 4}});
  CHECK(all_edges(d.g) ==
        edge_list{{0, 1}, {0, 2}, {2, 3}, {2, 3}, {1, 4}, {3, 4}, {0, 4}, {2, 4}});
  CHECK(num_edges(d.g) == 8);
  CHECK(num_edges(data_graph(d.g)) == 6);
  CHECK(out_degree(2, d.g) == 3);
  CHECK(out_degree(2, data_graph(d.g)) == 2);
  CHECK(in_degree(4, d.g) == 4);
  CHECK(in_degree(4, data_graph(d.g)) == 2);
  CHECK(degree(3, d.g) == 3);
  CHECK(get(boost::vertex_name, d.g, 3) == "s");
  CHECK(get(boost::vertex_index, d.g, 3) == 3);
  const Graph empty;
  CHECK(edges(empty).first == edges(empty).second);
  CHECK(num_edges(empty) == 0);
}

TEST_CASE("out and in edges are the same edges") {
  const diamond d;
  std::vector<graph_model::edge> in, out;
  for (std::size_t v = 0; v < num_vertices(d.g); ++v) {
    for (auto [at, last] = in_edges(v, d.g); at != last; ++at) {
      CHECK(target(*at, d.g) == v);
      in.push_back(*at);
    }
    for (auto [at, last] = out_edges(v, d.g); at != last; ++at) {
      CHECK(source(*at, d.g) == v);
      out.push_back(*at);
    }
  }
  std::sort(in.begin(), in.end());
  std::sort(out.begin(), out.end());
  CHECK(in == out);
  CHECK(in.size() == 8);
}

TEST_CASE("topological_sort follows data and control edges") {
  diamond d;
  CHECK(is_topological(d.g, sorted_topologically(d.g)));
  CHECK(is_topological(data_graph(d.g), sorted_topologically(data_graph(d.g))));
  // Storage order stops being topological; the sort does not mind.
  const tensor_id late = apply(d.g, small::relu, {d.x}, "late");
  d.g.set_operand(d.a.op, 0, late);
  d.g.add_control_edge(late.op, d.s.op);
  CHECK(is_topological(d.g, sorted_topologically(d.g)));
}

TEST_CASE("breadth_first_search reaches what depends on the start") {
  const diamond d;
  std::vector<int> distance(num_vertices(d.g), -1);
  distance[0] = 0;
  const auto record =
      boost::make_bfs_visitor(boost::record_distances(distance.data(), boost::on_tree_edge()));
  boost::breadth_first_search(data_graph(d.g), 0, boost::visitor(record));
  CHECK(distance == std::vector<int>{0, 1, 1, 2, 2});
  std::vector<int> back(num_vertices(d.g), -1);
  back[3] = 0;
  const data_graph data(d.g);
  const auto reversed = boost::make_reverse_graph(data);
  boost::breadth_first_search(reversed, 3,
                              boost::visitor(boost::make_bfs_visitor(
                                  boost::record_distances(back.data(), boost::on_tree_edge()))));
  CHECK(back == std::vector<int>{2, -1, 1, 0, -1});
}

TEST_CASE("strong_components finds no cycle") {
  const diamond d;
  std::vector<int> component(num_vertices(d.g));
  const int count = boost::strong_components(
      d.g, boost::make_iterator_property_map(component.begin(), get(boost::vertex_index, d.g)));
  CHECK(count == 5);
}

TEST_CASE("filtered_graph hides ops") {
  const diamond d;
  const auto keep = [&](std::size_t v) { return v != 1; };
  const std::function<bool(std::size_t)> predicate = keep;
  const boost::filtered_graph<Graph, boost::keep_all, std::function<bool(std::size_t)>> filtered(
      d.g, boost::keep_all(), predicate);
  std::vector<std::size_t> seen;
  for (auto [at, last] = vertices(filtered); at != last; ++at) seen.push_back(*at);
  CHECK(seen == std::vector<std::size_t>{0, 2, 3, 4});
  std::size_t count = 0;
  for (auto [at, last] = edges(filtered); at != last; ++at) ++count;
  CHECK(count == 6);
}

TEST_CASE("write_graphviz draws a graph and its views") {
  const diamond d;
  const auto drawn = [&](const auto& g) {
    std::ostringstream text;
    boost::write_graphviz(text, g, boost::make_label_writer(get(boost::vertex_name, g)));
    return text.str();
  };
  const auto arrows = [](const std::string& text) {
    std::size_t count = 0;
    for (std::size_t at = text.find("->"); at != text.npos; at = text.find("->", at + 1)) ++count;
    return count;
  };
  const std::string all = drawn(d.g);
  CHECK_THAT(all, Catch::Contains("2[label=b]") && Catch::Contains("2->3"));
  CHECK(arrows(all) == 8);
  const data_graph data(d.g);
  CHECK(arrows(drawn(data)) == 6);
  const std::string reversed = drawn(boost::make_reverse_graph(data));
  CHECK_THAT(reversed, Catch::Contains("3->2") && Catch::Contains("3[label=s]"));
  const boost::filtered_graph<data_graph, boost::keep_all, keep_some> some(
      data, boost::keep_all(), keep_some([](std::size_t v) { return v != 1; }));
  CHECK(arrows(drawn(some)) == 4);
}

TEST_CASE("copy_graph gives an isomorphic adjacency list") {
  const diamond d;
  boost::adjacency_list<boost::vecS, boost::vecS, boost::bidirectionalS> copy;
  const data_graph data(d.g);
  boost::copy_graph(
      data, copy, boost::vertex_copy([](auto, auto) {}).edge_copy([](const auto&, const auto&) {}));
  CHECK(boost::num_vertices(copy) == 5);
  CHECK(boost::num_edges(copy) == 6);
  CHECK(boost::isomorphism(data, copy));
}

TEST_CASE("indices stay dense when ops are removed") {
  diamond d;
  const tensor_id extra = apply(d.g, small::relu, {d.x}, "extra"),
                  more = apply(d.g, small::relu, {d.x}, "more");
  d.g.erase_ops(std::vector{extra.op});
  CHECK(num_vertices(d.g) == 6);
  CHECK(get(boost::vertex_name, d.g, d.g.index_of(more.op)) == "more");
  CHECK(is_topological(d.g, sorted_topologically(d.g)));
}
