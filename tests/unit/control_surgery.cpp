// Cutting and cloning networks with bodies.
#include <algorithm>

#include "graft/graft.hpp"

#include "catch.hpp"
#include "deep_network.hpp"

using namespace graft;
using graft_test::deep;
using graft_test::deep_network;
using graft_test::some;

namespace {

bool equal(const Array& a, const Array& b) { return a.same_bits(b); }

}  // namespace

TEST_CASE("bodies three deep are cloned with what they take from outside", "[edge-60]") {
  Graph g;
  const deep_network n = deep(g);
  const auto region = extract(inputs(n.xs, n.k), outputs(n.loss));
  REQUIRE(region.variables().size() == 1);  // read in the innermost body
  Session session(g);
  session.initialize();
  auto xs2 = placeholder<double, shape<4, 3>>(g, "xs2");
  auto k2 = placeholder<double, shape<3>>(g, "k2");
  const Array xs = some({4, 3}, 1), k = some({3}, 2);
  const Array wanted = session.run(n.loss, feed(n.xs, xs), feed(n.k, k));

  SECTION("copied: equal values, then on their own") {
    const auto copy =
        clone(region, bind(n.xs, xs2), bind(n.k, k2), into("copy"), variables::copied);
    g.validate();
    copy.check();
    CHECK(isomorphic(region, extract(inputs(xs2, k2), outputs(copy(n.loss)))));
    auto loss = copy(n.loss);
    STATIC_REQUIRE(std::is_same_v<decltype(loss), tensor<Graph, dtype::float64, shape<>>>);
    CHECK(equal(session.run(loss, feed(xs2, xs), feed(k2, k)), wanted));
    const variable_id mine = trainable_variables(n.loss)[0], theirs = trainable_variables(loss)[0];
    REQUIRE(mine != theirs);
    session.set_value(theirs, some({3}, 9));
    CHECK(!equal(session.run(loss, feed(xs2, xs), feed(k2, k)), wanted));
    CHECK(equal(session.run(n.loss, feed(n.xs, xs), feed(n.k, k)), wanted));
  }
  SECTION("fresh, frozen, shared") {
    const auto fresh = clone(region, bind(n.xs, xs2), bind(n.k, k2), into("fresh"));
    CHECK_THROWS_AS(session.run(fresh(n.loss), feed(xs2, xs), feed(k2, k)), uninitialized_error);
    session.run(fresh.initializer());
    CHECK(!equal(session.run(fresh(n.loss), feed(xs2, xs), feed(k2, k)), wanted));
    const auto frozen = clone(region, bind(n.xs, xs2), bind(n.k, k2), variables::frozen);
    CHECK(trainable_variables(frozen(n.loss)).empty());
    CHECK(equal(session.run(frozen(n.loss), feed(xs2, xs), feed(k2, k)), wanted));
    const auto shared = clone(region, bind(n.xs, xs2), bind(n.k, k2), variables::shared);
    CHECK(trainable_variables(shared(n.loss)) == trainable_variables(n.loss));
    CHECK(equal(session.run(shared(n.loss), feed(xs2, xs), feed(k2, k)), wanted));
  }
  SECTION("into another graph") {
    Graph h;
    auto xs3 = placeholder<double, shape<4, 3>>(h, "xs");
    auto k3 = placeholder<double, shape<3>>(h, "k");
    const auto copy = clone(region, bind(n.xs, xs3), bind(n.k, k3), into(h), variables::copied);
    h.validate();
    copy.check();
    Session other(h);
    CHECK(equal(other.run(copy(n.loss), feed(xs3, xs), feed(k3, k)), wanted));
    const Array gradient = session.run(gradients(n.loss, {n.w})[0], feed(n.xs, xs), feed(n.k, k));
    CHECK(equal(other.run(gradients(copy(n.loss), {copy(n.w)})[0], feed(xs3, xs), feed(k3, k)),
                gradient));
  }
  SECTION("another length of the sequence") {
    const any_tensor longer = placeholder<double, shape<6, 3>>(g, "longer");
    CHECK_THROWS_AS(clone(region, bind(any_tensor(n.xs), longer), bind(n.k, k2)), shape_error);
  }
}

TEST_CASE("a loop's region needs what its bodies capture", "[edge-60]") {
  Graph g;
  const deep_network n = deep(g);
  // k is taken by the middle body only through an operand of the scan: leaving it uncut is an
  // error.
  CHECK_THROWS_AS(extract(inputs(n.xs), outputs(n.loss)), boundary_error);
  CHECK(extract(inputs(n.xs), outputs(n.loss), leaks::lift).inputs().size() == 2);
}

TEST_CASE("gradients of a cloned loop and cond equal the original's", "[edge-61][demo-9]") {
  Graph g;
  const deep_network n = deep(g);
  auto xs2 = placeholder<double, shape<4, 3>>(g, "xs2");
  auto k2 = placeholder<double, shape<3>>(g, "k2");
  Session session(g);
  session.initialize();
  const Array xs = some({4, 3}, 1), k = some({3}, 2);
  const auto region = extract(inputs(n.xs, n.k), outputs(n.loss));
  const auto copy = clone(region, bind(n.xs, xs2), bind(n.k, k2), variables::copied);
  const std::vector<any_tensor> mine{n.w, n.xs, n.k}, theirs{copy(n.w), xs2, k2};
  const auto wanted = session.run(gradients(n.loss, mine), feed(n.xs, xs), feed(n.k, k));
  const auto found = session.run(gradients(copy(n.loss), theirs), feed(xs2, xs), feed(k2, k));
  for (std::size_t i = 0; i < wanted.size(); ++i) CHECK(equal(found[i], wanted[i]));

  // The gradient itself is cloned too, as a part of a network.
  const auto dw = gradients(n.loss, {n.w})[0];
  const auto whole = clone(extract(inputs(n.xs, n.k), outputs(dw)), bind(n.xs, xs2), bind(n.k, k2),
                           variables::shared);
  whole.check();
  CHECK(equal(session.run(whole(dw), feed(xs2, xs), feed(k2, k)), wanted[0]));
}

TEST_CASE("a clone in another mode changes bodies too") {
  Graph g;
  auto xs = placeholder<float, shape<3, 64>>(g, "xs");
  auto seed = placeholder<float, shape<64>>(g, "s");
  // The operator itself, on a stream from outside: the layer would update the stream.
  const any_tensor stream = constant(g, Array::from<std::int64_t>({2}, {77, 0}));
  const auto off = attribute_list().set("rate", 0.5).set("training", false);
  auto last = std::get<0>(scan(seed, xs, [&](auto s, auto x) {
    auto next = s + apply<ops::dropout>(off, {}, {}, x, as<std::int64_t, shape<2>>(stream));
    return std::tuple{next, std::tuple{}};
  }));
  const auto region = extract(inputs(xs, seed), outputs(last));
  const auto noisy = clone(region, bind(xs, xs), bind(seed, seed), mode::training);
  const auto quiet = clone(region, bind(xs, xs), bind(seed, seed), mode::inference);
  g.validate();
  noisy.check();
  Session session(g);
  session.initialize();
  const Array ones = Array(dtype::float32, {64});
  Array in(dtype::float32, {3, 64});
  for (float& v : in.mutable_span<float>()) v = 1;
  const auto [a, b, c] =
      session.run(std::tuple{last, noisy(last), quiet(last)}, feed(xs, in), feed(seed, ones));
  CHECK(equal(a, c));
  CHECK(a.at<float>({0}) == 3);
  CHECK(!equal(a, b));
}

TEST_CASE("tools look at graphs with bodies") {
  Graph g;
  const deep_network n = deep(g);
  const auto dw = gradients(n.loss, {n.w})[0];
  CHECK(!summary(dw).empty());
  CHECK(!dot(g).empty());
  CHECK(!svg(g).empty());
  Session session(g);
  session.initialize();
  const std::string plan =
      session.explain_plan(dw, feed(n.xs, some({4, 3}, 1)), feed(n.k, some({3}, 2)));
  CHECK(plan.find("scan") != std::string::npos);
  const auto digest = g.digest();
  CHECK(digest == g.digest());
  // The same program builds the same graph; another body is another graph.
  Graph same, other;
  deep(same);
  const deep_network m = deep(other);
  Graph again;
  deep(again);
  CHECK(same.digest() == again.digest());
  (void)cond(sum(m.k) < 1.0, [&] { return m.k; }, [&] { return m.k * 2.0; });
  CHECK(other.digest() != again.digest());
}

TEST_CASE("a body has no variables of its own") {
  Graph g;
  auto other = placeholder<float, shape<3, 4>>(g, "other");
  auto p = placeholder<bool, shape<>>(g, "p");
  const auto before = g.digest();
  CHECK_THROWS_AS(cond(
                      p,
                      [&] {
                        Graph& body = *g.current_body();
                        const tensor_id one = body.id(constant(body, 1.0f).ref());
                        (void)body.add_variable("own", one, variable_role::parameter, true);
                        return any_tensor(other);
                      },
                      [&] { return any_tensor(other); }),
                  graph_error);
  CHECK(g.digest() == before);
  CHECK(g.current_body() == nullptr);
  g.validate();
}

TEST_CASE("a region is copied into a body that reads the graph's own variables", "[edge-60]") {
  Graph g;
  auto x = placeholder<float, shape<3, 4>>(g, "x");
  auto other = placeholder<float, shape<3, 4>>(g, "other");
  auto p = placeholder<bool, shape<>>(g, "p");
  const auto y = dense<4>(tanh(dense<4>(x)));
  const Region region = extract(inputs(x), outputs(y));
  const auto policy = GENERATE(variables::shared, variables::linked);
  const bool nested = GENERATE(false, true);
  const auto copied = [&](Graph& body) {
    const Clone copy = clone(region, bind(x, other * 2.0f), policy, into(body, "copy"));
    copy.check();
    CHECK(copy.variables().empty());
    return any_tensor(copy(y));
  };
  const auto z = cond(
      p,
      [&] {
        if (!nested) return copied(*g.current_body());
        return any_tensor(cond(
            p, [&] { return copied(*g.current_body()->current_body()); },
            [&] { return any_tensor(other); }));
      },
      [&] { return any_tensor(other); });
  g.validate();
  CHECK(g.variable_count() == 4);
  CHECK(trainable_variables(z) == trainable_variables(y));
  Session session(g);
  session.initialize();
  const Array half = Array::full<float>({3, 4}, 0.5f), one = Array::full<float>({3, 4}, 1.0f);
  CHECK(equal(session.run(z, feed(p, true), feed(other, half)), session.run(y, feed(x, one))));
  const any_tensor kernel = g.handle(g.variable_of(trainable_variables(y)[0]).read);
  const Array slope = session.run(gradients(sum(y), {kernel})[0], feed(x, one));
  CHECK(
      equal(session.run(gradients(sum(z), {kernel})[0], feed(p, true), feed(other, half)), slope));
  // In double precision they are read through casts.
  const auto twice = cond(
      p,
      [&] {
        const Clone copy =
            clone(region, bind(any_tensor(x), any_tensor(cast<double>(other * 2.0f))), policy,
                  element_type(dtype::float64), into(*g.current_body(), "twice"));
        copy.check();
        return any_tensor(cast(copy(any_tensor(y)), dtype::float32));
      },
      [&] { return any_tensor(other); });
  g.validate();
  const Array found = session.run(twice, feed(p, true), feed(other, half));
  const Array wanted = session.run(y, feed(x, one));
  for (std::size_t i = 0; i < wanted.span<float>().size(); ++i) {
    CHECK(found.span<float>()[i] == Approx(wanted.span<float>()[i]).margin(1e-5));
  }
}

TEST_CASE("a gradient's body draws what the body draws, in clones too", "[edge-61]") {
  Graph g;
  auto x = placeholder<float, shape<3>>(g, "x");
  auto xs = placeholder<float, shape<2, 3>>(g, "xs");
  const bool in_scope = GENERATE(false, true);
  auto last = std::get<0>(scan(x, xs, [&](auto h, auto e) {
    Graph& body = *g.current_body();
    if (in_scope) body.enter_scope("noise");
    const auto drawing = attribute_list()
                             .set("shape", dims{3})
                             .set("type", dtype::float32)
                             .set("low", 0.0)
                             .set("high", 1.0)
                             .set("key", std::int64_t{99});
    const op_id drawn = body.add(ops::random_uniform, {}, drawing, "identity");
    if (in_scope) body.leave_scope();
    return std::tuple{as<float, shape<3>>(body.handle({drawn, 0})) * h + e, std::tuple{}};
  }));
  const auto slope = gradients(sum(last), {x})[0];
  const Region region = extract(inputs(x, xs), outputs(last, slope));
  const Clone first = clone(region, bind(x, x), bind(xs, xs), into("first"));
  const Clone second = clone(region, bind(x, x), bind(xs, xs), into("second"));
  Session session(g);
  const Array ones = Array::full<float>({3}, 1.0f), none(dtype::float32, {2, 3});
  const auto run = [&](const any_tensor& t) {
    return session.run(t, feed(x, ones), feed(xs, none));
  };
  // With x = 1 and xs = 0 the last state is the product of all draws, which is its slope too.
  CHECK(equal(run(last), run(slope)));
  CHECK(equal(run(first(last)), run(first(slope))));
  CHECK(equal(run(second(last)), run(second(slope))));
  CHECK(!equal(run(first(last)), run(last)));
  CHECK(!equal(run(first(last)), run(second(last))));
}

TEST_CASE("bodies that were edited while open run") {
  Graph g;
  auto x = placeholder<float, shape<2>>(g, "x");
  auto p = placeholder<bool, shape<>>(g, "p");
  auto y = cond(
      p,
      [&] {
        auto tripled = x * 3.0f;
        auto squared = tripled * tripled;
        insert_after(tripled, [](auto t) { return t + 1.0f; });
        return squared;
      },
      [&] { return x; });
  g.validate();
  const auto slope = gradients(sum(y), {x})[0];
  Session session(g);
  const Array twos = Array::full<float>({2}, 2.0f);
  CHECK(session.run(y, feed(p, true), feed(x, twos)).at<float>({0}) == 49);
  CHECK(session.run(y, feed(p, false), feed(x, twos)).at<float>({0}) == 2);
  CHECK(session.run(slope, feed(p, true), feed(x, twos)).at<float>({1}) == 42);
}

TEST_CASE("what a body takes from outside is not removed") {
  Graph g;
  auto x = placeholder<float, shape<2>>(g, "x");
  auto p = placeholder<bool, shape<>>(g, "p");
  auto y = cond(
      p,
      [&] {
        auto doubled = x + x;
        Graph& body = *g.current_body();
        const op_id user = body.id(doubled.ref()).op;
        const op_id captured = body.operand(user, 0).op;
        CHECK_THROWS_AS(body.erase_ops(std::vector<op_id>{user, captured}), graph_error);
        return x * 4.0f;
      },
      [&] { return x; });
  g.validate();
  Session session(g);
  CHECK(session.run(y, feed(p, true), feed(x, Array::full<float>({2}, 1.0f))).at<float>({0}) == 4);
}
