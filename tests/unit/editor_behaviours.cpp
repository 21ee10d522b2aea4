// What the tests of graph_editor pin on views and rerouting. Where a region or an edit differs from it on purpose,
// the difference is pinned.
#include "graft/surgery/edit.hpp"
#include "graft/surgery/select.hpp"

#include "letters_fixture.hpp"

using namespace graft;
using namespace graft_test;

namespace {

tensor_id operand(const Graph& g, const any_tensor& t, std::uint32_t slot) {
  return g.operand(op_of(t), slot);
}

Region whole_of(const constant_letters& s) {
  return region_of(s.graph, find_ops(s.graph, any_op()));
}

// Three sums of their own operands: c0 = a0 + b0, c1 = a1 + b1, c2 = a2 + b2.
struct sums {
  Graph g;
  std::vector<row4> a, b, c;
  sums() {
    for (const char* i : {"0", "1", "2"}) {
      a.push_back(input4(g, std::string("a") + i));
      b.push_back(input4(g, std::string("b") + i));
      c.push_back(add(a.back(), b.back(), std::string("c") + i));
    }
  }
  [[nodiscard]] std::vector<tensor_id> first_operands() const {
    return {operand(g, c[0], 0), operand(g, c[1], 0), operand(g, c[2], 0)};
  }
};

}  // namespace

TEST_CASE("a view of the whole graph has no inputs, and what nobody takes as outputs") {
  const constant_letters s;
  const Region whole = whole_of(s);
  CHECK(whole.inputs().empty());
  CHECK(whole.outputs() == ids(s.e, s.h));
  CHECK(whole.nodes() == find_ops(s.graph, any_op()));
  CHECK(whole.nodes().size() == 8);
  CHECK(whole.kept().empty());
  CHECK(whole.passthroughs().empty());
  CHECK(whole.is_eligible());
  // Placeholders are no ops of a region: they are outside, or they are its inputs.
  const letters open;
  const std::vector<op_id> all = find_ops(open.graph, any_op());
  CHECK_THROWS_AS(region_of(open.graph, all), boundary_error);
  CHECK(region_of(open.graph, all, leaks::lift).inputs() == ids(open.a, open.b, open.d));
  CHECK(region_of(open.graph, all, leaks::keep).kept() == ids(open.a, open.b, open.d));
}

TEST_CASE("a view of some ops has its inputs in the order of their first use") {
  const constant_letters s;
  const Region two = region_of(s.graph, ops_of({s.f, s.g}));
  CHECK(two.inputs() == ids(s.c, s.d, s.a));
  CHECK(two.outputs() == ids(s.f, s.g));
  const Region one = region_of(s.graph, ops_of({s.g}));
  CHECK(one.inputs() == ids(s.c, s.a));
}

TEST_CASE("outputs of the whole graph are chosen anew, and ops that none needs go") {
  const constant_letters s;
  const Region whole = whole_of(s);
  const Region only_h = whole.with_outputs({1});
  CHECK(only_h.outputs() == ids(s.h));
  CHECK(only_h.nodes().size() == 7);
  CHECK_FALSE(only_h.contains(op_of(s.e)));
  CHECK(whole.with_outputs(outputs(s.h)).nodes() == only_h.nodes());
  CHECK(whole.with_outputs({1, 0, 1}).outputs() == ids(s.h, s.e, s.h));
  // Once for each consumer.
  const Region c = region_of(s.graph, ops_of({s.c}));
  CHECK(c.with_outputs(std::vector<std::size_t>(s.graph.uses(id_of(s.c)).size(), 0)).outputs() ==
        ids(s.c, s.c, s.c));
  // Inputs that are left out are hidden; back to all of them by with_hidden_inputs.
  const Region two = region_of(s.graph, ops_of({s.f, s.g}));
  const Region less = two.with_inputs({2, 0});
  CHECK(less.inputs() == ids(s.a, s.c));
  CHECK(less.kept() == ids(s.d));
  CHECK(less.nodes() == two.nodes());
  CHECK(less.with_hidden_inputs().inputs() == ids(s.a, s.c, s.d));
  CHECK(two.with_inputs(std::vector<std::size_t>{}).kept() == ids(s.a, s.c, s.d));
  // A region without outputs is none.
  CHECK_THROWS_AS(whole.with_outputs(std::vector<std::size_t>{}), boundary_error);
}

TEST_CASE("one tensor in the place of several, and several that would be one") {
  sums s;
  const auto before = s.g.digest();
  // c0 would take both a1 and a2: graph_editor takes the last. Said as it is meant, all at once, it is well.
  const std::string text = message_of<argument_error>(
      [&] { swap_uses(std::tuple{s.a[0], s.a[0]}, std::tuple{s.a[1], s.a[2]}); });
  CHECK(mentions(text, "'a0'"));
  CHECK(mentions(text, "named twice"));
  CHECK(s.g.digest() == before);
  CHECK(reroute(s.a, std::vector{s.a[2], s.a[0], s.a[0]}) == 3);
  CHECK(s.first_operands() == ids(s.a[2], s.a[0], s.a[0]));
  s.g.validate();
  // Several pairs at once, and back.
  sums t;
  const auto whole = t.g.digest();
  CHECK(swap_uses(std::tuple{t.a[0], t.b[0]}, std::tuple{t.b[1], t.a[2]}) == 4);
  CHECK(t.first_operands() == ids(t.b[1], t.a[1], t.b[0]));
  CHECK(operand(t.g, t.c[0], 1) == id_of(t.a[2]));
  CHECK(operand(t.g, t.c[1], 1) == id_of(t.a[0]));
  CHECK(swap_uses(std::tuple{t.a[0], t.b[0]}, std::tuple{t.b[1], t.a[2]}) == 4);
  CHECK(t.g.digest() == whole);
}

TEST_CASE("only users that may be changed are") {
  constant_letters s;
  Graph& g = s.graph;
  SECTION("can_modify") {
    const op_filter two = among({op_of(s.g), op_of(s.e)});
    CHECK(swap_uses(s.a, s.d, two) == 2);
    CHECK(operand(g, s.g, 1) == id_of(s.d));
    CHECK(operand(g, s.e, 1) == id_of(s.a));
    CHECK(operand(g, s.c, 0) == id_of(s.a));
    CHECK(operand(g, s.f, 1) == id_of(s.d));
    CHECK(swap_uses(s.a, s.d, two) == 2);
    CHECK(operand(g, s.g, 1) == id_of(s.a));
    CHECK(operand(g, s.e, 1) == id_of(s.d));
  }
  SECTION("cannot_modify") {
    CHECK(reroute(s.d, s.b, !among({op_of(s.f)})) == 1);
    CHECK(operand(g, s.e, 1) == id_of(s.b));
    CHECK(operand(g, s.f, 1) == id_of(s.d));
    CHECK(reroute(s.b, s.d, among({op_of(s.e)})) == 1);
    CHECK(operand(g, s.e, 1) == id_of(s.d));
  }
  SECTION("of outputs that are taken inside as well, those outside") {
    const auto other = placeholder<float, shape<2, 4>>(g, "other");
    const auto last = exp(other, "last"), end = sin(last, "end");
    const Region first = region_of(g, ops_of({s.c, s.f}));
    const Region second = extract(inputs(other), outputs(other, last));
    REQUIRE(first.outputs() == ids(s.c, s.f));
    CHECK(swap_outputs(first, second) == 4);
    CHECK(operand(g, s.f, 0) == id_of(s.c));
    CHECK(operand(g, last, 0) == id_of(other));
    CHECK(operand(g, s.e, 0) == id_of(other));
    CHECK(operand(g, s.g, 0) == id_of(other));
    CHECK(operand(g, s.h, 0) == id_of(last));
    CHECK(operand(g, end, 0) == id_of(s.f));
  }
  g.validate();
}

TEST_CASE("another element type, rank or extent in the place of a tensor is an error") {
  sums s;
  const any_tensor a = s.a[0];
  const any_tensor whole = placeholder<std::int64_t, shape<dyn, 4>>(s.g, "whole");
  const any_tensor flat = placeholder<float, shape<4>>(s.g, "flat");
  const any_tensor five = placeholder<float, shape<dyn, 5>>(s.g, "five");
  const auto before = s.g.digest();
  CHECK_THROWS_AS(swap_uses(a, whole), dtype_error);
  CHECK_THROWS_AS(reroute(a, whole), dtype_error);
  for (const any_tensor& other : {flat, five}) {
    CHECK_THROWS_AS(swap_uses(a, other), shape_error);
    CHECK_THROWS_AS(reroute(a, other), shape_error);
    // Regions too, which graph_editor leaves to swap_ts and reroute_ts.
    const any_tensor y = relu(other), z = relu(a);
    CHECK_THROWS_AS(swap_inputs(extract(inputs(a), outputs(z)), extract(inputs(other), outputs(y))),
                    shape_error);
    CHECK_THROWS_AS(connect(extract(inputs(other), outputs(y)), extract(inputs(a), outputs(z))),
                    shape_error);
    s.g.erase_ops(ops_of({y, z}));
  }
  CHECK(s.g.digest() == before);
  // Broadcasting takes the flat one where it is wanted: graph_editor has no such choice.
  CHECK(reroute(a, flat, reshaping::allow) == 1);
  CHECK(s.g.type_of(id_of(s.c[0])) == value_type::of(dtype::float32, {dyn, 4}));
}

TEST_CASE("what is no input or output of a region has no place there") {
  const letters s;
  const Region r = extract(inputs(s.c, s.d), outputs(s.f, s.e, s.f));
  CHECK(r.place_of_input(s.c) == 0);
  CHECK(r.place_of_input(s.d) == 1);
  CHECK(r.place_of_output(s.f) == 0);  // the first of its places
  CHECK(r.place_of_output(s.e) == 1);
  // input_index fails on its own error message.
  const std::string text = message_of<boundary_error>([&] { (void)r.place_of_input(s.e); });
  CHECK(mentions(text, "'foo/bar/e'"));
  CHECK(mentions(text, "'foo/c', 'foo/d'"));
  CHECK(mentions(message_of<boundary_error>([&] { (void)r.place_of_output(s.c); }),
                 "'foo/bar/f', 'foo/bar/e', 'foo/bar/f'"));
  const letters other;
  CHECK_THROWS_AS(r.place_of_input(other.c), handle_error);
}

TEST_CASE("an op is found by its path, or the names near it are told") {
  const letters s;
  CHECK(op_named(s.graph, "foo/bar/e") == op_of(s.e));
  const std::string text = message_of<name_error>([&] { (void)op_named(s.graph, "foo/bar/ee"); });
  CHECK(mentions(text, "'foo/bar/ee'"));
  CHECK(mentions(text, "There are 'foo/bar/e'"));  // the most similar first
  CHECK(mentions(text, "'foo/bar/h'"));
  CHECK(mentions(message_of<name_error>([&] { (void)op_named(s.graph, "foo/bar"); }),
                 "it is a scope"));
  CHECK(mentions(message_of<name_error>([&] { (void)op_named(s.graph, "fo/bar/e"); }),
                 "There are 'foo'"));
  CHECK_THROWS_AS(op_named(s.graph, ""), name_error);
}
