// Gradients of cond, while_loop and scan against differences in float64, of first and second order.
#include <functional>
#include <string>

#include "graft/graft.hpp"

#include "catch.hpp"

using namespace graft;

namespace {

struct fed {
  any_tensor tensor;
  Array value;
};

Array some(const dims& shape, double salt) {
  Array a(dtype::float64, shape);
  double x = salt;
  for (double& v : a.mutable_span<double>()) {
    x += 0.6180339887498949;
    v = 0.2 + 1.1 * (x - std::floor(x)) * (std::fmod(x, 2.0) < 1 ? 1 : -1);
  }
  return a;
}

double value_of(Session& session, const any_tensor& y, const std::vector<fed>& at) {
  std::vector<feed_item> feeds;
  for (const fed& f : at) feeds.push_back(feed(f.tensor, f.value));
  return session.run(std::vector<any_tensor>{y}, feeds)[0].item<double>();
}

// Compares the gradient of a scalar with central differences of fourth order.
void check_gradient(Session& session, const any_tensor& y, std::vector<fed> at, std::size_t k,
                    const any_tensor& gradient, double tolerance) {
  std::vector<feed_item> feeds;
  for (const fed& f : at) feeds.push_back(feed(f.tensor, f.value));
  // y is fetched too, so that every feed is used.
  const Array found = session.run(std::vector<any_tensor>{gradient, y}, feeds)[0];
  REQUIRE(found.shape() == at[k].value.shape());
  for (std::int64_t i = 0; i < at[k].value.size(); ++i) {
    const auto place = static_cast<std::size_t>(i);
    const double x = at[k].value.span<double>()[place];
    const auto shifted = [&](double by) {
      at[k].value.mutable_span<double>()[place] = x + by;
      const double value = value_of(session, y, at);
      at[k].value.mutable_span<double>()[place] = x;
      return value;
    };
    const double h = 1e-3;
    const double wide = (shifted(h) - shifted(-h)) / (2 * h);
    const double narrow = (shifted(h / 2) - shifted(-h / 2)) / h;
    const double wanted = (4 * narrow - wide) / 3;
    INFO("tensor " << k << ", element " << i << ": found " << found.span<double>()[place]
                   << ", by differences " << wanted);
    CHECK(std::abs(found.span<double>()[place] - wanted) <=
          tolerance * std::max(1.0, std::abs(wanted)));
  }
}

// A weighted sum, so that no two elements have one gradient.
any_tensor weighed(const any_tensor& t, const dims& shape, double salt) {
  Graph& g = target_traits<Graph>::target_of(t.ref());
  return sum(t * constant(g, some(shape, salt)));
}

// First order of all fed tensors, and second order if asked.
void check_all(Graph& g, const any_tensor& y, const std::vector<fed>& at, bool twice) {
  std::vector<any_tensor> by;
  for (const fed& f : at) {
    if (f.value.type() == dtype::float64) by.push_back(f.tensor);
  }
  const std::vector<any_tensor> first = gradients(y, by);
  g.validate();
  Session session(g);
  session.initialize();
  std::optional<any_tensor> total;
  std::size_t next = 0;
  for (std::size_t k = 0; k < at.size(); ++k) {
    if (at[k].value.type() != dtype::float64) continue;
    check_gradient(session, y, at, k, first[next], 1e-7);
    const any_tensor part = weighed(first[next++], at[k].value.shape(), static_cast<double>(k));
    total = total ? any_tensor(*total + part) : part;
  }
  if (!twice) return;
  const any_tensor combined = *total + y * 0.0;  // so that every feed is used
  const std::vector<any_tensor> second = gradients(combined, by);
  g.validate();
  next = 0;
  for (std::size_t k = 0; k < at.size(); ++k) {
    if (at[k].value.type() != dtype::float64) continue;
    INFO("second order");
    check_gradient(session, combined, at, k, second[next++], 1e-5);
  }
}

}  // namespace

TEST_CASE("gradients of cond, both branches, twice") {
  for (const bool branch : {true, false}) {
    Graph g;
    auto x = placeholder<double, shape<3>>(g, "x");
    auto y = placeholder<double, shape<3>>(g, "y");
    auto p = placeholder<bool, shape<>>(g, "p");
    auto [a, b] = cond(
        p, [&] { return std::tuple{x * x * y, exp(x)}; },
        [&] { return std::tuple{tanh(y), y * y * y}; });
    const any_tensor loss = weighed(a, {3}, 1) + weighed(b * a, {3}, 2);
    check_all(g, loss, {{x, some({3}, 3)}, {y, some({3}, 4)}, {p, Array::from<bool>({}, {branch})}},
              true);
  }
}

TEST_CASE("gradients of scan: states, sequences, captures, twice") {
  Graph g;
  auto xs = placeholder<double, shape<dyn, 3>>(g, "xs");
  auto s0 = placeholder<double, shape<2, 3>>(g, "s0");
  auto w = placeholder<double, shape<3, 3>>(g, "w");
  auto b = placeholder<double, shape<3>>(g, "b");
  auto [last, ys] = scan(s0, xs, [&](auto s, auto x) {
    auto next = tanh(matmul(s, w) + x * b);
    return std::tuple{next, std::tuple{next * x, sum(s)}};
  });
  auto [outs, sums] = ys;
  const any_tensor loss =
      weighed(last, {2, 3}, 1) + weighed(outs, {4, 2, 3}, 2) + weighed(sums, {4}, 3);
  check_all(g, loss,
            {{xs, some({4, 3}, 5)}, {s0, some({2, 3}, 6)}, {w, some({3, 3}, 7)}, {b, some({3}, 8)}},
            true);
}

TEST_CASE("gradients of scan where only some of it matters") {
  Graph g;
  auto xs = placeholder<double, shape<5>>(g, "xs");
  auto s0 = placeholder<double, shape<>>(g, "s0");
  auto k = placeholder<double, shape<>>(g, "k");
  auto [last, ys] =
      scan(std::tuple{s0, constant(g, std::int32_t{0}), k}, xs, [&](auto state, auto x) {
        auto [s, i, unused] = state;
        auto next = s * x + cast<double>(i) * k;
        return std::tuple{std::tuple{next, i + std::int32_t{1}, unused}, std::tuple{next, i}};
      });
  SECTION("the last state") {
    check_all(g, std::get<0>(last), {{xs, some({5}, 1)}, {s0, some({}, 2)}, {k, some({}, 3)}},
              true);
  }
  SECTION("what is stacked") {
    check_all(g, weighed(std::get<0>(ys), {5}, 4),
              {{xs, some({5}, 1)}, {s0, some({}, 2)}, {k, some({}, 3)}}, true);
  }
  SECTION("a state that is carried unchanged") {
    const any_tensor y = square(std::get<2>(last)) + std::get<0>(last);
    check_all(g, y, {{xs, some({5}, 1)}, {s0, some({}, 2)}, {k, some({}, 3)}}, true);
  }
}

TEST_CASE("gradients of while_loop, of first order") {
  Graph g;
  auto x = placeholder<double, shape<2>>(g, "x");
  auto w = placeholder<double, shape<2>>(g, "w");
  auto n = placeholder<std::int32_t, shape<>>(g, "n");
  auto [i, s] = while_loop(
      std::tuple{constant(g, std::int32_t{0}), x}, [&](auto k, auto) { return k < n; },
      [&](auto k, auto v) { return std::tuple{k + std::int32_t{1}, tanh(v * w) + v * 0.3}; });
  const any_tensor loss = weighed(s, {2}, 1);
  for (const std::int32_t count : {0, 1, 3, 70}) {
    INFO("iterations " << count);
    check_all(g, loss,
              {{x, some({2}, 1)}, {w, some({2}, 2)}, {n, Array::from<std::int32_t>({}, {count})}},
              false);
  }
  // Once, not twice: with a sentence.
  const auto first = gradients(loss, {w});
  CHECK_THROWS_AS(gradients(sum(first[0]), {w}), unsupported_error);
  g.validate();
  CHECK(g.current_body() == nullptr);
}

TEST_CASE("gradients through nested bodies") {
  Graph g;
  auto xs = placeholder<double, shape<4>>(g, "xs");
  auto k = placeholder<double, shape<>>(g, "k");
  SECTION("cond in scan, twice") {
    auto [last, ys] = scan(k, xs, [&](auto s, auto x) {
      auto next = cond(x < 0.4, [&] { return s * x * k; }, [&] { return s + tanh(x * k); });
      return std::tuple{next, next * next};
    });
    check_all(g, weighed(ys, {4}, 1) + last, {{xs, some({4}, 3)}, {k, some({}, 5)}}, true);
  }
  SECTION("scan in scan, twice") {
    auto [last, ys] = scan(k, xs, [&](auto s, auto x) {
      auto [deep, more] = scan(s, xs, [&](auto t, auto z) {
        auto next = tanh(t * z + x * k);
        return std::tuple{next, next * x};
      });
      return std::tuple{deep, sum(more)};
    });
    check_all(g, weighed(ys, {4}, 1) + last, {{xs, some({4}, 3)}, {k, some({}, 5)}}, true);
  }
  SECTION("three deep, with a while_loop") {
    auto [last, ys] = scan(k, xs, [&](auto s, auto x) {
      auto v = while_loop(
          std::tuple{constant(g, std::int32_t{0}), s},
          [](auto i, auto) { return i < std::int32_t{3}; },
          [&](auto i, auto t) {
            auto next = cond(t < 0.3, [&] { return t * x + k; }, [&] { return tanh(t) * k; });
            return std::tuple{i + std::int32_t{1}, next};
          });
      return std::tuple{std::get<1>(v), std::get<1>(v) * x};
    });
    check_all(g, weighed(ys, {4}, 1) + last, {{xs, some({4}, 3)}, {k, some({}, 5)}}, false);
  }
}

TEST_CASE("gradients with respect to variables that bodies use, and a step with them") {
  Graph g;
  auto xs = placeholder<double, shape<3, 2, 2>>(g, "xs");
  auto s0 = placeholder<double, shape<2, 4>>(g, "s0");
  auto [last, ys] = scan(s0, xs, [&](auto s, auto x) {
    auto next = tanh(dense<4>(x) + s);
    return std::tuple{next, std::tuple{}};
  });
  const any_tensor loss = sum(square(last));
  std::vector<any_tensor> reads;
  for (const variable_id v : trainable_variables(loss))
    reads.push_back(g.handle(g.variable_of(v).read));
  REQUIRE(reads.size() == 2);
  check_all(g, loss, {{xs, some({3, 2, 2}, 1)}, {s0, some({2, 4}, 2)}}, false);
  Session session(g);
  session.initialize();
  std::vector<fed> at{{xs, some({3, 2, 2}, 1)}, {s0, some({2, 4}, 2)}};
  const auto found = gradients(loss, reads);
  for (std::size_t k = 0; k < reads.size(); ++k) {
    std::vector<fed> with = at;
    with.push_back({reads[k], session.value(reads[k])});
    check_gradient(session, loss, with, 2, found[k], 1e-7);
  }
}

TEST_CASE("one tensor captured by two ways gets both gradients") {
  Graph g;
  auto x = placeholder<double, shape<>>(g, "x");
  auto y = placeholder<double, shape<>>(g, "y");
  auto xs = placeholder<double, shape<3>>(g, "xs");
  auto [last, ys] =
      scan(x, xs, [&](auto s, auto e) { return std::tuple{s * x + e * y, std::tuple{}}; });
  // x and y become one tensor.
  auto z = placeholder<double, shape<>>(g, "z");
  const auto copy =
      clone(extract(inputs(x, y, xs), outputs(last)), bind(x, z), bind(y, z), bind(xs, xs));
  check_all(g, copy(last), {{z, some({}, 1)}, {xs, some({3}, 2)}}, true);
}
