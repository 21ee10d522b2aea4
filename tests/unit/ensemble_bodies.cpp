// Ensembles of networks with bodies: loops run once for all members where they can.
#include "graft/graft.hpp"

#include "clone_fixture.hpp"
#include "ensemble_fixture.hpp"

using namespace graft_test;

namespace {

using row3 = tensor<Graph, dtype::float32, shape<3>>;

std::size_t ops_within(const Graph& g, scope_id scope, std::string_view name) {
  std::size_t n = 0;
  for (std::size_t i = 0; i < g.op_count(); ++i) {
    const op_id op = g.op_at(i);
    n += g.scope_within(g.scope_of(op), scope) && name == g.schema_of(op).name;
  }
  return n;
}

// An ensemble and clones with its values, run on the same input.
template <class X, class Y, class... Feeds>
void compare(Graph& g, const Region& region, const X& bound, const Y& y, std::size_t members,
             std::string_view op, std::size_t count, const Feeds&... feeds) {
  const Ensemble many = ensemble(region, members, bound, into("many"));
  g.validate();
  CHECK(ops_within(g, many.scope(), op) == count);
  const auto clones = replicate(region, members, bound, into("single"));
  Session session(g);
  session.initialize();
  many.gather_to(clones);
  const Array all = session.run(many(y), feeds...);
  for (std::size_t i = 0; i < members; ++i) {
    INFO("member " << i);
    const auto m = static_cast<std::int64_t>(i);
    const Array expected = session.run(clones[i](y), feeds...);
    check_close(all.rows(m, m + 1).reshaped(expected.shape()), expected);
    if (i > 0) CHECK_FALSE(all.rows(m, m + 1).same_bits(all.rows(0, 1)));
  }
}

// A weight that differs between members.
row3 weight(Graph& g, std::string_view name) {
  return make_variable<float, shape<3>>(g, name, uniform(0.2, 0.9));
}

}  // namespace

TEST_CASE("an ensemble of recurrent networks is one recurrent network", "[ensemble][edge-84]") {
  Graph g;
  const auto x = placeholder<float, shape<dim<"batch">, 5, 4>>(g, "x");
  const auto check = [&](const auto& y) {
    compare(g, extract(inputs(x), outputs(y)), bind(x, x), y, 3, "scan", 1,
            feed(x, numbers({2, 5, 4}, 0.8f)));
  };
  SECTION("simple") { check(dense<2>(simple_rnn<6>(x))); }
  SECTION("lstm") { check(dense<2>(lstm<6>(x))); }
  SECTION("gru, all outputs") { check(gru<6>.sequences()(x)); }
  SECTION("one on the other") {
    const auto y = lstm<3>(gru<6>.sequences()(x));
    compare(g, extract(inputs(x), outputs(y)), bind(x, x), y, 3, "scan", 2,
            feed(x, numbers({2, 5, 4}, 0.8f)));
  }
}

TEST_CASE("recurrent members are trained by one optimiser", "[ensemble]") {
  Graph g;
  const auto x = placeholder<float, shape<dyn, 3, 2>>(g, "x");
  const auto target = placeholder<float, shape<dyn, 1>>(g, "target");
  const auto y = dense<1>(gru<4>(x));
  const Region region = extract(inputs(x), outputs(y));
  const Ensemble many = ensemble(region, 3, bind(x, x));
  const auto clones = replicate(region, 3, bind(x, x), into("single"));
  const any_tensor loss = mean(square(many(y) - any_tensor(target))) * 3.0;
  const training_step all = minimize(loss, sgd{.rate = 0.1});
  std::vector<training_step> steps;
  for (const Clone& c : clones)
    steps.push_back(minimize(mean(square(c(y) - target)), sgd{.rate = 0.1}));
  Session session(g);
  session.initialize();
  many.gather_to(clones);
  const Array in = numbers({6, 3, 2}, 0.9f), wanted = numbers({6, 1}, 0.5f);
  for (int i = 0; i < 3; ++i) {
    session.run(all, feed(x, in), feed(target, wanted));
    for (const training_step& step : steps) session.run(step, feed(x, in), feed(target, wanted));
  }
  const Array found = session.run(many(y), feed(x, in));
  for (std::int64_t m = 0; m < 3; ++m) {
    const Array one = session.run(clones[static_cast<std::size_t>(m)](y), feed(x, in));
    check_close(found.rows(m, m + 1).reshaped(one.shape()), one, 1e-4);
  }
  const Clone second = many.detach(1, bind(x, x));
  second.check();
  check_close(session.run(second(y), feed(x, in)), found.rows(1, 2).reshaped({6, 1}), 1e-5);
}

TEST_CASE("what is the same for all members decides for all of them", "[ensemble]") {
  Graph g;
  const auto x = placeholder<float, shape<3>>(g, "x");
  const auto xs = placeholder<float, shape<4, 3>>(g, "xs");
  const auto p = placeholder<bool, shape<>>(g, "p");
  const auto n = placeholder<std::int32_t, shape<>>(g, "n");
  const row3 w = weight(g, "w"), v = weight(g, "v");
  const Array value = numbers({3}, 0.7f);
  SECTION("cond, one branch without variables") {
    const auto y = cond(p, [&] { return x * w + v; }, [&] { return x + 1.0f; }) * w;
    const auto region = extract(inputs(x, p), outputs(y));
    for (const bool choice : {true, false}) {
      compare(g, region, bind(x, x, p, p), y, 3, "cond", 1, feed(x, value), feed(p, choice));
    }
  }
  SECTION("while_loop by a counter") {
    const auto loop = while_loop(
        std::tuple{constant(g, std::int32_t{0}), x}, [&](auto i, auto) { return i < n; },
        [&](auto i, auto s) { return std::tuple{i + std::int32_t{1}, row3(tanh(s * w)) + v}; });
    const auto y = std::get<1>(loop);
    const auto region = extract(inputs(x, n), outputs(y));
    const Ensemble many = ensemble(region, 2, bind(x, x, n, n));
    CHECK(many.has_members(y));
    CHECK_FALSE(many.has_members(std::get<0>(loop)));  // the counter is one for all
    compare(g, region, bind(x, x, n, n), y, 3, "while_loop", 1, feed(x, value),
            feed(n, std::int32_t{4}));
  }
  SECTION("a state that differs only from its second step on") {
    const auto [last, ys] = scan(std::tuple{x, x}, xs, [&](auto s, auto e) {
      return std::tuple{std::tuple{std::get<1>(s), row3(tanh(e * w))}, std::get<0>(s) * v};
    });
    (void)last;
    compare(g, extract(inputs(x, xs), outputs(ys)), bind(x, x, xs, xs), ys, 3, "scan", 1,
            feed(x, value), feed(xs, numbers({4, 3}, 0.3f)));
  }
  SECTION("three deep, with gradients in the region") {
    const auto [last, ys] = scan(x, xs, [&](auto state, auto e) {
      const auto inner = while_loop(
          std::tuple{constant(g, std::int32_t{0}), state}, [&](auto i, auto) { return i < n; },
          [&](auto i, auto s) {
            const auto next =
                cond(p, [&] { return row3(tanh(s * w)) + e; }, [&] { return s * v - e * w; });
            return std::tuple{i + std::int32_t{1}, next};
          });
      return std::tuple{std::get<1>(inner), sum(std::get<1>(inner) * w)};
    });
    const auto loss = sum(ys) + sum(last);
    const any_tensor slope = gradients(loss, {x})[0];
    const auto region = extract(inputs(x, xs, p, n), outputs(loss, slope));
    for (const bool choice : {true, false}) {
      for (const any_tensor& y : {any_tensor(loss), slope}) {
        compare(g, region, bind(x, x, xs, xs, p, p, n, n), y, 3, "scan", 2, feed(x, value),
                feed(xs, numbers({4, 3}, 0.3f)), feed(p, choice), feed(n, std::int32_t{2}));
      }
    }
  }
}

TEST_CASE("members that decide for themselves run one by one", "[ensemble]") {
  Graph g;
  const auto x = placeholder<float, shape<3>>(g, "x");
  const row3 w = weight(g, "w");
  SECTION("cond") {
    const auto y = cond(sum(x * w) < 1.0f, [&] { return x * w; }, [&] { return w * -2.0f; });
    compare(g, extract(inputs(x), outputs(y)), bind(x, x), y, 3, "cond", 3,
            feed(x, Array::from<float>({3}, {0.6f, 0.7f, 0.5f})));
  }
  SECTION("while_loop") {
    const auto y =
        while_loop(x, [&](auto s) { return sum(s) < 40.0f; }, [&](auto s) { return s + w; });
    compare(g, extract(inputs(x), outputs(y)), bind(x, x), y, 3, "while_loop", 3,
            feed(x, Array::from<float>({3}, {0.6f, 0.7f, 0.5f})));
  }
  SECTION("within a loop that runs for all") {
    const auto xs = placeholder<float, shape<4, 3>>(g, "xs");
    const auto last = std::get<0>(scan(x, xs, [&](auto s, auto e) {
      const auto next =
          cond(sum(s * w) < 1.0f, [&] { return s * w + e; }, [&] { return s * -0.5f; });
      return std::tuple{next, std::tuple{}};
    }));
    compare(g, extract(inputs(x, xs), outputs(last)), bind(x, x, xs, xs), last, 3, "scan", 1,
            feed(x, Array::from<float>({3}, {0.6f, 0.7f, 0.5f})), feed(xs, numbers({4, 3}, 0.3f)));
  }
}

TEST_CASE("a sequence for each member", "[ensemble]") {
  Graph g;
  const auto x = placeholder<float, shape<2, 3, 4>>(g, "x");
  const auto xs = placeholder<float, shape<3, 2, 3, 4>>(g, "xs");
  const auto y = lstm<5>(x);
  const Region region = extract(inputs(x), outputs(y));
  const Ensemble many = ensemble(region, 3, bind_each(x, xs));
  const auto clones = replicate(region, 3, bind(x, x));
  Session session(g);
  session.initialize();
  many.gather_to(clones);
  const Array value = numbers({3, 2, 3, 4}, 0.4f);
  const Array all = session.run(many(y), feed(xs, value));
  for (std::int64_t i = 0; i < 3; ++i) {
    check_close(all.rows(i, i + 1).reshaped({2, 5}),
                session.run(clones[static_cast<std::size_t>(i)](y),
                            feed(x, value.rows(i, i + 1).reshaped({2, 3, 4}))));
  }
}

TEST_CASE("draws in the bodies of an ensemble", "[ensemble]") {
  Graph g;
  const auto x = placeholder<float, shape<64>>(g, "x");
  const auto xs = placeholder<float, shape<3, 64>>(g, "xs");
  const auto w = make_variable<float, shape<64>>(g, "w", uniform(0.2, 0.9));
  const any_tensor stream = constant(g, Array::from<std::int64_t>({2}, {77, 0}));
  const auto drop = [&](const auto& t) {
    const auto on = attribute_list().set("rate", 0.5).set("training", true);
    return as<float, shape<64>>(
        apply<ops::dropout>(on, {}, {}, t, as<std::int64_t, shape<2>>(stream)));
  };
  const Array ones = Array::full<float>({3, 64}, 1.0f), none(dtype::float32, {64});
  Session session(g);
  SECTION("members drop different elements, although nothing else differs") {
    const auto last = std::get<0>(
        scan(x, xs, [&](auto s, auto e) { return std::tuple{s + drop(e), std::tuple{}}; }));
    const Region region = extract(inputs(x, xs), outputs(last));
    const Ensemble many = ensemble(region, 2, bind(x, x, xs, xs));
    const Array all = session.run(many(last), feed(x, none), feed(xs, ones));
    CHECK_FALSE(all.rows(0, 1).same_bits(all.rows(1, 2)));
    const Ensemble quiet = ensemble(region, 2, bind(x, x, xs, xs), mode::inference);
    const Array still = session.run(quiet(last), feed(x, none), feed(xs, ones));
    CHECK(still.same_bits(Array::full<float>({2, 64}, 3.0f)));
  }
  SECTION("a body that draws gets a stream of the ensemble's own") {
    const auto last = std::get<0>(scan(x, xs, [&](auto s, auto e) {
      const auto drawing = attribute_list()
                               .set("shape", dims{64})
                               .set("type", dtype::float32)
                               .set("low", 0.0)
                               .set("high", 1.0)
                               .set("key", std::int64_t{99});
      Graph& body = *g.current_body();
      const op_id drawn = body.add(ops::random_uniform, {}, drawing);
      return std::tuple{s + e * as<float, shape<64>>(body.handle({drawn, 0})), std::tuple{}};
    }));
    const Region region = extract(inputs(x, xs), outputs(last));
    const Ensemble one = ensemble(region, 2, bind(x, x, xs, xs), into("one"));
    const Ensemble two = ensemble(region, 2, bind(x, x, xs, xs), into("two"));
    const auto run = [&](const any_tensor& t) {
      return session.run(t, feed(x, none), feed(xs, ones));
    };
    CHECK_FALSE(run(one(last)).same_bits(run(two(last))));
    CHECK_FALSE(run(one(last)).rows(0, 1).same_bits(run(one(last)).rows(1, 2)));
    CHECK_FALSE(run(one(last)).rows(0, 1).reshaped({64}).same_bits(run(last)));
  }
  SECTION("members that decide for themselves cannot draw together") {
    const auto y = cond(sum(x * w) < 1.0f, [&] { return drop(x * w); }, [&] { return x * 1.0f; });
    const Region region = extract(inputs(x), outputs(y));
    const auto digest = g.digest();
    const std::string found =
        message_of<unsupported_error>([&] { (void)ensemble(region, 4, bind(x, x)); });
    CHECK(mentions(found, "'cond'"));
    CHECK(mentions(found, "differs between members"));
    CHECK(mentions(found, "replicate(region, 4)"));
    CHECK(g.digest() == digest);
    CHECK(replicate(region, 4, bind(x, x)).size() == 4);
  }
}
