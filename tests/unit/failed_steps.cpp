// A run that fails leaves every variable as it was, whatever else would have changed in it.
#include <cmath>
#include <limits>

#include "graft/graft.hpp"

#include "clone_fixture.hpp"

using namespace graft_test;

namespace {

constexpr float wrong_rates[] = {std::numeric_limits<float>::quiet_NaN(), -1.0f,
                                 std::numeric_limits<float>::infinity()};

// A network of all that a step changes: parameters, moving statistics, a random stream.
struct trained {
  Graph g;
  tensor<Graph, dtype::float32, shape<dyn, 4>> x = placeholder<float, shape<dyn, 4>>(g, "x");
  tensor<Graph, dtype::float32, shape<>> rate = placeholder<float, shape<>>(g, "rate");
  any_tensor loss = mean(square(dense<3>(dropout(batch_norm(dense<5>(x)), 0.5))));
  Array rows = Array::from<float>({2, 4}, {1, 2, 3, 4, 4, 3, 2, 1});
};

std::vector<optimizer> all_rules(const learning_rate& rate) {
  return {sgd{.rate = rate},     momentum{.rate = rate}, rmsprop{.rate = rate},
          adagrad{.rate = rate}, adam{.rate = rate},     adamw{.rate = rate}};
}

}  // namespace

TEST_CASE("a step whose fed rate is none changes no variable", "[optimizers]") {
  for (std::size_t k = 0; k < 6; ++k) {
    CAPTURE(k);
    trained t;
    const training_step step = minimize(t.loss, all_rules(t.rate)[k]);
    Session session(t.g);
    session.initialize();
    session.run(step, feed(t.x, t.rows), feed(t.rate, 0.1f));
    const std::uint64_t before = t.g.digest();
    for (const float wrong : wrong_rates) {
      const std::string said = message_of<numeric_error>(
          [&] { session.run(step, feed(t.x, t.rows), feed(t.rate, wrong)); });
      CHECK(mentions(said, "its learning rate is"));
      CHECK(mentions(said, "failed_steps.cpp"));
      CHECK(t.g.digest() == before);
    }
    session.run(step, feed(t.x, t.rows), feed(t.rate, 0.1f));
    CHECK(session.value(step.step).item<std::int64_t>() == 2);
  }
}

TEST_CASE("another rate for a step that was made with a number is checked, fed or bound",
          "[optimizers]") {
  trained t;
  const training_step step = minimize(t.loss, sgd{0.1});
  const auto training = extract_training(inputs(t.x, step.rate), step);
  const Clone copy = clone(training, bind(t.x, t.x, step.rate, cast<double>(t.rate)));
  Session session(t.g);
  session.initialize();
  session.run(copy.initializer());
  const training_step cloned = copy(step);
  session.run(step, feed(t.x, t.rows), feed(step.rate, 0.2));
  session.run(cloned, feed(t.x, t.rows), feed(t.rate, 0.2f));
  const std::uint64_t before = t.g.digest();
  for (const float wrong : wrong_rates) {
    CHECK_THROWS_AS(session.run(step, feed(t.x, t.rows), feed(step.rate, double{wrong})),
                    numeric_error);
    CHECK(t.g.digest() == before);
    CHECK_THROWS_AS(session.run(cloned, feed(t.x, t.rows), feed(t.rate, wrong)), numeric_error);
    CHECK(t.g.digest() == before);
  }
}

TEST_CASE("of two steps in one run neither is taken where the rate of one is none",
          "[optimizers]") {
  trained t;
  const auto other = placeholder<float, shape<>>(t.g, "other");
  const any_tensor second = mean(square(dense<2, "second">(t.x)));
  const training_step a = minimize(t.loss, sgd{t.rate}), b = minimize(second, adam{other});
  Session session(t.g);
  session.initialize();
  const std::uint64_t before = t.g.digest();
  for (const float wrong : wrong_rates) {
    CHECK_THROWS_AS(
        session.run(std::tuple{a, b}, feed(t.x, t.rows), feed(t.rate, 0.1f), feed(other, wrong)),
        numeric_error);
    CHECK(t.g.digest() == before);
    CHECK_THROWS_AS(
        session.run(std::tuple{b, a}, feed(t.x, t.rows), feed(t.rate, wrong), feed(other, 0.1f)),
        numeric_error);
    CHECK(t.g.digest() == before);
  }
}

TEST_CASE("a prepared step whose rate is none changes no variable", "[optimizers]") {
  trained t;
  const auto x = placeholder<float, shape<2, 4>>(t.g, "rows");
  const training_step step = minimize(mean(square(dropout(dense<3>(x), 0.5))), momentum{t.rate});
  Session session(t.g);
  session.initialize();
  auto call = session.prepare(step, x, t.rate);
  call.input<float>(1)[0] = 0.1f;
  call.run();
  const std::uint64_t before = t.g.digest();
  for (const float wrong : wrong_rates) {
    call.input<float>(1)[0] = wrong;
    CHECK_THROWS_AS(call.run(), numeric_error);
    CHECK(t.g.digest() == before);
  }
}

TEST_CASE("a schedule that leaves what a rate may be stops training where it does",
          "[optimizers]") {
  trained t;
  const training_step step =
      minimize(t.loss, sgd{learning_rate::rule([](const any_tensor& n) {
                 return any_tensor(sqrt(2.0 - n) * 0.1);  // NaN from the fourth step on
               })});
  Session session(t.g);
  session.initialize();
  for (int n = 0; n < 3; ++n) session.run(step, feed(t.x, t.rows));
  const std::uint64_t before = t.g.digest();
  for (int n = 0; n < 2; ++n) {
    CHECK_THROWS_AS(session.run(step, feed(t.x, t.rows)), numeric_error);
    CHECK(t.g.digest() == before);
  }
  CHECK(session.value(step.step).item<std::int64_t>() == 3);
}

TEST_CASE("clones and ensembles of a step check their own rates", "[optimizers]") {
  trained t;
  const any_tensor loss = mean(square(dense<3>(batch_norm(dense<5>(t.x)))));
  const training_step step = minimize(loss, adam{t.rate});
  const Region region = extract_training(inputs(t.x, t.rate), step);
  const Clone copy = clone(region, into("copy"), variables::fresh);
  const training_step of_copy = copy(step);
  Session session(t.g);
  session.initialize();
  session.run(of_copy, feed(copy(t.x), t.rows), feed(copy(t.rate), 0.1f));
  const std::uint64_t before = t.g.digest();
  CHECK_THROWS_AS(session.run(of_copy, feed(copy(t.x), t.rows), feed(copy(t.rate), -1.0f)),
                  numeric_error);
  CHECK(t.g.digest() == before);

  const Ensemble many = ensemble(region, 3, bind(t.x, t.x, t.rate, t.rate));
  session.initialize();
  const update_group all = many(step.updates);
  session.run(all, feed(t.x, t.rows), feed(t.rate, 0.1f));
  const std::uint64_t between = t.g.digest();
  CHECK_THROWS_AS(session.run(all, feed(t.x, t.rows), feed(t.rate, -1.0f)), numeric_error);
  CHECK(t.g.digest() == between);
}

TEST_CASE("a rate of sixteen bits is one", "[optimizers]") {
  Graph g;
  const auto w = make_variable<float, shape<>>(g, "w", ones());
  const any_tensor rate = placeholder(g, dtype::bfloat16, dims{}, "rate");
  const training_step step = minimize(square(w), sgd{rate});
  Session session(g);
  session.initialize();
  session.run(step, feed(rate, Array::scalar(0.25f).cast(dtype::bfloat16)));
  CHECK(session.value(w).item<float>() == 0.5f);
}
