// Bodies: graphs inside a graph, and what they take from around them.
#include "graft/core/error.hpp"

#include "catch.hpp"
#include "small_graph.hpp"

using namespace graft;
using small::make_input;
using traits = target_traits<Graph>;

namespace {

graph_reference add(const operator_schema& schema,
                    std::initializer_list<graph_reference> operands) {
  const std::vector<graph_reference> list(operands);
  return traits::add(traits::target_of(list[0]), schema, list, {}, {}, {})[0];
}

}  // namespace

TEST_CASE("what is built while a body is open goes into it") {
  Graph g;
  const graph_reference x = g.handle(make_input(g, {2, 3}, "x")).ref();
  const graph_reference y = g.handle(make_input(g, {2, 3}, "y")).ref();
  Graph& body = g.open_body();
  CHECK(g.current_body() == &body);
  const graph_reference inner = add(small::add, {x, y});
  const graph_reference again = add(small::add, {inner, x});
  CHECK(&traits::target_of(again) == &body);
  CHECK(g.op_count() == 2);
  CHECK(body.op_count() == 4);  // two captures, x is captured once
  CHECK(body.type_of(again.id) == value_type::of(dtype::float32, {2, 3}));
  CHECK(traits::type_of(x) == g.type_of(x.id));

  const Graph::closed_body closed = g.close_body();
  CHECK(closed.captures == std::vector{x.id, y.id});
  CHECK(&g.body(closed.index) == &body);
  CHECK(g.current_body() == nullptr);
  CHECK(add(small::relu, {x}).slot == g.slot());
  CHECK_THROWS_AS(add(small::add, {x, again}), handle_error);  // an inner tensor outside
  attribute_list a;
  a.set("axis", 1).set("body", closed.index, attribute_kind::body);
  g.add(small::along, std::vector{x.id}, a);
  g.validate();
}

TEST_CASE("bodies nest and take through each other") {
  Graph g;
  const graph_reference x = g.handle(make_input(g)).ref();
  Graph& outer = g.open_body();
  const graph_reference h = add(small::relu, {x});
  Graph& inner = outer.open_body();
  CHECK_THROWS_AS(g.open_body(), graph_error);
  CHECK_THROWS_AS(g.close_body(), graph_error);
  const graph_reference both = add(small::add, {x, h});
  CHECK(&traits::target_of(both) == &inner);
  const Graph::closed_body closed = outer.close_body();
  CHECK(closed.captures.size() == 2);
  CHECK(outer.op_count() == 2);  // the capture of x, relu
  CHECK(g.close_body().captures == std::vector{x.id});
  g.validate();
}

TEST_CASE("variables made in a body belong to the outermost graph") {
  Graph g;
  Graph& body = g.open_body();
  Graph& inner = body.open_body();
  const graph_reference w = traits::add_variable(inner, small::weight("w", {2}), {});
  CHECK(g.variable_count() == 1);
  CHECK(body.variable_count() == 0);
  CHECK(inner.variable_count() == 0);
  CHECK(w.slot == inner.slot());
  body.close_body();
  CHECK(g.close_body().captures == std::vector{g.variable_of(variable_id{0}).read});
  g.validate();
}

TEST_CASE("a body that is given up leaves nothing") {
  Graph g, stranger;
  const graph_reference x = g.handle(make_input(g)).ref();
  const graph_reference s = stranger.handle(make_input(stranger)).ref();
  const std::uint64_t before = g.digest();
  graph_reference lost;
  {
    Graph::transaction undo(g);
    Graph& body = g.open_body();
    lost = add(small::relu, {x});
    const auto ops = body.op_count();
    CHECK_THROWS_AS(traits::add(body, small::add, std::vector{lost, s}, {}, {}, {}), handle_error);
    const graph_reference wide = g.handle(make_input(g, {7})).ref();
    CHECK_THROWS_AS(add(small::add, {lost, wide}), shape_error);
    CHECK(body.op_count() == ops);  // nor did a capture stay
  }
  CHECK(g.current_body() == nullptr);
  CHECK(g.digest() == before);
  CHECK_THROWS_AS(traits::target_of(lost), handle_error);
  CHECK_THROWS_AS(g.close_body(), graph_error);
  g.open_body();
  g.abandon_body();
  CHECK(g.current_body() == nullptr);
  CHECK(g.body_count() == 0);
}
