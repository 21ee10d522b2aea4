// Ops that compute the same run once in a call: what is merged, and what is not.
#include "graft/graft.hpp"

#include "catch.hpp"
#include "session_fixture.hpp"

using namespace session_test;

namespace {

template <class Fetch, class... Feeds>
std::string first_line(Session& session, const Fetch& fetch, const Feeds&... feeds) {
  const std::string text = session.explain_plan(fetch, feeds...);
  return text.substr(0, text.find('\n'));
}

int count_of(const std::string& text, const std::string& part) {
  int count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

}  // namespace

TEST_CASE("what a clone shares with its original is computed once in one run", "[edge-79]") {
  Graph g;
  auto x = placeholder<float, shape<dyn, 8>>(g, "x");
  auto y = dense<4>(tanh(dense<16>(x)));
  const Region region = extract(inputs(x), outputs(y));
  const Clone copy = clone(region, bind(x, x), into("copy"), variables::shared);
  Session session(g);
  session.initialize();
  const auto fed = feed(x, Array::full<float>({3, 8}, 0.25f));
  const std::string text = session.explain_plan(std::tuple{y, copy(y)}, fed);
  INFO(text);
  CHECK(text.substr(0, text.find('\n')) == first_line(session, y, fed));
  CHECK(count_of(text, "  merged: 'copy/") == 5);  // two products, two sums, tanh
  CHECK(has(text, "  merged: '" + g.path_of(g.id(copy(y)).op) + "' is '" + g.path_of(g.id(y).op) +
                      "'\n"));
  const auto [one, other] = session.run(std::tuple{y, copy(y)}, fed);
  CHECK(one.same_bits(other));
  CHECK(one.same_bits(session.run(y, fed)));
  CHECK(other.same_bits(session.run(copy(y), fed)));
  // On another input only what reads the variables alone could be shared, and that is nothing here.
  auto x2 = placeholder<float, shape<dyn, 8>>(g, "x2");
  const Clone apart = clone(region, bind(x, x2), into("apart"), variables::shared);
  const auto fed2 = feed(x2, Array::full<float>({3, 8}, 0.5f));
  CHECK_FALSE(has(session.explain_plan(std::tuple{y, apart(y)}, fed, fed2), "merged"));
  const auto [first, second] = session.run(std::tuple{y, apart(y)}, fed, fed2);
  CHECK(first.same_bits(one));
  CHECK(second.same_bits(session.run(y, feed(x, Array::full<float>({3, 8}, 0.5f)))));
}

TEST_CASE("an expression that is there twice is one step", "[edge-79]") {
  Graph g;
  auto x = placeholder<float, shape<3>>(g, "x");
  auto a = counted(x * 2.0f) + 1.0f;
  auto b = counted(x * 2.0f) + 1.0f;
  Session session(g);
  count_of_runs = 0;
  const auto [one, other, sum] = session.run(std::tuple{a, b, a + b}, feed(x, {1.0f, 2.0f, 3.0f}));
  CHECK(count_of_runs == 1);
  CHECK(one.same_bits(vector_of({3, 5, 7})));
  CHECK(other.same_bits(one));
  CHECK(sum.same_bits(vector_of({6, 10, 14})));
  // Each result is the caller's own, also of a prepared call.
  prepared_call call = session.prepare({a, b}, {x});
  call.run();
  CHECK(call.output<float>(0)[0] == 1);
  CHECK(call.output<float>(1)[0] == 1);
}

TEST_CASE("other attributes, operands or types make another op") {
  Graph g;
  auto x = placeholder<float, shape<3>>(g, "x");
  auto z = placeholder<float, shape<3>>(g, "z");
  const std::vector<any_tensor> all{
      leaky_relu(x, 0.25), leaky_relu(x, 0.5), leaky_relu(z, 0.25), x - z, z - x, x * 0.5f,
      x * 0.25f,           sum<axes<0>>(x),    any_tensor(sum(z))};
  Session session(g);
  const std::vector<feed_item> fed{feed(x, {-1.0f, 2.0f, 4.0f}), feed(z, {8.0f, -2.0f, 0.5f})};
  CHECK_FALSE(has(session.explain_plan(all, fed), "merged"));
  const std::vector<Array> found = session.run(all, fed);
  for (std::size_t i = 0; i < all.size(); ++i) {
    std::vector<feed_item> own;
    for (const feed_item& f : fed) {
      try {
        (void)session.run(all[i], f);
        own = {f};
      } catch (const feed_error&) {
      }
    }
    if (own.empty()) own = fed;
    CHECK(found[i].same_bits(session.run(all[i], own)));
  }
}

TEST_CASE("what is drawn, checked or ordered is never merged") {
  Graph g;
  auto x = placeholder<float, shape<1000>>(g, "x");
  Session session(g);
  const auto fed = feed(x, Array::full<float>({1000}, 1.0f));
  {
    auto a = dropout(0.5)(x), b = dropout(0.5)(x);
    session.initialize();
    const auto [one, other] = session.run(std::tuple{a, b}, fed);
    CHECK_FALSE(one.same_bits(other));
    // Two draws from one stream are equal, and still two.
    const tensor_id stream = g.operand(g.id(a).op, 1);
    auto u = random_uniform_like(x, tensor<Graph, dtype::int64, shape<2>>(g.handle(stream).ref()));
    auto v = random_uniform_like(x, tensor<Graph, dtype::int64, shape<2>>(g.handle(stream).ref()));
    CHECK_FALSE(has(session.explain_plan(std::tuple{u, v}, fed), "merged"));
  }
  auto first = counted(x), second = counted(x), third = counted(x);
  g.add_control_edge(g.id(first).op, g.id(second).op);
  count_of_runs = 0;
  session.run(std::tuple{first, second}, fed);
  CHECK(count_of_runs == 2);
  // Where the op to wait for is not in the call there is nothing to wait for.
  count_of_runs = 0;
  session.run(std::tuple{first, third}, fed);
  CHECK(count_of_runs == 1);
}

TEST_CASE("a variable before an update and after it are two values") {
  Graph g;
  auto w = make_variable<float, shape<2>>(g, "w", ones());
  auto more = assign(w, w + 1.0f);
  auto before = w * 10.0f, also_before = w * 10.0f, later = after(more) * 10.0f,
       also_later = after(more) * 10.0f;
  Session session(g);
  session.initialize();
  const auto [a, b, c, d] = session.run(std::tuple{before, later, also_before, also_later});
  CHECK(a.same_bits(vector_of({10, 10})));
  CHECK(c.same_bits(a));
  CHECK(b.same_bits(vector_of({20, 20})));
  CHECK(d.same_bits(b));
  CHECK(session.value(w).same_bits(vector_of({2, 2})));
}

TEST_CASE("variables of one cell are read once, and one of a cell of its own apart") {
  Graph g;
  auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  auto y = dense<4>(x);
  const Region region = extract(inputs(x), outputs(y));
  const Clone shared = clone(region, bind(x, x), variables::shared);
  Session session(g);
  session.initialize();
  const auto fed = feed(x, Array::full<float>({2, 4}, 1.0f));
  const Clone copied = clone(region, bind(x, x), variables::copied);
  const std::string text = session.explain_plan(std::tuple{y, shared(y), copied(y)}, fed);
  INFO(text);
  CHECK(count_of(text, "(matmul)") == 2);
  const auto [a, b, c] = session.run(std::tuple{y, shared(y), copied(y)}, fed);
  CHECK(a.same_bits(b));
  CHECK(a.same_bits(c));
}

TEST_CASE("a feed cuts off one of two equal ops and not the other") {
  Graph g;
  auto x = placeholder<float, shape<2>>(g, "x");
  auto a = exp(x), b = exp(x);
  auto y = a + 1.0f, z = b + 1.0f;
  Session session(g);
  const auto [one, other] =
      session.run(std::tuple{y, z}, feed(x, {0.0f, 0.0f}), feed(b, {10.0f, 20.0f}));
  CHECK(one.same_bits(vector_of({2, 2})));
  CHECK(other.same_bits(vector_of({11, 21})));
  // The same for one output of several.
  auto [left, right] = split<2, 0>(x);
  auto [left2, right2] = split<2, 0>(x);
  const auto found = session.run(std::tuple{left, left2, right + 1.0f, right2 + 1.0f},
                                 feed(x, {1.0f, 2.0f}), feed(right2, {7.0f}));
  CHECK(std::get<0>(found).same_bits(vector_of({1})));
  CHECK(std::get<1>(found).same_bits(vector_of({1})));
  CHECK(std::get<2>(found).same_bits(vector_of({3})));
  CHECK(std::get<3>(found).same_bits(vector_of({8})));
}

TEST_CASE("loops and branches are merged if their bodies draw nothing") {
  Graph g;
  auto p = placeholder<bool, shape<>>(g, "p");
  auto x = placeholder<float, shape<4>>(g, "x");
  const auto branch = [&] {
    return cond(p, [&] { return counted(x) * 2.0f; }, [&] { return x - 1.0f; });
  };
  auto a = branch();
  const Region region = extract(inputs(p, x), outputs(a));
  const Clone copy = clone(region, bind(p, p, x, x));
  Session session(g);
  const auto fed = feed(x, Array::full<float>({4}, 3.0f));
  const auto yes = feed(p, Array::scalar(true));
  count_of_runs = 0;
  const auto [one, other] = session.run(std::tuple{a, copy(a)}, fed, yes);
  CHECK(count_of_runs == 1);
  CHECK(one.same_bits(Array::full<float>({4}, 6.0f)));
  CHECK(other.same_bits(one));
  const any_tensor stream = constant(g, Array::from<std::int64_t>({2}, {77, 0}));
  const auto on = attribute_list().set("rate", 0.5).set("training", true);
  const auto drawn = [&] {
    return apply<ops::dropout>(on, {}, {}, x, as<std::int64_t, shape<2>>(stream));
  };
  auto noisy = cond(p, drawn, [&] { return x - 1.0f; });
  const Clone again =
      clone(extract(inputs(p, x), outputs(noisy)), bind(p, p, x, x), variables::shared);
  CHECK_FALSE(has(session.explain_plan(std::tuple{noisy, again(noisy)}, fed, yes), "merged"));
}

TEST_CASE("numerics are checked of merged ops too, and named by the first") {
  Graph g;
  auto x = placeholder<float, shape<2>>(g, "x");
  auto a = log(x, "one"), b = log(x, "other");
  Session session(g, {.check_numerics = true});
  const std::string text =
      sentence<numeric_error>([&] { session.run(std::tuple{a, b}, feed(x, {0.0f, 1.0f})); });
  CHECK(has(text, "'one'"));
}
