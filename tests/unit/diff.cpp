// What differs, in sentences that name both sides.
#include "graft/surgery/diff.hpp"

#include "clone_fixture.hpp"

using namespace graft_test;

namespace {

Region cut(const row4& x, const any_tensor& y) { return extract(inputs(x), outputs(y)); }

}  // namespace

TEST_CASE("a difference names both ops [edge-64]") {
  Graph g;
  const row4 x = input4(g);
  const auto found = diff(cut(x, tanh(relu(x, "act"), "a")), cut(x, tanh(sigmoid(x, "act2"), "b")));
  REQUIRE(found.size() == 1);
  CHECK(found[0].what == difference_kind::op);
  CHECK(g.path_of(found[0].left) == "act");
  CHECK(g.path_of(found[0].right) == "act2");
  CHECK(found[0].text == "'act' is relu, 'act2' is sigmoid");
  CHECK(to_string(found) == "'act' is relu, 'act2' is sigmoid\n");
}

TEST_CASE("equal regions have no differences") {
  Graph g;
  const row4 x = input4(g);
  const Region r = cut(x, two_layers(x));
  CHECK(diff(r, r).empty());
  CHECK(to_string(diff(r, r)) == "no difference\n");
  const correspondence c = correspond(r, r);
  CHECK(c.same());
  CHECK(c.ops.size() == r.nodes().size());
  CHECK(c.variables.size() == r.variables().size());
  CHECK(c.only_left.empty());
  CHECK(c.only_right.empty());
  for (const auto& [a, b] : c.ops) CHECK(a == b);
}

TEST_CASE("another given value is a difference") {
  Graph g;
  const row4 x = input4(g), mask = input4(g, "mask"), other = input4(g, "other");
  const row4 y = mul(x, mask), z = mul(x, other);
  const Array ones = Array::full<float>({1, 4}, 1), twos = Array::full<float>({1, 4}, 2);
  const auto text = [&](const Region& a, const Region& b) {
    const auto found = diff(a, b);
    REQUIRE(found.size() == 1);
    CHECK(found[0].what == difference_kind::inputs);
    CHECK(g.path_of(found[0].left) == "mask");
    CHECK(g.path_of(found[0].right) == "other");
    return found[0].text;
  };
  const Region left = extract(inputs(x), outputs(y), given(mask, ones));
  const std::string where =
      "operand 1 of 'mul' and 'mul_1': 'mask' is given a value of float32 [1, 4], ";
  CHECK(text(left, extract(inputs(x), outputs(z), given(other, twos))) ==
        where + "'other' is given a value of float32 [1, 4] of other elements");
  CHECK(text(left, extract(inputs(x), outputs(z), given(other, Array::full<float>({4, 4}, 1)))) ==
        where + "'other' is given a value of float32 [4, 4]");
  CHECK(text(left, extract(inputs(x), outputs(z), leaks::keep)) ==
        where + "'other' is a source without a value");
  CHECK(to_string(diff(left, left)) == "no difference\n");
}

TEST_CASE("an attribute, a constant and an extent are named with both values") {
  Graph g;
  const auto x = placeholder<float, shape<4, 4>>(g, "x");
  const auto between = [&](const any_tensor& a, const any_tensor& b) {
    return diff(extract(inputs(x), outputs(a)), extract(inputs(x), outputs(b)));
  };
  const auto found = between(leaky_relu(x, 0.25, "a"), leaky_relu(x, 0.5, "b"));
  REQUIRE(found.size() == 1);
  CHECK(found[0].what == difference_kind::attribute);
  CHECK(found[0].text == "attribute 'alpha' of 'a' is 0.25, of 'b' 0.5");

  const auto one = constant(g, Array::full<float>({4}, 1), "one");
  const auto two = constant(g, Array::full<float>({4}, 2), "two");
  const auto constants = between(add(x, one), add(x, two));
  REQUIRE(constants.size() == 1);
  CHECK(constants[0].text ==
        "attribute 'value' of 'one' is a constant of float32 [4], of 'two' a constant of float32 "
        "[4] of other elements");

  const auto shapes = between(reshape<shape<16>>(x, "flat"), reshape<shape<8, 2>>(x, "wide"));
  REQUIRE_FALSE(shapes.empty());
  CHECK(mentions(to_string(shapes), "'flat' is float32 [16], 'wide' is float32 [8, 2]"));
}

TEST_CASE("an op more is told as added or removed, and what lies behind still corresponds") {
  Graph g;
  const row4 x = input4(g);
  const row4 short_way = tanh(relu(x, "r1"), "t1");
  const row4 long_way = tanh(neg(relu(x, "r2"), "n2"), "t2");
  const correspondence c = correspond(cut(x, short_way), cut(x, long_way));
  REQUIRE(c.differences.size() == 1);
  CHECK(c.differences[0].what == difference_kind::added);
  CHECK_FALSE(c.differences[0].left.valid());
  CHECK(g.path_of(c.differences[0].right) == "n2");
  CHECK(c.differences[0].text ==
        "operand 0 of 't1' and 't2': the right has 'n2' (neg) between them, the left has not");
  CHECK(c.ops.size() == 2);
  CHECK(c.only_left.empty());
  REQUIRE(c.only_right.size() == 1);
  CHECK(g.path_of(c.only_right[0]) == "n2");

  const auto back = diff(cut(x, long_way), cut(x, short_way));
  REQUIRE(back.size() == 1);
  CHECK(back[0].what == difference_kind::removed);
  // Just before an input, too.
  const auto at_input = diff(cut(x, relu(x)), cut(x, relu(neg(x))));
  REQUIRE(at_input.size() == 1);
  CHECK(at_input[0].what == difference_kind::added);
}

TEST_CASE("ties, swapped operands and boundaries") {
  Graph g;
  const row4 x = input4(g);
  const row4 h = relu(x, "h"), k = relu(x, "k"), l = relu(x, "l");
  const auto ties = diff(cut(x, sub(h, h, "tied")), cut(x, sub(k, l, "split")));
  REQUIRE(ties.size() == 1);
  CHECK(ties[0].what == difference_kind::tie);
  CHECK(ties[0].text ==
        "operand 1 of 'tied' and 'split': 'h' stands for 'k' elsewhere and for 'l' here");
  CHECK(diff(cut(x, sub(k, l)), cut(x, sub(h, h)))[0].what == difference_kind::tie);

  const auto swapped = diff(cut(x, sub(h, x, "s")), cut(x, sub(x, h, "t")));
  REQUIRE_FALSE(swapped.empty());
  CHECK(mentions(swapped[0].text, "operand 0 of 's' and 't'"));

  const auto more = diff(extract(inputs(x), outputs(h)), extract(inputs(x), outputs(h, k)));
  REQUIRE(more.size() == 1);
  CHECK(more[0].what == difference_kind::outputs);
  CHECK(more[0].text == "the left has 1 output, the right 2");
  const row4 z = input4(g, "z");
  const auto fewer =
      diff(extract(inputs(x, z), outputs(add(x, z))), extract(inputs(x), outputs(add(x, x))));
  REQUIRE(fewer.size() == 2);
  CHECK(fewer[0].text == "the left has 2 inputs, the right 1");
  CHECK(fewer[1].what == difference_kind::inputs);
}

TEST_CASE("variables are named with what differs") {
  Graph g;
  const row4 x = input4(g);
  const auto v = make_variable<float, shape<4>>(g, "v", zeros());
  const auto w = make_variable<float, shape<4>>(g, "w", ones(), false, variable_role::statistic);
  const auto found = diff(cut(x, mul(x, v)), cut(x, mul(x, w)));
  CHECK(to_string(found) ==
        "variable 'v' is a parameter, 'w' is a statistic\n"
        "variable 'v' is trainable, 'w' is not trainable\n"
        "attribute 'value' of 'v_initial' is 0, of 'w_initial' 1\n");
}

TEST_CASE("the report of a diff is stable [edge-94]") {
  const auto text = [] {
    Graph g;
    const row4 x = input4(g);
    const row4 y = two_layers(x);
    const Clone c = clone(extract(inputs(x), outputs(y)));
    const row4 z = mul(c(y), tanh(c(y)));
    return to_string(diff(extract(inputs(x), outputs(y)), extract(inputs(c(x)), outputs(z))));
  };
  CHECK(text() == text());
  CHECK(text() == "output 0: the right has 'mul' (mul) between them, the left has not\n");
}

TEST_CASE("whole graphs are compared with names on demand") {
  Graph a, b;
  (void)relu(input4(a), "one");
  (void)relu(input4(b), "two");
  CHECK(diff(a, b).empty());
  const auto found = diff(a, b, including::names);
  REQUIRE(found.size() == 1);
  CHECK(found[0].what == difference_kind::name);
  CHECK(found[0].text == "'one' is named 'two' on the right");
}
