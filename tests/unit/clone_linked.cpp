// Clones without variables of their own: linked ones, and those that read expressions.
#include <cmath>

#include "graft/graft.hpp"

#include "clone_fixture.hpp"

using namespace graft_test;

namespace {

using matrix = tensor<Graph, dtype::float64, shape<3, 2>>;

// A small network in float64 with smooth activations: tanh(x w1 + b1) w2, mean squared error.
struct learner {
  Graph g;
  tensor<Graph, dtype::float64, shape<3, 2>> x = placeholder<double, shape<3, 2>>(g, "x");
  tensor<Graph, dtype::float64, shape<3, 1>> target = placeholder<double, shape<3, 1>>(g, "target");
  any_tensor w1, w2, y;

  learner() {
    const auto a = make_variable<double, shape<2, 4>>(g, "w1", normal(0.0, 0.7));
    const auto b = make_variable<double, shape<4, 1>>(g, "w2", normal(0.0, 0.7));
    w1 = a, w2 = b;
    y = matmul(tanh(matmul(x, a)), b);
  }
};

Array values(const dims& shape, double first, double step) {
  Array a(dtype::float64, shape);
  for (double& e : a.mutable_span<double>()) e = first, first += step, step = -step * 1.07;
  return a;
}

double scalar(const Array& a) { return a.span<double>()[0]; }

}  // namespace

TEST_CASE("a linked clone reads the source's variables through ops of its own", "[clone][linked]") {
  learner l;
  const Region region = extract(inputs(l.x), outputs(l.y));
  const std::size_t variables_before = l.g.variables().size();
  const auto x2 = placeholder<double, shape<3, 2>>(l.g, "x2");
  const Clone copy = clone(region, bind(l.x, x2), variables::linked);
  copy.check();

  CHECK(l.g.variables().size() == variables_before);
  CHECK(copy.variables().empty());
  CHECK(copy.initializer().variables.empty());
  const variable_id w1 = *l.g.variable_read_by(l.g.id(l.w1));
  CHECK(copy(w1) == w1);
  CHECK(l.g.id(copy(l.w1)) != l.g.id(l.w1));
  CHECK(copy.original(copy(l.w1)).ref().id == l.w1.ref().id);
  for (const source_access& a : copy.leak_audit()) CHECK(a.allowed);
  CHECK(copy.leak_audit().size() == 2);

  Session session(l.g);
  session.initialize();
  const Array x = values({3, 2}, 0.3, 0.2);
  CHECK(session.run(l.y, feed(l.x, x)).same_bits(session.run(copy(l.y), feed(x2, x))));

  SECTION("a gradient with respect to the source's variable flows through the clone") {
    const any_tensor loss = sum(square(copy(l.y)));
    const auto direct = gradients(sum(square(l.y)), {l.w1, l.w2});
    const auto through = gradients(loss, {l.w1, l.w2});
    for (std::size_t i = 0; i < 2; ++i) {
      CHECK(session.run(direct[i], feed(l.x, x)).same_bits(session.run(through[i], feed(x2, x))));
    }
  }
  SECTION("of both together it is the sum") {
    const any_tensor both = sum(square(l.y)) + sum(square(copy(l.y)));
    const Array once = session.run(gradients(sum(square(l.y)), {l.w1})[0], feed(l.x, x));
    const Array twice = session.run(gradients(both, {l.w1})[0], feed(l.x, x), feed(x2, x));
    for (std::int64_t i = 0; i < once.size(); ++i) {
      CHECK(twice.span<double>()[i] == Approx(2 * once.span<double>()[i]).epsilon(1e-12));
    }
  }
  SECTION("with respect to the clone's reading, the source's part is left out") {
    const any_tensor both = sum(square(l.y)) + sum(square(copy(l.y)));
    const Array once = session.run(gradients(sum(square(l.y)), {l.w1})[0], feed(l.x, x));
    const Array apart = session.run(gradients(both, {copy(l.w1)})[0], feed(x2, x));
    CHECK(once.same_bits(apart));
  }
}

TEST_CASE("a linked clone in another graph is refused", "[clone][linked]") {
  learner l;
  Graph other;
  const Region region = extract(inputs(l.x), outputs(l.y));
  const auto before = other.op_count();
  const std::string text =
      message_of<argument_error>([&] { (void)clone(region, into(other), variables::linked); });
  CHECK(mentions(text, "w1"));
  CHECK(mentions(text, "variables::shared"));
  CHECK(other.op_count() == before);
}

TEST_CASE("linked, fresh and shared in one clone", "[clone][linked]") {
  learner l;
  const Region region = extract(inputs(l.x), outputs(l.y));
  const variable_id w1 = *l.g.variable_read_by(l.g.id(l.w1));
  const Clone copy = clone(region, variables::by([&](const variable_info& v) {
                             return v.id == w1 ? variables::linked : variables::fresh;
                           }));
  copy.check();
  CHECK(copy.variables().size() == 1);
  CHECK(copy.leak_audit().size() == 1);
}

TEST_CASE("an expression is read in a variable's place", "[clone][expr]") {
  learner l;
  const Region region = extract(inputs(l.x), outputs(l.y));
  const any_tensor half = l.w2 * 0.5;
  const Clone copy = clone(region, unbound::keep, variables::shared, variables::expr(l.w2, half));
  copy.check();
  CHECK(copy.variables().empty());
  CHECK(copy(l.w2).ref().id == half.ref().id);
  CHECK(copy.original(half).ref().id == l.w2.ref().id);
  CHECK_FALSE(copy.find(*l.g.variable_read_by(l.g.id(l.w2))).has_value());

  Session session(l.g);
  session.initialize();
  const Array x = values({3, 2}, 0.3, 0.2);
  auto [y, z] = session.run(std::tuple{l.y, copy(l.y)}, feed(l.x, x));
  for (std::int64_t i = 0; i < y.size(); ++i) {
    CHECK(z.span<double>()[i] == Approx(0.5 * y.span<double>()[i]).epsilon(1e-14));
  }
}

TEST_CASE("expressions are refused where they do not fit", "[clone][expr]") {
  learner l;
  const Region region = extract(inputs(l.x), outputs(l.y));
  const any_tensor w3 = make_variable<double, shape<5>>(l.g, "w3", zeros());
  const std::uint64_t before = l.g.version();
  CHECK(mentions(message_of<shape_error>(
                     [&] { (void)clone(region, variables::expr(l.w1, any_tensor(l.w2))); }),
                 "w1"));
  CHECK(mentions(message_of<boundary_error>([&] {
                   (void)clone(region, variables::expr(any_tensor(l.x), any_tensor(l.x)));
                 }),
                 "reads no variable"));
  CHECK(mentions(message_of<boundary_error>([&] { (void)clone(region, variables::expr(w3, w3)); }),
                 "no such variable"));
  CHECK(mentions(message_of<boundary_error>(
                     [&] { (void)clone(region, variables::expr(l.w1, l.w1, l.w1, l.w1)); }),
                 "twice"));
  CHECK(l.g.version() == before);
}

// One step of model-agnostic meta-learning: the loss on one batch after a gradient step on another,
// differentiated by the parameters before the step, second derivatives included.
TEST_CASE("the gradient through a gradient step agrees with finite differences",
          "[clone][expr][edge-74][demo-10]") {
  learner l;
  const double rate = 0.1;
  const any_tensor inner = mean(square(l.y - any_tensor(l.target)));
  const std::vector<any_tensor> parameters{l.w1, l.w2};
  const auto slopes = gradients(inner, parameters);
  std::vector<any_tensor> stepped;
  for (std::size_t i = 0; i < 2; ++i) stepped.push_back(parameters[i] - slopes[i] * rate);

  const auto x2 = placeholder<double, shape<3, 2>>(l.g, "x2");
  const auto target2 = placeholder<double, shape<3, 1>>(l.g, "target2");
  const Region region = extract(inputs(l.x, l.target), outputs(inner));
  const Clone after =
      clone(region, bind(l.x, x2, l.target, target2), variables::expr(parameters, stepped));
  after.check();
  const any_tensor outer = after(inner);
  const auto meta = gradients(outer, parameters);

  Session session(l.g);
  session.initialize();
  const auto feeds =
      std::tuple{feed(l.x, values({3, 2}, 0.3, 0.2)), feed(l.target, values({3, 1}, 0.5, 0.4)),
                 feed(x2, values({3, 2}, -0.4, 0.3)), feed(target2, values({3, 1}, -0.2, 0.6))};
  const auto run = [&](const any_tensor& t) {
    return std::apply([&](const auto&... f) { return session.run(t, f...); }, feeds);
  };
  for (std::size_t p = 0; p < 2; ++p) {
    const Array exact = run(meta[p]);
    const Array base = session.value(*l.g.variable_read_by(l.g.id(parameters[p])));
    const variable_id v = *l.g.variable_read_by(l.g.id(parameters[p]));
    for (std::int64_t i = 0; i < base.size(); ++i) {
      const double h = 1e-5;
      Array moved = base;
      moved.mutable_span<double>()[i] = base.span<double>()[i] + h;
      session.set_value(v, moved);
      const double above = scalar(run(outer));
      moved.mutable_span<double>()[i] = base.span<double>()[i] - h;
      session.set_value(v, moved);
      const double below = scalar(run(outer));
      session.set_value(v, base);
      CHECK(exact.span<double>()[i] ==
            Approx((above - below) / (2 * h)).epsilon(1e-6).margin(1e-9));
    }
  }
  SECTION("and differs from the gradient that takes the step as given") {
    std::vector<any_tensor> still;
    for (const any_tensor& s : stepped) still.push_back(stop_gradient(s));
    const Clone first_order = clone(region, bind(l.x, x2, l.target, target2),
                                    variables::expr(parameters, still), into("first_order"));
    const Array naive = run(gradients(first_order(inner), {first_order(l.w1)})[0]);
    CHECK_FALSE(naive.same_bits(run(meta[0])));
  }
}

TEST_CASE("policies by role", "[clone]") {
  Graph g;
  const auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  const auto y = batch_norm(dense<3>(x));
  Session session(g);
  session.initialize();
  const Clone copy =
      clone(extract(inputs(x), outputs(y)),
            variables::by_role({{variable_role::statistic, variables::copied}}, variables::fresh));
  copy.check();
  std::size_t statistics = 0;
  for (const variable_image& image : copy.variable_images()) {
    const bool statistic = g.variable_of(image.source).role == variable_role::statistic;
    statistics += statistic;
    CHECK((image.policy == variable_policy::copied) == statistic);
  }
  CHECK(statistics == 2);
}

TEST_CASE("lineage leads through clones of clones", "[clone][edge-40]") {
  Graph g;
  const auto x = input4(g);
  const auto y = dense4(x);
  const Clone first = clone(extract(inputs(x), outputs(y)), bind(x, x));
  const Clone second = clone(extract(inputs(x), outputs(first(y))), bind(x, x));
  const variable_id w = variable_named(g, "dense/w");
  const variable_id v = second(first(w));
  CHECK(lineage(g, v) == std::vector<variable_id>{first(w), w});
  CHECK(lineage(g, w).empty());
}
