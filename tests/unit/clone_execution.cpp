// Clones at work: feeds, threads, storage, special values.
#include <cmath>
#include <limits>
#include <thread>

#include "graft/graft.hpp"

#include "clone_fixture.hpp"

using namespace graft_test;

namespace {

Array numbers(const dims& shape, float first = 0.7f) {
  Array a(dtype::float32, shape);
  for (float& e : a.mutable_span<float>()) e = first, first = first * -0.93f + 0.11f;
  return a;
}

}  // namespace

TEST_CASE("stop_gradient and frozen parameters stay so in a clone", "[clone][edge-76]") {
  Graph g;
  const auto x = input4(g);
  const auto trunk = dense4(x, "trunk");
  const auto y = dense4(stop_gradient(trunk), "head");
  Session session(g);
  session.initialize();
  const Region region = extract(inputs(x), outputs(y));
  const Clone copy = clone(region, bind(x, x), variables::copied);
  const auto of = [&](std::string_view path) {
    return g.handle(g.variable_of(copy(variable_named(g, path))).read);
  };
  const auto found =
      try_gradients(sum(copy(y)), std::vector<any_tensor>{of("trunk/w"), of("head/w")});
  CHECK_FALSE(found[0].has_value());
  CHECK(found[1].has_value());

  const Clone frozen = clone(region, bind(x, x),
                             variables::by_scope({{"trunk", variables::frozen}}, variables::fresh));
  CHECK(trainable_variables(frozen(y)) == frozen.parameters());
  CHECK(frozen.parameters().size() == 2);
  // A clone of that keeps the constants.
  const Clone again = clone(extract(inputs(x), outputs(frozen(y))), bind(x, x));
  CHECK(again.parameters().size() == 2);
}

TEST_CASE("feeding the source's input to a clone is refused, and the clone's is named",
          "[clone][edge-80]") {
  Graph g;
  const auto x = input4(g);
  const auto y = dense4(x);
  const auto x2 = input4(g, "x2");
  Session session(g);
  session.initialize();
  const Clone copy = clone(extract(inputs(x), outputs(y)), bind(x, x2), variables::shared);
  CHECK(session.run(copy(y), feed(x2, numbers({3, 4}))).shape() == dims{3, 4});
  const std::string text =
      message_of<feed_error>([&] { session.run(copy(y), feed(x, numbers({3, 4}))); });
  CHECK(mentions(text, "'x'"));
  CHECK(mentions(text, "'x2'"));
  const std::string missing = message_of<feed_error>([&] { session.run(copy(y)); });
  CHECK(mentions(missing, "x2"));
}

TEST_CASE("several threads clone from one graph, each into its own", "[clone][threads][edge-82]") {
  Graph g;
  const auto x = input4(g);
  const auto y = graft_test::two_layers(x);
  set_values(g);
  const Region region = extract(inputs(x), outputs(y));
  const std::string before = to_string(region);
  const Array expected = Session(g).run(y, feed(x, numbers({2, 4})));
  std::vector<std::string> found(4);
  std::vector<std::thread> all;
  for (std::size_t t = 0; t < found.size(); ++t) {
    all.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i) {
        Graph own;
        const Clone copy =
            clone(region, into(own, "copy"), t % 2 == 0 ? variables::copied : variables::shared);
        copy.check();
        Session session(own, {.threads = 1});
        const Array out = session.run(copy(y), feed(copy(x), numbers({2, 4})));
        found[t] += out.same_bits(expected) ? "." : "!";
      }
    });
  }
  for (std::thread& t : all) t.join();
  for (const std::string& f : found) CHECK(f == std::string(20, '.'));
  CHECK(to_string(region) == before);
}

TEST_CASE("clones that share weights run beside one another", "[clone][threads][edge-82]") {
  Graph g;
  const auto x = input4(g);
  const auto y = graft_test::two_layers(x);
  set_values(g);
  const auto workers = replicate(extract(inputs(x), outputs(y)), 4, variables::shared);
  Session session(g, {.threads = 2});
  const Array expected = session.run(y, feed(x, numbers({5, 4})));
  std::vector<int> wrong(workers.size());
  std::vector<std::thread> all;
  for (std::size_t t = 0; t < workers.size(); ++t) {
    all.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        const Array out = session.run(workers[t](y), feed(workers[t](x), numbers({5, 4})));
        wrong[t] += !out.same_bits(expected);
      }
    });
  }
  for (std::thread& t : all) t.join();
  for (const int w : wrong) CHECK(w == 0);
}

TEST_CASE("odd sizes and special values pass through original and clone alike",
          "[clone][edge-83]") {
  Graph g;
  const auto x = input4(g);
  const auto y = tanh(graft_test::two_layers(x));
  Session session(g);
  session.initialize();
  const Clone copy = clone(extract(inputs(x), outputs(y)), bind(x, x), variables::copied);
  const float inf = std::numeric_limits<float>::infinity();
  for (const std::int64_t n : {0, 1, 3, 7, 17, 33}) {
    Array value = numbers({n, 4});
    auto e = value.mutable_span<float>();
    if (e.size() > 8) {
      e[0] = std::numeric_limits<float>::quiet_NaN();
      e[5] = inf;
      e[6] = -inf;
      e[7] = std::numeric_limits<float>::denorm_min();
      e[8] = -0.0f;
    }
    INFO(n << " rows");
    CHECK(session.run(y, feed(x, value)).same_bits(session.run(copy(y), feed(x, value))));
  }
}

TEST_CASE("a copied variable has the source's elements until one of the two is written",
          "[clone][edge-87][rival]") {
  Graph g;
  const auto x = input4(g);
  const auto y = dense4(x);
  set_values(g);
  const Clone copy = clone(extract(inputs(x), outputs(y)), bind(x, x), variables::copied);
  const variable_id w = variable_named(g, "dense/w"), b = variable_named(g, "dense/b");
  CHECK(g.store().get(w).shares_storage_with(g.store().get(copy(w))));
  CHECK(g.store().get(b).shares_storage_with(g.store().get(copy(b))));
  CHECK(copy.bytes_owned() == 0);
  CHECK(copy.bytes_shared() == (16 + 4) * 4);

  const auto read = g.handle(g.variable_of(w).read);
  const auto step = assign(tensor<Graph, dtype::float32, shape<4, 4>>(read.ref()),
                           tensor<Graph, dtype::float32, shape<4, 4>>((read * 2.0f).ref()));
  Array before = g.store().get(w);
  Session session(g);
  session.run(update_group(g, {g.id(step).op}));
  CHECK_FALSE(g.store().get(w).shares_storage_with(g.store().get(copy(w))));
  CHECK(g.store().get(copy(w)).same_bits(before));
  // Exactly one tensor is the clone's own now, as soon as nobody looks at it.
  CHECK(copy.bytes_shared() == (16 + 4) * 4);
  before = Array();
  CHECK(copy.bytes_owned() == 16 * 4);
  CHECK(copy.bytes_shared() == 4 * 4);
  // The other tensor was not touched.
  CHECK(g.store().get(b).shares_storage_with(g.store().get(copy(b))));
}

TEST_CASE("bytes of a clone by policy", "[edge-87]") {
  Graph g, other;
  const auto x = input4(g);
  const auto y = dense4(x);
  const Region region = extract(inputs(x), outputs(y));
  const Clone fresh = clone(region, into("fresh"));
  CHECK(fresh.bytes_owned() == 0);
  CHECK(fresh.bytes_shared() == 0);
  set_values(g);
  CHECK(fresh.bytes_owned() == (16 + 4) * 4);
  for (Graph* target : {&g, &other}) {
    const Clone shared = clone(region, into(*target, "shared"), variables::shared);
    CHECK(shared.bytes_owned() == 0);
    CHECK(shared.bytes_shared() == (16 + 4) * 4);
    const Clone frozen = clone(region, into(*target, "frozen"), variables::frozen);
    CHECK(frozen.bytes_shared() == (16 + 4) * 4);
  }
  const Clone frozen = clone(region, into("snapshot"), variables::frozen);
  set_values(g, 100);
  CHECK(frozen.bytes_owned() == 0);  // the other snapshots hold the same values
  CHECK(frozen.bytes_shared() == (16 + 4) * 4);
}

TEST_CASE("a subexpression used twice is one op, in a clone too", "[clone][edge-65]") {
  Graph g;
  const auto x = input4(g);
  const auto h = dense4(x);
  const auto y = h + h * h;
  const Clone copy = clone(extract(inputs(x), outputs(y)), bind(x, x));
  CHECK(g.id(copy(h)) != g.id(h));
  CHECK(copy.nodes().size() == extract(inputs(x), outputs(y)).nodes().size());
  // Two equal calls stay two.
  const auto one = relu(x), two = relu(x);
  const Clone pair = clone(extract(inputs(x), outputs(one, two)), bind(x, x));
  CHECK(g.id(pair(one)) != g.id(pair(two)));
}
