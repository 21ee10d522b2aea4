// Bodies that own one another many times over are planned, compared, differentiated and copied once each: at the depth
// of these a walk along all ways would not end.
#include "nested_bodies.hpp"

#include <limits>
#include <set>

#include "graft/graft.hpp"
#include "graft/surgery/diff.hpp"
#include "graft/surgery/ensemble.hpp"

#include "clone_fixture.hpp"

using namespace graft_test;

namespace {

constexpr int deep = 40;

tensor_id squared(Graph& body, tensor_id v) {
  return {body.add(ops::square, std::vector<tensor_id>{v}), 0};
}
tensor_id doubled(Graph& body, tensor_id v) {
  return {body.add(ops::add, std::vector<tensor_id>{v, v}), 0};
}
tensor_id changed_by_mode(Graph& body, tensor_id v) {
  return {body.add(schemas::noisy, std::vector<tensor_id>{v},
                   attribute_list().set("training", true).set("key", std::int64_t{7})),
          0};
}
tensor_id tagged_nan(Graph& body, tensor_id v) {
  const auto tag = attribute_list().set("tag", std::numeric_limits<double>::quiet_NaN());
  return changed_by_mode(body, {body.add(ops::relu, std::vector<tensor_id>{v}, tag), 0});
}

struct choices {
  Graph g;
  tensor<Graph, dtype::boolean, shape<>> p = placeholder<bool, shape<>>(g, "p");
  tensor<Graph, dtype::float32, shape<2>> x = placeholder<float, shape<2>>(g, "x");
  any_tensor y;
  explicit choices(innermost leaf, int depth = deep)
      : y(g.handle({nested_choices(g, id_of(p), id_of(x), depth, leaf), 0})) {}
  [[nodiscard]] Region region() const { return extract(inputs(p, x), outputs(y)); }
};

// How many bodies there are, at any depth.
std::size_t bodies_below(const Graph& g) {
  std::set<const Graph*> met;
  std::vector<const Graph*> open{&g};
  while (!open.empty()) {
    const Graph& at = *open.back();
    open.pop_back();
    for (std::size_t i = 0; i < at.body_count(); ++i) {
      const Graph* body = &at.body(static_cast<std::int64_t>(i));
      if (met.insert(body).second) open.push_back(body);
    }
  }
  return met.size();
}

}  // namespace

TEST_CASE("nested bodies are planned once each", "[session]") {
  choices c(squared);
  for (const bool check : {false, true}) {
    Session session(c.g, {.check_numerics = check});
    const Array y = session.run(c.y, feed(c.p, Array::scalar(true)),
                                feed(c.x, Array::from<float>({2}, {2, -3})));
    CHECK(y.same_bits(Array::from<float>({2}, {4, 9})));
  }
}

TEST_CASE("gradients share bodies as what they go back through does", "[gradients]") {
  choices c(squared);
  const any_tensor by = c.x;
  const any_tensor once = gradients(sum(c.y), {by})[0];
  CHECK(bodies_below(c.g) <= 4 * deep);
  const any_tensor twice = gradients(sum(once), {by})[0];
  CHECK(bodies_below(c.g) <= 16 * deep);
  c.g.validate();
  Session session(c.g);
  const auto [dy, ddy] = session.run(std::tuple{once, twice}, feed(c.p, Array::scalar(false)),
                                     feed(c.x, Array::from<float>({2}, {2, -3})));
  CHECK(dy.same_bits(Array::from<float>({2}, {4, -6})));
  CHECK(ddy.same_bits(Array::from<float>({2}, {2, 2})));
}

TEST_CASE("gradients of bodies that differ in what they are given are their own", "[gradients]") {
  Graph g;
  const auto p = placeholder<bool, shape<>>(g, "p");
  const auto x = placeholder<float, shape<>>(g, "x"), z = placeholder<float, shape<>>(g, "z");
  const auto product = [&](const any_tensor& a, const any_tensor& b) {
    return cond(p, [&] { return any_tensor(a * b); }, [&] { return any_tensor(a + b); });
  };
  // One body, with other operands, with one operand twice, and with another gradient wanted.
  const any_tensor first = product(x, z);
  const auto again = [&](const any_tensor& a, const any_tensor& b) {
    std::vector<tensor_id> operands{id_of(p)};
    for (int i = 0; i < 2; ++i) operands.insert(operands.end(), {id_of(a), id_of(b)});
    return g.handle({g.add(ops::cond, operands, g.attributes_of(id_of(first).op)), 0});
  };
  const any_tensor second = again(z, x), square = again(x, x), fixed = again(x, stop_gradient(z));
  const any_tensor y = first + second * 10.0f + square * 100.0f + fixed * 1000.0f;
  const auto d = gradients(y, {any_tensor(x), any_tensor(z)});
  g.validate();
  Session session(g);
  const auto at = [&](bool which) {
    const auto [dx, dz] = session.run(std::tuple{d[0], d[1]}, feed(p, Array::scalar(which)),
                                      feed(x, Array::scalar(3.0f)), feed(z, Array::scalar(5.0f)));
    return std::pair(dx.item<float>(), dz.item<float>());
  };
  CHECK(at(true) == std::pair(5.0f + 50.0f + 600.0f + 5000.0f, 3.0f + 30.0f));
  CHECK(at(false) == std::pair(1.0f + 10.0f + 200.0f + 1000.0f, 1.0f + 10.0f));
}

TEST_CASE("nested bodies are compared once each") {
  const choices a(squared), b(squared), other(doubled);
  CHECK(isomorphic(a.region(), b.region()));
  CHECK(isomorphic(a.g, b.g));
  CHECK(content_hash(a.region()) == content_hash(b.region()));
  CHECK(content_hash(a.g) == content_hash(b.g));
  CHECK(diff(a.region(), b.region()).empty());
  CHECK_FALSE(isomorphic(a.region(), other.region()));
  CHECK(content_hash(a.region()) != content_hash(other.region()));
  const choices flat(squared, 3), differs(doubled, 3);
  const auto found = diff(flat.region(), differs.region());
  CHECK(found.size() < 20);
  CHECK(mentions(to_string(found), "square"));
  CHECK(mentions(to_string(found), "differ as they do elsewhere"));
  CHECK(diff(a.region(), other.region()).size() < 10 * deep);
}

TEST_CASE("clones change nested bodies once each") {
  for (const innermost leaf : {&changed_by_mode, &tagged_nan}) {
    choices c(leaf);
    const std::size_t before = bodies_below(c.g);
    const Clone copy = clone(c.region(), bind(c.p, c.p, c.x, c.x), mode::inference);
    copy.check();
    c.g.validate();
    CHECK(bodies_below(c.g) == 2 * before);
    // One that is in its mode already keeps them.
    const Clone same = clone(extract(inputs(c.p, c.x), outputs(copy(c.y))),
                             bind(c.p, c.p, c.x, c.x), mode::inference, seeds::same);
    same.check();
    CHECK(bodies_below(c.g) == 2 * before);
  }
}

TEST_CASE("an ensemble stacks nested bodies once each", "[ensemble]") {
  Graph g;
  const auto p = placeholder<bool, shape<>>(g, "p");
  const auto w = make_variable<float, shape<2>>(g, "w", uniform());
  const any_tensor y = g.handle({nested_choices(g, id_of(p), id_of(w), deep, squared), 0});
  const std::size_t before = bodies_below(g);
  const Ensemble many = ensemble(extract(inputs(p), outputs(y)), 3, bind(p, p));
  g.validate();
  CHECK(bodies_below(g) == 2 * before);
  Session session(g);
  session.initialize();
  CHECK(session.run(many(y), feed(p, Array::scalar(true))).shape() == dims{3, 2});
}
