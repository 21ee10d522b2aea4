// cond, while_loop and scan: what they compute, at which types, and what they refuse.
#include <array>
#include <string>

#include "graft/graft.hpp"
#include "graft/graph/operator.hpp"

#include "catch.hpp"

using namespace graft;

namespace {

template <class E, class F>
std::string sentence(F&& f) {
  try {
    f();
  } catch (const E& e) {
    return e.parts().found + "; " + e.parts().hint;  // what() breaks lines
  }
  return "nothing was thrown";
}
bool mentions(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}
Array row(std::initializer_list<float> values) {
  return Array::from<float>({static_cast<std::int64_t>(values.size())}, values);
}
std::vector<float> floats(const Array& a) {
  const auto s = a.span<float>();
  return {s.begin(), s.end()};
}

}  // namespace

TEST_CASE("cond runs one branch") {
  Graph g;
  auto x = placeholder<float, shape<3>>(g, "x");
  auto p = placeholder<bool, shape<>>(g, "p");
  auto y = cond(p, [&] { return x * 2.0f; }, [&] { return x - 1.0f; });
  STATIC_REQUIRE(std::is_same_v<decltype(y), tensor<Graph, dtype::float32, shape<3>>>);
  g.validate();
  Session session(g);
  const Array in = row({1, 2, 3});
  CHECK(floats(session.run(y, feed(p, true), feed(x, in))) == std::vector<float>{2, 4, 6});
  CHECK(floats(session.run(y, feed(p, false), feed(x, in))) == std::vector<float>{0, 1, 2});
}

TEST_CASE("branches return tuples, outer tensors and constants") {
  Graph g;
  auto x = placeholder<float, shape<dyn>>(g, "x");
  auto p = placeholder<bool, shape<>>(g, "p");
  auto [a, b] = cond(p, [&] { return std::tuple{x, x + x}; }, [&] { return std::tuple{x * x, x}; });
  auto c = cond(p, [&] { return constant(g, 7.0f); }, [&] { return sum(x); });
  Session session(g);
  const Array in = row({1, 2, 3});
  const auto [a1, b1, c1] = session.run(std::tuple{a, b, c}, feed(p, true), feed(x, in));
  CHECK(floats(a1) == std::vector<float>{1, 2, 3});
  CHECK(floats(b1) == std::vector<float>{2, 4, 6});
  CHECK(c1.item<float>() == 7);
  const auto [a2, b2, c2] = session.run(std::tuple{a, b, c}, feed(p, false), feed(x, in));
  CHECK(floats(a2) == std::vector<float>{1, 4, 9});
  CHECK(floats(b2) == std::vector<float>{1, 2, 3});
  CHECK(c2.item<float>() == 6);
  CHECK(floats(session.run(b, feed(p, true), feed(x, in))) == std::vector<float>{2, 4, 6});
}

TEST_CASE("branches that differ are refused, and nothing stays") {
  Graph g;
  auto p = placeholder<bool, shape<>>(g, "p");
  const any_tensor a = placeholder<float, shape<3>>(g, "a"),
                   b = placeholder<float, shape<4>>(g, "b"),
                   i = placeholder<std::int32_t, shape<3>>(g, "i");
  const auto before = g.digest();
  CHECK(mentions(sentence<shape_error>([&] { cond(p, [&] { return a; }, [&] { return b; }); }),
                 "float32 [3] in the first and float32 [4] in the second"));
  CHECK(mentions(sentence<dtype_error>([&] { cond(p, [&] { return a; }, [&] { return i; }); }),
                 "give both branches results of one type and shape"));
  const any_tensor many = placeholder<bool, shape<2>>(g, "many");
  CHECK(mentions(sentence<shape_error>([&] { cond(many, [&] { return a; }, [&] { return a; }); }),
                 "must be one boolean"));
  CHECK_THROWS_AS(cond(p, [&] { return a; }, [&]() -> any_tensor { throw 1; }), int);
  CHECK(g.current_body() == nullptr);
  (void)before;
  g.validate();
}

TEST_CASE("while_loop repeats until its condition fails") {
  Graph g;
  auto n = placeholder<std::int32_t, shape<>>(g, "n");
  auto [i, total] = while_loop(
      std::tuple{constant(g, std::int32_t{0}), constant(g, 0.0f)},
      [&](auto k, auto) { return k < n; },
      [](auto k, auto s) {
        return std::tuple{k + std::int32_t{1}, s + cast<float>(k + std::int32_t{1})};
      });
  STATIC_REQUIRE(std::is_same_v<decltype(total), tensor<Graph, dtype::float32, shape<>>>);
  Session session(g);
  for (const std::int32_t count : {0, 1, 2, 10, 1000}) {
    const auto [last, sum_to] = session.run(std::tuple{i, total}, feed(n, count));
    CHECK(last.item<std::int32_t>() == count);
    CHECK(sum_to.item<float>() == static_cast<float>(count) * static_cast<float>(count + 1) / 2);
  }
}

TEST_CASE("while_loop stops at max_iterations") {
  Graph g;
  auto x = placeholder<float, shape<2>>(g, "x");
  auto y = while_loop(x, [](auto s) { return sum(s) < 1e9f; }, [](auto s) { return s * 2.0f; }, 3);
  auto none =
      while_loop(x, [](auto s) { return sum(s) < 1e9f; }, [](auto s) { return s * 2.0f; }, 0);
  Session session(g);
  CHECK(floats(session.run(y, feed(x, row({1, 2})))) == std::vector<float>{8, 16});
  CHECK(floats(session.run(none, feed(x, row({1, 2})))) == std::vector<float>{1, 2});
}

TEST_CASE("a state keeps its type and shape") {
  Graph g;
  const any_tensor x = placeholder<float, shape<2>>(g, "x");
  const any_tensor xs = placeholder<float, shape<5, 3>>(g, "xs");
  const auto always = [](const any_tensor& s) { return sum(s) < 1.0f; };
  CHECK(mentions(sentence<shape_error>([&] {
                   while_loop(x, always, [](const any_tensor& s) {
                     return any_tensor(concat(std::vector<any_tensor>{s, s}, 0));
                   });
                 }),
                 "it goes into a step as float32 [2] and comes out as float32 [4]"));
  CHECK(mentions(sentence<dtype_error>([&] {
                   while_loop(x, always,
                              [](const any_tensor& s) { return any_tensor(cast<double>(s)); });
                 }),
                 "comes out as float64 [2]"));
  CHECK_THROWS_AS(scan(x, xs,
                       [](const any_tensor& s, const any_tensor& e) {
                         return std::tuple{any_tensor(concat(std::vector<any_tensor>{s, e}, 0)), e};
                       }),
                  shape_error);
  CHECK(mentions(sentence<shape_error>([&] {
                   scan(x, std::tuple{xs, x},
                        [](const any_tensor& s, auto) { return std::tuple{s, std::tuple{}}; });
                 }),
                 "their first axes differ"));
  CHECK(mentions(sentence<shape_error>([&] {
                   scan(x, any_tensor(sum(x)),
                        [](const any_tensor& s, auto) { return std::tuple{s, std::tuple{}}; });
                 }),
                 "no first axis"));
  CHECK(g.current_body() == nullptr);
  g.validate();
}

TEST_CASE("scan carries a state and stacks results") {
  Graph g;
  auto xs = placeholder<float, shape<dim<"time">, 2>>(g, "xs");
  auto s0 = placeholder<float, shape<2>>(g, "s0");
  auto w = make_variable<float, shape<2>>(g, "w", ones());
  auto [last, stacked] = scan(s0, xs, [&](auto s, auto x) {
    STATIC_REQUIRE(std::is_same_v<decltype(x), tensor<Graph, dtype::float32, shape<2>>>);
    auto next = s + x * w;
    return std::tuple{next, std::tuple{sum(next), next * 10.0f}};
  });
  auto [sums, tens] = stacked;
  STATIC_REQUIRE(
      std::is_same_v<decltype(tens), tensor<Graph, dtype::float32, shape<dim<"time">, 2>>>);
  STATIC_REQUIRE(std::is_same_v<decltype(sums), tensor<Graph, dtype::float32, shape<dim<"time">>>>);
  g.validate();
  Session session(g);
  session.initialize();
  const Array start = row({0, 100});
  const Array in = Array::from<float>({3, 2}, {1, 2, 3, 4, 5, 6});
  const auto [l, s, t] = session.run(std::tuple{last, sums, tens}, feed(xs, in), feed(s0, start));
  CHECK(floats(l) == std::vector<float>{9, 112});
  CHECK(floats(s) == std::vector<float>{103, 110, 121});
  CHECK(floats(t) == std::vector<float>{10, 1020, 40, 1060, 90, 1120});
  CHECK(floats(session.run(tens, feed(xs, in), feed(s0, start))) == floats(t));
  CHECK(floats(session.run(last, feed(xs, in), feed(s0, start))) == floats(l));
  // No steps: the state is as it was.
  const auto [l0, s00] =
      session.run(std::tuple{last, sums}, feed(xs, Array(dtype::float32, {0, 2})), feed(s0, start));
  CHECK(floats(l0) == floats(start));
  CHECK(s00.shape() == dims{0});
  // Results are the same bits with any number of threads, and with numerics checked.
  Session other(g, {.threads = 2, .check_numerics = true});
  CHECK(floats(other.run(tens, feed(xs, in), feed(s0, start))) == floats(t));
}

TEST_CASE("a plan that runs again makes no new plan of a body") {
  Graph g;
  auto x = placeholder<float, shape<dyn>>(g, "x");
  auto y = while_loop(x, [](auto s) { return sum(s) < 100.0f; }, [](auto s) { return s + s; });
  Session session(g);
  const Array first = session.run(y, feed(x, row({1, 2})));
  const auto plans = session.plans_made();
  CHECK(floats(session.run(y, feed(x, row({1, 2})))) == floats(first));
  CHECK(session.plans_made() == plans);
  CHECK(floats(session.run(y, feed(x, row({50})))) == std::vector<float>{100});
}

TEST_CASE("bodies nest") {
  Graph g;
  auto xs = placeholder<float, shape<4>>(g, "xs");
  auto k = placeholder<float, shape<>>(g, "k");
  // Three deep: scan, while_loop, cond; each uses k from outside.
  auto [last, ys] = scan(constant(g, 0.0f), xs, [&](auto s, auto x) {
    auto doubled = while_loop(
        x, [&](auto v) { return v < k; },
        [&](auto v) {
          return cond(v < k * 0.5f, [&] { return v * 4.0f; }, [&] { return v + k; });
        });
    return std::tuple{s + doubled, doubled};
  });
  g.validate();
  (void)g.digest();
  CHECK(!summary(last).empty());
  CHECK(!dot(g).empty());
  Session session(g);
  const auto [l, y] =
      session.run(std::tuple{last, ys}, feed(xs, row({1, 3, 20, 9})), feed(k, 10.0f));
  CHECK(floats(y) == std::vector<float>{16, 12, 20, 19});
  CHECK(l.item<float>() == 67);
}

TEST_CASE("tensors of a body stay in it") {
  Graph g;
  auto x = placeholder<float, shape<2>>(g, "x");
  auto p = placeholder<bool, shape<>>(g, "p");
  any_tensor kept;
  cond(
      p,
      [&] {
        auto y = x * 2.0f;
        kept = y;
        return y;
      },
      [&] { return x; });
  CHECK(mentions(sentence<handle_error>([&] { (void)(kept + x); }), "body, which is complete"));
  CHECK_THROWS_AS(x + kept, handle_error);
  Session session(g);
  CHECK_THROWS_AS(session.run(kept, feed(x, row({1, 2}))), handle_error);
  // Nor may one branch use the other's.
  CHECK_THROWS_AS(cond(
                      p,
                      [&] {
                        auto y = x * 2.0f;
                        kept = y;
                        return y;
                      },
                      [&] { return as<float, shape<2>>(kept); }),
                  handle_error);
  CHECK(g.current_body() == nullptr);
}

TEST_CASE("variables made in a body belong to the graph, and none is updated there") {
  Graph g;
  auto xs = placeholder<float, shape<5, 2, 3>>(g, "xs");
  auto h0 = constant(g, Array(dtype::float32, {2, 4}));
  auto [last, ys] = scan(as<float, shape<2, 4>>(h0), xs, [&](auto h, auto x) {
    auto next = tanh(dense<4>(x) + h);
    return std::tuple{next, next};
  });
  CHECK(g.variable_count() == 2);
  CHECK(trainable_variables(last).size() == 2);
  auto w = make_variable<float, shape<>>(g, "count", zeros());
  CHECK(mentions(sentence<graph_error>([&] {
                   scan(w, xs, [&](auto s, auto) {
                     (void)assign(w, s + 1.0f);
                     return std::tuple{s, std::tuple{}};
                   });
                 }),
                 "updates no variable"));
  CHECK(mentions(sentence<graph_error>([&] {
                   scan(last, xs,
                        [&](auto s, auto) { return std::tuple{dropout(s, 0.5), std::tuple{}}; });
                 }),
                 "updates no variable"));
  g.validate();
  Session session(g);
  session.initialize();
  CHECK(session.run(ys, feed(xs, Array(dtype::float32, {5, 2, 3}))).shape() == dims{5, 2, 4});
}

TEST_CASE("an error in a step is thrown and names it") {
  Graph g;
  auto xs = placeholder<float, shape<3>>(g, "xs");
  auto [last, ys] = scan(constant(g, 1.0f), xs, [&](auto s, auto x) {
    auto next = s / x;
    return std::tuple{next, next};
  });
  Session checked(g, {.check_numerics = true});
  CHECK_THROWS_AS(checked.run(last, feed(xs, row({1, 0, 2}))), numeric_error);
  CHECK_NOTHROW(checked.run(last, feed(xs, row({1, 1, 2}))));
}

TEST_CASE("operators with bodies know their ONNX names") {
  CHECK(std::string(find_operator("cond")->onnx) == "If");
  CHECK(std::string(find_operator("while_loop")->onnx) == "Loop");
  CHECK(std::string(find_operator("scan")->onnx) == "Scan");
}
