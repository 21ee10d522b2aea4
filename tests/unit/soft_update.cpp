// Networks that follow another one.
#include <bit>
#include <cmath>
#include <limits>

#include "graft/graft.hpp"

#include "clone_fixture.hpp"

using namespace graft_test;

namespace {

struct follower {
  Graph g;
  tensor<Graph, dtype::float32, shape<dyn, 4>> x = input4(g);
  any_tensor y;
  variable_id counter;
  std::optional<Clone> target;

  explicit follower(variable_policy policy = variables::fresh) {
    auto h = dense<3>(batch_norm(x));
    variable_spec spec;
    spec.name = "steps";
    spec.type = value_type::of(dtype::int64, {});
    spec.initial = zeros().make(dtype::int64, {});
    spec.role = variable_role::counter;
    spec.trainable = false;
    const variable_id steps = g.add_variable(spec);
    counter = steps;
    y = h + cast<float>(g.handle(g.variable_of(steps).read)) * 0.0;
    set_values(g, 1);
    target.emplace(clone(extract(inputs(x), outputs(y)), bind(x, x), policy));
    for (const variable_id v : target->variables()) {
      const value_type& type = g.variable_of(v).type;
      g.store().set(v, type.type == dtype::float32 ? Array::full<float>(type.shape, 100)
                                                   : Array(type.type, type.shape));
    }
    g.store().set(counter, Array::full<std::int64_t>({}, 7));
  }

  void check(variable_role role, double tau) const {
    for (const variable_image& image : target->variable_images()) {
      if (g.variable_of(image.source).role != role) continue;
      INFO(g.path_of(image.source));
      const Array from = g.store().get(image.source), to = g.store().get(image.image);
      if (to.type() != dtype::float32) continue;
      for (std::int64_t i = 0; i < to.size(); ++i) {
        CHECK(to.span<float>()[i] ==
              Approx(100 + tau * (from.span<float>()[i] - 100)).epsilon(1e-5));
      }
    }
  }
  [[nodiscard]] std::int64_t count() const {
    return g.store().get((*target)(counter)).item<std::int64_t>();
  }
};

}  // namespace

TEST_CASE("a clone follows its source", "[soft_update][edge-42][demo-7]") {
  follower f;
  for (const double tau : {0.0, 0.5, 1.0}) {
    const update_group follow = soft_update(*f.target, {.tau = tau});
    follower fresh;  // same values
    Session session(fresh.g);
    session.run(soft_update(*fresh.target, {.tau = tau}));
    fresh.check(variable_role::parameter, tau);
    fresh.check(variable_role::statistic, 1);
    CHECK(fresh.count() == 0);
    CHECK(follow.assigns().size() == 6);
  }
}

TEST_CASE("statistics and counters have choices of their own", "[soft_update][edge-42]") {
  follower f;
  Session session(f.g);
  SECTION("blended and copied") {
    session.run(
        soft_update(*f.target, {.tau = 0.25, .statistics = sync::blend, .counters = sync::copy}));
    f.check(variable_role::parameter, 0.25);
    f.check(variable_role::statistic, 0.25);
    CHECK(f.count() == 7);
  }
  SECTION("left alone") {
    session.run(soft_update(*f.target, {.tau = 0.25, .statistics = sync::skip}));
    f.check(variable_role::statistic, 0);
    CHECK(f.count() == 0);
  }
  SECTION("counters cannot be blended") {
    CHECK(mentions(message_of<argument_error>(
                       [&] { (void)soft_update(*f.target, {.counters = sync::blend}); }),
                   "whole numbers"));
  }
}

TEST_CASE("tau may be fed or computed", "[soft_update]") {
  follower f;
  const auto tau = placeholder<double, shape<>>(f.g, "tau");
  const update_group follow =
      soft_update(*f.target, {.tau = 1, .statistics = sync::blend, .tau_tensor = tau});
  Session session(f.g);
  session.run(follow, feed(tau, Array::scalar(0.0)));
  f.check(variable_role::parameter, 0);
  session.run(follow, feed(tau, Array::scalar(0.25)));
  f.check(variable_role::parameter, 0.25);
  f.check(variable_role::statistic, 0.25);
  const std::size_t ops = f.g.op_count();
  CHECK_THROWS_AS(soft_update(*f.target, {.tau_tensor = f.x}), shape_error);
  Graph elsewhere;
  const auto foreign = placeholder<float, shape<>>(elsewhere, "tau");
  CHECK_THROWS_AS(soft_update(*f.target, {.tau_tensor = foreign}), handle_error);
  CHECK(f.g.op_count() == ops);
  const auto whole = placeholder<std::int32_t, shape<>>(f.g, "whole");
  CHECK_THROWS_AS(soft_update(*f.target, {.tau_tensor = whole}), dtype_error);
}

namespace {

// Numbers that arithmetic does not keep, and their positions in the source and in the target.
Array awkward(bool source) {
  const float inf = std::numeric_limits<float>::infinity();
  const float payload = std::bit_cast<float>(0x7fc12345u);
  return source ? Array::from<float>({6}, {-0.0f, inf, payload, 1.0f, 3e38f, 1e-40f})
                : Array::from<float>({6}, {1.0f, -0.0f, 2.0f, payload, -3e38f, -inf});
}

struct awkward_pair {
  Graph g;
  tensor<Graph, dtype::float32, shape<6>> source =
      make_variable<float, shape<6>>(g, "source", zeros());
  tensor<Graph, dtype::float32, shape<6>> target =
      make_variable<float, shape<6>>(g, "target", zeros());
  Session session{g};

  awkward_pair() {
    session.set_value(source, awkward(true));
    session.set_value(target, awkward(false));
  }
  update_group follow(const soft_update_options& options) {
    return soft_update(g,
                       std::vector{std::pair{*g.variable_read_by(id_of(source)),
                                             *g.variable_read_by(id_of(target))}},
                       options);
  }
};

}  // namespace

TEST_CASE("tau 0 changes no bit and tau 1 copies all of them", "[soft_update][edge-42]") {
  awkward_pair p;
  const auto single = placeholder<float, shape<>>(p.g, "single");
  const auto precise = placeholder<double, shape<>>(p.g, "precise");
  const auto run = [&](double tau, int how) {
    if (how == 0) p.session.run(p.follow({.tau = tau}));
    if (how == 1) {
      p.session.run(p.follow({.tau_tensor = single}),
                    feed(single, Array::scalar(static_cast<float>(tau))));
    }
    if (how == 2)
      p.session.run(p.follow({.tau_tensor = precise}), feed(precise, Array::scalar(tau)));
  };
  const int how = GENERATE(0, 1, 2);
  INFO("way of giving tau " << how);
  run(0, how);
  CHECK(p.session.value(p.target).same_bits(awkward(false)));
  run(1, how);
  CHECK(p.session.value(p.target).same_bits(awkward(true)));
  CHECK(p.session.value(p.source).same_bits(awkward(true)));
  // What is nothing in the variable's own precision is nothing.
  p.session.set_value(p.target, awkward(false));
  run(how == 1 ? 0 : 1e-60, how);
  CHECK(p.session.value(p.target).same_bits(awkward(false)));
}

TEST_CASE("a fed tau outside its range is refused, and no variable changes",
          "[soft_update][edge-42]") {
  follower f;
  const auto tau = placeholder<float, shape<>>(f.g, "share");
  const training_step step = minimize(mean(square(f.y)), sgd{0.01});
  const update_group follow = soft_update(*f.target, {.tau_tensor = tau});
  Session session(f.g);
  session.initialize();
  const Array in = Array::full<float>({3, 4}, 0.5f);
  for (const float wrong : {-0.01f, 1.01f, std::nanf(""), std::numeric_limits<float>::infinity()}) {
    const auto before = f.g.digest();
    const std::string text = message_of<numeric_error>([&] {
      session.run(std::tuple{step, follow}, feed(f.x, in), feed(tau, Array::scalar(wrong)));
    });
    CHECK(mentions(text, "between 0 and 1"));
    CHECK(mentions(text, "soft_update/share"));
    CHECK(f.g.digest() == before);
  }
  const auto before = f.g.digest();
  session.run(std::tuple{step, follow}, feed(f.x, in), feed(tau, Array::scalar(0.5f)));
  CHECK(f.g.digest() != before);
}

TEST_CASE("a soft update is one pass over each variable, in place", "[soft_update]") {
  follower f;
  const auto tau = placeholder<double, shape<>>(f.g, "tau");
  Session session(f.g);
  const bool fed = GENERATE(false, true);
  const std::string plan = fed ? session.explain_plan(soft_update(*f.target, {.tau_tensor = tau}),
                                                      feed(tau, Array::scalar(0.5)))
                               : session.explain_plan(soft_update(*f.target, {.tau = 0.5}));
  INFO(plan);
  const auto count = [&](const std::string& part) {
    std::size_t n = 0;
    for (auto at = plan.find(part); at != std::string::npos; at = plan.find(part, at + 1)) ++n;
    return n;
  };
  CHECK(count("in place") == 6);  // two of them are copies of statistics
}

namespace {

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

// Pairs of variables of several sizes, of one element type or the other.
struct pairs_of_sizes {
  Graph g;
  std::vector<std::pair<variable_id, variable_id>> pairs;

  explicit pairs_of_sizes(std::vector<extent> sizes) {
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      const dtype type = i % 3 == 2 ? dtype::float64 : dtype::float32;
      const auto add = [&](const char* name, double first) {
        variable_spec spec;
        spec.name = name;
        spec.type = value_type::of(type, {sizes[i]});
        spec.initial = zeros().make(type, {sizes[i]});
        const variable_id v = g.add_variable(spec);
        Array value(dtype::float64, {sizes[i]});
        for (double& e : value.mutable_span<double>()) e = first, first = 0.37 - first * 0.93;
        g.store().set(v, value.cast(type));
        return v;
      };
      pairs.emplace_back(add("from", 1.0 + static_cast<double>(i)), add("to", -2.5));
    }
  }
};

}  // namespace

TEST_CASE("a soft update is one step, however many variables follow", "[soft_update]") {
  follower f;
  Session session(f.g);
  const std::string plan =
      session.explain_plan(soft_update(*f.target, {.tau = 0.5, .counters = sync::copy}));
  INFO(plan);
  CHECK(count_of(plan, "  update ") == 1);
  CHECK(count_of(plan, "(soft_update), fused from 4 ops") == 1);
  CHECK(count_of(plan, ", in place\n") == 7);  // the copies of statistics and of the counter, too
}

TEST_CASE("variables that follow at once follow as each would alone, on any number of threads",
          "[soft_update]") {
  const std::vector<extent> sizes{5,     1,     0,  40000, 3, 32768, 100001, 7,
                                  65536, 32767, 12, 1023,  9, 70000, 1};
  const double tau = GENERATE(0.0, 0.3, 1.0);
  pairs_of_sizes alone(sizes);
  {
    Session session(alone.g, {.threads = 1});
    for (const auto& pair : alone.pairs)
      session.run(soft_update(alone.g, {&pair, 1}, {.tau = tau}));
  }
  for (const int threads : {1, 2, 5}) {
    pairs_of_sizes together(sizes);
    Session session(together.g, {.threads = threads});
    const update_group follow = soft_update(together.g, together.pairs, {.tau = tau});
    const std::string plan = session.explain_plan(follow);
    INFO(plan);
    CHECK(count_of(plan, "  update ") == (tau == 0 ? 0 : 1));
    session.run(follow);
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      INFO("variable " << i << " on " << threads << " threads");
      CHECK(session.value(together.pairs[i].second)
                .same_bits(alone.g.store().get(alone.pairs[i].second)));
    }
  }
}

TEST_CASE("variables that follow one another in one run take what there was at the start",
          "[soft_update]") {
  pairs_of_sizes p({3, 3, 4, 4});
  // The second target follows the first, and the third source follows the fourth target.
  const variable_id far = p.pairs[1].second;
  p.pairs[1].first = p.pairs[0].second;
  const Array old = p.g.store().get(p.pairs[0].second), before = p.g.store().get(far);
  const Array source = p.g.store().get(p.pairs[0].first);
  Session session(p.g);
  const std::vector<std::pair<variable_id, variable_id>> two(p.pairs.begin(), p.pairs.begin() + 2);
  session.run(soft_update(p.g, two, {.tau = 0.5}));
  for (std::int64_t i = 0; i < 3; ++i) {
    CHECK(session.value(far).at<float>({i}) ==
          Approx(before.at<float>({i}) + 0.5f * (old.at<float>({i}) - before.at<float>({i}))));
    CHECK(session.value(p.pairs[0].second).at<float>({i}) ==
          Approx(old.at<float>({i}) + 0.5f * (source.at<float>({i}) - old.at<float>({i}))));
  }
  // Two that follow each other.
  const std::vector<std::pair<variable_id, variable_id>> each_other{
      p.pairs[0], {p.pairs[0].second, p.pairs[0].first}};
  const Array a = session.value(p.pairs[0].first), b = session.value(p.pairs[0].second);
  session.run(soft_update(p.g, each_other, {.tau = 1}));
  CHECK(session.value(p.pairs[0].first).same_bits(b));
  CHECK(session.value(p.pairs[0].second).same_bits(a));
}

TEST_CASE("a network that is trained is followed in the same run, as it was at the start",
          "[soft_update][training]") {
  const auto results = [](bool at_once) {
    follower f;
    const training_step step = minimize(mean(square(f.y)), sgd{.rate = 0.1});
    const update_group follow = soft_update(*f.target, {.tau = 0.25, .counters = sync::copy});
    Session session(f.g);
    session.initialize();
    const Array in = Array::full<float>({2, 4}, 0.5f);
    if (at_once) {
      session.run(step.updates + follow, feed(f.x, in));
    } else {
      session.run(follow);
      session.run(step, feed(f.x, in));
    }
    std::vector<Array> all;
    for (const variable_id v : f.g.variables()) all.push_back(session.value(v));
    return all;
  };
  const std::vector<Array> together = results(true), apart = results(false);
  REQUIRE(together.size() == apart.size());
  for (std::size_t i = 0; i < apart.size(); ++i) CHECK(together[i].same_bits(apart[i]));
}

TEST_CASE("wrong soft updates are refused and add nothing", "[soft_update][edge-42]") {
  follower f;
  const std::size_t ops = f.g.op_count();
  for (const double tau : {-0.1, 1.1, std::nan("")}) {
    CHECK(mentions(message_of<argument_error>([&] { (void)soft_update(*f.target, {.tau = tau}); }),
                   "between 0 and 1"));
  }
  const variable_id v = f.g.variables().front();
  const std::vector<std::pair<variable_id, variable_id>> itself{{v, v}};
  CHECK(mentions(message_of<argument_error>([&] { (void)soft_update(f.g, itself); }), "itself"));
  const std::vector<std::pair<variable_id, variable_id>> unequal{
      {variable_named(f.g, "dense/kernel"), variable_named(f.g, "dense/bias")}};
  CHECK_THROWS_AS(soft_update(f.g, unequal), shape_error);
  const variable_id to = (*f.target)(variable_named(f.g, "dense/bias"));
  const std::vector<std::pair<variable_id, variable_id>> crowded{
      {variable_named(f.g, "dense/bias"), to}, {variable_named(f.g, "batch_norm/bias"), to}};
  CHECK(mentions(message_of<argument_error>([&] { (void)soft_update(f.g, crowded); }), "twice"));
  CHECK(f.g.op_count() == ops);

  for (const variable_policy policy : {variables::frozen, variables::shared}) {
    follower other(policy);
    const std::size_t before = other.g.op_count();
    CHECK(mentions(message_of<argument_error>([&] { (void)soft_update(*other.target); }),
                   "no variables of its own"));
    CHECK(other.g.op_count() == before);
  }
  Graph elsewhere;
  const Clone far = clone(extract(inputs(f.x), outputs(f.y)), into(elsewhere));
  CHECK(mentions(message_of<argument_error>([&] { (void)soft_update(far); }), "another graph"));
}

TEST_CASE("all images of a split tie follow", "[soft_update][edge-43]") {
  Graph g;
  const auto x = input4(g);
  const auto w = make_variable<float, shape<4, 4>>(g, "w", glorot_uniform());
  const auto y = matmul(matmul(x, w), w);
  Session session(g);
  session.initialize();
  const Clone target = clone(extract(inputs(x), outputs(y)), bind(x, x), ties::split);
  session.initialize();
  session.run(soft_update(target, {.tau = 1}));
  const auto images = target.images(*g.variable_read_by(g.id(w)));
  REQUIRE(images.size() == 2);
  for (const variable_id v : images) CHECK(session.value(v).same_bits(session.value(w)));
}

TEST_CASE("the optimiser of the source leaves its follower alone until it is told to follow",
          "[soft_update]") {
  follower f;
  const training_step step = minimize(mean(square(f.y)), sgd{0.01});
  Session session(f.g);
  session.initialize();
  const Array in = Array::full<float>({3, 4}, 0.5f);
  const Array before = session.run((*f.target)(f.y), feed(f.x, in));
  session.run(step, feed(f.x, in));
  CHECK(session.run((*f.target)(f.y), feed(f.x, in)).same_bits(before));
  session.run(soft_update(*f.target));
  CHECK_FALSE(session.run((*f.target)(f.y), feed(f.x, in)).same_bits(before));
}
