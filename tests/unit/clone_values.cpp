// Clones by what they compute: real layers, sessions, training.
#include <cstring>

#include "graft/dsl/conv_layers.hpp"
#include "graft/dsl/dense.hpp"
#include "graft/dsl/network.hpp"
#include "graft/dsl/normalize_layers.hpp"
#include "graft/dsl/shape_layers.hpp"
#include "graft/runtime/session.hpp"
#include "graft/train/losses.hpp"
#include "graft/train/optimizer.hpp"

#include "clone_fixture.hpp"

using namespace graft;
using namespace graft_test;

namespace {

using images = shape<dyn, 1, 6, 6>;

// A convolution, batch norm, a layer used twice, an input used in two places.
template <tensor_like X>
auto build(const X& x) {
  auto features = relu(batch_norm(conv2d<3>(x)));
  auto shared = dense<8>.shared("shared");
  auto hidden = relu(dense<8>(flatten(features)));
  return dense<5, "logits">(relu(shared(relu(shared(hidden))) + hidden));
}

Array random_images(std::int64_t count, std::uint32_t seed) {
  Array a(dtype::float32, {count, 1, 6, 6});
  for (float& e : a.mutable_span<float>()) {
    seed = seed * 1664525u + 1013904223u;
    e = static_cast<float>(seed >> 8) / 8388608.0f - 1;
  }
  return a;
}

struct small_net {
  Graph g;
  decltype(placeholder<float, images>(g, "x")) x = placeholder<float, images>(g, "x");
  decltype(build(x)) y = build(x);
  decltype(x) x2 = placeholder<float, images>(g, "x2");
  Array batch = random_images(4, 1);

  [[nodiscard]] Region region() const { return extract(inputs(x), outputs(y)); }
};

std::vector<Array> values_of(const Graph& g, const std::vector<variable_id>& variables) {
  std::vector<Array> values;
  for (const variable_id v : variables) {
    const Array stored = g.store().get(v);
    Array own(stored.type(), stored.shape());
    std::memcpy(own.mutable_data(), stored.data(), stored.bytes());
    values.push_back(own);
  }
  return values;
}

bool all_same(const std::vector<Array>& a, const std::vector<Array>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!a[i].same_bits(b[i])) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("the question, end to end: independent, then equal, then trained apart") {
  small_net n;
  Session session(n.g, {.threads = 1, .seed = 3});
  session.initialize();
  const Region region = n.region();
  const auto copy = clone(region, bind(n.x, n.x2), into("copy"), variables::fresh);
  const auto y2 = copy(n.y);
  session.run(copy.initializer());

  const auto original = [&] { return session.run(n.y, feed(n.x, n.batch)); };
  const auto cloned = [&] { return session.run(y2, feed(n.x2, n.batch)); };
  const Array before = original();
  CHECK_FALSE(cloned().same_bits(before));
  copy_values(copy);
  CHECK(cloned().same_bits(before));

  const auto step = minimize(mean(square(y2)), adam{.rate = 0.01});
  session.initialize();
  const auto source_values = values_of(n.g, region.variables());
  for (int i = 0; i < 3; ++i) session.run(step.updates, feed(n.x2, n.batch));
  CHECK_FALSE(cloned().same_bits(before));
  CHECK(original().same_bits(before));
  CHECK(all_same(values_of(n.g, region.variables()), source_values));
  // Every new variable that is trained has moved.
  for (const variable_id v : copy.parameters()) {
    INFO(n.g.path_of(v));
    CHECK_FALSE(n.g.store().get(v).same_bits(n.g.store().get(copy.original(v))));
  }
}

TEST_CASE("a copied clone computes what the original does, to the bit [edge-24][edge-90]") {
  small_net n;
  Session session(n.g, {.threads = 1, .seed = 5});
  session.initialize();
  const Array expected = session.run(n.y, feed(n.x, n.batch));
  const Region region = n.region();

  const auto here = clone(region, bind(n.x, n.x2), variables::copied);
  CHECK(session.run(here(n.y), feed(n.x2, n.batch)).same_bits(expected));
  const auto frozen = clone(region, bind(n.x, n.x2), variables::frozen);
  CHECK(session.run(frozen(n.y), feed(n.x2, n.batch)).same_bits(expected));
  const auto shared = clone(region, bind(n.x, n.x2), variables::shared);
  CHECK(session.run(shared(n.y), feed(n.x2, n.batch)).same_bits(expected));

  for (const variable_policy policy : {variables::copied, variables::shared, variables::frozen}) {
    Graph other;
    const auto there = clone(region, into(other, "net"), policy);
    Session session_there(other, {.threads = 1});
    CHECK(session_there.run(there(n.y), feed(there(n.x), n.batch)).same_bits(expected));
  }
}

TEST_CASE("a replacement that knows its batch gives the same values [edge-55]") {
  small_net n;
  Session session(n.g, {.threads = 1});
  session.initialize();
  const auto x4 = placeholder<float, shape<4, 1, 6, 6>>(n.g, "x4");
  const auto copy = clone(n.region(), bind(n.x, x4), variables::copied);
  CHECK(n.g.type_of(id_of(copy(n.y))) == value_type::of(dtype::float32, {4, 5}));
  CHECK(session.run(copy(n.y), feed(x4, n.batch)).same_bits(session.run(n.y, feed(n.x, n.batch))));
}

TEST_CASE(
    "initialisers of clones: exactly theirs, different, and the same in a rerun "
    "[edge-39][edge-45]") {
  const auto run = [] {
    small_net n;
    const Region region = n.region();
    const auto one = clone(region, into("one")), two = clone(region, into("two"));
    Session session(n.g, {.threads = 1, .seed = 11});
    session.run(one.initializer());
    CHECK(uninitialized(n.g).size() == n.g.variables().size() - one.variables().size());
    for (const variable_id v : region.variables()) CHECK_FALSE(n.g.store().initialized(v));
    session.run(two.initializer());
    session.initialize();
    std::vector<Array> all;
    for (const variable_id v : region.variables()) {
      if (n.g.variable_of(v).role != variable_role::parameter) continue;
      const Array a = n.g.store().get(v), b = n.g.store().get(one(v)), c = n.g.store().get(two(v));
      // Biases start at zero everywhere; what is drawn is drawn apart.
      const bool drawn = n.g.schema_of(n.g.variable_of(v).initial.op).has(ops::random);
      CHECK(a.same_bits(b) == !drawn);
      CHECK(b.same_bits(c) == !drawn);
      all.insert(all.end(), {a, b, c});
    }
    CHECK(all.size() > 10);
    return all;
  };
  CHECK(all_same(run(), run()));
}

TEST_CASE("training the source shows in shared clones and not in frozen ones [edge-25][edge-26]") {
  small_net n;
  Session session(n.g, {.threads = 1, .seed = 1});
  const Region region = n.region();
  const auto step = minimize(mean(square(n.y)), sgd{.rate = 0.1});
  session.initialize();
  const auto frozen = clone(region, bind(n.x, n.x2), variables::frozen);
  const auto shared = clone(region, bind(n.x, n.x2), variables::shared);
  const auto copied = clone(region, bind(n.x, n.x2), variables::copied);
  const Array before = session.run(n.y, feed(n.x, n.batch));
  session.run(step.updates, feed(n.x, n.batch));
  const Array after = session.run(n.y, feed(n.x, n.batch));
  CHECK_FALSE(after.same_bits(before));
  CHECK(session.run(frozen(n.y), feed(n.x2, n.batch)).same_bits(before));
  CHECK(session.run(copied(n.y), feed(n.x2, n.batch)).same_bits(before));
  CHECK(session.run(shared(n.y), feed(n.x2, n.batch)).same_bits(after));
}

TEST_CASE("an optimiser is a side exit: the region is the same before and after it [edge-10]") {
  small_net n;
  const Region before = n.region();
  const auto step = minimize(mean(square(n.y)), adam{});
  const Region after = n.region();
  CHECK(after.nodes() == before.nodes());
  CHECK(after.variables() == before.variables());
  CHECK(after.report().foreign_updates.size() == step.parameters.size());
  CHECK_FALSE(after.report().side_exits.empty());
}

TEST_CASE("moving statistics of source and clone move apart [edge-36]") {
  small_net n;
  Session session(n.g, {.threads = 1});
  const Region region = n.region();
  const auto copy = clone(region, bind(n.x, n.x2));
  const auto step = minimize(mean(square(copy(n.y))), sgd{.rate = 0.0});
  session.initialize();
  std::vector<variable_id> statistics;
  for (const variable_id v : region.variables()) {
    if (n.g.variable_of(v).role == variable_role::statistic) statistics.push_back(v);
  }
  REQUIRE(statistics.size() == 2);
  const auto before = values_of(n.g, statistics), clone_before = values_of(n.g, copy(statistics));
  session.run(step.updates, feed(n.x2, n.batch));
  CHECK(all_same(values_of(n.g, statistics), before));
  CHECK_FALSE(all_same(values_of(n.g, copy(statistics)), clone_before));

  SECTION("and the clone may be made for inference") {
    const auto quiet = clone(extract(inputs(n.x2), outputs(copy(n.y))), bind(n.x2, n.x),
                             variables::copied, mode::inference);
    const Array first = session.run(quiet(copy(n.y)), feed(n.x, n.batch));
    CHECK_FALSE(first.same_bits(session.run(copy(n.y), feed(n.x2, n.batch))));
    CHECK(first.same_bits(session.run(inference(copy(n.y)), feed(n.x2, n.batch))));
    // One image at a time: no batch is looked at.
    const Array row = session.run(quiet(copy(n.y)), feed(n.x, n.batch.rows(0, 1)));
    for (std::int64_t i = 0; i < 5; ++i)
      CHECK(row.at<float>({0, i}) == Approx(first.at<float>({0, i})).margin(1e-5));
  }
}

TEST_CASE("dropout: clones draw apart, or alike on request [edge-45][edge-46]") {
  Graph g;
  const auto x = placeholder<float, shape<dyn, 200>>(g, "x");
  const auto y = dropout(x, 0.5);
  const Region region = extract(inputs(x), outputs(y));
  Session session(g, {.threads = 1, .seed = 2});
  session.initialize();
  const auto apart = clone(region, bind(x, x), into("apart"));
  const auto alike = clone(region, bind(x, x), into("alike"), seeds::same);
  session.run(apart.initializer());
  session.run(alike.initializer());
  const Array ones = Array::full<float>({2, 200}, 1);
  const Array mine = session.run(y, feed(x, ones));
  CHECK_FALSE(mine.same_bits(ones));
  CHECK_FALSE(session.run(apart(y), feed(x, ones)).same_bits(mine));
  CHECK(session.run(alike(y), feed(x, ones)).same_bits(mine));
  CHECK(session.run(inference(y), feed(x, ones)).same_bits(ones));
  CHECK(inference(y).ref() != y.ref());
}

TEST_CASE("a variable may be replaced by an expression of it [edge-16]") {
  Graph g;
  const auto x = input4(g, "x");
  const auto w = make_variable<float, shape<4>>(g, "w", constant(3));
  const auto y = mul(x, w);
  const auto halved = mul(w, 0.5f);
  const auto copy = clone(extract(inputs(x, w), outputs(y)), bind(x, x, w, halved));
  Session session(g, {.threads = 1});
  session.initialize();
  const Array ones = Array::full<float>({1, 4}, 1);
  CHECK(session.run(copy(y), feed(x, ones)).at<float>({0, 0}) == 1.5f);
}

TEST_CASE("what is missing is named with the clone's own path [edge-81]") {
  small_net n;
  const auto copy = clone(n.region(), bind(n.x, n.x2), into("copy"));
  Session session(n.g, {.threads = 1});
  const std::string text =
      message_of<uninitialized_error>([&] { (void)session.run(copy(n.y), feed(n.x2, n.batch)); });
  CHECK(mentions(text, "copy/"));
}
