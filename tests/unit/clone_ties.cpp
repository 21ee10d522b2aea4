// Ties: parameters that several ops read.
#include "graft/graft.hpp"

#include "../support/failing_allocations.hpp"
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

namespace {

// One parameter "w", read by two ops one after the other.
struct twice {
  Graph g;
  row4 x = input4(g);
  tensor<Graph, dtype::float32, shape<4>> w = make_variable<float, shape<4>>(g, "w", uniform());
  row4 a = x * w, y = a * w;
  variable_id v = *g.variable_read_by(id_of(w));

  [[nodiscard]] Region region() const { return extract(inputs(x), outputs(y)); }
};

Array ones_of(const dims& shape) { return Array::full<float>(shape, 1.0f); }

}  // namespace

TEST_CASE("the way back from a split parameter leads to its source", "[clone][ties][edge-28]") {
  twice t;
  const Clone copy = clone(t.region(), bind(t.x, t.x), ties::split);
  copy.check();
  const auto images = copy.images(t.v);
  REQUIRE(images.size() == 2);
  const op_id initial = t.g.variable_of(t.v).initial.op;
  for (const variable_id image : images) {
    CHECK(copy.original(image) == t.v);
    CHECK(copy.original(t.g.variable_of(image).read) == id_of(t.w));
    CHECK(copy.original(t.g.variable_of(image).read.op) == op_of(t.w));
    CHECK(copy.original(t.g.variable_of(image).initial.op) == initial);
  }
}

TEST_CASE("ties are split in the order of the data, however ops are stored",
          "[clone][ties][edge-28]") {
  Graph g;
  const auto x = input4(g);
  const auto w = make_variable<float, shape<4>>(g, "w", uniform());
  const auto a = x * w, b = x + w;
  const auto y = sub(a, b);
  g.set_operand(op_of(a), 0, id_of(b));  // a takes b, which is stored after it
  const Clone copy = clone(extract(inputs(x), outputs(y)), bind(x, x), ties::split);
  copy.check();
  g.validate();
  const auto images = copy.images(*g.variable_read_by(id_of(w)));
  REQUIRE(images.size() == 2);
  CHECK(g.operand(op_of(copy(b)), 1) == g.variable_of(images[0]).read);
  CHECK(g.operand(op_of(copy(a)), 1) == g.variable_of(images[1]).read);
}

TEST_CASE("names may be exact where ties are split", "[clone][ties][edge-68]") {
  twice t;
  const Clone copy =
      clone(t.region(), bind(t.x, t.x), ties::split, names::exact, into("exact"),
            each_op([](const copied_op& op) -> std::optional<std::vector<any_tensor>> {
              return std::vector<any_tensor>{op.outputs[0] + op.outputs[0]};
            }));
  copy.check();
  for (const op_id op : copy.origin().nodes()) CHECK(t.g.name_of(copy(op)) == t.g.name_of(op));
  CHECK(paths(t.g, copy.images(t.v)) == std::vector<std::string>{"exact/w", "exact/w_1"});
  // Before a rule is asked.
  int asked = 0;
  const auto before = t.g.digest();
  CHECK_THROWS_AS(clone(t.region(), ties::split, names::exact, into("exact"),
                        each_op([&](const copied_op&) -> std::optional<std::vector<any_tensor>> {
                          ++asked;
                          return std::nullopt;
                        })),
                  name_error);
  CHECK(asked == 0);
  CHECK(t.g.digest() == before);
}

TEST_CASE("each split parameter has an update of its own", "[clone][ties][edge-28][edge-35]") {
  twice t;
  const auto decayed = t.w * 0.5f;
  const auto moved = decayed + mean<axes<0>>(t.a);
  t.g.own_update(t.v, op_of(assign(t.w, moved)));
  set_values(t.g);
  const Clone copy = clone(t.region(), bind(t.x, t.x), ties::split, variables::copied);
  copy.check();
  t.g.validate();
  const auto images = copy.images(t.v);
  REQUIRE(images.size() == 2);  // the update is no reader of its own
  const op_id source_update = t.g.variable_of(t.v).own_updates[0];
  std::vector<op_id> updates;
  for (const variable_id image : images) {
    const auto& own = t.g.variable_of(image).own_updates;
    REQUIRE(own.size() == 1);
    CHECK(copy.original(own[0]) == source_update);
    updates.push_back(own[0]);
  }
  CHECK(updates[0] != updates[1]);
  CHECK(copy(update_group(t.g, {source_update})).assigns() == updates);
  // All three move alike: each by its own value, and by what the first of the clone's ops makes.
  Session session(t.g);
  const Array x = ones_of({2, 4});
  Array expected = session.value(t.v);
  for (float& e : expected.mutable_span<float>()) e = e * 0.5f + e;
  session.run(update_group(t.g, updates), feed(t.x, x));
  for (const variable_id image : images) CHECK(session.value(image).same_bits(expected));
  CHECK_FALSE(session.value(t.v).same_bits(expected));
  session.run(update_group(t.g, {source_update}), feed(t.x, x));
  CHECK(session.value(t.v).same_bits(expected));
  // One written alone: only its own update reads it.
  t.g.store().set(images[1], Array::full<float>({4}, 8.0f));
  session.run(update_group(t.g, updates), feed(t.x, x));
  const float e = expected.span<float>()[0];
  CHECK(session.value(images[0]).span<float>()[0] == e * 0.5f + e);
  CHECK(session.value(images[1]).span<float>()[0] == 4.0f + e);
}

TEST_CASE("statistics are not split, nor what updates of others read",
          "[clone][ties][edge-28][edge-36]") {
  Graph g;
  const auto x = input4(g);
  const auto layer = batch_norm<"norm">().shared("norm");
  const auto y = layer(relu(layer(x)));
  const Clone copy = clone(extract(inputs(x), outputs(y)), bind(x, x), ties::split);
  copy.check();
  g.validate();
  std::size_t parameters = 0, statistics = 0;
  for (const variable_image& image : copy.variable_images()) {
    const bool statistic = g.variable_of(image.source).role == variable_role::statistic;
    (statistic ? statistics : parameters) += copy.images(image.source).size();
  }
  CHECK(parameters == 4);
  CHECK(statistics == 2);
  // Spectral norm: the statistic's update reads the matrix, which only one op of the network does.
  const auto w = make_variable<float, shape<4, 4>>(g, "m", glorot_uniform());
  const auto u = make_variable<float, shape<4>>(g, "u", ones(), false, variable_role::statistic);
  g.own_update(*g.variable_read_by(id_of(u)),
               op_of(assign(u, reshape<shape<4>>(matmul(reshape<shape<1, 4>>(u), w)))));
  const auto z = matmul(x, w) * u;
  const Clone spectral = clone(extract(inputs(x), outputs(z)), bind(x, x), ties::split);
  spectral.check();
  CHECK(spectral.images(*g.variable_read_by(id_of(w))).size() == 1);
}

TEST_CASE("ties of what a training step updates are not split", "[clone][ties][edge-28]") {
  twice t;
  const training_step step = minimize(mean(square(t.y)), sgd{0.1});
  const Region region = extract_training(inputs(t.x), step);
  const auto before = t.g.digest();
  const std::string text = message_of<unsupported_error>([&] { (void)clone(region, ties::split); });
  INFO(text);
  CHECK(mentions(text, "'w'"));
  CHECK(mentions(text, "updates it"));
  CHECK(t.g.digest() == before);
}

TEST_CASE("what a rule puts behind a tied parameter is split with it", "[clone][ties][rule]") {
  twice t;
  set_values(t.g);
  const Clone copy =
      clone(t.region(), bind(t.x, t.x), ties::split, variables::copied,
            each_op([&](const copied_op& op) -> std::optional<std::vector<any_tensor>> {
              if (op.source != op_of(t.w)) return std::nullopt;
              const auto gain = make_variable<float, shape<4>>(*op.graph, "gain", ones());
              return std::vector<any_tensor>{op.outputs[0] * any_tensor(gain)};
            }));
  copy.check();
  t.g.validate();
  const auto images = copy.images(t.v);
  REQUIRE(images.size() == 2);
  const tensor_id first = copy(id_of(t.w));
  CHECK(t.g.operand(first.op, 0) == t.g.variable_of(images[0]).read);
  const tensor_id second = t.g.operand(op_of(copy(t.y)), 1);
  CHECK(second != first);
  CHECK(t.g.operand(second.op, 0) == t.g.variable_of(images[1]).read);
  CHECK(t.g.operand(second.op, 1) == t.g.operand(first.op, 1));  // one gain
  CHECK(copy.original(first) == id_of(t.w));
  CHECK(copy.original(second) == id_of(t.w));
}

TEST_CASE("a parameter that comes through a dropped op is split as well", "[clone][ties][rule]") {
  Graph g;
  const auto x = input4(g);
  const auto w = make_variable<float, shape<4>>(g, "w", uniform());
  const auto bent = relu(w);
  const auto y = (x * w) * bent;
  const Clone copy =
      clone(extract(inputs(x), outputs(y)), bind(x, x), ties::split,
            each_op([](const copied_op& op) -> std::optional<std::vector<any_tensor>> {
              if (op.schema->name != "relu") return std::nullopt;
              return std::vector<any_tensor>{op.operands[0]};
            }));
  copy.check();
  const auto images = copy.images(*g.variable_read_by(id_of(w)));
  REQUIRE(images.size() == 2);
  CHECK(g.operand(op_of(copy(y)), 1) == g.variable_of(images[1]).read);
}

TEST_CASE("the parameter is split that is read where a rule put it in the place of another",
          "[clone][ties][rule]") {
  Graph g;
  const auto x = input4(g);
  const auto first = make_variable<float, shape<4>>(g, "first", ones());
  const auto second = make_variable<float, shape<4>>(g, "second", ones());
  const auto y = x * first + first - second;
  const std::string taken = GENERATE("first", "second"),
                    dropped = taken == "first" ? "second" : "first";
  const Clone copy =
      clone(extract(inputs(x), outputs(y)), bind(x, x), ties::split, into("copy"),
            each_op([&](const copied_op& op) -> std::optional<std::vector<any_tensor>> {
              if (op.origin->path_of(op.source) != dropped) return std::nullopt;
              return std::vector<any_tensor>{g.handle({*g.find_op("copy/" + taken), 0})};
            }));
  copy.check();
  g.validate();
  CHECK(copy.images(variable_named(g, taken)).size() == 3);
  CHECK(copy.images(variable_named(g, dropped)).size() == 1);
}

TEST_CASE("split parameters start from one other variable", "[clone][ties][edge-30]") {
  Graph g;
  const auto x = input4(g);
  const auto base = make_variable<float, shape<4>>(g, "base", uniform());
  const variable_id w = g.add_variable("w", id_of(base * 2.0f), variable_role::parameter, true);
  const row4 read(g.handle(g.variable_of(w).read).ref());
  const auto y = (x * read) * read + base;
  const Clone copy = clone(extract(inputs(x), outputs(y)), bind(x, x), ties::split);
  copy.check();
  CHECK(copy.images(w).size() == 2);
  CHECK(copy.images(*g.variable_read_by(id_of(base))).size() ==
        1);  // an initial value is no reader
  Session session(g);
  session.run(copy.initializer());
  const Array one = session.value(copy.images(w)[0]);
  CHECK(session.value(copy.images(w)[1]).same_bits(one));
  CHECK(one.span<float>()[0] ==
        2 * session.value(copy(*g.variable_read_by(id_of(base)))).span<float>()[0]);
}

TEST_CASE("split parameters join their source's collections", "[clone][ties][edge-38]") {
  twice t;
  t.g.add_to_collection("weights", {member::kind::variable, t.v, {}});
  const Clone copy = clone(t.region(), bind(t.x, t.x), ties::split);
  std::vector<variable_id> members;
  for (const member& m : t.g.collection("weights")) members.push_back(m.variable);
  std::vector<variable_id> expected{t.v};
  for (const variable_id image : copy.images(t.v)) expected.push_back(image);
  CHECK(members == expected);
}

TEST_CASE("the work of splitting is linear in the region, whatever is around it",
          "[clone][ties][edge-89]") {
  const auto bytes = [](int ops, int around) {
    Graph g;
    const auto x = input4(g);
    const auto w = make_variable<float, shape<4>>(g, "w", uniform());
    row4 y = x, other = x;
    for (int i = 0; i < around; ++i) other = relu(other);
    for (int i = 0; i < ops; ++i) y = y * w;
    const Region region = extract(inputs(x), outputs(y));
    (void)clone(region, bind(x, x), ties::split);  // the graph makes room
    std::size_t images = 0;
    const std::size_t result = failing::bytes_of(
        [&] { images = clone(region, bind(x, x), ties::split).variables().size(); });
    CHECK(images == static_cast<std::size_t>(ops));
    g.validate();
    return result;
  };
  CHECK(bytes(1000, 0) < 3 * bytes(500, 0));
  CHECK(bytes(100, 50000) < bytes(100, 0) + 1000000);
}
