// Networks of hundreds of layers: what the compiler knows of one and what its builder adds to a graph are the same.
#include <utility>

#include "graft/graft.hpp"

#include "clone_fixture.hpp"

using namespace graft_test;

namespace {

using row8 = tensor<Graph, dtype::float32, shape<dyn, 8>>;

constexpr int layers = 240;

// Three layers a round, one of them beside a way around it.
template <class X>
constexpr X deep_builder(X x) {
  for (int i = 0; i < layers / 3; ++i) {
    const scope block(x, "block");
    x = x + tanh(dense<8>(x));
    x = dense<8>(relu(dense<8>(x)));
  }
  return x;
}

constexpr auto deep = net<[](auto x) { return deep_builder(x); }, in<float, shape<dyn, 8>>>();
static_assert(deep.variable_count() == 2 * layers);
static_assert(deep.parameter_count() == layers * (8 * 8 + 8));
static_assert(deep.op_count() == 1 + layers * 4 + layers / 3 * 3);
static_assert(deep.output_shape() == dims{dyn, 8});

// As many layers of one chain, each of a type of its own.
template <int... I>
constexpr auto chained(std::integer_sequence<int, I...>) {
  return (... >> dense<8 + I % 2>);
}
constexpr auto chain = chained(std::make_integer_sequence<int, layers>());

}  // namespace

TEST_CASE("240 layers that the compiler knows lower to what their builder builds", "[edge-96]") {
  Graph g, h;
  const row8 x = placeholder<float, shape<dyn, 8>>(g, "x");
  const row8 z = placeholder<float, shape<dyn, 8>>(h, "x");
  const row8 lowered = lower(deep, g, x);
  const row8 built = deep_builder(z);
  const Region a = extract(inputs(x), outputs(lowered)), b = extract(inputs(z), outputs(built));
  CHECK(a.nodes().size() == b.nodes().size());
  CHECK(isomorphic(a, b));
  CHECK(content_hash(a) == content_hash(b));

  // Of equal values they are equal, and so are a clone of either and the clone that the compiler makes.
  Session left(g, {.seed = 3}), right(h);
  left.initialize();
  const std::vector<variable_id> from = g.variables(), to = h.variables();
  REQUIRE(from.size() == to.size());
  for (std::size_t i = 0; i < from.size(); ++i) h.store().set(to[i], g.store().get(from[i]));
  CHECK(isomorphic(a, b, including::values));
  Array rows(dtype::float32, {3, 8});
  float next = 0.25f;
  for (float& e : rows.mutable_span<float>()) e = next, next = next * -0.93f + 0.11f;
  const Array wanted = left.run(lowered, feed(x, rows));
  CHECK(right.run(built, feed(z, rows)).same_bits(wanted));
  const Clone copy = clone(a, variables::copied);
  CHECK(left.run(copy(lowered), feed(copy(x), rows)).same_bits(wanted));
  constexpr clone_t<decltype(deep)> other;
  const row8 twin = lower(other, h, z);
  CHECK(isomorphic(a, extract(inputs(z), outputs(twin))));
}

TEST_CASE("a chain of 240 layers adds what calling them one by one adds", "[edge-96]") {
  Graph g, h;
  const row8 x = placeholder<float, shape<dyn, 8>>(g, "x");
  const row8 z = placeholder<float, shape<dyn, 8>>(h, "x");
  const auto y = chain(x);
  any_tensor step_by_step = z;
  for (int i = 0; i < layers; ++i) {
    if (i % 2 == 0) step_by_step = dense<8>(step_by_step);
    if (i % 2 == 1) step_by_step = dense<9>(step_by_step);
  }
  CHECK(isomorphic(extract(inputs(x), outputs(y)), extract(inputs(z), outputs(step_by_step))));
}
