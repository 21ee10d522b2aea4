// Regions that hold gradients already, and gradients through clones that read their source's variables.
#include "graft/graft.hpp"

#include "clone_fixture.hpp"
#include "deep_network.hpp"

using namespace graft;
using namespace graft_test;

namespace {

using column = tensor<Graph, dtype::float64, shape<3, 1>>;
using rows2 = tensor<Graph, dtype::float64, shape<3, 2>>;

// tanh(x w1) w2 and its squared error, in float64 and smooth, so that differences can be taken.
struct learner {
  Graph g;
  rows2 x = placeholder<double, shape<3, 2>>(g, "x"),
        x2 = placeholder<double, shape<3, 2>>(g, "x2");
  column target = placeholder<double, shape<3, 1>>(g, "target"),
         target2 = placeholder<double, shape<3, 1>>(g, "target2");
  tensor<Graph, dtype::float64, shape<2, 4>> w1 =
      make_variable<double, shape<2, 4>>(g, "w1", normal(0.0, 0.7));
  tensor<Graph, dtype::float64, shape<4, 1>> w2 =
      make_variable<double, shape<4, 1>>(g, "w2", normal(0.0, 0.7));
  column y = matmul(tanh(matmul(x, w1)), w2);
  tensor<Graph, dtype::float64, shape<>> loss = mean(square(y - target));

  [[nodiscard]] variable_id variable(const any_tensor& read) const {
    return *g.variable_read_by(g.id(read));
  }
};

Array values(const dims& shape, double first, double step) {
  Array a(dtype::float64, shape);
  for (double& e : a.mutable_span<double>()) e = first, first += step, step = -step * 1.07;
  return a;
}

double number(const Array& a) { return a.item<double>(); }

// Every operand, control edge and update of a clone's ops is the clone's own, but for what it was bound to.
void check_closed(const Clone& c, const std::vector<tensor_id>& allowed) {
  const Graph& g = c.graph();
  const std::vector<op_id> mine = c.nodes();
  for (const op_id op : mine) {
    INFO(g.path_of(op));
    for (const tensor_id operand : g.operands(op)) {
      INFO("takes " << g.path_of(operand));
      CHECK((has(mine, operand.op) || has(allowed, operand)));
    }
    for (const op_id before : g.control_predecessors(op)) CHECK(has(mine, before));
  }
}

// The gradient of f(session) by one variable, by central differences, is that of exact.
template <class F>
void check_differences(Session& session, variable_id v, const Array& exact, F&& f) {
  const Array base = session.value(v);
  for (std::int64_t i = 0; i < base.size(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    const double h = 1e-5;
    const auto moved_by = [&](double d) {
      Array moved = base;
      moved.mutable_span<double>()[at] += d;
      session.set_value(v, moved);
      return f();
    };
    const double slope = (moved_by(h) - moved_by(-h)) / (2 * h);
    session.set_value(v, base);
    CHECK(exact.span<double>()[at] == Approx(slope).epsilon(1e-6).margin(1e-9));
  }
}

}  // namespace

TEST_CASE("a copied gradient hangs on the copied forward ops alone", "[edge-73]") {
  learner l;
  const auto slopes = gradients(l.loss, {l.w1, l.w2, l.x});
  const any_tensor curved = gradients(sum(square(slopes[0])), {l.w1})[0];
  const bool elsewhere = GENERATE(false, true);
  Graph other;
  Graph& to = elsewhere ? other : l.g;
  const auto x2 = placeholder<double, shape<3, 2>>(to, "their_x");
  const auto target2 = placeholder<double, shape<3, 1>>(to, "their_target");
  // The gradients alone are asked for: what they take of the forward pass comes along.
  const Region region =
      extract(inputs(l.x, l.target), outputs(slopes[0], slopes[1], slopes[2], curved));
  set_values(l.g);
  Session here(l.g, {.threads = 1});
  here.initialize();
  l.g.store().set(l.variable(l.w1), values({2, 4}, 0.4, 0.3));
  l.g.store().set(l.variable(l.w2), values({4, 1}, -0.2, 0.5));
  const Clone copy =
      clone(region, bind(l.x, x2, l.target, target2), into(to, "copy"), variables::copied);
  copy.check();
  CHECK(copy.leak_audit().empty());
  check_closed(copy, ids(x2, target2));

  // So it does not move with the source, and moves with the copy's variables.
  Session there(to, {.threads = 1});
  const Array x = values({3, 2}, 0.3, 0.2), target = values({3, 1}, 0.5, 0.4);
  for (const any_tensor& slope : {slopes[0], slopes[1], slopes[2], curved}) {
    const auto mine = [&] { return here.run(slope, feed(l.x, x), feed(l.target, target)); };
    const auto theirs = [&] { return there.run(copy(slope), feed(x2, x), feed(target2, target)); };
    const Array before = mine();
    CHECK(theirs().same_bits(before));
    const Array w1 = here.value(l.variable(l.w1));
    here.set_value(l.variable(l.w1), values({2, 4}, 1.4, -0.3));
    CHECK(theirs().same_bits(before));
    const Array changed = mine();
    CHECK_FALSE(changed.same_bits(before));
    there.set_value(copy(l.variable(l.w1)), values({2, 4}, 1.4, -0.3));
    CHECK(theirs().same_bits(changed));
    here.set_value(l.variable(l.w1), w1);
    there.set_value(copy(l.variable(l.w1)), w1);
  }
}

TEST_CASE("copied gradients of bodies hang on the copied bodies", "[edge-73]") {
  Graph g;
  const deep_network n = deep(g);
  const any_tensor slope = gradients(n.loss, {n.w})[0];
  const Region region = extract(inputs(n.xs, n.k), outputs(n.loss, slope));
  Session session(g, {.threads = 1});
  session.initialize();
  const Clone copy = clone(region, variables::copied);
  copy.check();
  CHECK(copy.leak_audit().empty());
  check_closed(copy, {});
  const variable_id w = *g.variable_read_by(g.id(n.w));
  const Array xs = some({4, 3}, 1), k = some({3}, 2);
  const auto run = [&] {
    return session.run(copy(slope), feed(copy(n.xs), xs), feed(copy(n.k), k));
  };
  const Array before = session.run(slope, feed(n.xs, xs), feed(n.k, k));
  CHECK(run().same_bits(before));
  session.set_value(w, some({3}, 7));
  CHECK(run().same_bits(before));
  session.set_value(copy(w), some({3}, 7));
  CHECK(run().same_bits(session.run(slope, feed(n.xs, xs), feed(n.k, k))));
}

TEST_CASE("a gradient by the source's tensors is zero through a copy of its own",
          "[edge-73][edge-74]") {
  learner l;
  const Region region = extract(inputs(l.x, l.target), outputs(l.loss));
  const Clone fresh = clone(region);
  CHECK_FALSE(try_gradients(fresh(l.loss), std::vector<any_tensor>{l.w1})[0].has_value());
  const Clone linked = clone(region, variables::linked);
  CHECK(try_gradients(linked(l.loss), std::vector<any_tensor>{l.w1})[0].has_value());
}

// One step of model-agnostic meta-learning by two linked clones: the loss on one batch after a step on another,
// differentiated by the source's parameters, second derivatives included.
TEST_CASE("a gradient step on linked clones is differentiated as finite differences say",
          "[edge-74]") {
  learner l;
  const double rate = 0.3;
  const std::vector<any_tensor> parameters{l.w1, l.w2};
  const Region region = extract(inputs(l.x, l.target), outputs(l.loss));
  const Clone support = clone(region, bind(l.x, l.x, l.target, l.target), variables::linked);
  // The step is taken by the clone's own readings, so that it is the support loss's alone.
  const std::vector<any_tensor> readings{support(l.w1), support(l.w2)};
  const auto slopes = gradients(support(l.loss), readings);
  std::vector<any_tensor> stepped;
  for (std::size_t i = 0; i < 2; ++i) stepped.push_back(readings[i] - slopes[i] * rate);
  const Clone query =
      clone(region, bind(l.x, l.x2, l.target, l.target2), variables::expr(parameters, stepped));
  support.check();
  query.check();
  CHECK(support.variables().empty());
  CHECK(query.variables().empty());
  const any_tensor outer = query(l.loss);
  const auto meta = gradients(outer, parameters);

  Session session(l.g, {.threads = 1});
  session.initialize();
  const std::vector<feed_item> feeds{
      feed(l.x, values({3, 2}, 0.3, 0.2)), feed(l.target, values({3, 1}, 0.5, 0.4)),
      feed(l.x2, values({3, 2}, -0.4, 0.3)), feed(l.target2, values({3, 1}, -0.2, 0.6))};
  const auto run = [&](const any_tensor& t) { return session.run(t, feeds); };
  for (std::size_t i = 0; i < 2; ++i) {
    check_differences(session, l.variable(parameters[i]), run(meta[i]),
                      [&] { return number(run(outer)); });
  }
  SECTION("without its second derivatives it is another one") {
    std::vector<any_tensor> still;
    for (std::size_t i = 0; i < 2; ++i)
      still.push_back(readings[i] - stop_gradient(slopes[i]) * rate);
    const Clone first_order =
        clone(region, bind(l.x, l.x2, l.target, l.target2), variables::expr(parameters, still));
    const Array naive = run(gradients(first_order(l.loss), parameters)[0]);
    const Array exact = run(meta[0]);
    double apart = 0;
    for (std::size_t i = 0; i < 8; ++i)
      apart = std::max(apart, std::abs(naive.span<double>()[i] - exact.span<double>()[i]));
    CHECK(apart > 1e-3);
  }
  SECTION("an optimiser of the outer loss trains the source") {
    const training_step step = minimize(outer, sgd{.rate = 0.05});
    CHECK(step.parameters == trainable_variables(l.loss));
    session.initialize();
    const double before = number(run(outer));
    for (int i = 0; i < 20; ++i) session.run(step, feeds);
    CHECK(number(run(outer)) < before);
  }
}

TEST_CASE("two steps through linked clones, and a clone of such a network", "[edge-74]") {
  learner l;
  const std::vector<any_tensor> parameters{l.w1, l.w2};
  const Region region = extract(inputs(l.x, l.target), outputs(l.loss));
  const auto step_from = [&](const Clone& c, const std::vector<any_tensor>& from) {
    const auto slopes = gradients(c(l.loss), from);
    std::vector<any_tensor> next;
    for (std::size_t i = 0; i < 2; ++i) next.push_back(from[i] - slopes[i] * 0.2);
    return next;
  };
  const Clone start = clone(region, unbound::keep, variables::linked);
  const auto once = step_from(start, {start(l.w1), start(l.w2)});
  const Clone second = clone(region, unbound::keep, variables::expr(parameters, once));
  const auto twice = step_from(second, once);
  const Clone last =
      clone(region, bind(l.x, l.x2, l.target, l.target2), variables::expr(parameters, twice));
  const any_tensor outer = last(l.loss);
  const any_tensor meta = gradients(outer, {l.w1})[0];
  Session session(l.g, {.threads = 1});
  session.initialize();
  const std::vector<Array> in{values({3, 2}, 0.3, 0.2), values({3, 1}, 0.5, 0.4),
                              values({3, 2}, -0.4, 0.3), values({3, 1}, -0.2, 0.6)};
  const std::vector<any_tensor> at{l.x, l.target, l.x2, l.target2};
  const auto fed = [&](const std::vector<any_tensor>& to) {
    std::vector<feed_item> feeds;
    for (std::size_t i = 0; i < 4; ++i) feeds.push_back(feed(to[i], in[i]));
    return feeds;
  };
  const Array exact = session.run(meta, fed(at));
  check_differences(session, l.variable(l.w1), exact,
                    [&] { return number(session.run(outer, fed(at))); });

  // The whole of it is a network as any other: its copy differentiates with respect to its own variables.
  const Region whole = extract(inputs(at), outputs(outer, meta));
  const Clone copy = clone(whole, variables::copied);
  copy.check();
  CHECK(copy.leak_audit().empty());
  check_closed(copy, {});
  CHECK(copy.variables().size() == 2);
  CHECK(session.run(copy(meta), fed(copy(at))).same_bits(exact));
  const any_tensor again =
      gradients(copy(outer), {l.g.handle(l.g.variable_of(copy(l.variable(l.w1))).read)})[0];
  const Array found = session.run(again, fed(copy(at)));
  for (std::size_t i = 0; i < 8; ++i)
    CHECK(found.span<double>()[i] == Approx(exact.span<double>()[i]).epsilon(1e-12));
}
