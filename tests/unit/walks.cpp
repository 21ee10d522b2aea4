// Walks over graphs of several kinds.
#include "graft/graph/walks.hpp"

#include <algorithm>
#include <functional>
#include <set>

#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/filtered_graph.hpp>
#include <boost/graph/reverse_graph.hpp>

#include "graft/graph/boost.hpp"
#include "graft/surgery/select.hpp"

#include "letters_fixture.hpp"

using namespace graft;
using namespace graft_test;

namespace {

std::vector<op_id> sorted(std::vector<op_id> ops) {
  std::sort(ops.begin(), ops.end());
  return ops;
}

// The same graph for Boost: vertices a to h are 0 to 7.
template <class G>
G boost_letters() {
  G g(8);
  const std::pair<int, int> edges[] = {{0, 2}, {1, 2}, {2, 4}, {3, 4}, {2, 5},
                                       {3, 5}, {2, 6}, {0, 6}, {5, 7}, {6, 7}};
  for (const auto& [from, to] : edges) add_edge(vertex(from, g), vertex(to, g), g);
  return g;
}

using listed = boost::adjacency_list<boost::vecS, boost::vecS, boost::bidirectionalS>;
using pointers = boost::adjacency_list<boost::listS, boost::listS, boost::bidirectionalS>;
using ints = std::vector<std::size_t>;

}  // namespace

TEST_CASE("walks start at seeds and keep to their limits") {
  letters s;
  const Graph& g = s.graph;
  CHECK(forward_walk(g, op_of(s.c)) == ops_of({s.c, s.e, s.f, s.g, s.h}));
  CHECK(forward_walk(g, op_of(s.c), {.inclusive = false}) == ops_of({s.e, s.f, s.g, s.h}));
  CHECK(backward_walk(g, op_of(s.h)) == ops_of({s.h, s.f, s.g, s.c, s.d, s.a, s.b}));
  CHECK(backward_walk(g, op_of(s.h), {.inclusive = false}).size() == 6);
  CHECK(forward_walk(g, std::vector<op_id>{}).empty());
  CHECK(backward_walk(g, std::tuple<>{}).empty());

  SECTION("tensors stand for their users, or their producers") {
    CHECK(sorted(forward_walk(g, s.a)) == ops_of({s.c, s.e, s.f, s.g, s.h}));
    CHECK(forward_walk(g, s.h).empty());
    CHECK(backward_walk(g, s.c) == ops_of({s.c, s.a, s.b}));
    CHECK(forward_walk(g, std::tuple{s.d, op_of(s.g)}) == ops_of({s.g, s.e, s.f, s.h}));
  }
  SECTION("within") {
    CHECK(forward_walk(g, op_of(s.c), {.within = ops_of({s.c, s.f, s.h})}) ==
          ops_of({s.c, s.f, s.h}));
    CHECK(forward_walk(g, op_of(s.c), {.within = ops_of({s.f, s.h})}).empty());  // seeds, too
    CHECK(forward_walk(g, op_of(s.c), {.within = std::vector<op_id>{}}).empty());
    CHECK(backward_walk(g, op_of(s.h), {.within_if = within_scope("foo/bar")}) ==
          ops_of({s.h, s.f, s.g}));
    CHECK(backward_walk(g, op_of(s.h),
                        {.within = ops_of({s.h, s.f, s.c}), .within_if = op_filter([&](op_id op) {
                                                              return op != op_of(s.c);
                                                            })}) == ops_of({s.h, s.f}));
  }
  SECTION("stopping at tensors") {
    CHECK(forward_walk(g, op_of(s.a), {.stop_at = ids(s.c)}) == ops_of({s.a, s.c, s.g, s.h}));
    CHECK(backward_walk(g, op_of(s.h), {.stop_at = ids(s.c, s.a)}) == ops_of({s.h, s.f, s.g, s.d}));
    CHECK(backward_walk(g, s.c, {.stop_at = ids(s.c)}) == ops_of({s.c, s.a, s.b}));
  }
  SECTION("control edges", "[edge-19]") {
    const std::vector<op_id> some = ops_of({s.c, s.h});
    CHECK(forward_walk(g, op_of(s.c), {.within = some}) == ops_of({s.c}));
    CHECK(forward_walk(g, op_of(s.c), {.control = true, .within = some}) == some);
    CHECK(backward_walk(g, op_of(s.h), {.control = true, .within = some}) == ops_of({s.h, s.c}));
  }
  SECTION("what is not there is refused", "[edge-14]") {
    Graph other;
    const auto foreign = input4(other);
    CHECK_THROWS_AS(forward_walk(g, foreign), handle_error);
    CHECK_THROWS_AS(backward_walk(g, op_id{77}), handle_error);
    CHECK_THROWS_AS(backward_walk(g, op_of(s.h), {.within = std::vector<op_id>{op_id{77}}}),
                    handle_error);
    CHECK_THROWS_AS(backward_walk(g, op_of(s.h), {.stop_at = {{op_of(s.h), 3}}}), handle_error);
  }
}

TEST_CASE("walks intersect and unite") {
  letters s;
  const Graph& g = s.graph;
  CHECK(walk_intersection(g, op_of(s.a), op_of(s.f)) == ops_of({s.a, s.c, s.f}));
  CHECK(walk_intersection(g, op_of(s.a), op_of(s.f), {.within = ops_of({s.a, s.f})}).empty());
  CHECK(walk_intersection(g, op_of(s.a), op_of(s.f), {.inclusive = false}, {}) ==
        ops_of({s.c, s.f}));
  CHECK(walk_intersection(g, op_of(s.a), op_of(s.f), {}, {.inclusive = false}) ==
        ops_of({s.a, s.c}));
  CHECK(walk_intersection(g, s.a, s.f) == ops_of({s.c, s.f}));  // from the users of a
  CHECK(walk_union(g, op_of(s.f), op_of(s.g)) == ops_of({s.f, s.h, s.g, s.c, s.a, s.b}));
  CHECK(walk_union(g, op_of(s.a), op_of(s.f)).size() == 8);
  CHECK(walk_union(g, op_of(s.f), op_of(s.g), {.within = ops_of({s.f, s.g, s.h})}) ==
        ops_of({s.f, s.h, s.g}));
}

TEST_CASE("floods follow edges both ways, which is why regions are not made so", "[edge-10]") {
  letters s;
  const Graph& g = s.graph;
  // e is on no path from c to h, and comes along all the same.
  CHECK(flood(g, op_of(s.f), ops_of({s.c, s.h}), {.with_boundary = false, .control = true}) ==
        ops_of({s.d, s.e, s.f}));
  CHECK(flood(g, op_of(s.f), ops_of({s.c, s.h})) == ops_of({s.c, s.d, s.e, s.f, s.h}));
  CHECK(flood(g, op_of(s.h), ops_of({s.f, s.g})) == ops_of({s.f, s.g, s.h}));
  CHECK(flood(g, op_of(s.h), ops_of({s.f, s.g}), {.control = true}).size() ==
        8);  // through the control edge
  CHECK_THROWS_AS(flood(g, op_of(s.f), ops_of({s.c, s.f})), argument_error);
  CHECK_FALSE(has(between(inputs(s.c), outputs(s.h)), op_of(s.e)));
}

TEST_CASE("floods keep to their limits") {
  letters s;
  const Graph& g = s.graph;
  const std::vector<op_id> none;
  SECTION("seeds are told or not") {
    CHECK(flood(g, op_of(s.h), ops_of({s.f, s.g}), {.inclusive = false}) == ops_of({s.f, s.g}));
    CHECK(flood(g, op_of(s.h), ops_of({s.f, s.g}), {.inclusive = false, .with_boundary = false})
              .empty());
    CHECK(flood(g, none, ops_of({s.f})).empty());
  }
  SECTION("within, in its order") {
    const std::vector<op_id> some = ops_of({s.h, s.f, s.d, s.f, s.a});
    CHECK(flood(g, op_of(s.f), none, {.within = some}) == ops_of({s.h, s.f, s.d}));
    CHECK(flood(g, op_of(s.c), none, {.within = some}).empty());  // seeds, too
    CHECK(flood(g, op_of(s.f), ops_of({s.h, s.c}), {.within = some}) == ops_of({s.h, s.f, s.d}));
    CHECK(flood(g, op_of(s.f), none, {.within = none}).empty());
  }
  SECTION("within a predicate") {
    const op_filter bar = within_scope("foo/bar");
    CHECK(flood(g, op_of(s.f), none, {.within_if = bar}) == ops_of({s.f, s.g, s.h}));
    // A boundary op outside is not told, as it was not met.
    CHECK(flood(g, op_of(s.f), ops_of({s.c, s.g}), {.within_if = bar}) == ops_of({s.f, s.g, s.h}));
    CHECK(flood(g, op_of(s.f), none, {.within = ops_of({s.h, s.f, s.c}), .within_if = bar}) ==
          ops_of({s.h, s.f}));
  }
  SECTION("tensors that are not followed either way") {
    CHECK(flood(g, op_of(s.h), none, {.stop_at = ids(s.c, s.d)}) ==
          ops_of({s.a, s.b, s.c, s.f, s.g, s.h}));
    CHECK(flood(g, op_of(s.h), none, {.stop_at = ids(s.c, s.d, s.a)}) == ops_of({s.f, s.g, s.h}));
    CHECK(flood(g, op_of(s.c), none, {.stop_at = ids(s.c)}) ==
          ops_of({s.a, s.b, s.c, s.d, s.e, s.f, s.g, s.h}));  // round by a and g
  }
  SECTION("what is not there is refused") {
    CHECK_THROWS_AS(flood(g, op_of(s.h), none, {.within = std::vector<op_id>{op_id{77}}}),
                    handle_error);
    CHECK_THROWS_AS(flood(g, op_of(s.h), none, {.stop_at = {{op_of(s.h), 3}}}), handle_error);
    CHECK_THROWS_AS(flood(g, op_of(s.h), op_id{77}), handle_error);
  }
}

TEST_CASE("a walk along 100000 ops", "[edge-18]") {
  Graph g;
  const auto x = input4(g);
  row4 y = x;
  for (int i = 0; i < 100000; ++i) y = relu(y);
  CHECK(forward_walk(g, x).size() == 100000);
  CHECK(backward_walk(g, op_of(y)).back() == op_of(x));
  CHECK(walk_intersection(g, x, y).size() == 100000);
}

TEST_CASE("walks over Boost's adjacency lists") {
  const listed g = boost_letters<listed>();
  CHECK(walks::forward(g, ints{2}) == ints{2, 4, 5, 6, 7});
  CHECK(walks::backward(g, ints{7}) == ints{7, 5, 6, 2, 3, 0, 1});
  CHECK(walks::intersection(g, ints{0}, ints{5}) == ints{0, 2, 5});
  CHECK(walks::union_of(g, ints{5}, ints{6}) == ints{5, 7, 6, 2, 0, 1});
  CHECK(walks::forward(g, ints{}).empty());
  CHECK(walks::forward(g, ints{7, 7, 4}) == ints{7, 4});

  const auto not_c = [](std::size_t v) { return v != 2; };
  CHECK(walks::forward(g, ints{0}, walks::limits<decltype(not_c)>{not_c, {}, true}) ==
        ints{0, 6, 7});
  CHECK(walks::intersection(g, ints{0}, ints{5}, walks::limits<decltype(not_c)>{not_c, {}, true},
                            walks::limits<decltype(not_c)>{not_c, {}, true})
            .empty());
  const auto not_out_of_c = [&](const auto& e) { return source(e, g) != 2; };
  using limited = walks::limits<walks::anything, decltype(not_out_of_c)>;
  CHECK(walks::forward(g, ints{0}, limited{{}, not_out_of_c, true}) == ints{0, 2, 6, 7});
  CHECK(walks::flood(g, ints{4}, limited{{}, not_out_of_c, false}) == ints{3, 5, 7, 6, 0, 2, 1});

  walks::hashed_marks<std::size_t> met;
  (void)walks::forward(g, ints{5}, walks::limits<>{}, met);
  CHECK(met.contains(7));
  CHECK_FALSE(met.contains(2));

  // The other way round a backward walk is a forward one.
  const boost::reverse_graph<listed> reversed(g);
  CHECK(walks::forward(reversed, ints{7}) == walks::backward(g, ints{7}));
}

TEST_CASE("walks over lists whose vertices are no numbers") {
  const pointers g = boost_letters<pointers>();
  const std::vector<pointers::vertex_descriptor> seed{vertex(2, g)};
  CHECK(walks::forward(g, seed).size() == 5);
  CHECK(walks::backward(g, seed).size() == 3);
}

TEST_CASE("walks over filtered graphs, whose vertex count is that of all") {
  const listed g = boost_letters<listed>();
  const auto keep_vertex = std::function<bool(std::size_t)>([](std::size_t v) { return v != 6; });
  const auto keep_edge = std::function<bool(const listed::edge_descriptor&)>(
      [&](const listed::edge_descriptor& e) { return !(source(e, g) == 3); });
  const boost::filtered_graph<listed, std::function<bool(const listed::edge_descriptor&)>,
                              std::function<bool(std::size_t)>>
      some(g, keep_edge, keep_vertex);
  CHECK(walks::forward(some, ints{0}) == ints{0, 2, 4, 5, 7});
  CHECK(walks::backward(some, ints{7}) == ints{7, 5, 2, 0, 1});
  CHECK(walks::intersection(some, ints{0}, ints{7}) == ints{0, 2, 5, 7});

  // And over graphs of ops, with and without control edges.
  letters s;
  const Graph& ops = s.graph;
  const auto only = std::function<bool(std::size_t)>([&](std::size_t v) {
    return v == ops.index_of(op_of(s.c)) || v == ops.index_of(op_of(s.h));
  });
  const boost::filtered_graph<Graph, boost::keep_all, std::function<bool(std::size_t)>> two(
      ops, boost::keep_all(), only);
  const ints seed{ops.index_of(op_of(s.c))};
  CHECK(walks::forward(two, seed).size() == 2);
  const data_graph data(ops);
  const boost::filtered_graph<data_graph, boost::keep_all, std::function<bool(std::size_t)>> alone(
      data, boost::keep_all(), only);
  CHECK(walks::forward(alone, seed).size() == 1);
  CHECK(walks::forward(data, seed).size() == 5);
}
