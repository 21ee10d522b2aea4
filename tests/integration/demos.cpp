// What surgery on networks is for, shown end to end: one test each.
#include "graft/graft.hpp"

#include "../unit/clone_fixture.hpp"

using namespace graft_test;

namespace {

Array numbers(const dims& shape, float first = 0.7f) {
  Array a(dtype::float32, shape);
  for (float& e : a.mutable_span<float>()) e = first, first = first * -0.93f + 0.11f;
  return a;
}

// Somebody else's function: nothing of it is known but what goes in and what comes out.
template <class X>
auto somebodys_network(const X& x) {
  return dense<3>(batch_norm(tanh(dense<8>(x))));
}

std::vector<Array> values_of(const Graph& g, const std::vector<variable_id>& variables) {
  std::vector<Array> result;
  for (const variable_id v : variables) result.push_back(g.store().get(v));
  return result;
}

bool equal(const std::vector<Array>& a, const std::vector<Array>& b) {
  bool same = a.size() == b.size();
  for (std::size_t i = 0; same && i < a.size(); ++i) same = a[i].same_bits(b[i]);
  return same;
}

}  // namespace

TEST_CASE("the question: a second network of the same structure, from inputs and outputs alone",
          "[demo-1]") {
  Graph g;
  auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  auto y = somebodys_network(x);
  auto x2 = placeholder<float, shape<dyn, 4>>(g, "x2");
  Session session(g);
  session.initialize();
  const std::vector<variable_id> originals = g.variables();

  auto copy = clone(extract(inputs(x), outputs(y)), bind(x, x2), into("copy"), variables::fresh);
  auto y2 = copy(y);
  static_assert(std::is_same_v<decltype(y2), decltype(y)>);
  session.run(copy.initializer());
  const Array in = numbers({5, 4});
  CHECK_FALSE(session.run(y, feed(x, in)).same_bits(session.run(y2, feed(x2, in))));
  copy_values(copy);
  CHECK(session.run(y, feed(x, in)).same_bits(session.run(y2, feed(x2, in))));

  const auto before = values_of(g, originals);
  const training_step step = minimize(mean(square(y2)), sgd{0.1});
  session.initialize();
  session.run(step, feed(x2, in));
  CHECK(equal(before, values_of(g, originals)));
  CHECK_FALSE(session.run(y, feed(x, in)).same_bits(session.run(y2, feed(x2, in))));
}

TEST_CASE("an input that is used four times is one input of the clone", "[demo-2]") {
  Graph g;
  const auto x = input4(g);
  const auto y = x * x + relu(x) + tanh(x);
  const auto x2 = input4(g, "x2");
  const Clone copy = clone(extract(inputs(x), outputs(y)), bind(x, x2));
  CHECK(copy.inputs() == std::vector<tensor_id>{g.id(x2)});
  CHECK(g.id(copy(x)) == g.id(x2));
  CHECK(g.uses(g.id(x2)).size() == 4);
  for (const op_id op : copy.nodes()) {
    CHECK(g.schema_of(op).name != "placeholder");
  }
}

TEST_CASE("the loss and the optimiser behind an output stay where they are", "[demo-3]") {
  Graph g;
  const auto x = input4(g);
  const auto y = dense4(x);
  const Region before = extract(inputs(x), outputs(y));
  (void)minimize(mean(square(y)), adam{});
  const Region after = extract(inputs(x), outputs(y));
  CHECK(before.nodes() == after.nodes());
  CHECK(before.variables() == after.variables());
  const Clone copy = clone(after);
  for (const variable_id v : copy.variables()) CHECK(g.variable_of(v).role != variable_role::slot);
}

TEST_CASE("a forgotten input is an error that shows the way to it", "[demo-4]") {
  Graph g;
  const auto x = input4(g);
  const auto mask = input4(g, "mask");
  const auto y = dense4(relu(x) * mask, "logits");
  const std::string text =
      message_of<boundary_error>([&] { (void)extract(inputs(x), outputs(y)); });
  CHECK(mentions(text, "'mask'"));
  CHECK(mentions(text, "<- "));
  CHECK(mentions(text, "logits"));
}

TEST_CASE("a tied embedding stays tied and trains as one", "[demo-5]") {
  Graph g;
  const auto words = placeholder<std::int32_t, shape<dyn, 3>>(g, "words");
  const auto table = make_variable<float, shape<10, 4>>(g, "table", normal(0.0, 0.3));
  const auto y = matmul<false, true>(mean<axes<1>>(gather<0>(table, words)), table);
  const Clone copy = clone(extract(inputs(words), outputs(y)), bind(words, words));
  copy.check();
  REQUIRE(copy.parameters().size() == 1);
  const auto target = placeholder<std::int32_t, shape<dyn>>(g, "target");
  const training_step step = minimize(mean(softmax_cross_entropy(copy(y), target)), sgd{0.5});
  CHECK(step.parameters == copy.parameters());
  Session session(g);
  session.initialize();
  Array in(dtype::int32, {2, 3}), wanted(dtype::int32, {2});
  in.mutable_span<std::int32_t>()[1] = 4;
  wanted.mutable_span<std::int32_t>()[0] = 7;
  const Array before = session.value(copy.parameters()[0]);
  session.run(step, feed(words, in), feed(target, wanted));
  const Array after = session.value(copy.parameters()[0]);
  // Rows that were looked up and rows that only the output layer uses have both moved.
  CHECK_FALSE(before.rows(4, 5).same_bits(after.rows(4, 5)));
  CHECK_FALSE(before.rows(7, 8).same_bits(after.rows(7, 8)));
}

TEST_CASE("freezing is a snapshot, and can be undone", "[demo-6][edge-26]") {
  Graph g;
  const auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  const auto y = somebodys_network(x);
  Session session(g);
  session.initialize();
  const Array in = numbers({5, 4});
  const Clone frozen = clone(extract(inputs(x), outputs(y)), bind(x, x), variables::frozen);
  CHECK(trainable_variables(frozen(y)).empty());
  const Array snapshot = session.run(frozen(y), feed(x, in));
  const training_step step = minimize(mean(square(y)), sgd{0.1});
  session.initialize();
  for (int i = 0; i < 5; ++i) session.run(step, feed(x, in));
  CHECK(session.run(frozen(y), feed(x, in)).same_bits(snapshot));
  CHECK_FALSE(session.run(y, feed(x, in)).same_bits(snapshot));

  const Clone thawed = unfreeze(frozen);
  thawed.check();
  CHECK(thawed.scope_path() == "unfrozen");
  CHECK(session.run(thawed(y), feed(x, in)).same_bits(snapshot));
  CHECK(thawed.parameters().size() == trainable_variables(y).size());
  const training_step again = minimize(mean(square(thawed(y))), sgd{0.1});
  session.initialize();
  session.run(again, feed(x, in));
  CHECK_FALSE(session.run(thawed(y), feed(x, in)).same_bits(snapshot));
  CHECK(session.run(frozen(y), feed(x, in)).same_bits(snapshot));
  CHECK(mentions(message_of<argument_error>([&] { (void)unfreeze(thawed); }), "no variable"));
}

TEST_CASE("two fresh clones under one seed differ, and a rerun gives both again", "[demo-8]") {
  const auto run = [] {
    Graph g;
    const auto x = placeholder<float, shape<dyn, 4>>(g, "x");
    const auto y = somebodys_network(x);
    const auto [a, b] = replicate<2>(extract(inputs(x), outputs(y)), bind(x, x));
    Session session(g, {.seed = 7});
    session.initialize();
    return session.run(std::tuple{a(y), b(y)}, feed(x, numbers({3, 4})));
  };
  const auto [a, b] = run();
  const auto [c, d] = run();
  CHECK_FALSE(a.same_bits(b));
  CHECK(a.same_bits(c));
  CHECK(b.same_bits(d));
}

TEST_CASE("a clone that fails leaves both graphs as they were, bit for bit", "[demo-12]") {
  Graph g, other;
  const auto x = input4(g);
  const auto y = dense4(x);
  set_values(g);
  (void)dense4(input4(other), "copy");
  const auto here = g.digest(), there = other.digest();
  const Region region = extract(inputs(x), outputs(y));
  CHECK_THROWS_AS(clone(region, into(other, "copy"), names::exact), name_error);
  CHECK_THROWS_AS(clone(region, bind(y, x)), boundary_error);
  CHECK(g.digest() == here);
  CHECK(other.digest() == there);
}
