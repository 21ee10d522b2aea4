// Boundaries, sharing and ties: cases as clones meet them.
#include "graft/graft.hpp"

#include "clone_fixture.hpp"

using namespace graft_test;

namespace {

Array rows(std::int64_t count) {
  Array a(dtype::float32, {count, 4});
  float next = -1.5f;
  for (float& e : a.mutable_span<float>()) e = next += 0.25f;
  return a;
}

}  // namespace

TEST_CASE("outputs listed twice are cloned once and keep their order", "[clone][edge-2]") {
  Graph g;
  const auto x = input4(g), x2 = input4(g, "x2");
  const auto a = relu(x), b = tanh(a);
  const Clone copy = clone(extract(inputs(x), outputs(b, a, b, x)), bind(x, x2));
  copy.check();
  CHECK(copy.nodes().size() == 2);
  CHECK(copy.outputs() == ids(copy(b), copy(a), copy(b), x2));
  // A clone of the clone keeps them as well.
  const Clone again = clone(extract(inputs(x2), outputs(copy(b), copy(a), copy(b))), bind(x2, x2));
  CHECK(again.outputs()[0] == again.outputs()[2]);
  Session session(g);
  const auto [p, q, r] = session.run(std::tuple{copy(b), copy(a), copy(b)}, feed(x2, rows(2)));
  CHECK(p.same_bits(session.run(b, feed(x, rows(2)))));
  CHECK(q.same_bits(session.run(a, feed(x, rows(2)))));
  CHECK(r.same_bits(p));
}

TEST_CASE("cloning one head leaves the other network untouched", "[clone][edge-11]") {
  Graph g;
  const auto x = input4(g), x2 = input4(g, "x2");
  const auto trunk = dense4(x, "trunk");
  const auto a = dense4(trunk, "a"), b = dense4(trunk, "b");
  set_values(g);
  Session session(g);
  const Array expected = session.run(b, feed(x, rows(3)));
  const std::uint64_t stamp = g.edit_stamp(op_of(b));
  const Region other = extract(inputs(x), outputs(b));
  const Clone copy = clone(extract(inputs(x), outputs(a)), bind(x, x2), variables::copied);
  copy.check();
  for (const variable_id v : copy.variables()) {
    g.store().set(v, Array::full<float>(g.variable_of(v).type.shape, 7.0f));
  }
  const training_step step = minimize(mean(square(copy(a))), sgd{.rate = 0.5});
  session.initialize();
  session.run(step.updates, feed(x2, rows(3)));
  CHECK(session.run(b, feed(x, rows(3))).same_bits(expected));
  CHECK(g.edit_stamp(op_of(b)) == stamp);
  CHECK_FALSE(other.stale());
  for (const op_id op : other.nodes()) {
    for (const tensor_id t : g.operands(op)) CHECK_FALSE(has(copy.nodes(), t.op));
  }
}

TEST_CASE("an output without inputs is cloned with its whole closure", "[clone][edge-12]") {
  Graph g;
  const auto x = input4(g), x2 = input4(g, "x2");
  const auto w = make_variable<float, shape<4>>(g, "w", uniform());
  const auto alone = exp(w) * constant(g, 2.0f);
  const auto y = relu(x);
  set_values(g);
  const Clone copy = clone(extract(inputs(x), outputs(y, alone)), bind(x, x2), variables::copied);
  copy.check();
  CHECK(copy.variables().size() == 1);
  CHECK(id_of(copy(alone)) != id_of(alone));
  CHECK(copy.leak_audit().empty());
  Session session(g);
  CHECK(session.run(copy(alone)).same_bits(session.run(alone)));
  const Clone closed = clone(extract(inputs(), outputs(alone)), variables::frozen);
  closed.check();
  CHECK(closed.inputs().empty());
  g.store().set(*g.variable_read_by(id_of(w)), Array::full<float>({4}, 0.0f));
  CHECK_FALSE(session.run(closed(alone)).same_bits(session.run(alone)));
}

TEST_CASE("the map refuses handles of elsewhere, of graphs that moved or are gone, and stale ones",
          "[clone][edge-14]") {
  auto g = std::make_unique<Graph>();
  Graph elsewhere;
  const auto foreign = input4(elsewhere, "foreign");
  const auto x = input4(*g);
  const auto y = relu(x);
  const auto late = tanh(y);
  const Region region = extract(inputs(x), outputs(late));
  CHECK_THROWS_AS(clone(region, bind(foreign, x)), handle_error);
  CHECK_THROWS_AS(clone(region, bind(x, foreign)), handle_error);
  CHECK_THROWS_AS(clone(region, into(elsewhere), bind(x, x)), handle_error);
  const Clone copy = clone(region, bind(x, x));
  CHECK_THROWS_AS(copy(foreign), handle_error);
  CHECK_THROWS_AS(copy.find(foreign), handle_error);
  CHECK_THROWS_AS(copy.original(foreign), handle_error);
  CHECK_THROWS_AS(copy(row4()), handle_error);

  // Handles follow a graph that moves; the graph that was moved from has nothing.
  Graph moved = std::move(*g);
  CHECK(&copy.graph() == &moved);
  CHECK(copy.original(copy(y)).ref() == y.ref());
  CHECK_THROWS_AS(g->op_count(), handle_error);
  CHECK(clone(region, bind(x, x)).nodes().size() == 2);

  // What a temporary gives by value may be walked over.
  std::size_t seen = 0;
  for (const op_id op : extract(inputs(x), outputs(late)).nodes()) seen += moved.contains(op);
  CHECK(seen == 2);

  // Regions and clones that were moved from are as they were.
  Region given_away = region;
  Clone also = copy;
  const Region now = std::move(given_away);
  const Clone there = std::move(also);
  CHECK(isomorphic(now, given_away));  // NOLINT: what was moved from is the subject
  CHECK(also(y).ref() == there(y).ref());

  // An op that goes leaves stale handles; the region notices.
  moved.erase_ops(std::vector{op_of(late)});
  CHECK(region.stale());
  CHECK_THROWS_AS(clone(region), graph_error);
  CHECK_THROWS_AS(clone(extract(inputs(x), outputs(y)), bind(x, late)), handle_error);

  // A graph that ends takes its handles with it.
  g.reset();
  {
    const Graph last = std::move(moved);
  }
  CHECK_THROWS_AS(copy.graph(), handle_error);
  CHECK(copy.nodes().size() == 2);  // ids need no graph
  CHECK_THROWS_AS(copy.check(), handle_error);
  CHECK_THROWS_AS(clone(region), handle_error);
}

TEST_CASE("parts counted at run time are outputs, fetched and mapped like others", "[clone]") {
  Graph g;
  const auto x = input4(g);
  const auto parts = split(relu(x), 2, 1);
  const auto uneven = split(x, dims{1, 3}, 1);
  const Region region = extract(inputs(x), outputs(parts));
  CHECK(region.outputs().size() == 2);
  const Clone copy = clone(region, bind(x, x));
  Session session(g);
  const auto values = session.run(parts, feed(x, Array::from<float>({1, 4}, {1, 2, 3, 4})));
  const auto copied = session.run(copy(parts), feed(x, Array::from<float>({1, 4}, {1, 2, 3, 4})));
  REQUIRE(copied.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) CHECK(copied[i].same_bits(values[i]));
  CHECK(session.run(uneven, feed(x, Array::from<float>({1, 4}, {1, 2, 3, 4})))[1].shape()[1] == 3);
}

TEST_CASE("a weight's read may be bound, its variable stays out of the clone", "[clone][edge-17]") {
  Graph g;
  const auto x = input4(g);
  const auto w = make_variable<float, shape<4>>(g, "w", ones());
  const auto y = x * w;
  const variable_id v = *g.variable_read_by(id_of(w));
  g.store().set(v, Array::full<float>({4}, 3.0f));
  Session session(g);
  const auto run = [&](const Clone& copy) {
    copy.check();
    return session.run(copy(y), feed(x, Array::full<float>({1, 4}, 1.0f))).span<float>()[0];
  };
  const any_tensor doubled = w * 2.0f;
  // The read is a tensor like others: it may be an input, and then the region has no such variable.
  const Region cut = extract(inputs(x, w), outputs(y));
  CHECK(cut.variables().empty());
  const Clone at_read = clone(cut, bind(x, x, any_tensor(w), doubled));
  CHECK(run(at_read) == 6.0f);
  CHECK_FALSE(at_read.find(v).has_value());
  CHECK(at_read.variables().empty());
  // The weight is a variable of the region: it follows a policy, or an expression.
  const Region whole = extract(inputs(x), outputs(y));
  CHECK(whole.variables() == std::vector{v});
  CHECK(run(clone(whole, bind(x, x), variables::copied)) == 3.0f);
  CHECK(run(clone(whole, bind(x, x), variables::expr(any_tensor(w), doubled))) == 6.0f);
  CHECK_THROWS_AS(clone(whole, bind(any_tensor(w), doubled)), boundary_error);
  // An unbound read is a placeholder, or itself.
  const Clone open = clone(cut, bind(x, x));
  CHECK(std::string_view(g.schema_of(op_of(open(w))).name) == "placeholder");
  CHECK(id_of(clone(cut, bind(x, x), unbound::keep)(w)) == id_of(w));
}

TEST_CASE("diamonds, long skips and a thousand branches are cloned as they are",
          "[clone][edge-18]") {
  Graph g;
  const auto x = input4(g), x2 = input4(g, "x2");
  const auto a = relu(x), b = tanh(a), c = exp(a);
  row4 y = add(add(b, c), x);  // a diamond with a skip around it
  row4 deep = y;
  for (int i = 0; i < 1000; ++i) deep = relu(deep);
  row4 wide = add(deep, y);  // a skip of a thousand ops
  for (int i = 0; i < 1000; ++i) wide = add(wide, tanh(x));
  const Region region = extract(inputs(x), outputs(wide));
  const Clone copy = clone(region, bind(x, x2));
  copy.check();
  CHECK(copy.nodes().size() == region.nodes().size());
  CHECK(isomorphic(region, extract(inputs(x2), outputs(copy(wide)))));
  CHECK(g.uses(id_of(x2)).size() == g.uses(id_of(x)).size());
  CHECK(g.operands(op_of(copy(a)))[0] == id_of(x2));
  Session session(g);
  CHECK(session.run(copy(wide), feed(x2, rows(1))).same_bits(session.run(wide, feed(x, rows(1)))));
}

TEST_CASE("dead code of a scope stays out, and comes along by region_of", "[clone][edge-21]") {
  Graph g;
  const auto x = input4(g), x2 = input4(g, "x2");
  row4 y, dead;
  {
    const in_scope inside(g, "net");
    y = dense4(x);
    dead = tanh(y, "dead");
  }
  const Clone live = clone(extract(inputs(x), outputs(y)), bind(x, x2), into("live"));
  CHECK_FALSE(live.find(dead).has_value());
  CHECK_FALSE(g.find_op("live/dead").has_value());
  const Region scope = region_of(g, find_ops(g, within_scope("net")));
  CHECK(scope.contains(op_of(dead)));
  const Clone all = clone(scope, bind(x, x2), into("all"), from("net"));
  all.check();
  CHECK(g.path_of(id_of(all(dead))) == "all/dead");
  CHECK(g.operand(op_of(all(dead)), 0) == id_of(all(y)));
}

TEST_CASE("an optimiser counts a shared parameter once, and writes show in both",
          "[clone][edge-25]") {
  Graph g;
  const auto x = input4(g), x2 = input4(g, "x2");
  const auto w = make_variable<float, shape<4>>(g, "w", ones());
  const auto y = x * w;
  const variable_id v = *g.variable_read_by(id_of(w));
  const Clone copy = clone(extract(inputs(x), outputs(y)), bind(x, x2), variables::shared);
  const training_step step = minimize(mean(square(y)) + mean(square(copy(y))), sgd{.rate = 0.5});
  CHECK(step.parameters == std::vector{v});
  CHECK(step.updates.assigns().size() == 2);  // the other is of the count of steps
  Session session(g);
  session.initialize();
  const Array one = Array::full<float>({1, 4}, 1.0f);
  const auto both = [&] {
    return std::pair(session.run(y, feed(x, one)).span<float>()[0],
                     session.run(copy(y), feed(x2, one)).span<float>()[0]);
  };
  session.run(step.updates, feed(x, one), feed(x2, one));
  // The gradient of each half is w / 2: together they are one step of 0.5.
  CHECK(both() == std::pair(0.5f, 0.5f));
  g.store().set(copy(v), Array::full<float>({4}, 4.0f));
  CHECK(both() == std::pair(4.0f, 4.0f));
}

TEST_CASE("ties of three layers, transposed, and with the outside: error, share or split",
          "[clone][edge-28]") {
  Graph g;
  const auto x = input4(g);
  const auto w = make_variable<float, shape<4, 4>>(g, "w", glorot_uniform());
  const auto outside = matmul(x, w);
  const auto h = relu(matmul(relu(matmul(x, w)), w));
  const auto y = matmul<false, true>(h, w);
  set_values(g);
  const variable_id v = *g.variable_read_by(id_of(w));
  const Region region = extract(inputs(x), outputs(y));
  Session session(g);
  const Array before = session.run(outside, feed(x, rows(2)));
  const Array whole = session.run(y, feed(x, rows(2)));
  SECTION("split: the outside keeps its own, and each layer gets one, the transposed one too") {
    const Clone copy = clone(region, bind(x, x), variables::copied, ties::split);
    copy.check();
    REQUIRE(copy.images(v).size() == 3);
    CHECK(g.operand(op_of(copy(y)), 1) == g.variable_of(copy.images(v)[2]).read);
    CHECK(session.run(copy(y), feed(x, rows(2))).same_bits(whole));
    g.store().set(copy.images(v)[2], Array::full<float>({4, 4}, 0.0f));
    CHECK(session.run(copy(y), feed(x, rows(2))).span<float>()[0] == 0.0f);
    CHECK(session.run(y, feed(x, rows(2))).same_bits(whole));
  }
  SECTION("shared: inside and outside stay one") {
    const Clone copy = clone(region, bind(x, x), variables::shared);
    g.store().set(v, Array::full<float>({4, 4}, 0.0f));
    CHECK(session.run(copy(y), feed(x, rows(2))).span<float>()[0] == 0.0f);
    CHECK_FALSE(session.run(outside, feed(x, rows(2))).same_bits(before));
  }
  SECTION("fresh: the tie to the outside ends, those inside stay") {
    const Clone copy = clone(region, bind(x, x), variables::copied);
    CHECK(copy.images(v).size() == 1);
    g.store().set(copy(v), Array::full<float>({4, 4}, 0.0f));
    CHECK(session.run(outside, feed(x, rows(2))).same_bits(before));
  }
  SECTION("an error, for who asks for one") {
    const auto refuse = variables::by([](const Graph& of, const variable_info& info) {
      if (of.uses(info.read).size() > 3)
        throw argument_error({"a tie", "leaves the region", "", ""});
      return variables::fresh;
    });
    const auto digest = g.digest();
    CHECK_THROWS_AS(clone(region, refuse), argument_error);
    CHECK(g.digest() == digest);
  }
}
