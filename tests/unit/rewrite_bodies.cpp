// Rewriting by rules in bodies.
#include "graft/graft.hpp"
#include "graft/surgery/rewrite.hpp"

#include "catch.hpp"
#include "deep_network.hpp"
#include "failing_allocations.hpp"
#include "nested_bodies.hpp"
#include "rewrite_fixture.hpp"

using namespace graft_test;
using patterns::any;
using patterns::op;

namespace {

const Graph& body_of(const Graph& g, const any_tensor& y, std::string_view key = "body") {
  return g.body(g.attributes_of(y.ref().id.op).integer(key));
}

// h <- tanh(-(-(h + x)) * k), with the two negations behind each other.
struct loop {
  Graph g;
  tensor<Graph, dtype::float32, shape<2, 3>> xs = placeholder<float, shape<2, 3>>(g, "xs");
  tensor<Graph, dtype::float32, shape<3>> h = placeholder<float, shape<3>>(g, "h");
  tensor<Graph, dtype::float32, shape<3>> k = placeholder<float, shape<3>>(g, "k");
  any_tensor last = std::get<0>(scan(
      h, xs, [&](auto s, auto x) { return std::tuple{tanh(neg(neg(s + x)) * k), std::tuple{}}; }));

  Array run() {
    return Session(g).run(last, feed(xs, Array::from<float>({2, 3}, {1, 2, 3, 4, 5, 6})),
                          feed(h, Array::from<float>({3}, {0.5f, 0, 0})),
                          feed(k, Array::from<float>({3}, {0.1f, 0.2f, 0.3f})));
  }
};

}  // namespace

TEST_CASE("rules match in bodies, and what is left over there goes", "[edge-60]") {
  loop n;
  const Array before = n.run();
  const Region region = extract(inputs(n.xs, n.h, n.k), outputs(n.last));
  const Clone copy = clone(region, bind(n.xs, n.xs), bind(n.h, n.h), bind(n.k, n.k));
  const rewritten done = rewrite(region, {double_negation});
  CHECK(done.replacements == 1);
  CHECK(done.removed == 2);
  CHECK(done.by_rule[0].second == 1);
  n.g.validate();
  CHECK(operators(body_of(n.g, n.last)) == std::vector<std::string>{"captured", "captured", "add",
                                                                    "captured", "mul", "tanh",
                                                                    "results"});
  CHECK(n.run().same_bits(before));
  // The clone, which is outside the region, has the body that there was.
  CHECK(operators(body_of(n.g, copy(n.last))).size() == 9);
  CHECK(rewrite(region.graph(), {double_negation}).replacements == 1);
  CHECK(operators(body_of(n.g, copy(n.last))).size() == 7);
  CHECK(rewrite(n.g, {double_negation}).replacements == 0);
}

TEST_CASE("bodies are left alone on demand", "[edge-60]") {
  loop n;
  const std::uint64_t digest = n.g.digest();
  CHECK(rewrite(n.g, {double_negation}, {.nested = bodies::skip}).replacements == 0);
  CHECK(n.g.digest() == digest);
}

TEST_CASE("matches end at a body's edge", "[edge-60]") {
  Graph g;
  const auto p = placeholder<bool, shape<>>(g, "p");
  const auto x = placeholder<float, shape<3>>(g, "x");
  const auto outer = neg(x);
  const auto y = neg(cond(p, [&] { return neg(outer); }, [&] { return neg(neg(outer)); }));
  const rewritten done = rewrite(g, {double_negation});
  CHECK(done.replacements == 1);
  CHECK(operators(body_of(g, g.handle(g.operand(g.id(y).op, 0)), "then")) ==
        std::vector<std::string>{"captured", "neg", "results"});
  // An input that is a result as it is.
  CHECK(operators(body_of(g, g.handle(g.operand(g.id(y).op, 0)), "else")) ==
        std::vector<std::string>{"captured", "results"});
  g.validate();
  const Array one = Array::full<float>({3}, 1.0f);
  CHECK(Session(g).run(y, feed(p, true), feed(x, one)).at<float>({0}) == -1);
  CHECK(Session(g).run(y, feed(p, false), feed(x, one)).at<float>({0}) == 1);
}

TEST_CASE("what the graph around a result takes counts as a use in a body", "[edge-60]") {
  Graph g;
  const auto p = placeholder<bool, shape<>>(g, "p");
  const auto x = placeholder<float, shape<3>>(g, "x");
  (void)cond(
      p,
      [&] {
        const auto inner = neg(x);
        return std::tuple{inner, relu(inner)};
      },
      [&] { return std::tuple{x, x}; });
  const rewrite_rule fused{
      "relu of neg", op(ops::relu, op(ops::neg, any("x")).sole_use()),
      [](const rule_args& r) -> maybe { return minimum(r["x"], 0.0f) * -1.0f; }};
  CHECK(rewrite(g, {fused}).replacements == 0);
}

TEST_CASE("right sides take what is around a body", "[edge-60]") {
  loop n;
  const auto scale = placeholder<float, shape<3>>(n.g, "scale");
  const rewrite_rule scaled{
      "tanh by another tensor", op(ops::tanh, any("x")),
      [&](const rule_args& r) -> maybe { return any_tensor(relu(r["x"] * scale)); }};
  const rewritten done = rewrite(n.g, {scaled, double_negation});
  CHECK(done.replacements == 2);
  n.g.validate();
  CHECK(n.g.operand_count(n.last.ref().id.op) == 4);
  const Array found = Session(n.g).run(
      n.last, feed(n.xs, Array::full<float>({2, 3}, 1.0f)), feed(n.h, Array(dtype::float32, {3})),
      feed(n.k, Array::full<float>({3}, 1.0f)), feed(scale, Array::full<float>({3}, 2.0f)));
  CHECK(found.at<float>({0}) == 6);
}

TEST_CASE("a body that many ops have is rewritten once, and stays shared", "[edge-60]") {
  Graph g;
  const auto p = placeholder<bool, shape<>>(g, "p");
  const auto x = placeholder<float, shape<2>>(g, "x");
  const auto leaf = [](Graph& body, tensor_id value) {
    const tensor_id once{body.add(ops::neg, {&value, 1}), 0};
    return tensor_id{body.add(ops::neg, {&once, 1}), 0};
  };
  const op_id top = graft_test::nested_choices(g, g.id(p), g.id(x), 40, leaf);
  const rewritten done = rewrite(g, {double_negation});
  CHECK(done.replacements == 1);
  g.validate();
  const attribute_view a = g.attributes_of(top);
  CHECK(a.integer("then") == a.integer("else"));
  CHECK(rewrite(g, {double_negation}).replacements == 0);
}

TEST_CASE("rules that never end are stopped in bodies too, and nothing has changed",
          "[edge-60][edge-85]") {
  loop n;
  const std::uint64_t digest = n.g.digest();
  const rewrite_rule growing{"grow", op(ops::tanh, any("x")),
                             [](const rule_args& r) -> maybe { return tanh(identity(r["x"])); }};
  std::string text;
  try {
    (void)rewrite(n.g, {growing});
  } catch (const graph_error& e) {
    text = e.what();
  }
  CHECK(text.find("'grow'") != std::string::npos);
  CHECK(n.g.digest() == digest);
  const rewrite_rule narrow{"narrow", op(ops::tanh, any("x")),
                            [](const rule_args& r) -> maybe { return sum(r["x"]); }};
  try {
    (void)rewrite(n.g, {narrow});
  } catch (const shape_error& e) {
    text = e.what();
  }
  CHECK(text.find("'tanh' in body 'body' of 'scan'") != std::string::npos);
  CHECK(n.g.digest() == digest);
  CHECK(n.g.current_body() == nullptr);
  n.g.validate();
}

TEST_CASE("a failing allocation in a body leaves the graph as it was", "[edge-85]") {
  (void)simplification_rules();  // made once
  for (long k = 0;; ++k) {
    loop n;
    const std::uint64_t digest = n.g.digest();
    const bool through = failing::allocation(k, [&] { (void)simplify(n.g); });
    n.g.validate();
    if (through) {
      CHECK(n.g.digest() != digest);
      CHECK(k > 50);
      break;
    }
    INFO("allocation " << k);
    REQUIRE(n.g.digest() == digest);
    REQUIRE(n.g.current_body() == nullptr);
  }
}
