// Whether two regions are the same network, and a hash that says so.
#include "graft/surgery/isomorphic.hpp"

#include "graft/dsl/dense.hpp"
#include "graft/dsl/isomorphic.hpp"
#include "graft/dsl/normalize_layers.hpp"
#include "graft/lower/lower.hpp"
#include "graft/ops/dropout.hpp"
#include "graft/surgery/diff.hpp"

#include "clone_fixture.hpp"

using namespace graft_test;

namespace {

Region region_of(const row4& x, const any_tensor& y) { return extract(inputs(x), outputs(y)); }

// Two regions that should differ, and do in both directions.
void check_differ(const Region& a, const Region& b) {
  CHECK_FALSE(isomorphic(a, b));
  CHECK_FALSE(isomorphic(b, a));
  CHECK(content_hash(a) != content_hash(b));
}
void check_same(const Region& a, const Region& b) {
  INFO(to_string(diff(a, b)));
  CHECK(isomorphic(a, b));
  CHECK(isomorphic(b, a));
  CHECK(content_hash(a) == content_hash(b));
  CHECK(diff(a, b).empty());
  const auto x = canonical_order(a), y = canonical_order(b);
  REQUIRE(x.size() == a.nodes().size());
  REQUIRE(x.size() == y.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    CHECK(a.graph().schema_of(x[i]).name == b.graph().schema_of(y[i]).name);
  }
}

constexpr operator_schema pair_op{"test_pair", 2, 2, schemas::infer_same};

row4 pair(const row4& a, const row4& b, std::int64_t mark = 0) {
  Graph& g = target_traits<Graph>::target_of(a.ref());
  attribute_list attributes;
  attributes.set("mark", mark);
  const std::vector<tensor_id> operands{id_of(a), id_of(b)};
  return row4(g.handle({g.add(pair_op, operands, attributes), 0}).ref());
}

}  // namespace

TEST_CASE("a clone is isomorphic to its region [edge-64]") {
  Graph g;
  const row4 x = input4(g);
  const row4 y = graft_test::two_layers(x);
  const Region region = region_of(x, y);
  check_same(region, region);

  const Clone c = clone(region, into("copy"));
  check_same(region, extract(inputs(c(x)), outputs(c(y))));

  SECTION("in another graph, from another order of building") {
    Graph other;
    const row4 decoy = graft_test::two_layers(input4(other, "decoy"));
    const Clone d = clone(region, into(other, "there"));
    check_same(region, extract(inputs(d(x)), outputs(d(y))));
    CHECK(content_hash(region) != content_hash(g));
    (void)decoy;
  }
  SECTION("one attribute edit away") {
    const row4 h = pair(x, y, 1);
    const Clone d = clone(region_of(x, h));
    const Region before = extract(inputs(d(x)), outputs(d(h)));
    check_same(region_of(x, h), before);
    attribute_list changed;
    changed.set("mark", 2);
    g.set_attributes(op_of(d(h)), changed);
    check_differ(region_of(x, h), extract(inputs(d(x)), outputs(d(h))));
  }
  SECTION("one swapped operand away") {
    const row4 h = pair(x, y);
    check_differ(region_of(x, h), region_of(x, pair(y, x)));
    const row4 s = sub(x, y);
    check_differ(region_of(x, s), region_of(x, sub(y, x)));
  }
  SECTION("one broken tie away") {
    const row4 h = relu(x);
    check_differ(region_of(x, pair(h, h)), region_of(x, pair(relu(x), relu(x))));
    check_differ(region_of(x, pair(relu(x), relu(x))), region_of(x, pair(h, h)));
  }
}

TEST_CASE("the boundary counts in order") {
  Graph g;
  const row4 a = input4(g, "a"), b = input4(g, "b");
  const row4 y = sub(a, b), z = add(a, b);
  const Region straight = extract(inputs(a, b), outputs(y));
  check_differ(straight, extract(inputs(b, a), outputs(y)));
  check_differ(extract(inputs(a, b), outputs(y, z)), extract(inputs(a, b), outputs(z, y)));
  check_differ(straight, extract(inputs(a, b), outputs(y, y)));
  check_differ(straight, extract(inputs(a), outputs(y), leaks::keep));

  // An input may be any tensor.
  const row4 h = relu(a);
  const row4 top = tanh(h);
  check_same(extract(inputs(h), outputs(top)), extract(inputs(a), outputs(tanh(a))));
  // Passing through.
  check_same(extract(inputs(a), outputs(a)), extract(inputs(b), outputs(b)));
  check_differ(extract(inputs(a, b), outputs(a), unused::allow),
               extract(inputs(a, b), outputs(b), unused::allow));
}

TEST_CASE("given values count") {
  Graph g;
  const row4 x = input4(g), mask = input4(g, "mask"), other = input4(g, "other");
  const row4 y = mul(x, mask), z = sub(mul(x, mask), other);
  const Array ones = Array::full<float>({1, 4}, 1), twos = Array::full<float>({1, 4}, 2);
  const auto with = [&](const Array& value) {
    return extract(inputs(x), outputs(y), given(mask, value));
  };
  check_same(with(ones), with(Array::full<float>({1, 4}, 1)));
  check_differ(with(ones), with(twos));
  check_differ(with(ones), with(Array::full<float>({2, 4}, 1)));
  check_differ(with(ones), extract(inputs(x), outputs(y), leaks::keep));
  check_differ(with(ones), extract(inputs(x, mask), outputs(y)));

  // They go with the places where they are used, whatever tensors stand there.
  check_same(with(ones), extract(inputs(x), outputs(mul(x, other)), given(other, ones)));
  const auto both = [&](const Array& a, const Array& b) {
    return extract(inputs(x), outputs(z), given(mask, a, other, b));
  };
  check_differ(both(ones, twos), both(twos, ones));
  const row4 turned = sub(mul(x, other), mask);
  check_same(both(ones, twos), extract(inputs(x), outputs(turned), given(mask, twos, other, ones)));
  check_differ(both(ones, twos),
               extract(inputs(x), outputs(turned), given(mask, ones, other, twos)));
  // An output may be such a tensor.
  const auto passed = [&](const Array& value) {
    return extract(inputs(), outputs(mask), given(mask, value));
  };
  check_same(passed(ones), passed(ones));
  check_differ(passed(ones), passed(twos));
}

TEST_CASE("constants, types and outputs of ops count") {
  Graph g;
  const auto x = placeholder<float, shape<4>>(g, "x");
  const auto c = constant(g, Array::full<float>({4}, 1));
  const auto same = constant(g, Array::full<float>({4}, 1));
  const auto other = constant(g, Array::full<float>({4}, 2));
  const auto cut = [&](const any_tensor& y) { return extract(inputs(x), outputs(y)); };
  check_same(cut(add(x, c)), cut(add(x, same)));
  check_differ(cut(add(x, c)), cut(add(x, other)));
  CHECK(diff(cut(add(x, c)), cut(add(x, other)))[0].what == difference_kind::attribute);

  const auto [first, second] = split<2, 0>(x);
  check_differ(cut(relu(first)), cut(relu(second)));
  check_differ(cut(first), cut(second));

  const auto wide = placeholder<double, shape<4>>(g, "wide");
  check_differ(cut(relu(x)), extract(inputs(wide), outputs(relu(wide))));
}

TEST_CASE("variables are compared by what they are") {
  Graph g;
  const row4 x = input4(g);
  const auto with = [&](variable_role role, bool trainable, auto initial) {
    return extract(
        inputs(x),
        outputs(mul(x, make_variable<float, shape<4>>(g, "v", initial, trainable, role))));
  };
  const Region plain = with(variable_role::parameter, true, zeros());
  check_same(plain, with(variable_role::parameter, true, zeros()));
  check_differ(plain, with(variable_role::statistic, true, zeros()));
  check_differ(plain, with(variable_role::parameter, false, zeros()));
  check_differ(plain, with(variable_role::parameter, true, ones()));
  check_same(with(variable_role::parameter, true, normal(0, 1)),
             with(variable_role::parameter, true, normal(0, 1)));

  SECTION("random streams on demand") {
    const Region a = with(variable_role::parameter, true, normal(0, 1));
    const Region b = with(variable_role::parameter, true, normal(0, 1));
    CHECK(isomorphic(a, b));
    CHECK_FALSE(isomorphic(a, b, including::streams));
    CHECK(content_hash(a, including::streams) != content_hash(b, including::streams));
    CHECK(diff(a, b, including::streams)[0].what == difference_kind::stream);
  }
  SECTION("values on demand") {
    const Region other = with(variable_role::parameter, true, zeros());
    const variable_id v = plain.variables()[0], w = other.variables()[0];
    CHECK(isomorphic(plain, other, including::values));
    g.store().set(v, Array::full<float>({4}, 3));
    CHECK_FALSE(isomorphic(plain, other, including::values));
    CHECK(mentions(diff(plain, other, including::values)[0].text, "variable 'v' has a value, 'v_"));
    g.store().set(w, Array::full<float>({4}, 3));
    CHECK(isomorphic(plain, other, including::values));
    CHECK(content_hash(plain, including::values) == content_hash(other, including::values));
    g.store().set(w, Array::full<float>({4}, 4));
    CHECK_FALSE(isomorphic(plain, other, including::values));
    CHECK(content_hash(plain, including::values) != content_hash(other, including::values));
    CHECK(isomorphic(plain, other));
  }
  SECTION("ties of variables") {
    const auto v = make_variable<float, shape<4>>(g, "t", zeros());
    const auto w = make_variable<float, shape<4>>(g, "t", zeros());
    const auto cut = [&](const row4& y) { return extract(inputs(x), outputs(y)); };
    check_same(cut(add(mul(x, v), v)), cut(add(mul(x, w), w)));
    check_differ(cut(add(mul(x, v), v)), cut(add(mul(x, v), w)));
    check_differ(cut(add(mul(x, v), w)), cut(add(mul(x, w), w)));
  }
}

TEST_CASE("own updates belong to a region's contents") {
  Graph g;
  const row4 x = input4(g);
  const row4 y(batch_norm(dense<4>(x)).ref());
  const Region region = region_of(x, y);
  const Clone c = clone(region);
  const Region copy = extract(inputs(c(x)), outputs(c(y)));
  check_same(region, copy);
  // An update more.
  const variable_id v = c.parameters()[0];
  const any_tensor read = g.handle(g.variable_of(v).read);
  g.own_update(v, op_of(assign(read, read)));
  const Region more = extract(inputs(c(x)), outputs(c(y)));
  check_differ(region, more);
  CHECK(diff(region, more)[0].what == difference_kind::variable);
}

TEST_CASE("control edges count") {
  Graph g;
  const row4 x = input4(g);
  const auto checked = [&](bool wait) {
    const row4 h = relu(x);
    const std::vector<tensor_id> operand{id_of(h)};
    const op_id check = g.add(schemas::check, operand);
    const row4 y = tanh(h);
    g.add_control_edge(check, op_of(y));
    if (wait) g.add_control_edge(op_of(h), op_of(y));
    return region_of(x, y);
  };
  const Region once = checked(false), again = checked(false), more = checked(true);
  check_same(once, again);
  check_differ(once, more);
  CHECK(diff(once, more)[0].what == difference_kind::control);
}

TEST_CASE("collections on demand") {
  Graph g;
  const row4 x = input4(g);
  const row4 y = graft_test::two_layers(x);
  const Region region = region_of(x, y);
  const Clone c = clone(region);
  g.add_to_collection("losses", {member::kind::tensor, {}, id_of(y)});
  const Region copy = extract(inputs(c(x)), outputs(c(y)));
  CHECK(isomorphic(region, copy));
  CHECK_FALSE(isomorphic(region, copy, including::collections));
  CHECK(content_hash(region, including::collections) != content_hash(copy, including::collections));
  g.add_to_collection("losses", {member::kind::tensor, {}, id_of(c(y))});
  CHECK(isomorphic(region, copy, including::collections));
  CHECK(content_hash(region, including::collections) == content_hash(copy, including::collections));
}

TEST_CASE("whole graphs are compared from their results") {
  const auto build = [](Graph& g, bool tie) {
    const row4 x = input4(g);
    const row4 h = dense4(x);
    const row4 k = tie ? h : dense4(x);
    return add(relu(h), tanh(k));
  };
  Graph a, b, c;
  build(a, true), build(b, true), build(c, false);
  CHECK(isomorphic(a, b));
  CHECK(isomorphic(a, b, including::names));
  CHECK(content_hash(a) == content_hash(b));
  CHECK_FALSE(isomorphic(a, c));
  CHECK(content_hash(a) != content_hash(c));
  CHECK(canonical_order(a).size() == a.op_count());
  CHECK(isomorphic(Graph(), Graph()));
  CHECK_FALSE(isomorphic(a, Graph()));

  // An op that nothing takes is a result.
  (void)relu(input4(b, "more"));
  CHECK_FALSE(isomorphic(a, b));
  // Names are compared on demand.
  Graph d;
  const in_scope inside(d, "scope");
  build(d, true);
  CHECK(isomorphic(a, d));
  CHECK_FALSE(isomorphic(a, d, including::names));
  CHECK(content_hash(a, including::names) != content_hash(d, including::names));
}

TEST_CASE("bodies are compared") {
  constexpr static operator_schema holder{"test_holder", 1, 1, schemas::infer_same};
  Graph g;
  const row4 x = input4(g);
  const auto hold = [&](bool twice) {
    auto body = std::make_unique<Graph>();
    const row4 inner = relu(input4(*body));
    if (twice) (void)tanh(inner);
    attribute_list attributes;
    attributes.set("body", g.add_body(std::move(body)), attribute_kind::body);
    const std::vector<tensor_id> operand{id_of(x)};
    return region_of(x, row4(g.handle({g.add(holder, operand, attributes), 0}).ref()));
  };
  const Region a = hold(false), b = hold(false), c = hold(true);
  check_same(a, b);
  check_differ(a, c);
  CHECK(diff(a, c)[0].what == difference_kind::body);
}

TEST_CASE("stale regions and lost graphs are refused [edge-93]") {
  Graph g;
  const row4 x = input4(g);
  const row4 y = relu(x);
  const Region region = region_of(x, y);
  g.rename(op_of(y), "other");
  CHECK_THROWS_AS(isomorphic(region, region), graph_error);
  CHECK_THROWS_AS(content_hash(region), graph_error);
  CHECK_THROWS_AS(canonical_order(region), graph_error);
  const auto lost = [] {
    Graph h;
    const row4 a = input4(h);
    return region_of(a, relu(a));
  }();
  CHECK_THROWS_AS(isomorphic(lost, lost), handle_error);
}

TEST_CASE("a deep chain is compared without recursion [edge-18]") {
  Graph g;
  const row4 x = input4(g);
  const auto chain = [&] {
    any_tensor h = x;
    for (int i = 0; i < 100000; ++i) {
      const std::vector<tensor_id> operand{id_of(h)};
      h = g.handle({g.add(ops::relu, operand), 0});
    }
    return extract(inputs(x), outputs(h));
  };
  const Region a = chain(), b = chain();
  CHECK(isomorphic(a, b));
  CHECK(content_hash(a) == content_hash(b));
}

TEST_CASE(
    "a network known to the compiler and its clone lower to isomorphic graphs [edge-95] "
    "[edge-96]") {
  constexpr auto actor =
      net<[](auto x) { return dense<2>(relu(dense<8>(x))); }, in<float, shape<dyn, 4>>>();
  constexpr clone_t<decltype(actor)> critic;
  Graph g;
  const row4 x = input4(g);
  const auto a = lower(actor, g, x);
  const auto b = lower(critic, g, x);
  const auto built = dense<2>(relu(dense<8>(x)));
  CHECK(g.variable_count() == 12);
  check_same(extract(inputs(x), outputs(a)), extract(inputs(x), outputs(b)));
  check_same(extract(inputs(x), outputs(a)), extract(inputs(x), outputs(built)));
}

TEST_CASE("an attribute edited in a clone leaves the source as it was [edge-58]") {
  Graph g;
  const row4 x = input4(g);
  const row4 y = leaky_relu(transpose(transpose(x)), 0.25);
  const Region region = region_of(x, y);
  const auto hash = content_hash(region);
  const Clone c = clone(region);
  attribute_list changed;
  changed.set("alpha", 0.75);
  g.set_attributes(op_of(c(y)), changed);
  CHECK(g.attributes_of(op_of(y)).real("alpha") == 0.25);
  CHECK_FALSE(region.stale());
  CHECK(content_hash(region) == hash);
  // And the other way round.
  const Region copy = extract(inputs(c(x)), outputs(c(y)));
  const auto copy_hash = content_hash(copy);
  changed.set("alpha", 0.5);
  g.set_attributes(op_of(y), changed);
  CHECK(content_hash(copy) == copy_hash);
}

TEST_CASE("two runs give equal clones, names and orders [edge-59]") {
  const auto run = [](Graph& g, std::size_t clutter) {
    // What is allocated before moves addresses; it must not show.
    std::vector<std::unique_ptr<int>> blocks(clutter);
    for (auto& block : blocks) block = std::make_unique<int>(1);
    const row4 x = input4(g);
    const row4 y(batch_norm(graft_test::two_layers(x)).ref());
    const Region region = region_of(x, y);
    const Clone c = clone(region);
    const Clone d = clone(region, into("copy"));
    std::string text;
    for (const op_id op : canonical_order(extract(inputs(d(x)), outputs(d(y)))))
      text += g.path_of(op) + "\n";
    for (const op_id op : c.nodes()) text += g.path_of(op) + "\n";
    return text;
  };
  Graph a, b;
  CHECK(run(a, 1) == run(b, 1000));
  CHECK(a.digest() == b.digest());
  CHECK(isomorphic(a, b, including::names, including::streams, including::collections));
}
