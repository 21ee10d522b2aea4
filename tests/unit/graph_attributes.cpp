// Attributes as graphs store and show them.
#include "catch.hpp"
#include "graph/building.hpp"
#include "graph/copy.hpp"
#include "small_graph.hpp"

using namespace graft;
using small::apply;
using small::make_input;

namespace {

attribute_list all_kinds() {
  attribute_list a;
  a.set("axis", -2).set("type", dtype::float64).set("alpha", 0.25);
  a.set("pads", dims{1, 2, 3}).set("none", dims{}).set_string("device", "gpu:1");
  return a;
}

void check_all_kinds(const attribute_view& a) {
  CHECK(a.size() == 6);
  CHECK_FALSE(a.empty());
  CHECK(a.integer("axis") == -2);
  CHECK(a.type("type") == dtype::float64);
  CHECK(a.real("alpha") == 0.25);
  CHECK(a.integers("pads") == dims{1, 2, 3});
  CHECK(a.integers("none").empty());
  CHECK(a.string("device") == "gpu:1");
  CHECK(a == all_kinds());
}

}  // namespace

TEST_CASE("a view answers as the list that was given") {
  Graph g;
  const tensor_id x = make_input(g, {2, 3}, "x");
  const tensor_id y = apply(g, small::relu, {x}, "y", all_kinds());
  const attribute_view a = g.attributes_of(y.op);
  check_all_kinds(a);
  // What is not there, and what is of another kind.
  CHECK_FALSE(a.find("beta").has_value());
  CHECK(a.integer("beta", 7) == 7);
  CHECK(a.real("beta", 1.5) == 1.5);
  CHECK(a.integers("beta", dims{4}) == dims{4});
  CHECK(a.type("beta") == dtype::any);
  CHECK(a.string("beta").empty());
  CHECK(a.integer("alpha") == 0);
  CHECK(a.real("axis") == 0);
  CHECK(a.integers("axis").empty());
  CHECK(a.string("axis").empty());
  std::string keys;
  for (const attribute& each : a) keys += std::string(each.key) + " ";
  CHECK(keys == "axis type alpha pads none device ");
  CHECK(g.attributes_of(x.op).find("shape")->integers == dims{2, 3});
  // A view stays right while the graph grows.
  for (int i = 0; i < 1000; ++i) (void)apply(g, small::relu, {x}, "z", all_kinds());
  check_all_kinds(a);
  g.validate();
}

TEST_CASE("attributes are equal across graphs, by what they say") {
  Graph g, h;
  (void)make_input(h, {5}, "other");  // so that texts have other numbers there
  const op_id a = apply(g, small::relu, {make_input(g, {2}, "x")}, "y", all_kinds()).op;
  const op_id b = apply(h, small::relu, {make_input(h, {2}, "x")}, "y", all_kinds()).op;
  CHECK(g.attributes_of(a) == h.attributes_of(b));
  attribute_list changed = all_kinds();
  changed.set("pads", dims{1, 2, 4});
  h.set_attributes(b, changed);
  CHECK_FALSE(g.attributes_of(a) == h.attributes_of(b));
  changed = all_kinds();
  changed.set("alpha", 0.5);
  h.set_attributes(b, changed);
  CHECK_FALSE(g.attributes_of(a) == h.attributes_of(b));
}

TEST_CASE("attributes go into another graph whether their lists are in a row or not") {
  const bool edited = GENERATE(false, true);
  const bool far = GENERATE(false, true);  // extents that do not lie together
  Graph g, h;
  const tensor_id x = make_input(g, {2, 3}, "x");
  const tensor_id first = apply(g, small::relu, {x}, "first", all_kinds());
  for (extent i = 0; far && i < 500; ++i) (void)make_input(g, {i, 7, i}, "between");
  const tensor_id second =
      apply(g, small::relu, {first}, "second", attribute_list().set("pads", dims{9, 8}));
  const tensor_id third = apply(g, small::relu, {second}, "third", all_kinds());
  if (edited) g.set_attributes(second.op, attribute_list().set("pads", dims{9, 8}));
  const std::vector<std::uint32_t> ops{static_cast<std::uint32_t>(g.index_of(first.op)),
                                       static_cast<std::uint32_t>(g.index_of(second.op)),
                                       static_cast<std::uint32_t>(g.index_of(third.op))};
  detail::copy_request request;
  request.from = &g;
  request.to = &h;
  request.ops = ops;
  const tensor_id x2 = make_input(h, {2, 3}, "x2");
  const auto outside = [&](tensor_id) { return x2; };
  request.outside = outside;
  const detail::copied_ops copies = detail::append_copy(request);
  check_all_kinds(h.attributes_of(copies.id(0)));
  CHECK(h.attributes_of(copies.id(1)).integers("pads") == dims{9, 8});
  check_all_kinds(h.attributes_of(copies.id(2)));
  CHECK(h.type_of({copies.id(2), 0}) == g.type_of(third));
  h.validate();
}

TEST_CASE("an undone transaction takes attributes along") {
  Graph g;
  const tensor_id x = make_input(g, {2}, "x");
  const tensor_id y = apply(g, small::relu, {x}, "y", all_kinds());
  const std::uint64_t before = g.digest();
  const Graph::tables& t = g.data();
  const auto lists = t.attributes.lists.size(), items = t.attributes.items.size();
  {
    const Graph::transaction all(g);
    g.set_attributes(y.op, attribute_list().set("axis", 1));
    (void)apply(g, small::relu, {y}, "z", all_kinds());
  }
  CHECK(t.attributes.lists.size() == lists);
  CHECK(t.attributes.items.size() == items);
  CHECK(g.digest() == before);
  check_all_kinds(g.attributes_of(y.op));
}
