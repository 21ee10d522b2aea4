// Moving statistics of networks that share them: each application of a layer updates them from its own input.
#include <algorithm>

#include "graft/graft.hpp"
#include "graft/graph/operator.hpp"

#include "clone_fixture.hpp"

using namespace graft_test;

namespace {

Array rows(float first) {
  Array a(dtype::float32, {5, 4});
  for (float& e : a.mutable_span<float>()) e = first, first = first * -0.93f + 0.31f;
  return a;
}

// dense, tanh, batch norm, dense; and a second input.
struct siamese {
  Graph g;
  row4 x = input4(g, "x"), x2 = input4(g, "x2");
  row4 y;
  std::optional<Region> region;
  variable_id mean_of, variance_of;

  explicit siamese(double momentum = 0.75) {
    const row4 h = tanh(dense4(x, "first"));
    y = row4(dense4(row4(batch_norm().momentum(momentum)(h).ref()), "second").ref());
    region = extract(inputs(x), outputs(y));
    mean_of = variable_named(g, "batch_norm/moving_mean");
    variance_of = variable_named(g, "batch_norm/moving_variance");
  }
  std::vector<Array> statistics(Session& s) const {
    return {s.value(mean_of), s.value(variance_of)};
  }
};

void check_same(const std::vector<Array>& a, const std::vector<Array>& b, double tolerance = 0) {
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (tolerance == 0) CHECK(a[i].same_bits(b[i]));
    for (std::int64_t k = 0; k < a[i].size(); ++k) {
      CHECK(a[i].span<float>()[static_cast<std::size_t>(k)] ==
            Approx(b[i].span<float>()[static_cast<std::size_t>(k)]).epsilon(tolerance + 1e-12));
    }
  }
}

}  // namespace

TEST_CASE("a clone that shares statistics moves them by its own input", "[clone][updates]") {
  const auto policy = GENERATE(variable_policy::shared, variable_policy::linked);
  INFO(to_string(policy));
  siamese n, alone;  // two graphs that start alike
  const Clone c = clone(*n.region, bind(n.x, n.x2), policy);
  Session session(n.g), other(alone.g);
  session.initialize(), other.initialize();
  check_same(n.statistics(session), alone.statistics(other));
  const std::vector<Array> start = n.statistics(session);

  SECTION("asked for alone") {
    const update_group group = updates_of(c(n.y));
    n.g.validate();
    CHECK(group.assigns().size() == 2);
    CHECK(n.g.path_of(group.assigns()[0]) == "copy/batch_norm/update_mean");
    session.run(group, feed(n.x2, rows(0.4f)));
    other.run(updates_of(alone.y), feed(alone.x, rows(0.4f)));
    check_same(n.statistics(session), alone.statistics(other));
    CHECK_FALSE(n.statistics(session)[0].same_bits(start[0]));
    // Asked for again they are the same; the source keeps its own.
    const std::uint64_t digest = n.g.digest();
    CHECK(updates_of(c(n.y)).assigns() == group.assigns());
    CHECK(updates_of(n.y).assigns() == std::vector{n.g.variable_of(n.mean_of).own_updates[0],
                                                   n.g.variable_of(n.variance_of).own_updates[0]});
    CHECK(n.g.digest() == digest);
  }
  SECTION("in a training step that feeds nothing else") {
    const auto step = minimize(mean(square(c(n.y))), sgd{0.1});
    const auto same = minimize(mean(square(alone.y)), sgd{0.1});
    session.initialize(), other.initialize();
    for (const float first : {0.4f, -1.3f, 2.2f}) {
      session.run(step, feed(n.x2, rows(first)));
      other.run(same, feed(alone.x, rows(first)));
      check_same(n.statistics(session), alone.statistics(other), 1e-6);
    }
    // The step is cut out by itself, too.
    const Clone again =
        clone(extract_training(inputs(n.x2), step), bind(n.x2, n.x2), variables::copied);
    session.run(again(step), feed(n.x2, rows(0.7f)));
    other.run(same, feed(alone.x, rows(0.7f)));
    check_same({session.value(again(n.mean_of)), session.value(again(n.variance_of))},
               alone.statistics(other), 1e-6);
  }
  SECTION("a clone of the clone, too") {
    const row4 x3 = input4(n.g, "x3");
    const Clone d = clone(extract(inputs(n.x2), outputs(c(n.y))), bind(n.x2, x3), policy);
    session.run(updates_of(d(c(n.y))), feed(x3, rows(0.4f)));
    other.run(updates_of(alone.y), feed(alone.x, rows(0.4f)));
    check_same(n.statistics(session), alone.statistics(other));
  }
  SECTION("a copy of the clone moves its own") {
    const row4 x3 = input4(n.g, "x3");
    const Clone d =
        clone(extract(inputs(n.x2), outputs(c(n.y))), bind(n.x2, x3), variables::copied);
    session.run(updates_of(d(c(n.y))), feed(x3, rows(0.4f)));
    other.run(updates_of(alone.y), feed(alone.x, rows(0.4f)));
    check_same(n.statistics(session), start);
    check_same({session.value(d(n.mean_of)), session.value(d(n.variance_of))},
               alone.statistics(other));
  }
  SECTION("not in inference mode") {
    const std::uint64_t version = n.g.version();
    const any_tensor served = inference(c(n.y));
    CHECK(updates_of(served).empty());
    const auto step = minimize(mean(square(served)), sgd{0.1});
    session.initialize();
    session.run(step, feed(n.x2, rows(0.4f)));
    check_same(n.statistics(session), start);
    CHECK(n.g.version() != version);
  }
}

TEST_CASE("both towers of one step move the statistics, one after the other", "[clone][updates]") {
  siamese n, alone;
  const Clone c = clone(*n.region, bind(n.x, n.x2), variables::shared);
  Session session(n.g), other(alone.g);
  session.initialize(), other.initialize();
  const any_tensor both = sum(square(n.y)) + sum(square(c(n.y)));
  const std::size_t ops = n.g.op_count();
  const update_group group = updates_of(both);
  CHECK(updates_of(both).assigns() == group.assigns());
  // The clone's batch norm once more, for both statistics, and an update of each.
  CHECK(n.g.op_count() == ops + 3);
  n.g.validate();
  session.run(group, feed(n.x, rows(0.4f)), feed(n.x2, rows(-1.3f)));
  other.run(updates_of(alone.y), feed(alone.x, rows(0.4f)));
  other.run(updates_of(alone.y), feed(alone.x, rows(-1.3f)));
  check_same(n.statistics(session), alone.statistics(other));

  // A third tower.
  const row4 x3 = input4(n.g, "x3");
  const Clone d = clone(*n.region, bind(n.x, x3), variables::linked);
  session.run(updates_of(both + sum(square(d(n.y)))), feed(n.x, rows(0.1f)), feed(n.x2, rows(0.2f)),
              feed(x3, rows(0.3f)));
  for (const float first : {0.1f, 0.2f, 0.3f})
    other.run(updates_of(alone.y), feed(alone.x, rows(first)));
  check_same(n.statistics(session), alone.statistics(other));

  // With the parameters, in one step.
  const auto step = minimize(both, sgd{0.01});
  session.initialize();
  const Array w = session.value(variable_named(n.g, "first/w"));
  session.run(step, feed(n.x, rows(0.9f)), feed(n.x2, rows(1.7f)));
  other.run(updates_of(alone.y), feed(alone.x, rows(0.9f)));
  other.run(updates_of(alone.y), feed(alone.x, rows(1.7f)));
  check_same(n.statistics(session), alone.statistics(other));
  CHECK_FALSE(session.value(variable_named(n.g, "first/w")).same_bits(w));
}

TEST_CASE("a training step of both towers is cloned with its updates", "[clone][updates]") {
  siamese n;
  const Clone c = clone(*n.region, bind(n.x, n.x2), variables::shared);
  const auto step = minimize(sum(square(n.y)) + sum(square(c(n.y))), adam{0.01});
  Session session(n.g);
  session.initialize();
  const Region training = extract_training(inputs(n.x, n.x2), step);
  const Clone copy = clone(training, bind(n.x, n.x, n.x2, n.x2), variables::copied);
  copy.check();
  session.run(step, feed(n.x, rows(0.4f)), feed(n.x2, rows(-1.3f)));
  session.run(copy(step), feed(n.x, rows(0.4f)), feed(n.x2, rows(-1.3f)));
  for (const variable_id v : training.variables()) {
    INFO(n.g.path_of(v));
    CHECK(session.value(copy(v)).same_bits(session.value(v)));
  }
}

TEST_CASE("a tower on another view of the same input has its own updates", "[clone][updates]") {
  siamese n, alone;
  const Clone c = clone(*n.region, bind(n.x, row4((n.x * -1.5f).ref())), variables::shared);
  Session session(n.g), other(alone.g);
  session.initialize(), other.initialize();
  Array turned = rows(0.4f);
  for (float& e : turned.mutable_span<float>()) e *= -1.5f;
  session.run(updates_of(c(n.y)), feed(n.x, rows(0.4f)));
  other.run(updates_of(alone.y), feed(alone.x, turned));
  check_same(n.statistics(session), alone.statistics(other));
}

TEST_CASE("one application of a shared layer is trained alone", "[updates]") {
  Graph g;
  const row4 x = input4(g, "x"), x2 = input4(g, "x2");
  const auto layer = batch_norm().momentum(0.75).shared("bn");
  const row4 y(layer(x).ref()), y2(layer(x2).ref());
  const variable_id statistic = variable_named(g, "batch_norm/moving_mean");
  const std::vector<op_id> declared = g.variable_of(statistic).own_updates;
  REQUIRE(declared.size() == 2);
  Session session(g);
  session.initialize();
  const auto after = [&](const update_group& group, auto... feeds) {
    session.set_value(statistic, Array::full<float>({4}, 1));
    session.run(group, feeds...);
    return session.value(statistic);
  };
  const std::size_t ops = g.op_count();
  const Array first = after(updates_of(y), feed(x, rows(0.4f)));
  CHECK(g.op_count() == ops);  // the layer has that one
  const Array second = after(updates_of(y2), feed(x2, rows(0.4f)));
  CHECK(first.same_bits(second));
  CHECK(g.op_count() == ops + 2);
  // Both are what the layer declared, in the order of the applications.
  const update_group both = updates_of(y + y2);
  CHECK(both.assigns().size() == 4);
  for (const op_id update : declared) {
    CHECK(std::find(both.assigns().begin(), both.assigns().end(), update) != both.assigns().end());
  }
  CHECK(g.op_count() == ops + 3);  // the sum
}

TEST_CASE("one branch of those that share a layer is cut out", "[updates]") {
  Graph g;
  const row4 x = input4(g, "x"), x2 = input4(g, "x2"), x3 = input4(g, "x3");
  const auto layer = batch_norm().momentum(0.75).shared("bn");
  const row4 y(tanh(layer(x)).ref()), y2(tanh(layer(x2)).ref());
  const auto option = GENERATE(leaks::error, leaks::keep);
  const Clone c = clone(extract(inputs(x2), outputs(y2), option), bind(x2, x3));
  const variable_id mean_of = variable_named(g, "batch_norm/moving_mean");
  Session session(g);
  session.initialize();
  const Array before = session.value(mean_of);
  session.run(updates_of(c(y2)), feed(x3, rows(0.4f)));
  session.run(updates_of(y), feed(x, rows(0.4f)));
  CHECK(session.value(c(mean_of)).same_bits(session.value(mean_of)));
  CHECK_FALSE(session.value(mean_of).same_bits(before));
}

TEST_CASE("an update that keeps a region from being cut out says how it can be", "[updates]") {
  Graph g;
  const row4 x = input4(g, "x");
  const auto next = placeholder<float, shape<4>>(g, "next");
  const auto seen = make_variable<float, shape<4>>(g, "seen", zeros(), false);
  const row4 y = x * seen;
  g.own_update(variable_named(g, "seen"), op_of(assign(seen, next)));
  const std::string text =
      message_of<boundary_error>([&] { (void)extract(inputs(x), outputs(y)); });
  CHECK(mentions(text, "update 'assign'"));
  CHECK(mentions(text, "an update of a layer leads there: with leaks::keep"));
  CHECK(extract(inputs(x), outputs(y), leaks::keep).kept() == ids(next));
}

TEST_CASE("an update that needs what was not fed says whose it is", "[updates]") {
  Graph g;
  const row4 x = input4(g, "x");
  const auto next = placeholder<float, shape<4>>(g, "next");
  const auto moving =
      make_variable<float, shape<4>>(g, "moving", zeros(), false, variable_role::statistic);
  g.own_update(*g.variable_read_by(id_of(moving)),
               op_of(assign(moving, moving * 0.5f + next * 0.5f, "follow")));
  const row4 y(dense4(row4((tanh(x) - moving).ref())).ref());
  const auto step = minimize(mean(square(y)), sgd{0.1});
  Session session(g);
  session.initialize();
  const std::string text = message_of<feed_error>([&] { session.run(step, feed(x, rows(0.4f))); });
  CHECK(mentions(text, "on the way to 'follow', by which a layer updates 'moving'"));
  CHECK(mentions(text, "{.own_updates = false}"));
  session.run(minimize(mean(square(y)), sgd{0.1}, {.own_updates = false}).loss,
              feed(x, rows(0.4f)));
}

TEST_CASE("an update of several ops is not taken for that of another application", "[updates]") {
  Graph g;
  const row4 x = input4(g, "x"), x2 = input4(g, "x2");
  const auto policy = GENERATE(variable_policy::shared, variable_policy::linked);
  const auto moving =
      make_variable<float, shape<4>>(g, "moving", zeros(), false, variable_role::statistic);
  const variable_id v = *g.variable_read_by(id_of(moving));
  const row4 h = tanh(x);
  g.own_update(v, op_of(assign(moving, moving * 0.5f + mean<axes<0>>(h) * 0.5f, "follow")));
  // Counts its runs, whatever they are of.
  const auto runs = make_variable<float, shape<>>(g, "runs", zeros(), false);
  g.own_update(*g.variable_read_by(id_of(runs)), op_of(assign(runs, runs + 1.0f, "count")));
  const auto scale = make_variable<float, shape<>>(g, "scale", ones());
  const row4 y((row4((h - moving).ref()) * runs * scale).ref());
  const Region region = extract(inputs(x), outputs(y));
  const Clone c = clone(region, bind(x, x2), policy);
  CHECK(updates_of(y).assigns().size() == 2);
  CHECK(updates_of(y + c(y)).assigns().size() == 2);
  const any_tensor loss = mean(c(y));
  const std::uint64_t before = g.digest();
  const std::string text = message_of<unsupported_error>([&] { (void)updates_of(c(y)); });
  CHECK(mentions(text, "'moving' is updated by 'follow', which follows from what 'sub' takes"));
  CHECK(mentions(text, "'copy/sub'"));
  CHECK(mentions(message_of<unsupported_error>([&] { (void)minimize(loss, sgd{0.1}); }),
                 "{.own_updates = false}"));
  CHECK(g.digest() == before);
  // With variables of its own it has its own, and what is not applied to data says nothing of that.
  const Clone own = clone(region, bind(x, x2), variables::fresh);
  CHECK(updates_of(own(y)).assigns().size() == 2);
  CHECK(updates_of(moving * 2.0f).assigns() == g.variable_of(v).own_updates);
}

namespace {

// (x, total) -> (x - total, total + the sum of x). What moves the total is declared, or not.
constexpr inferred infer_less_total(const infer_args& in) {
  inferred both;
  both.outputs.push_back(in.operands[0]);
  both.outputs.push_back(in.operands[1]);
  return both;
}
constexpr operator_schema less_total{"test.less_total", 2, 2, infer_less_total};
constexpr operator_schema less_total_unsaid{"test.less_total_unsaid", 2, 2, infer_less_total};

bound_kernel bind_less_total(const bind_args& b) {
  bound_kernel k;
  k.run = [n = b.inputs[0].size](const kernel_call& call) {
    const auto* x = static_cast<const float*>(call.in[0]);
    const float total = *static_cast<const float*>(call.in[1]);
    float sum = 0;
    for (std::int64_t i = 0; i < n; ++i) sum += x[i];
    for (std::int64_t i = 0; call.out[0] != nullptr && i < n; ++i)
      static_cast<float*>(call.out[0])[i] = x[i] - total;
    if (call.out[1] != nullptr) *static_cast<float*>(call.out[1]) = total + sum;
  };
  return k;
}

void register_less_total() {
  if (find_operator(less_total.name) != nullptr) return;
  operator_definition d;
  d.bind = bind_less_total;
  d.schema = &less_total_unsaid;
  register_operator(d);
  d.schema = &less_total;
  d.next_values = {{.operand = 1, .output = 1}};
  register_operator(d);
}

// A layer as its author writes it.
template <const operator_schema& Schema>
row4 less_total_layer(const row4& x) {
  Graph& g = target_traits<Graph>::target_of(x.ref());
  const in_scope inside(g, "total");
  const auto total = make_variable<float, shape<>>(g, "total", zeros());
  const auto [y, next] = apply<Schema>({}, {}, {}, x, total);
  g.own_update(*g.variable_read_by(id_of(total)), op_of(assign(total, next)));
  return row4(y.ref());
}

}  // namespace

TEST_CASE("operators declare what moves their states", "[clone][updates]") {
  register_less_total();
  const bool said = GENERATE(true, false);
  Graph g;
  const row4 x = input4(g), x2 = input4(g, "x2");
  const row4 y = said ? less_total_layer<less_total>(x) : less_total_layer<less_total_unsaid>(x);
  const variable_id total = variable_named(g, "total/total");
  const Clone c = clone(extract(inputs(x), outputs(y)), bind(x, x2), variables::shared);
  const std::size_t ops = g.op_count();
  const update_group group = updates_of(c(y));
  g.validate();
  REQUIRE(group.assigns().size() == 1);
  // Where nothing is declared, the variable's own update is all that is known.
  CHECK((group.assigns() == g.variable_of(total).own_updates) == !said);
  CHECK((g.op_count() == ops) == !said);
  Session session(g);
  session.initialize();
  const Array in = Array::full<float>({1, 4}, 2.0f);
  if (said) {
    session.run(group, feed(x2, in));
    CHECK(session.value(total).item<float>() == 8);
    session.run(updates_of(y), feed(x, in));
    CHECK(session.value(total).item<float>() == 16);
    // Where a loss depends on both, one moves on what the other has left.
    session.run(updates_of(y + c(y)), feed(x2, in), feed(x, in));
    CHECK(session.value(total).item<float>() == 32);
  } else {
    CHECK_THROWS_AS(session.run(group, feed(x2, in)), error);  // it asks for x
  }
}
