// Sessions: feeds, fetches and their sentences.
#include "graft/ops/slicing.hpp"

#include "catch.hpp"
#include "session_fixture.hpp"

using namespace session_test;

TEST_CASE("a fetch is computed from its feeds") {
  Graph g;
  auto x = placeholder<float, shape<dyn, 2>>(g, "x");
  auto y = x * 2.0f + 1.0f;
  Session session(g);
  const Array out = session.run(y, feed(x, Array::from<float>({2, 2}, {1.0f, 2.0f, 3.0f, 4.0f})));
  CHECK(out.same_bits(Array::from<float>({2, 2}, {3.0f, 5.0f, 7.0f, 9.0f})));
  CHECK(session.run(y, feed(x, Array(dtype::float32, {0, 2})))
            .same_bits(Array(dtype::float32, {0, 2})));
}

TEST_CASE("feeds come from ranges, lists and numbers") {
  Graph g;
  auto x = placeholder<float, shape<dyn, 2>>(g, "x");
  auto s = placeholder<double, shape<>>(g, "s");
  auto i = placeholder<std::int64_t, shape<3>>(g, "i");
  Session session(g);
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  CHECK(session.run(x, feed(x, values)).shape() == dims{3, 2});
  CHECK(session.run(x, feed(x, std::span<const float>(values).first(2))).shape() == dims{1, 2});
  CHECK(session.run(x, feed(x, std::array<float, 4>{1, 2, 3, 4})).at<float>({1, 1}) == 4);
  CHECK(session.run(x, feed(x, {1.0f, 2.0f})).at<float>({0, 1}) == 2);
  CHECK(session.run(s, feed(s, 0.5)).item<double>() == 0.5);
  CHECK(session.run(i, feed(i, {std::int64_t{7}, std::int64_t{8}, std::int64_t{9}}))
            .at<std::int64_t>({2}) == 9);
  CHECK_THROWS_AS(feed(x, {1.0f, 2.0f, 3.0f}), shape_error);
  CHECK_THROWS_AS(feed(i, {std::int64_t{7}}), shape_error);
  auto free = placeholder<float, shape<dyn, dyn>>(g, "free");
  CHECK(has(sentence<shape_error>([&] { (void)feed(free, {1.0f}); }), "Feed an Array"));
}

TEST_CASE("results mirror the structure of the fetches", "[edge-79]") {
  Graph g;
  auto x = placeholder<float, shape<2>>(g, "x");
  auto a = x + 1.0f, b = x * x;
  auto w = make_variable<float, shape<2>>(g, "w", zeros());
  auto step = updates(g, assign(w, w + x));
  Session session(g);
  session.initialize();
  const auto fed = feed(x, {2.0f, 3.0f});

  const auto [first, second] = session.run(std::tuple{a, b}, fed);
  CHECK(first.same_bits(vector_of({3, 4})));
  CHECK(second.same_bits(vector_of({4, 9})));

  const std::vector<Array> list = session.run(std::vector<any_tensor>{b, a, b}, fed);
  CHECK(list[0].same_bits(second));
  CHECK(list[1].same_bits(first));
  CHECK(list[2].same_bits(second));
  const std::array<Array, 2> both = session.run(std::array{a, a}, fed);
  CHECK(both[1].same_bits(first));
  const std::vector<Array> braced = session.run({a, b}, fed);
  CHECK(braced[1].same_bits(second));

  using nest = std::tuple<std::pair<decltype(a), std::vector<any_tensor>>, update_group,
                          std::optional<any_tensor>, std::optional<any_tensor>>;
  const auto found = session.run(nest{{a, {b, a}}, step, any_tensor(b), std::nullopt}, fed);
  CHECK(std::get<0>(found).first.same_bits(first));
  CHECK(std::get<0>(found).second[0].same_bits(second));
  CHECK(std::is_same_v<std::remove_cvref_t<decltype(std::get<1>(found))>, std::monostate>);
  CHECK(std::get<2>(found)->same_bits(second));
  CHECK(!std::get<3>(found));
  CHECK(session.value(w).same_bits(vector_of({2, 3})));

  // Feeds may come as a list, too.
  const std::vector<feed_item> items{fed};
  CHECK(session.run(a, items).same_bits(first));
}

TEST_CASE("what is asked for twice is computed once", "[edge-79]") {
  Graph g;
  auto x = placeholder<float, shape<2>>(g, "x");
  auto y = counted(x);
  Session session(g);
  count_of_runs = 0;
  const auto [a, b, c] = session.run(std::tuple{y, y, y + y}, feed(x, {1.0f, 2.0f}));
  CHECK(count_of_runs == 1);
  CHECK(a.same_bits(b));
  CHECK(c.same_bits(vector_of({2, 4})));
}

TEST_CASE("any tensor can be fed, which cuts off what computes it", "[edge-77]") {
  Graph g;
  auto x = placeholder<float, shape<2>>(g, "x");
  auto hidden = counted(x);
  auto y = hidden + 1.0f;
  auto w = make_variable<float, shape<2>>(g, "w", zeros());
  auto z = y * w;
  Session session(g);
  count_of_runs = 0;
  CHECK(session.run(y, feed(hidden, {5.0f, 6.0f})).same_bits(vector_of({6, 7})));
  CHECK(count_of_runs == 0);
  // A fed tensor that is fetched is the value fed; a fed variable needs no value.
  const auto [same, product] =
      session.run(std::tuple{y, z}, feed(y, {2.0f, 3.0f}), feed(w, {10.0f, 20.0f}));
  CHECK(same.same_bits(vector_of({2, 3})));
  CHECK(product.same_bits(vector_of({20, 60})));
  CHECK(!g.store().initialized(*g.variable_read_by(g.id(w))));
}

TEST_CASE("only one output of an op may be fed") {
  Graph g;
  auto x = placeholder<float, shape<4>>(g, "x");
  auto halves = split<2, 0>(x);
  auto y = std::get<0>(halves) + std::get<1>(halves);
  Session session(g);
  const Array out =
      session.run(y, feed(x, {1.0f, 2.0f, 3.0f, 4.0f}), feed(std::get<1>(halves), {10.0f, 20.0f}));
  CHECK(out.same_bits(vector_of({11, 22})));
}

TEST_CASE("feeds that do not fit get sentences", "[edge-78]") {
  Graph g;
  auto x = placeholder<float, shape<dim<"batch">, 2>>(g, "x");
  auto t = placeholder<float, shape<dim<"batch">, 1>>(g, "targets");
  auto other = placeholder<float, shape<2>>(g, "other");
  auto y = x + t;
  Session session(g);
  const Array three(dtype::float32, {3, 2}), four(dtype::float32, {4, 1});
  const Array good(dtype::float32, {3, 1});

  CHECK(has(sentence<feed_error>([&] { session.run(y, feed(x, three)); }), "'targets'"));
  CHECK(has(sentence<feed_error>([&] { session.run(y, feed(x, three)); }), "Add feed(targets"));
  CHECK(has(sentence<shape_error>([&] { session.run(y, feed(x, three), feed(t, four)); }),
            "'batch' is 4 where that of 'x' is 3"));
  const Array wide(dtype::float32, {3, 5}), flat(dtype::float32, {6}), whole(dtype::int64, {3, 2});
  CHECK(has(sentence<shape_error>([&] { session.run(y, feed(x, wide), feed(t, good)); }),
            "axis 1 has 2"));
  CHECK(has(sentence<shape_error>([&] { session.run(y, feed(x, flat), feed(t, good)); }),
            "2 extents"));
  CHECK(has(sentence<dtype_error>([&] { session.run(y, feed(x, whole), feed(t, good)); }),
            "cast(dtype::float32)"));
  CHECK(
      has(sentence<feed_error>([&] { session.run(y, feed(x, Array()), feed(t, good)); }), "empty"));
  CHECK(has(sentence<feed_error>(
                [&] { session.run(y, feed(x, three), feed(t, good), feed(other, {1.0f, 2.0f})); }),
            "nothing that was asked for needs it"));
  CHECK(has(
      sentence<feed_error>([&] { session.run(y, feed(x, three), feed(x, three), feed(t, good)); }),
      "fed twice"));
  CHECK(session.run(y, feed(x, three), feed(t, good)).shape() == dims{3, 2});
}

TEST_CASE("a missing feed names who needs it") {
  Graph g;
  g.enter_scope("net");
  auto x = placeholder<float, shape<2>>(g, "x");
  auto y = identity(exp(x), "result");
  g.leave_scope();
  Session session(g);
  const std::string text = sentence<feed_error>([&] { session.run(y); });
  CHECK(has(text, "placeholder 'net/x'"));
  CHECK(has(text, "'net/exp' reads it"));
  CHECK(has(text, "'net/result'"));
}

TEST_CASE("shapes that only a run knows are checked with the operator's words") {
  Graph g;
  auto a = placeholder<float, shape<dyn>>(g, "a");
  auto b = placeholder<float, shape<dyn>>(g, "b");
  auto y = a + b;
  Session session(g);
  const std::string text = sentence<shape_error>(
      [&] { session.run(y, feed(a, {1.0f, 2.0f}), feed(b, {1.0f, 2.0f, 3.0f})); });
  CHECK(has(text, "[2]"));
  CHECK(has(text, "[3]"));
  CHECK(session.run(y, feed(a, {1.0f, 2.0f}), feed(b, {1.0f})).same_bits(vector_of({2, 3})));
}

TEST_CASE("tensors of unknown type and rank run once they are fed") {
  Graph g;
  attribute_list a;
  a.set("type", dtype::any);
  const any_tensor x = g.handle({g.add(ops::placeholder, {}, a, "x"), 0});
  const any_tensor y = x + x;
  Session session(g);
  CHECK(session.run(y, feed(x, vector_of({1, 2}))).same_bits(vector_of({2, 4})));
  const Array whole = Array::from<std::int32_t>({1, 1}, {21});
  CHECK(session.run(y, feed(x, whole)).same_bits(Array::from<std::int32_t>({1, 1}, {42})));
}

TEST_CASE("only the shape of a shape-only operand is needed") {
  Graph g;
  auto x = placeholder<float, shape<3>>(g, "x");
  auto d = placeholder<float, shape<dyn>>(g, "d");
  auto fixed = ones_like(counted(x));
  auto open = ones_like(counted(d));
  Session session(g);
  count_of_runs = 0;
  CHECK(session.run(fixed).same_bits(vector_of({1, 1, 1})));
  CHECK(session.run(open, feed(d, {4.0f, 5.0f})).same_bits(vector_of({1, 1})));
  CHECK(count_of_runs == 0);
  CHECK(has(sentence<feed_error>([&] { session.run(open); }), "reads its shape"));
}

TEST_CASE("an operator without a kernel is a sentence when it is to run") {
  register_test_operators();
  Graph g;
  auto x = placeholder<float, shape<2>>(g, "x");
  auto y = apply<no_kernel_schema>({}, "mystery", {}, x);
  Session session(g);
  CHECK(has(sentence<unsupported_error>([&] { session.run(y, feed(x, {1.0f, 2.0f})); }),
            "'mystery'"));
  CHECK(session.run(y + 1.0f, feed(y, {1.0f, 2.0f})).same_bits(vector_of({2, 3})));
}

TEST_CASE("handles of other graphs and of graphs that are gone are refused") {
  auto g = std::make_unique<Graph>();
  Graph other;
  auto x = placeholder<float, shape<2>>(*g, "x");
  auto foreign = placeholder<float, shape<2>>(other, "x");
  Session session(*g);
  CHECK_THROWS_AS(session.run(foreign, feed(foreign, {1.0f, 2.0f})), handle_error);
  CHECK_THROWS_AS(session.run(x, feed(foreign, {1.0f, 2.0f})), handle_error);
  auto v = make_variable<float, shape<2>>(other, "v", zeros());
  CHECK_THROWS_AS(session.run(updates(other, assign(v, v + 1.0f))), handle_error);
  CHECK_THROWS_AS(session.run(initializer_of(other)), handle_error);

  // A graph may move; the session follows.
  Graph moved = std::move(*g);
  CHECK(session.run(x + x, feed(x, {1.0f, 2.0f})).same_bits(vector_of({2, 4})));
  CHECK_THROWS_AS(Session(*g), handle_error);  // NOLINT: moved from
  {
    Graph last = std::move(moved);
  }
  CHECK(has(sentence<handle_error>([&] { session.initialize(); }), "its graph is gone"));
}

TEST_CASE("variables are read and set by handle") {
  Graph g;
  auto w = make_variable<float, shape<2>>(g, "layer_w", ones());
  auto y = w + 1.0f;
  Session session(g);
  const std::string text = sentence<uninitialized_error>([&] { session.run(y); });
  CHECK(has(text, "'layer_w'"));
  CHECK(has(text, "session.initialize()"));
  CHECK_THROWS_AS(session.value(w), uninitialized_error);
  session.set_value(w, vector_of({3, 4}));
  CHECK(session.run(y).same_bits(vector_of({4, 5})));
  CHECK(session.value(w).same_bits(vector_of({3, 4})));
  session.initialize();  // has a value already
  CHECK(session.value(w).same_bits(vector_of({3, 4})));
  CHECK_THROWS_AS(session.set_value(w, vector_of({1})), shape_error);
  CHECK_THROWS_AS(session.set_value(w, Array(dtype::float64, {2})), dtype_error);
  CHECK_THROWS_AS(session.set_value(y, vector_of({1, 2})), argument_error);
  CHECK_THROWS_AS(session.value(y), argument_error);
}

TEST_CASE("evaluate needs no session") {
  Graph g;
  auto x = placeholder<float, shape<2>>(g, "x");
  auto y = x + 1.0f, z = x * 3.0f;
  CHECK(evaluate(y, feed(x, {1.0f, 2.0f})).same_bits(vector_of({2, 3})));
  const auto [a, b] = evaluate(std::tuple{y, z}, feed(x, {1.0f, 2.0f}));
  CHECK(b.same_bits(vector_of({3, 6})));
  CHECK_THROWS_AS(evaluate(std::vector<any_tensor>{}), argument_error);
}

TEST_CASE("check_numerics blames no operand that a result was written over") {
  Graph g;
  const auto x = placeholder<float, shape<8>>(g, "x");
  const auto y = log(x - 1.0f) * 2.0f;
  Session careful(g, {.check_numerics = true});
  std::string said;
  try {
    careful.run(y, feed(x, Array::full<float>({8}, 1.0f)));
  } catch (const numeric_error& e) {
    said = e.what();
  }
  CHECK(said.find("'log'") != std::string::npos);
  CHECK(said.find("already") == std::string::npos);
}

TEST_CASE("check_numerics names the first op whose result is not finite") {
  Graph g;
  auto x = placeholder<float, shape<2>>(g, "x");
  auto w = make_variable<float, shape<2>>(g, "w", zeros());
  auto first = log(x, "first_bad");
  auto y = exp(first + 1.0f) * 0.0f;
  auto step = updates(g, assign(w, w + y));
  Session careful(g, {.check_numerics = true});
  careful.initialize();
  CHECK(careful.run(y, feed(x, {1.0f, 2.0f})).same_bits(vector_of({0, 0})));
  const std::string text =
      sentence<numeric_error>([&] { careful.run(step, feed(x, {1.0f, -1.0f})); });
  CHECK(has(text, "'first_bad'"));
  CHECK(has(text, "element 1"));
  CHECK(careful.value(w).same_bits(vector_of({0, 0})));
  careful.run(step, feed(x, {1.0f, 1.0f}));
  // What comes in broken is said so.
  const Array bad = vector_of({1, std::numeric_limits<float>::quiet_NaN()});
  CHECK(has(sentence<numeric_error>([&] { careful.run(x + 1.0f, feed(x, bad)); }),
            "'x' was not finite already"));
}

TEST_CASE("options are checked") {
  Graph g;
  CHECK_THROWS_AS(Session(g, {.threads = -1}), argument_error);
  CHECK(Session(g, {.threads = 3}).threads() == 3);
}

TEST_CASE("a session that was moved from says so") {
  Graph g;
  auto w = make_variable<float, shape<2>>(g, "w", ones());
  Session session(g);
  Session moved = std::move(session);
  moved.initialize();
  // NOLINTBEGIN: use after move is what is asked
  CHECK(has(sentence<handle_error>([&] { session.initialize(); }), "moved from"));
  CHECK_THROWS_AS(session.run(w), handle_error);
  CHECK_THROWS_AS(session.run(initializer_set{}), handle_error);
  CHECK_THROWS_AS(session.prepare(w), handle_error);
  CHECK_THROWS_AS(session.explain_plan(w), handle_error);
  CHECK_THROWS_AS(session.value(w), handle_error);
  CHECK_THROWS_AS(session.set_value(w, Array(dtype::float32, {2})), handle_error);
  CHECK_THROWS_AS(session.graph(), handle_error);
  CHECK_THROWS_AS(session.seed(), handle_error);
  CHECK_THROWS_AS(session.threads(), handle_error);
  CHECK_THROWS_AS(session.plans_made(), handle_error);
  // NOLINTEND
  session = std::move(moved);
  CHECK(session.run(w).same_bits(vector_of({1, 1})));
}

TEST_CASE("what is wrong with a feed names the line the tensor was declared at") {
  Graph g;
  auto x = placeholder<float, shape<dyn, 2>>(g, "x");
  const std::string line = "session.cpp:" + std::to_string(__LINE__ - 1);
  auto y = x + 1.0f;
  Session session(g);
  CHECK(has(sentence<feed_error>([&] { session.run(y); }), line));
  CHECK(has(
      sentence<feed_error>([&] { session.run(y, feed(x, {1.0f, 2.0f}), feed(x, {1.0f, 2.0f})); }),
      line));
  CHECK(has(sentence<feed_error>([&] { session.run(y, feed(x, Array())); }), line));
  CHECK(has(sentence<dtype_error>([&] { session.run(y, feed(x, Array(dtype::float64, {1, 2}))); }),
            line));
  CHECK(has(sentence<shape_error>([&] { session.run(y, feed(x, Array(dtype::float32, {2}))); }),
            line));
  CHECK(has(sentence<shape_error>([&] { session.run(y, feed(x, Array(dtype::float32, {2, 3}))); }),
            line));
  CHECK(has(sentence<shape_error>([&] { (void)feed(x, {1.0f}); }), line));
}

TEST_CASE("tensors with more elements than can be counted are refused when made") {
  constexpr std::int64_t much = std::int64_t{1} << 40;
  Graph g;
  const std::uint64_t before = g.digest();
  const std::string text =
      sentence<size_error>([&] { (void)placeholder<float, shape<dyn, much, much>>(g, "x"); });
  CHECK(has(text, "'x'"));
  CHECK(has(text, "63 bits"));
  CHECK(has(text, "session.cpp:"));
  CHECK_THROWS_AS(placeholder(g, dtype::float32, {dyn, much, dyn, much}), size_error);
  CHECK(g.digest() == before);
  (void)placeholder<float, shape<much, 0, much>>(g, "none");
  (void)placeholder<float, shape<dyn, much, 4>>(g, "most");
}

TEST_CASE("evaluating a network without values hints at what can be done") {
  Graph g;
  auto w = make_variable<float, shape<2>>(g, "w", ones());
  const std::string text = sentence<uninitialized_error>([&] { (void)evaluate(w + 1.0f); });
  CHECK(has(text, "'w'"));
  CHECK_FALSE(has(text, "session.initialize()"));
  CHECK(has(text, "load its variables"));
}
