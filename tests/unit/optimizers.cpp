// Optimisers against the papers' formulas, schedules, and what minimize() adds to a graph.
#include <cmath>
#include <functional>

#include "graft/graft.hpp"

#include "clone_fixture.hpp"

using namespace graft_test;

namespace {

// The loss sum(c * w^4 / 4) has the gradient c * w^3, which changes with every step.
struct problem_of_three {
  Graph g;
  tensor<Graph, dtype::float64, shape<3>> w;
  any_tensor loss;
  std::vector<double> c{1.0, -0.5, 2.0};

  problem_of_three() {
    const auto v = make_variable<double, shape<3>>(g, "w", ones());
    w = v;
    Array factors(dtype::float64, {3});
    std::copy(c.begin(), c.end(), factors.mutable_span<double>().begin());
    loss = sum(constant(g, factors) * w * w * w * w) * 0.25;
  }
  [[nodiscard]] double gradient(std::size_t i, double at) const { return c[i] * at * at * at; }
};

// One parameter's step: (parameter, gradient, number of the step from 1) -> new parameter.
using reference = std::function<double(double, double, int, std::array<double, 2>& slots)>;

void compare(const optimizer& rule, const reference& expected, std::size_t slots, int steps = 8) {
  problem_of_three p;
  const training_step step = minimize(p.loss, rule);
  CHECK(step.slots.size() == slots + 1);  // and the counter
  for (const variable_id slot : step.slots) {
    const variable_info& info = p.g.variable_of(slot);
    CHECK_FALSE(info.trainable);
    CHECK((info.role == variable_role::slot || info.role == variable_role::counter));
  }
  Session session(p.g);
  session.initialize();
  std::array<double, 3> w{1, 1, 1};
  std::array<std::array<double, 2>, 3> state{};
  for (int t = 1; t <= steps; ++t) {
    session.run(step);
    const Array found = session.value(p.w);
    for (std::size_t i = 0; i < 3; ++i) {
      w[i] = expected(w[i], p.gradient(i, w[i]), t, state[i]);
      INFO("step " << t << ", element " << i);
      CHECK(found.span<double>()[i] == Approx(w[i]).epsilon(1e-11));
    }
  }
  CHECK(session.value(step.step).span<std::int64_t>()[0] == steps);
}

}  // namespace

TEST_CASE("optimisers step as their papers say", "[optimizers]") {
  SECTION("gradient descent") {
    compare(sgd{0.0625}, [](double w, double g, int, auto&) { return w - 0.0625 * g; }, 0);
  }
  SECTION("gradient descent with weight decay") {
    compare(
        sgd{0.0625, 0.1}, [](double w, double g, int, auto&) { return w - 0.0625 * (g + 0.1 * w); },
        0);
  }
  SECTION("momentum") {
    compare(
        momentum{.rate = 0.0625, .factor = 0.8},
        [](double w, double g, int, auto& s) { return w - 0.0625 * (s[0] = 0.8 * s[0] + g); }, 1);
  }
  SECTION("Nesterov's momentum") {
    compare(
        momentum{.rate = 0.0625, .factor = 0.8, .nesterov = true},
        [](double w, double g, int, auto& s) {
          s[0] = 0.8 * s[0] + g;
          return w - 0.0625 * (g + 0.8 * s[0]);
        },
        1);
  }
  SECTION("RMSProp") {
    compare(
        rmsprop{.rate = 0.03125, .rho = 0.7, .epsilon = 1e-6},
        [](double w, double g, int, auto& s) {
          s[0] = 0.7 * s[0] + 0.3 * g * g;
          return w - 0.03125 * g / (std::sqrt(s[0]) + 1e-6);
        },
        1);
  }
  SECTION("Adagrad") {
    compare(
        adagrad{.rate = 0.125, .epsilon = 1e-6},
        [](double w, double g, int, auto& s) {
          s[0] += g * g;
          return w - 0.125 * g / (std::sqrt(s[0]) + 1e-6);
        },
        1);
  }
  const auto adam_step = [](double w, double g, int t, std::array<double, 2>& s) {
    s[0] = 0.8 * s[0] + 0.2 * g;
    s[1] = 0.95 * s[1] + 0.05 * g * g;
    const double m = s[0] / (1 - std::pow(0.8, t)), v = s[1] / (1 - std::pow(0.95, t));
    return w - 0.03125 * m / (std::sqrt(v) + 1e-6);
  };
  SECTION("Adam") {
    compare(adam{.rate = 0.03125, .beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-6}, adam_step, 2);
  }
  SECTION("AdamW") {
    compare(
        adamw{.rate = 0.03125, .beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-6, .weight_decay = 0.1},
        [&](double w, double g, int t, std::array<double, 2>& s) {
          return adam_step(w, g, t, s) - 0.03125 * 0.1 * w;
        },
        2);
  }
}

TEST_CASE("hyperparameters out of range are refused and nothing is added", "[optimizers]") {
  problem_of_three p;
  const std::size_t ops = p.g.op_count();
  const double nan = std::nan("");
  const std::vector<optimizer> wrong{momentum{.rate = 0.1, .factor = 1.0},
                                     momentum{.rate = 0.1, .factor = nan},
                                     sgd{0.1, -1},
                                     sgd{0.1, nan},
                                     rmsprop{.rho = 1.5},
                                     rmsprop{.epsilon = 0},
                                     adagrad{.epsilon = nan},
                                     adam{.beta1 = -0.1},
                                     adam{.beta2 = 1},
                                     adam{.epsilon = HUGE_VAL},
                                     adamw{.weight_decay = nan}};
  for (const optimizer& o : wrong) CHECK_THROWS_AS(minimize(p.loss, o), argument_error);
  CHECK_THROWS_AS(sgd{nan}, argument_error);
  CHECK_THROWS_AS(sgd{-1.0}, argument_error);
  CHECK_THROWS_AS(minimize(p.loss, sgd{0.1}, {.clip_norm = nan}), argument_error);
  CHECK_THROWS_AS(minimize(any_tensor(p.w), sgd{0.1}), shape_error);
  CHECK(p.g.op_count() == ops);

  const auto x = placeholder<double, shape<>>(p.g, "x");
  CHECK(mentions(message_of<argument_error>([&] { (void)minimize(x * 2.0, sgd{0.1}); }),
                 "no trainable variable"));
}

TEST_CASE("schedules", "[optimizers]") {
  const auto rates = [](const learning_rate& rate, int steps) {
    Graph g;
    const auto w = make_variable<float, shape<>>(g, "w", ones());
    const training_step step = minimize(square(w), sgd{rate});
    Session session(g);
    session.initialize();
    std::vector<double> found;
    for (int i = 0; i < steps; ++i) {
      found.push_back(std::get<0>(session.run(std::tuple{step.rate, step.updates})).item<double>());
    }
    return found;
  };
  const auto check = [](const std::vector<double>& found, const std::vector<double>& expected) {
    REQUIRE(found.size() == expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      INFO("step " << i);
      CHECK(found[i] == Approx(expected[i]).epsilon(1e-5).margin(1e-7));
    }
  };
  check(rates(0.25, 2), {0.25, 0.25});
  check(rates(exponential_decay(1, 2, 0.25), 5), {1, 0.5, 0.25, 0.125, 0.0625});
  check(rates(cosine_decay(1, 4, 0.2), 6),
        {1, 0.6 + 0.4 * std::sqrt(0.5), 0.6, 0.6 - 0.4 * std::sqrt(0.5), 0.2, 0.2});
  check(rates(warmup(0.4, 4, cosine_decay(0.4, 4)), 7),
        {0, 0.1, 0.2, 0.3, 0.4, 0.2 + 0.2 * std::sqrt(0.5), 0.2});
  check(rates(piecewise_constant({2, 3}, {1, 0.5, 0.1}), 5), {1, 1, 0.5, 0.1, 0.1});
  CHECK_THROWS_AS(piecewise_constant({3, 2}, {1, 0.5, 0.1}), argument_error);
  CHECK_THROWS_AS(piecewise_constant({1}, {1}), argument_error);
  CHECK_THROWS_AS(piecewise_constant({std::nan("")}, {1, 2}), argument_error);
  CHECK_THROWS_AS(exponential_decay(1, 0, 0.5), argument_error);
  CHECK_THROWS_AS(exponential_decay(1, 10, 1.5), argument_error);
  CHECK_THROWS_AS(cosine_decay(std::nan(""), 4), argument_error);
  CHECK_THROWS_AS(learning_rate(learning_rate::rule()), argument_error);
}

TEST_CASE("the rate may be fed", "[optimizers]") {
  Graph g;
  const auto w = make_variable<float, shape<>>(g, "w", ones());
  const auto rate = placeholder<float, shape<>>(g, "rate");
  const training_step step = minimize(square(w), sgd{rate});
  Session session(g);
  session.initialize();
  session.run(step, feed(rate, Array::full<float>({}, 0.25f)));
  CHECK(session.value(w).item<float>() == 0.5f);

  // What a number may not be is refused in the run, before anything changes.
  const float inf = std::numeric_limits<float>::infinity();
  for (const float wrong : {std::nanf(""), -1.0f, inf}) {
    CHECK(mentions(message_of<numeric_error>(
                       [&] { session.run(step, feed(rate, Array::full<float>({}, wrong))); }),
                   "its learning rate is"));
    CHECK(session.value(w).item<float>() == 0.5f);
  }
}

TEST_CASE("parameters and rates that cannot be are refused and nothing is added", "[optimizers]") {
  Graph g;
  const auto x = input4(g);
  const any_tensor loss = mean(square(dense4(x)));
  const variable_id w = variable_named(g, "dense/w");
  const auto rates = placeholder<float, shape<3>>(g, "rates");
  const auto count = placeholder<std::int32_t, shape<>>(g, "count");
  Graph elsewhere;
  const auto foreign = placeholder<float, shape<>>(elsewhere, "rate");
  const std::uint64_t before = g.digest();
  CHECK(mentions(
      message_of<argument_error>([&] { (void)minimize(loss, sgd{0.1}, {.parameters = {w, w}}); }),
      "twice"));
  CHECK_THROWS_AS(minimize(loss, sgd{0.1}, {.parameters = {variable_id{99}}}), handle_error);
  CHECK_THROWS_AS(minimize(loss, sgd{rates}), shape_error);
  CHECK_THROWS_AS(minimize(loss, sgd{count}), dtype_error);
  CHECK_THROWS_AS(minimize(loss, sgd{foreign}), handle_error);
  CHECK_THROWS_AS(minimize(loss, sgd{learning_rate::rule([](const any_tensor&) -> any_tensor {
                             throw std::runtime_error("no rate today");
                           })}),
                  std::runtime_error);
  CHECK(g.digest() == before);
  g.validate();
}

TEST_CASE("minimize trains what it is asked to, and leaves regions alone", "[optimizers]") {
  Graph g;
  const auto x = input4(g);
  const auto y = dense4(dense4(x, "one"), "two");
  const Region before = extract(inputs(x), outputs(y));
  const variable_id w = variable_named(g, "two/w");
  const training_step step = minimize(mean(square(y)), adam{}, {.parameters = {w}});
  CHECK(step.parameters == std::vector<variable_id>{w});
  const Region after = extract(inputs(x), outputs(y));
  CHECK(before.nodes() == after.nodes());
  CHECK(before.variables() == after.variables());
  CHECK(g.path_of(step.slots.back()).find("two.w") != std::string::npos);
  g.validate();
}

TEST_CASE("clipping within a training step", "[optimizers]") {
  Graph g;
  const auto w = make_variable<float, shape<2>>(g, "w", ones());
  const training_step step = minimize(sum(w * 30.0f) + sum(w * 10.0f), sgd{1.0}, {.clip_norm = 1});
  Session session(g);
  session.initialize();
  session.run(step);
  const Array found = session.value(w);
  for (const float e : found.span<float>()) {
    CHECK(e == Approx(1 - std::sqrt(0.5)).epsilon(1e-5));
  }
}

TEST_CASE("training is the same bits on every run and for every number of threads",
          "[optimizers]") {
  const auto run = [](int threads) {
    Graph g;
    // Large enough for every step to share its work.
    const auto x = placeholder<float, shape<dyn, 130>>(g, "x");
    const auto y = dense<3>(dropout<>(batch_norm(relu(dense<300>(x))), 0.3));
    const training_step step = minimize(mean(square(y)), adam{.rate = 0.01});
    Session session(g, {.threads = threads, .seed = 3});
    session.initialize();
    Array in(dtype::float32, {520, 130});
    float v = 0.9f;
    for (float& e : in.mutable_span<float>()) e = v, v = v * -0.97f + 0.05f;
    for (int i = 0; i < 5; ++i) session.run(step, feed(x, in));
    std::vector<Array> values;
    for (const variable_id id : g.variables()) values.push_back(session.value(id));
    return values;
  };
  const auto one = run(1), again = run(1), three = run(3);
  for (std::size_t i = 0; i < one.size(); ++i) {
    CHECK(one[i].same_bits(again[i]));
    CHECK(one[i].same_bits(three[i]));
  }
}

TEST_CASE("a rate is as exact as parameters of float64, and so is the number of a late step",
          "[optimizers]") {
  Graph g;
  const auto w = make_variable<double, shape<>>(g, "w", ones());
  const training_step step = minimize(any_tensor(w * 1.0), sgd{.rate = 0.1});
  const training_step late = minimize(
      any_tensor(w * 1.0), sgd{learning_rate::rule([](const any_tensor& t) { return t; })});
  Session session(g);
  session.initialize();
  session.run(step);
  CHECK(session.value(w).item<double>() == 1.0 - 0.1);
  for (const std::int64_t t : {(std::int64_t{1} << 24) + 1, (std::int64_t{1} << 40) + 1}) {
    session.set_value(late.step, Array::scalar<std::int64_t>(t));
    CHECK(session.run(late.rate).item<double>() == static_cast<double>(t));
  }
}

TEST_CASE("a schedule in float64 trains parameters of float32", "[optimizers]") {
  Graph g;
  const auto w = make_variable<float, shape<>>(g, "w", ones());
  const training_step step = minimize(any_tensor(w * 1.0f), sgd{.rate = 0.1});
  Session session(g);
  session.initialize();
  session.run(step);
  CHECK(session.value(w).item<float>() == Approx(0.9f).epsilon(1e-7));
}

TEST_CASE("gradients that are given step as those of minimize", "[optimizers]") {
  problem_of_three one, two;
  const training_step whole = minimize(one.loss, adam{.rate = 0.1}, {.clip_norm = 2});
  const variable_id w = *two.g.variable_read_by(two.g.id(two.w));
  const any_tensor slope = gradients(two.loss, {two.w})[0];
  const training_step given =
      apply_gradients(two.g, {{w, slope}}, adam{.rate = 0.1}, {.clip_norm = 2});
  CHECK(given.parameters == std::vector<variable_id>{w});
  CHECK(given.slots.size() == whole.slots.size());
  for (std::size_t i = 0; i < given.slots.size(); ++i) {
    CHECK(two.g.path_of(given.slots[i]) == one.g.path_of(whole.slots[i]));
  }
  Session first(one.g), second(two.g);
  first.initialize();
  second.initialize();
  for (int i = 0; i < 5; ++i) {
    first.run(whole);
    second.run(given.updates);
    CHECK(first.value(one.w).same_bits(second.value(two.w)));
  }
  two.g.validate();
}

TEST_CASE("gradients are accumulated over several batches before a step", "[optimizers]") {
  Graph g;
  const auto x = placeholder<double, shape<2>>(g, "x");
  const auto w = make_variable<double, shape<2>>(g, "w", ones());
  const auto total = make_variable<double, shape<2>>(g, "total", zeros(), false);
  const any_tensor loss = sum(square(w - x));
  const any_tensor slope = gradients(loss, {w})[0];
  const auto group = [&](const auto&... assigns) {
    return update_group(g, {g.id(any_tensor(assigns)).op...});
  };
  const update_group accumulate = group(assign(total, total + slope));
  const update_group clear = group(assign(total, total * 0.0));
  const variable_id parameter = *g.variable_read_by(g.id(w));
  const training_step step =
      apply_gradients(g, {{parameter, total * 0.25}}, momentum{.rate = 0.125});
  Session session(g);
  session.initialize();
  for (int round = 0; round < 2; ++round) {
    for (const double v : {1.0, 2.0, 3.0, 4.0}) {
      session.run(accumulate, feed(x, Array::full<double>({2}, v)));
    }
    session.run(step.updates + clear);  // all read the sum as it was at the start
  }
  // Slopes are 2 * (w - 2.5): -3, then 2 * (1.375 - 2.5) = -2.25 with a velocity of -2.7.
  CHECK(session.value(w).span<double>()[1] == Approx(1.375 + 0.125 * (2.25 + 2.7)));
  CHECK(session.value(total).span<double>()[0] == 0);
  CHECK(session.value(step.step).item<std::int64_t>() == 2);
}

TEST_CASE("gradients that do not fit are refused and nothing is added", "[optimizers]") {
  problem_of_three p;
  const variable_id w = *p.g.variable_read_by(p.g.id(p.w));
  const auto wide = placeholder<double, shape<4>>(p.g, "wide");
  const auto single = placeholder<float, shape<3>>(p.g, "single");
  const auto good = placeholder<double, shape<3>>(p.g, "good");
  Graph elsewhere;
  const auto foreign = placeholder<double, shape<3>>(elsewhere, "foreign");
  const std::uint64_t before = p.g.digest();
  const auto refused = [&](const any_tensor& gradient, const optimizer& rule = sgd{0.1},
                           const apply_options& options = {}) {
    (void)apply_gradients(p.g, {{w, gradient}}, rule, options);
  };
  CHECK(mentions(message_of<shape_error>([&] { refused(wide); }), "'wide'"));
  CHECK(mentions(message_of<dtype_error>([&] { refused(single); }), "float32"));
  CHECK_THROWS_AS(refused(foreign), handle_error);
  CHECK_THROWS_AS(refused(good, adam{.beta1 = 2}), argument_error);
  CHECK_THROWS_AS(refused(good, sgd{0.1}, {.clip_norm = -1}), argument_error);
  CHECK_THROWS_AS(refused(good, sgd{0.1}, {.clip_value = std::nan("")}), argument_error);
  CHECK_THROWS_AS(refused(good, sgd{wide}), shape_error);  // found after the slots were added
  CHECK_THROWS_AS(apply_gradients(p.g, {}, sgd{0.1}), argument_error);
  CHECK_THROWS_AS(apply_gradients(p.g, {{w, good}, {w, good}}, sgd{0.1}), argument_error);
  CHECK_THROWS_AS(apply_gradients(p.g, {{variable_id{99}, good}}, sgd{0.1}), handle_error);
  CHECK(p.g.digest() == before);
}

TEST_CASE("gradients are clipped by value, then by norm", "[optimizers]") {
  const auto stepped = [](const minimize_options& options) {
    Graph g;
    const auto w = make_variable<double, shape<2>>(g, "w", zeros());
    Array slopes(dtype::float64, {2});
    slopes.mutable_span<double>()[0] = -30;
    slopes.mutable_span<double>()[1] = 0.5;
    const training_step step = minimize(sum(w * constant(g, slopes)), sgd{1.0}, options);
    Session session(g);
    session.initialize();
    session.run(step);
    const Array found = session.value(w);
    return std::vector<double>{found.span<double>()[0], found.span<double>()[1]};
  };
  CHECK(stepped({.clip_value = 2}) == std::vector<double>{2, -0.5});
  const std::vector<double> both = stepped({.clip_value = 2, .clip_norm = 1});
  CHECK(both[0] == Approx(2 / std::hypot(2, 0.5)));
  CHECK(both[1] == Approx(-0.5 / std::hypot(2, 0.5)));
}
