// What patterns match, and in which order.
#include "graft/surgery/pattern.hpp"

#include "graft/dsl/dense.hpp"

#include "letters_fixture.hpp"

using namespace graft_test;
using patterns::any;
using patterns::any_of;
using patterns::number;
using patterns::op;

namespace {

std::vector<std::string> roots(const Graph& g, const std::vector<pattern_match>& found) {
  std::vector<std::string> names;
  for (const pattern_match& m : found) names.push_back(g.path_of(m.root));
  return names;
}
std::vector<std::string> roots(const Graph& g, const pattern& p) {
  return roots(g, find_matches(g, p));
}

using names_list = std::vector<std::string>;

}  // namespace

TEST_CASE("operators, operands and captures") {
  Graph g;
  const row4 x = input4(g);
  const row4 h = relu(x, "h");
  const row4 y = tanh(h, "y");
  (void)relu(y, "z");
  const auto found = find_matches(g, op(ops::tanh, op(ops::relu, any("in")).as("inner")));
  REQUIRE(found.size() == 1);
  CHECK(found[0].root == id_of(y));
  CHECK(found[0]["in"] == id_of(x));
  CHECK(found[0]["inner"] == id_of(h));
  CHECK(found[0].ops == std::vector<op_id>{op_of(h), op_of(y)});
  CHECK(mentions(message_of<name_error>([&] { (void)found[0]["out"]; }), "'out'"));

  CHECK(roots(g, op(ops::relu)) == names_list{"h", "z"});
  CHECK(roots(g, op(ops::relu, op(ops::tanh))) == names_list{"z"});
  CHECK(roots(g, op(ops::exp)).empty());
  CHECK(roots(Graph(), op(ops::relu)).empty());
}

TEST_CASE("what commutes is found in both orders, what does not only in its own [edge-57]") {
  Graph g;
  const row4 x = input4(g), y = input4(g, "y");
  (void)add(relu(x), y, "a1");
  (void)add(y, relu(x), "a2");
  (void)sub(relu(x), y, "s1");
  (void)sub(y, relu(x), "s2");
  CHECK(roots(g, op(ops::add, op(ops::relu), any())) == names_list{"a1", "a2"});
  CHECK(roots(g, op(ops::add, op(ops::relu), any()).commutative(false)) == names_list{"a1"});
  CHECK(roots(g, op(ops::sub, op(ops::relu), any())) == names_list{"s1"});
  CHECK(roots(g, op(ops::sub, op(ops::relu), any()).commutative(true)) == names_list{"s1", "s2"});
  // Both exchanged at two depths.
  (void)add(y, add(y, tanh(x)), "deep");
  CHECK(roots(g, op(ops::add, op(ops::add, op(ops::tanh), any()), any())) == names_list{"deep"});
}

TEST_CASE("one node stands for one tensor, and so do equal names") {
  Graph g;
  const row4 x = input4(g);
  const row4 h = relu(x, "h"), k = relu(x, "k");
  (void)sub(h, h, "same");
  (void)sub(h, k, "two");
  const pattern any_tensor_node = any();
  CHECK(roots(g, op(ops::sub, any_tensor_node, any_tensor_node)) == names_list{"same"});
  CHECK(roots(g, op(ops::sub, any("t"), any("t"))) == names_list{"same"});
  CHECK(roots(g, op(ops::sub, any("t"), any("u"))) == names_list{"same", "two"});
  const pattern shared = op(ops::relu, any());
  CHECK(roots(g, op(ops::sub, shared, shared)) == names_list{"same"});
  // Two nodes may stand for one tensor. (At "two" it would overlap the match before.)
  CHECK(roots(g, op(ops::sub, op(ops::relu), op(ops::relu))) == names_list{"same"});
  // x * sigmoid(x), in either order, but not x * sigmoid(y).
  (void)mul(sigmoid(h), h, "silu");
  (void)mul(sigmoid(h), k, "other");
  const pattern t = any("x");
  CHECK(roots(g, op(ops::mul, t, op(ops::sigmoid, t))) == names_list{"silu"});
}

TEST_CASE("attributes, types, shapes and predicates") {
  Graph g;
  const auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  const auto w = placeholder<double, shape<2, 3>>(g, "w");
  (void)leaky_relu(x, 0.25, "quarter");
  (void)leaky_relu(x, 0.5, "half");
  (void)relu(x, "narrow");
  (void)relu(w, "wide");
  CHECK(roots(g, op(ops::leaky_relu).with("alpha", 0.25)) == names_list{"quarter"});
  CHECK(roots(g, op(ops::leaky_relu).with("alpha", 0.125)).empty());
  CHECK(roots(g, op(ops::relu).typed(dtype::float64)) == names_list{"wide"});
  CHECK(roots(g, op(ops::relu).ranked(2)) == names_list{"narrow", "wide"});
  CHECK(roots(g, op(ops::relu).ranked(3)).empty());
  CHECK(roots(g, op(ops::relu).shaped({dyn, 4})) == names_list{"narrow"});
  CHECK(roots(g, op(ops::relu).shaped({2, dyn})) == names_list{"wide"});
  CHECK(roots(g, op(ops::relu).where([](const Graph& graph, tensor_id t) {
          return graph.path_of(t) == "wide";
        })) == names_list{"wide"});
  CHECK(roots(g, op(ops::relu, any().typed(dtype::float32))) == names_list{"narrow"});
  // An attribute that is not there is 0.
  const auto m = placeholder<float, shape<4, 4>>(g, "m");
  (void)matmul(m, m, "plain");
  (void)matmul<true, false>(m, m, "turned");
  CHECK(roots(g, op(ops::matmul).with("transpose_a", false)) == names_list{"plain"});
  CHECK(roots(g, op(ops::matmul).with("transpose_a", true)) == names_list{"turned"});
}

TEST_CASE("what makes a tensor, what takes it, and what waits") {
  Graph g;
  const row4 x = input4(g);
  const row4 head = [&] {
    const in_scope inside(g, "head");
    return row4(relu(x, "h").ref());
  }();
  const row4 once = relu(x, "once"), twice = relu(x, "twice"), never = relu(x, "never");
  (void)tanh(head, "t0");
  (void)exp(head, "e0");
  (void)tanh(once, "t1");
  const row4 squared = mul(twice, twice, "squared");
  g.add_control_edge(op_of(squared), op_of(never));
  const pattern any_relu = op(ops::relu);
  CHECK(roots(g, any_relu.where(within_scope("head"))) == names_list{"head/h"});
  CHECK(roots(g, any_relu.where(!within_scope("head") && matching("n"))) ==
        names_list{"once", "never"});
  CHECK(roots(g, op(ops::tanh, any().where(of_operator("relu")).where(within_scope("head")))) ==
        names_list{"t0"});

  CHECK(roots(g, any_relu.uses(0)) == names_list{"never"});
  CHECK(roots(g, any_relu.uses(1)) == names_list{"once"});
  CHECK(roots(g, any_relu.uses(2)) == names_list{"head/h", "twice"});  // by two, and twice by one
  CHECK(roots(g, any_relu.used_by(of_operator("tanh"))) == names_list{"head/h", "once"});
  CHECK(roots(g, any_relu.used_only_by(of_operator("tanh"))) == names_list{"once"});
  CHECK(roots(g, any_relu.used_only_by([](op_id) { return true; })) ==
        names_list{"head/h", "once", "twice"});

  CHECK(roots(g, any_relu.after(of_operator("mul"))) == names_list{"never"});
  CHECK(roots(g, any_relu.after(of_operator("tanh"))).empty());
  CHECK(roots(g, op(ops::mul).before(of_operator("relu"))) == names_list{"squared"});
  CHECK(roots(g, op(ops::tanh).before(of_operator("relu"))).empty());
  // Users outside of a region count.
  CHECK(find_matches(extract(inputs(x), outputs(head)), any_relu.used_by(of_operator("exp")))
            .size() == 1);
  // graph_editor's example: h takes f and g, and waits for c.
  letters s;
  CHECK(roots(s.graph, op(ops::add, op(ops::add, any("c"), any("d")), op(ops::add, any("c"), any()))
                           .after(matching("/c$"))) == names_list{"foo/bar/h"});
}

TEST_CASE("numbers are scalars, fills and constants of one value") {
  Graph g;
  const auto x = placeholder<float, shape<4>>(g, "x");
  (void)mul(x, 2, "by_scalar");
  (void)mul(x, constant(g, Array::full<float>({4}, 2)), "by_constant");
  (void)mul(x, fill<float, shape<4>>(g, 2.0), "by_fill");
  (void)mul(x, fill_like(x, 2.0), "by_like");
  (void)mul(x, constant(g, Array::from<float>({2, 1}, {2, 3})), "mixed");
  (void)mul(x, 3, "other");
  CHECK(roots(g, op(ops::mul, any(), number(2))) ==
        names_list{"by_scalar", "by_constant", "by_fill", "by_like"});
  CHECK(roots(g, op(ops::mul, any(), number(3))) == names_list{"other"});
}

TEST_CASE("variables, choices and outputs") {
  Graph g;
  const auto x = placeholder<float, shape<4>>(g, "x");
  const auto v = make_variable<float, shape<4>>(g, "v", zeros());
  (void)add(x, v, "with_variable");
  (void)add(x, x, "without");
  CHECK(roots(g, op(ops::add, any(), patterns::variable("v"))) == names_list{"with_variable"});
  CHECK(find_matches(g, op(ops::add, any(), patterns::variable("v")))[0]["v"] == id_of(v));

  (void)relu(x, "r");
  (void)tanh(x, "t");
  CHECK(roots(g, any_of({op(ops::tanh, any("a")), op(ops::relu, any("a"))})) ==
        names_list{"r", "t"});
  const auto [first, second] = split<2, 0>(x);
  (void)neg(first, "n0");
  (void)neg(second, "n1");
  CHECK(roots(g, op(ops::neg, op(ops::split))) == names_list{"n0"});
  CHECK(roots(g, op(ops::neg, op(ops::split).output(1))) == names_list{"n1"});
}

TEST_CASE("sole use looks at everything outside the match") {
  Graph g;
  const row4 x = input4(g);
  const row4 h = relu(x, "h");
  const row4 y = tanh(h, "y");
  const pattern p = op(ops::tanh, op(ops::relu).sole_use());
  CHECK(roots(g, p) == names_list{"y"});
  // Twice by ops of the match is still alone.
  const row4 k = relu(x, "k");
  (void)mul(k, exp(k), "both");
  const pattern inner = op(ops::relu).sole_use();
  CHECK(roots(g, op(ops::mul, inner, op(ops::exp, inner))) == names_list{"both"});
  // An output of a region is used outside.
  CHECK(find_matches(extract(inputs(x), outputs(y)), p).size() == 1);
  CHECK(find_matches(extract(inputs(x), outputs(y, h)), p).empty());
  (void)neg(h);
  CHECK(roots(g, p).empty());
}

TEST_CASE("matches do not overlap, and the earliest root wins") {
  Graph g;
  const row4 x = input4(g);
  const row4 a = neg(x, "a"), b = neg(a, "b"), c = neg(b, "c"), d = neg(c, "d");
  (void)neg(d, "e");
  const auto found = find_matches(g, op(ops::neg, op(ops::neg, any("x"))));
  CHECK(roots(g, found) == names_list{"b", "d"});
  CHECK(found[1]["x"] == id_of(b));
  // What any() stands for may be shared.
  Graph h;
  const row4 y = input4(h);
  (void)relu(y, "one");
  (void)relu(y, "two");
  CHECK(roots(h, op(ops::relu, any("x"))) == names_list{"one", "two"});
}

TEST_CASE("a region bounds the search") {
  Graph g;
  const row4 x = input4(g);
  const row4 a = neg(x, "a"), b = neg(a, "b"), c = neg(b, "c");
  const pattern p = op(ops::neg, op(ops::neg));
  CHECK(find_matches(extract(inputs(a), outputs(c)), p).size() == 1);
  CHECK(find_matches(extract(inputs(b), outputs(c)), p).empty());
  CHECK(find_matches(extract(inputs(b), outputs(c)), op(ops::neg, any("x")))[0]["x"] == id_of(b));
  const Region region = extract(inputs(x), outputs(c));
  g.rename(op_of(b), "other");
  CHECK_THROWS_AS(find_matches(region, p), graph_error);  // stale
}

TEST_CASE("patterns that cannot be are refused") {
  Graph g;
  CHECK(mentions(message_of<argument_error>([&] { (void)find_matches(g, any()); }),
                 "its root is not an op"));
  CHECK_THROWS_AS(any_of({}), argument_error);
  CHECK_THROWS_AS(op(ops::relu, any(), any()), argument_error);
  CHECK_THROWS_AS(op(ops::add, any()), argument_error);
  CHECK_THROWS_AS(any().with("axis", 1), argument_error);
  CHECK_THROWS_AS(number(1).sole_use(), argument_error);
}
