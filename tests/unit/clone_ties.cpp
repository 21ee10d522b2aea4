// Ties: parameters that several ops read.
#include "graft/graft.hpp"

#include "clone_fixture.hpp"

using namespace graft_test;

namespace {

// An autoencoder whose two layers share one matrix, used twice and once transposed.
struct tied {
  Graph g;
  row4 x = input4(g);
  tensor<Graph, dtype::float32, shape<4, 4>> w;
  any_tensor y;

  tied() {
    const in_scope inside(g, "auto");
    const auto v = make_variable<float, shape<4, 4>>(g, "w", glorot_uniform());
    w = v;
    y = matmul<false, true>(tanh(matmul(tanh(matmul(x, v)), v)), v);
  }
};

}  // namespace

TEST_CASE("ties are kept, and a tied parameter trains as one", "[clone][ties][edge-28][demo-5]") {
  tied t;
  const Clone copy = clone(extract(inputs(t.x), outputs(t.y)), bind(t.x, t.x));
  copy.check();
  CHECK(copy.parameters().size() == 1);
  const training_step step = minimize(mean(square(copy(t.y))), sgd{0.1});
  CHECK(step.parameters == copy.parameters());
}

TEST_CASE("ties are split on request", "[clone][ties][edge-28]") {
  tied t;
  const Region region = extract(inputs(t.x), outputs(t.y));
  const variable_id w = variable_named(t.g, "auto/w");
  SECTION("fresh: each draws its own value") {
    const Clone copy = clone(region, bind(t.x, t.x), ties::split);
    copy.check();
    t.g.validate();
    const auto images = copy.images(w);
    REQUIRE(images.size() == 3);
    CHECK(images.front() == copy(w));
    CHECK(copy.variables() == images);
    CHECK(paths(t.g, images) == std::vector<std::string>{"copy/w", "copy/w_1", "copy/w_2"});
    Session session(t.g);
    session.run(copy.initializer());
    CHECK_FALSE(session.value(images[0]).same_bits(session.value(images[1])));
    CHECK_FALSE(session.value(images[1]).same_bits(session.value(images[2])));
    const training_step step = minimize(mean(square(copy(t.y))), sgd{0.1});
    CHECK(step.parameters == images);
  }
  SECTION("copied: all start from the source's value") {
    set_values(t.g);
    const Clone copy = clone(region, bind(t.x, t.x), ties::split, variables::copied);
    copy.check();
    const Array value = t.g.store().get(w);
    for (const variable_id v : copy.images(w)) CHECK(t.g.store().get(v).same_bits(value));
    Session session(t.g);
    Array in(dtype::float32, {3, 4});
    in.mutable_span<float>()[2] = 0.5f;
    CHECK(session.run(t.y, feed(t.x, in)).same_bits(session.run(copy(t.y), feed(t.x, in))));
  }
  SECTION("values: copied to all, swapped with none") {
    set_values(t.g);
    const Clone copy = clone(region, bind(t.x, t.x), ties::split);
    copy_values(copy);
    for (const variable_id v : copy.images(w)) {
      CHECK(t.g.store().get(v).same_bits(t.g.store().get(w)));
    }
    CHECK(mentions(message_of<argument_error>([&] { swap_values(copy); }), "auto/w"));
  }
  SECTION("a clone of the split clone has them all") {
    const Clone copy = clone(region, bind(t.x, t.x), ties::split);
    const Clone again = clone(extract(inputs(t.x), outputs(copy(t.y))), bind(t.x, t.x));
    again.check();
    CHECK(again.parameters().size() == 3);
  }
}

TEST_CASE("an op that takes a parameter twice keeps one", "[clone][ties]") {
  Graph g;
  const auto x = input4(g);
  const auto w = make_variable<float, shape<4>>(g, "w", ones());
  const auto y = x + w * w;
  const Clone copy = clone(extract(inputs(x), outputs(y)), ties::split);
  copy.check();
  CHECK(copy.variables().size() == 1);
}
