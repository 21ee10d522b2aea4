// Updates: what a run reads, when it writes, and what an error leaves behind.
#include "graft/ops/gather.hpp"
#include "graft/ops/optimizer.hpp"

#include "catch.hpp"
#include "session_fixture.hpp"

using namespace session_test;

namespace {

struct two_variables {
  Graph g;
  tensor<Graph, dtype::float32, shape<2>> a = make_variable<float, shape<2>>(g, "a", zeros());
  tensor<Graph, dtype::float32, shape<2>> b = make_variable<float, shape<2>>(g, "b", zeros());
  Session session{g};
  two_variables() {
    session.set_value(a, vector_of({1, 2}));
    session.set_value(b, vector_of({10, 20}));
  }
};

}  // namespace

TEST_CASE("variables are read as they were at the start") {
  two_variables v;
  auto new_a = assign(v.a, v.a + v.b);
  auto new_b = assign(v.b, v.a * 2.0f);
  const auto [sum, old_a, old_b] = v.session.run(std::tuple{v.a + v.b, v.a, v.b});
  CHECK(sum.same_bits(vector_of({11, 22})));
  const auto [step, fetched_a, after_a, fetched_b] =
      v.session.run(std::tuple{updates(v.g, new_a, new_b), v.a, after(new_a), v.b});
  CHECK(fetched_a.same_bits(old_a));
  CHECK(fetched_b.same_bits(old_b));
  CHECK(after_a.same_bits(vector_of({11, 22})));
  CHECK(v.session.value(v.a).same_bits(vector_of({11, 22})));
  CHECK(v.session.value(v.b).same_bits(vector_of({2, 4})));
  CHECK(old_a.same_bits(vector_of({1, 2})));  // arrays that were given out stay as they are
}

TEST_CASE("variables swap their values") {
  two_variables v;
  v.session.run(updates(v.g, assign(v.a, v.b), assign(v.b, v.a)));
  CHECK(v.session.value(v.a).same_bits(vector_of({10, 20})));
  CHECK(v.session.value(v.b).same_bits(vector_of({1, 2})));
  // And where each is computed from the other.
  v.session.run(updates(v.g, assign(v.a, v.a - v.b), assign(v.b, v.b + v.a)));
  CHECK(v.session.value(v.a).same_bits(vector_of({9, 18})));
  CHECK(v.session.value(v.b).same_bits(vector_of({11, 22})));
  v.session.run(updates(v.g, assign(v.a, v.a)));
  CHECK(v.session.value(v.a).same_bits(vector_of({9, 18})));
}

TEST_CASE("a chain of variables moves by one") {
  Graph g;
  std::vector<any_tensor> all;
  std::vector<op_id> assigns;
  Session session(g);
  for (int i = 0; i < 5; ++i) {
    all.push_back(make_variable<float, shape<1>>(g, "v", zeros()));
    session.set_value(all.back(), vector_of({static_cast<float>(i)}));
  }
  for (std::size_t i = 1; i < all.size(); ++i) {
    assigns.push_back(g.id(assign(all[i], all[i] * 0.0f + all[i - 1])).op);
  }
  session.run(update_group(g, assigns));
  for (std::size_t i = 1; i < all.size(); ++i) {
    CHECK(session.value(all[i]).item<float>() == static_cast<float>(i - 1));
  }
}

TEST_CASE("two updates of one variable must be chained") {
  two_variables v;
  auto first = assign(v.a, v.a + 1.0f, "first");
  auto second = assign(v.a, v.a + 2.0f, "second");
  const std::string text =
      sentence<graph_error>([&] { v.session.run(updates(v.g, first, second)); });
  CHECK(has(text, "'first'"));
  CHECK(has(text, "'second'"));
  CHECK(v.session.value(v.a).same_bits(vector_of({1, 2})));
  auto chained = assign(v.a, after(first) * 10.0f);
  v.session.run(updates(v.g, first, chained));
  CHECK(v.session.value(v.a).same_bits(vector_of({20, 30})));
  v.session.run(updates(v.g, first, first));  // the same one twice is one
  CHECK(v.session.value(v.a).same_bits(vector_of({21, 31})));
}

TEST_CASE("fetching what follows from an update runs the update") {
  two_variables v;
  auto y = after(assign(v.a, v.a + 1.0f)) * 2.0f;
  CHECK(v.session.run(y).same_bits(vector_of({4, 6})));
  CHECK(v.session.value(v.a).same_bits(vector_of({2, 3})));
}

TEST_CASE("an update gives a variable its first value") {
  Graph g;
  auto w = make_variable<float, shape<2>>(g, "w", zeros());
  auto x = placeholder<float, shape<2>>(g, "x");
  Session session(g);
  session.run(updates(g, assign(w, x)), feed(x, {5.0f, 6.0f}));
  CHECK(session.value(w).same_bits(vector_of({5, 6})));
  auto c = make_variable<float, shape<2>>(g, "c", zeros());
  session.run(updates(g, assign(c, constant(g, vector_of({7, 8})))));
  CHECK(session.value(c).same_bits(vector_of({7, 8})));
  session.run(updates(g, assign(c, c + 1.0f)));
  CHECK(session.value(c).same_bits(vector_of({8, 9})));
}

TEST_CASE("a run that fails changes no variable") {
  two_variables v;
  auto x = placeholder<float, shape<2>>(v.g, "x");
  auto bad = may_fail(x);
  // The failing op comes after both updates in the graph.
  auto step = updates(v.g, assign(v.a, v.a + 1.0f), assign(v.b, v.b + x));
  kernel_fails = true;
  CHECK_THROWS_AS(v.session.run(std::tuple{step, bad}, feed(x, {1.0f, 1.0f})), numeric_error);
  CHECK(v.session.value(v.a).same_bits(vector_of({1, 2})));
  CHECK(v.session.value(v.b).same_bits(vector_of({10, 20})));
  kernel_fails = false;
  v.session.run(std::tuple{step, bad}, feed(x, {1.0f, 1.0f}));
  CHECK(v.session.value(v.a).same_bits(vector_of({2, 3})));
  CHECK(v.session.value(v.b).same_bits(vector_of({11, 21})));
}

TEST_CASE("an index out of range leaves the table as it was") {
  Graph g;
  auto table = make_variable<float, shape<3, 2>>(g, "table", ones());
  auto rows = placeholder<std::int64_t, shape<dyn>>(g, "rows");
  auto picked = gather<0>(table, rows);
  auto step = updates(g, assign(table, table + sum(picked)));
  Session session(g);
  session.initialize();
  const Array before = session.value(table);
  CHECK_THROWS_AS(session.run(step, feed(rows, {std::int64_t{3}})), error);
  CHECK(session.value(table).same_bits(before));
  session.run(step, feed(rows, {std::int64_t{2}}));
  CHECK(session.value(table).at<float>({0, 0}) == 3);
}

TEST_CASE("steps that only compute new values write the variables themselves") {
  Graph g;
  auto w = make_variable<float, shape<100>>(g, "w", ones());
  auto m = make_variable<float, shape<100>>(g, "m", zeros());
  auto x = placeholder<float, shape<100>>(g, "x");
  auto [value, velocity] = apply<ops::momentum_update>(attribute_list().set("momentum", 0.5), {},
                                                       {}, w, x, m, constant(g, 0.1f));
  auto step = updates(g, assign(w, value), assign(m, velocity));
  auto average = make_variable<float, shape<100>>(g, "average", zeros());
  auto follow = updates(g, assign(average, average + (w - average) * 0.25f));
  Session session(g);
  session.initialize();
  const Array fed = Array::full<float>({100}, 1.0f);
  CHECK(has(session.explain_plan(step, feed(x, fed)), "commit to 'w', in place"));
  CHECK(has(session.explain_plan(step, feed(x, fed)), "commit to 'm', in place"));
  CHECK(has(session.explain_plan(follow), "commit to 'average', in place"));
  // Both at once: the average reads w as it was, so it goes first.
  const std::string both = session.explain_plan(step + follow, feed(x, fed));
  CHECK(has(both, "commit to 'w', in place"));
  CHECK(has(both, "commit to 'average', in place"));

  session.run(step, feed(x, fed));
  session.run(step, feed(x, fed));
  const void* storage = session.value(w).data();
  session.run(step + follow, feed(x, fed));
  CHECK(session.value(w).data() == storage);
  // v: 1, 1.5, 1.75; w: 0.9, 0.75, 0.575
  CHECK(session.value(m).at<float>({99}) == Approx(1.75f));
  CHECK(session.value(w).at<float>({50}) == Approx(0.575f));
  CHECK(session.value(average).at<float>({0}) == Approx(0.25f * 0.75f));

  // A value that somebody holds is not overwritten.
  const Array held = session.value(w);
  const float before = held.at<float>({0});
  session.run(step, feed(x, fed));
  CHECK(held.at<float>({0}) == before);
  CHECK(session.value(w).at<float>({0}) != before);
}

TEST_CASE("updates that layers own are found") {
  Graph g;
  auto x = placeholder<float, shape<2>>(g, "x");
  auto mean = make_variable<float, shape<2>>(g, "mean", zeros(), false, variable_role::statistic);
  auto other = make_variable<float, shape<2>>(g, "other", zeros());
  auto update = assign(mean, x);
  g.own_update(*g.variable_read_by(g.id(mean)), g.id(update).op);
  auto unrelated = assign(other, x);
  g.own_update(*g.variable_read_by(g.id(other)), g.id(unrelated).op);
  const update_group found = updates_of(x - mean);
  CHECK(found.assigns() == std::vector<op_id>{g.id(update).op});
  CHECK(updates_of(x).empty());
}

TEST_CASE("a control edge makes an update run") {
  two_variables v;
  auto update = assign(v.a, v.a + 1.0f);
  auto y = identity(v.b);
  v.g.add_control_edge(v.g.id(update).op, v.g.id(y).op);
  CHECK(v.session.run(y).same_bits(vector_of({10, 20})));
  CHECK(v.session.value(v.a).same_bits(vector_of({2, 3})));
}

TEST_CASE("stores that share a cell see one variable") {
  // The same cell under two ids of one graph: two updates of it must be chained.
  Graph g;
  auto a = make_variable<float, shape<2>>(g, "a", zeros());
  auto b = make_variable<float, shape<2>>(g, "b", zeros());
  const variable_id va = *g.variable_read_by(g.id(a)), vb = *g.variable_read_by(g.id(b));
  Session session(g);
  session.initialize();
  auto both = updates(g, assign(a, a + 1.0f), assign(b, b + 2.0f));
  session.run(both);
  CHECK(session.value(b).same_bits(vector_of({2, 2})));
  g.store().exchange(vb, g.store().cell(va));
  CHECK_THROWS_AS(session.run(both), graph_error);
  session.run(updates(g, assign(a, b + 1.0f)));
  CHECK(session.value(b).same_bits(vector_of({2, 2})));
}
