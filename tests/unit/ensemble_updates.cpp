// Updates among the ops of an ensemble's outputs.
#include "ensemble_fixture.hpp"

using namespace graft_test;

namespace {

// x * w + the value that `seen` takes.
struct subject {
  Graph g;
  row4 x = input4(g);
  tensor<Graph, dtype::float32, shape<4>> w = make_variable<float, shape<4>>(g, "w", uniform());
  tensor<Graph, dtype::float32, shape<4>> seen =
      make_variable<float, shape<4>>(g, "seen", zeros(), false, variable_role::statistic);
  variable_id vw = variable_named(g, "w"), vseen = variable_named(g, "seen");
  Session session{g};
  Array rows = numbers({2, 4}, 0.3f);
};

Array row_of(float e) { return Array::full<float>({4}, e); }

}  // namespace

TEST_CASE("an update of an ensemble's output is of the stacked variable", "[ensemble]") {
  subject s;
  SECTION("where all members have one value") {
    const any_tensor seven = constant(s.g, row_of(7));
    const any_tensor y = any_tensor(s.x * s.w) + any_tensor(assign(s.seen, seven));
    s.session.initialize();
    const Ensemble many =
        ensemble(extract(inputs(s.x), outputs(y)), 2, bind(s.x, s.x), variables::copied);
    s.g.validate();
    (void)s.session.run(many(y), feed(s.x, s.rows));
    CHECK(s.session.value(s.vseen).same_bits(row_of(0)));
    CHECK(s.session.value(many(s.vseen)).same_bits(Array::full<float>({2, 4}, 7)));
  }
  SECTION("where values differ") {
    const row4 y = s.x * s.w + assign(s.seen, s.seen * 0.5f + s.w);
    s.session.initialize();
    const Ensemble many = ensemble(extract(inputs(s.x), outputs(y)), 3, bind(s.x, s.x));
    s.g.validate();
    s.session.run(many.initializer());
    const Array weights = s.session.value(many(s.vw));
    (void)s.session.run(many(y), feed(s.x, s.rows));
    CHECK(s.session.value(s.vseen).same_bits(row_of(0)));
    CHECK(s.session.value(many(s.vseen)).same_bits(weights));
    // A member that is detached has an update of its own.
    const Clone own = many.detach(1, bind(s.x, s.x));
    own.check();
    (void)s.session.run(own(y), feed(s.x, s.rows));
    CHECK(s.session.value(many(s.vseen)).same_bits(weights));
    CHECK_FALSE(s.session.value(own(s.vseen)).same_bits(weights.rows(1, 2).reshaped({4})));
  }
  SECTION("even if what reads it is an input") {
    const row4 y = s.x * assign(s.w, s.w * 0.5f);
    s.session.initialize();
    const Array before = s.session.value(s.vw);
    const Ensemble many =
        ensemble(extract(inputs(s.x, s.w), outputs(y)), 2, bind(s.x, s.x), variables::copied);
    s.g.validate();
    CHECK(s.session.value(many(s.vw)).rows(0, 1).reshaped({4}).same_bits(before));
    const auto in = s.g.find_op("ensemble/w");
    REQUIRE(in);
    (void)s.session.run(many(y), feed(s.x, s.rows), feed(s.g.handle({*in, 0}), row_of(8)));
    CHECK(s.session.value(s.vw).same_bits(before));
    CHECK(s.session.value(many(s.vw)).same_bits(Array::full<float>({2, 4}, 4)));
  }
}

TEST_CASE("an ensemble does not write what it froze", "[ensemble]") {
  subject s;
  const row4 y = s.x * assign(s.w, s.w * 0.5f);
  s.session.initialize();
  const Region region = extract(inputs(s.x), outputs(y));
  const auto before = s.g.digest();
  const std::string text =
      message_of<graph_error>([&] { (void)ensemble(region, 2, variables::frozen); });
  INFO(text);
  CHECK(mentions(text, "freeze 'w'"));
  CHECK(mentions(text, "'assign' updates it"));
  CHECK(s.g.digest() == before);
}

TEST_CASE("an ensemble updates a shared variable once, with one value", "[ensemble]") {
  subject s;
  const auto sharing = [&](variable_id v) {
    return variables::by([v](const variable_info& info) {
      return info.id == v ? variables::shared : variables::copied;
    });
  };
  const auto once = assign(s.seen, s.seen + 1.0f), mixed = assign(s.seen, s.seen + s.w);
  s.session.initialize();
  const row4 y = s.x * s.w + once;
  const Region region = extract(inputs(s.x), outputs(y));
  const Ensemble many = ensemble(region, 2, bind(s.x, s.x), sharing(s.vseen));
  (void)s.session.run(many(y), feed(s.x, s.rows));
  CHECK(s.session.value(s.vseen).same_bits(row_of(1)));

  const Region other = extract(inputs(), outputs(mixed));
  const auto before = s.g.digest();
  const std::string text =
      message_of<unsupported_error>([&] { (void)ensemble(other, 2, sharing(s.vseen)); });
  INFO(text);
  CHECK(mentions(text, "one 'seen' for all members"));
  CHECK(mentions(text, "differs between them"));
  CHECK(s.g.digest() == before);
}

TEST_CASE("an ensemble of a training step trains all members apart", "[ensemble][training]") {
  for (const optimizer& rule : {optimizer(sgd{0.1, 0.9}), optimizer(adam{.rate = 0.05}),
                                optimizer(rmsprop{.rate = 0.02})}) {
    Graph g;
    const row4 x = input4(g);
    const auto target = placeholder<float, shape<dyn, 2>>(g, "target");
    const any_tensor y = dense<2>(batch_norm(tanh(dense<5>(x))));
    const any_tensor loss = mean(square(y - any_tensor(target)));
    const training_step step = minimize(loss, rule);
    const Region whole = extract_training(inputs(x, target), step);
    const Ensemble many = ensemble(whole, 3, bind(x, x, target, target));
    const auto apart = replicate(whole, 3, bind(x, x, target, target), into("single"));
    g.validate();
    Session session(g);
    session.initialize();
    many.scatter_from(apart);
    const std::vector<variable_id> all = whole.variables();
    std::vector<Array> source;
    for (const variable_id v : all) source.push_back(session.value(v));
    const Array in = numbers({6, 4}, 0.7f), wanted = numbers({6, 2}, 0.2f);
    const update_group together = many(step.updates);
    CHECK(together.assigns().size() == step.updates.assigns().size());
    for (int i = 0; i < 3; ++i) {
      session.run(together, feed(x, in), feed(target, wanted));
      for (const Clone& one : apart)
        session.run(one(step).updates, feed(x, in), feed(target, wanted));
    }
    for (std::size_t k = 0; k < all.size(); ++k) {
      INFO(g.path_of(all[k]));
      CHECK(session.value(all[k]).same_bits(source[k]));
      const Array stacked = session.value(many(all[k]));
      if (stacked.type() == dtype::int64) {  // the number of steps
        for (const std::int64_t n : stacked.span<std::int64_t>()) CHECK(n == 3);
        continue;
      }
      for (std::size_t i = 0; i < apart.size(); ++i) {
        const Array mine = session.value(apart[i](all[k]));
        const auto at = static_cast<std::int64_t>(i);
        check_close(stacked.rows(at, at + 1).reshaped(mine.shape()), mine, 2e-4);
      }
    }
    CHECK_FALSE(
        session.value(many(all[0])).rows(0, 1).same_bits(session.value(many(all[0])).rows(1, 2)));
  }
}

TEST_CASE("an ensemble of a training step with dropout trains all members",
          "[ensemble][training]") {
  const double rate = GENERATE(0.0, 0.5);
  const bool shared = GENERATE(false, true);
  INFO("rate " << rate << (shared ? ", with the source's stream" : ""));
  Graph g;
  const row4 x = input4(g);
  const any_tensor y = dense<2>(any_tensor(dropout(tanh(dense<5>(x)), rate)));
  const training_step step = minimize(mean(square(y)), sgd{0.1});
  const Region whole = extract_training(inputs(x), step);
  const variable_id stream = variable_named(g, "dropout/stream");
  const auto policy = variables::by([&](const variable_info& v) {
    return shared && v.id == stream ? variables::shared : variables::fresh;
  });
  const Ensemble many = ensemble(whole, 3, bind(x, x), policy);
  const auto apart = replicate(whole, 3, bind(x, x), into("single"));
  g.validate();
  Session session(g);
  session.initialize();
  many.scatter_from(apart);
  const update_group together = many(step.updates);
  CHECK(together.assigns().size() == step.updates.assigns().size());
  const Array in = numbers({6, 4}, 0.7f);
  for (int i = 0; i < 3; ++i) {
    session.run(together, feed(x, in));
    for (const Clone& one : apart) session.run(one(step).updates, feed(x, in));
  }
  const auto drawn = [&](variable_id v) { return session.value(v).at<std::int64_t>({1}); };
  CHECK(drawn(stream) == (shared ? 3 : 0));
  if (!shared) CHECK(drawn(many(stream)) == 3);
  for (const variable_id v : step.parameters) {
    const Array all = session.value(many(v));
    CHECK_FALSE(all.rows(0, 1).same_bits(all.rows(1, 2)));
    for (std::size_t i = 0; i < apart.size() && rate == 0; ++i) {  // nothing is dropped
      const Array mine = session.value(apart[i](v));
      const auto at = static_cast<std::int64_t>(i);
      check_close(all.rows(at, at + 1).reshaped(mine.shape()), mine, 1e-5);
    }
  }
}

TEST_CASE("gradients of an ensemble are clipped by the norm of each member",
          "[ensemble][training]") {
  Graph g;
  const row4 x = input4(g);
  const any_tensor y = dense<2>(tanh(dense<5>(x)));
  const training_step step = minimize(mean(square(y)), sgd{0.1}, {.clip_norm = 0.05});
  const Region whole = extract_training(inputs(x), step);
  const Ensemble many = ensemble(whole, 2, bind(x, x));
  std::size_t norms = 0;
  for (const op_id op : whole.nodes()) norms += g.schema_of(op).name == "squared_norm" ? 1 : 0;
  std::size_t all = 0;
  for (std::size_t i = 0; i < g.op_count(); ++i) {
    all += g.schema_of(g.op_at(i)).name == "squared_norm" ? 1 : 0;
  }
  CHECK(norms == 4);    // one a parameter
  CHECK(all == norms);  // members have theirs by sums over their rows, not one after the other
  const auto apart = replicate(whole, 2, bind(x, x), into("single"));
  Session session(g);
  session.initialize();
  many.scatter_from(apart);
  const Array in = numbers({6, 4}, 0.7f);
  session.run(many(step.updates), feed(x, in));
  for (const Clone& one : apart) session.run(one(step).updates, feed(x, in));
  for (const variable_id v : step.parameters) {
    for (std::size_t i = 0; i < apart.size(); ++i) {
      const Array mine = session.value(apart[i](v));
      const auto at = static_cast<std::int64_t>(i);
      check_close(session.value(many(v)).rows(at, at + 1).reshaped(mine.shape()), mine, 1e-5);
    }
  }
}

TEST_CASE("an update that is declared and an output is made once", "[ensemble]") {
  Graph g;
  const row4 x = input4(g);
  const row4 y = row4(batch_norm(dense4(x)).ref());
  const update_group updates = updates_of(y);
  REQUIRE(updates.assigns().size() == 2);
  const any_tensor after_it = g.handle({updates.assigns()[0], 0});
  const Region region = extract(inputs(x), outputs(y, after_it));
  const Ensemble many = ensemble(region, 2, bind(x, x));
  g.validate();
  const auto theirs = many(updates).assigns();
  CHECK(theirs.size() == 2);
  CHECK(id_of(many(after_it)).op == theirs[0]);
  CHECK(updates_of(many(y)).assigns().size() == 2);
  Session session(g);
  session.initialize();
  const Array in = numbers({3, 4}, 0.3f);
  const Array value = session.run(many(after_it), feed(x, in));
  const variable_id v{static_cast<std::uint32_t>(g.attributes_of(theirs[0]).integer("variable"))};
  CHECK(session.value(v).same_bits(value));

  // Of shared ones the source's stay, frozen ones have none.
  const Region plain = extract(inputs(x), outputs(y));
  CHECK(ensemble(plain, 2, variables::shared)(updates).assigns() == updates.assigns());
  CHECK_THROWS_AS(ensemble(plain, 2, variables::frozen)(updates), handle_error);
  Graph other;
  CHECK_THROWS_AS(many(update_group(other, {op_id{0}})), handle_error);
  CHECK(many(update_group()).empty());
}

namespace {

// A layer with batch norm; all members of an ensemble on x, one of them on x2 as well.
struct normalised {
  Graph g;
  row4 x = input4(g, "x"), x2 = input4(g, "x2");
  row4 y = row4(batch_norm().momentum(0.75)(dense4(x)).ref());
  Region region = extract(inputs(x), outputs(y));
  variable_id mean_of = variable_named(g, "batch_norm/moving_mean");
  variable_id variance_of = variable_named(g, "batch_norm/moving_variance");
  Session session{g};
  Array rows = numbers({3, 4}, 0.3f);

  [[nodiscard]] std::vector<Array> statistics(const Ensemble& many) const {
    return {session.value(many(mean_of)), session.value(many(variance_of))};
  }
  // The rows of all members but one are as they were; that one's equal a network's of its own.
  void check_moved(const Ensemble& many, std::int64_t member, const Clone& own,
                   const std::vector<Array>& before) {
    const std::vector<Array> now = statistics(many);
    const std::vector<Array> alone{session.value(own(mean_of)), session.value(own(variance_of))};
    for (std::size_t k = 0; k < 2; ++k) {
      for (std::int64_t i = 0; i < static_cast<std::int64_t>(many.size()); ++i) {
        INFO("statistic " << k << " of member " << i);
        const Array row = now[k].rows(i, i + 1);
        if (i == member) {
          check_close(row.reshaped({4}), alone[k]);
          CHECK_FALSE(row.same_bits(before[k].rows(i, i + 1)));
        } else {
          CHECK(row.same_bits(before[k].rows(i, i + 1)));
        }
      }
    }
  }
};

}  // namespace

TEST_CASE("a member on an input of its own moves its statistics by that input",
          "[ensemble][updates]") {
  const auto [members, member] =
      GENERATE(std::pair{3, 0}, std::pair{3, 1}, std::pair{3, 2}, std::pair{1, 0});
  INFO(member << " of " << members);
  normalised s;
  const Ensemble many = ensemble(s.region, static_cast<std::size_t>(members), bind(s.x, s.x));
  s.session.initialize();
  const auto i = static_cast<std::size_t>(member);
  const Clone view = many.member(i, bind(s.x, s.x2)), own = many.detach(i, bind(s.x, s.x2));
  const std::vector<Array> before = s.statistics(many);

  SECTION("asked for alone") {
    const update_group group = updates_of(view(s.y));
    s.g.validate();
    REQUIRE(group.assigns().size() == 2);
    s.session.run(group, feed(s.x2, s.rows));  // x is not fed
    s.session.run(updates_of(own(s.y)), feed(s.x2, s.rows));
    s.check_moved(many, member, own, before);
    const auto digest = s.g.digest();
    CHECK(updates_of(view(s.y)).assigns() == group.assigns());
    CHECK(s.g.digest() == digest);
  }
  SECTION("in a training step") {
    const auto step = minimize(mean(square(view(s.y))), sgd{0.1});
    const auto alone = minimize(mean(square(own(s.y))), sgd{0.1});
    s.session.initialize();  // step counters
    for (int k = 0; k < 3; ++k) {
      s.session.run(step, feed(s.x2, s.rows));
      s.session.run(alone, feed(s.x2, s.rows));
    }
    s.check_moved(many, member, own, before);
    const variable_id w = variable_named(s.g, "dense/w");
    check_close(s.session.value(many(w)).rows(member, member + 1).reshaped({4, 4}),
                s.session.value(own(w)));
  }
  SECTION("in inference mode it moves none") {
    const Clone still = many.member(i, bind(s.x, s.x2), mode::inference);
    CHECK(updates_of(still(s.y)).empty());
  }
  SECTION("and is cut out without the input of the others") {
    const Region alone = extract(inputs(s.x2), outputs(view(s.y)));
    const row4 x3 = input4(s.g, "x3");
    const Clone copy = clone(alone, bind(s.x2, x3));
    copy.check();
    s.g.validate();
  }
}

TEST_CASE("members on inputs of their own move the statistics one after the other",
          "[ensemble][updates]") {
  normalised s;
  const Ensemble many = ensemble(s.region, 3, bind(s.x, s.x));
  s.session.initialize();
  const Clone first = many.member(0, bind(s.x, s.x)), last = many.member(2, bind(s.x, s.x2));
  const Clone first_own = many.detach(0, bind(s.x, s.x)),
              last_own = many.detach(2, bind(s.x, s.x2));
  const std::vector<Array> before = s.statistics(many);
  const auto both = any_tensor(first(s.y)) + any_tensor(last(s.y));
  const Array other = numbers({3, 4}, -0.8f);
  s.session.run(updates_of(both), feed(s.x, s.rows), feed(s.x2, other));
  s.g.validate();
  s.session.run(updates_of(first_own(s.y)), feed(s.x, s.rows));
  s.session.run(updates_of(last_own(s.y)), feed(s.x2, other));
  const std::vector<Array> now = s.statistics(many);
  const auto check_row = [&](const Clone& own, std::int64_t i) {
    check_close(now[0].rows(i, i + 1).reshaped({4}), s.session.value(own(s.mean_of)));
    check_close(now[1].rows(i, i + 1).reshaped({4}), s.session.value(own(s.variance_of)));
  };
  check_row(first_own, 0);
  check_row(last_own, 2);
  CHECK(now[0].rows(1, 2).same_bits(before[0].rows(1, 2)));

  // Beside the whole ensemble a member's application comes after that of all.
  const auto all = mean(square(many(s.y))) + mean(square(last(s.y)));
  const update_group group = updates_of(all);
  s.g.validate();
  CHECK(group.assigns().size() == 4);
  s.session.run(group, feed(s.x, s.rows), feed(s.x2, other));
  CHECK_FALSE(s.statistics(many)[0].rows(1, 2).same_bits(now[0].rows(1, 2)));
}
