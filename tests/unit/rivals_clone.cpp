// What the tests of other systems ask of a copied network: Keras' clone_model, CNTK's Clone, Flax' nnx, ONNX
// GraphSurgeon's copy, torch.func's functional calls.
#include <map>

#include "graft/graft.hpp"

#include "clone_fixture.hpp"
#include "ensemble_fixture.hpp"
#include "temporary_file.hpp"

using namespace graft;
using namespace graft_test;

namespace {

// A network of the user's own type, as others subclass a model.
struct two_branches {
  template <class X, class Y>
  auto operator()(const X& x, const Y& y) const {
    const scope s(x, "two_branches");
    return dense<3>(relu(dense<4>(x)) * dense<4>(y));
  }
};

constexpr auto compiled =
    net<[](auto x) { return dense<3>(tanh(dense<8>(x))); }, in<float, shape<dyn, 4>>>();

bool is(const copied_op& op, const char* name) { return op.schema->name == name; }

}  // namespace

TEST_CASE("networks declared in every way give equal outputs once values are copied", "[rival]") {
  Graph g;
  const row4 x = input4(g, "x"), z = input4(g, "z"), x2 = input4(g, "x2"), z2 = input4(g, "z2");
  const any_tensor y = [&]() -> any_tensor {
    switch (GENERATE(0, 1, 2, 3, 4)) {
      case 0:
        return dense<3>(relu(dense<5>(x)) + dense<5>(z));
      case 1:
        return (sequence(dense<5>, relu(), dense<3>))(x + z);
      case 2:
        return two_branches()(x, z);
      case 3:
        return lower(compiled, g, x + z);
      default:
        return batch_norm(dense<3>(x) + sum<axes<1>, true>(z));
    }
  }();
  Session session(g, {.seed = 1});
  session.initialize();
  const Clone copy = clone(extract(inputs(x, z), outputs(y)), bind(x, x2, z, z2), into("copy"));
  session.run(copy.initializer());
  const Array a = numbers({6, 4}, 0.8f), b = numbers({6, 4}, -0.3f);
  const auto mine = [&] { return session.run(y, feed(x, a), feed(z, b)); };
  const auto theirs = [&] { return session.run(copy(y), feed(x2, a), feed(z2, b)); };
  const Array before = mine();
  CHECK_FALSE(theirs().same_bits(before));
  copy_values(copy);
  CHECK(theirs().same_bits(before));
  // Independent from then on.
  const training_step step = minimize(mean(square(copy(y))), sgd{.rate = 0.1});
  session.initialize();
  session.run(step, feed(x2, a), feed(z2, b));
  CHECK_FALSE(theirs().same_bits(before));
  CHECK(mine().same_bits(before));
}

TEST_CASE("a rule renames what is copied, and puts layers between", "[rival]") {
  Graph g;
  const row4 x = input4(g, "x");
  const auto y = dense<3, "head">(relu(dense<4, "body">(x)));
  const Clone copy =
      clone(extract(inputs(x), outputs(y)), bind(x, x), into("copy"),
            each_op([](const copied_op& op) -> std::optional<std::vector<any_tensor>> {
              op.graph->rename(op.copy, "my_" + op.graph->name_of(op.copy));
              if (!is(op, "relu")) return std::nullopt;
              const auto h = as<float, shape<dyn, 4>>(op.outputs[0]);
              return std::vector<any_tensor>{dense<4, "between">(h)};
            }));
  g.validate();
  copy.check();
  CHECK(g.find_op("copy/head/my_matmul").has_value());
  CHECK(g.find_op("copy/my_relu").has_value());
  CHECK(g.find_variable("copy/between/kernel").has_value());
  CHECK(trainable_variables(y).size() == 4);
  CHECK(trainable_variables(copy(y)).size() == 6);
}

TEST_CASE("inputs are replaced by the same structure, and what differs is said", "[rival]") {
  Graph g;
  const row4 x = input4(g, "x"), z = input4(g, "z"), x2 = input4(g, "x2");
  const Region region = extract(inputs(x, z), outputs(sub(x, z)));
  const auto digest = g.digest();
  const std::string text = message_of<argument_error>(
      [&] { (void)clone(region, bind(std::tuple{x, z}, std::vector{x2})); });
  CHECK(mentions(text, "2"));
  CHECK(mentions(text, "1"));
  CHECK_THROWS_AS(clone(region, bind(std::map<std::string, row4>{{"a", x}}, std::tuple{x2, x2})),
                  argument_error);
  CHECK(g.digest() == digest);
}

TEST_CASE("a layer that is applied in several places, and to itself, is copied once", "[rival]") {
  Graph g;
  const row4 x = input4(g, "x"), x2 = input4(g, "x2");
  constexpr auto layer = dense<4, "tied">.shared("tied");
  row4 h = layer(x);
  {
    const scope outer(g, "outer");
    h = layer(relu(h));
    const scope inner(g, "inner");
    h = layer(tanh(layer(h)));
  }
  const Clone copy = clone(extract(inputs(x), outputs(h)), bind(x, x2), into("copy"));
  copy.check();
  CHECK(copy.parameters().size() == 2);
  // A copy of the copy, and a copy of part of it that holds the layer's ops of one place only.
  const Clone again = clone(extract(inputs(x2), outputs(copy(h))), bind(x2, x));
  CHECK(again.parameters().size() == 2);
  const Clone file_copy = [&] {
    const temporary_file file;
    save_region(file.path, extract(inputs(x), outputs(h)));
    const loaded_region loaded = load_region(g, file.path, into("loaded"));
    CHECK(loaded.variables.size() == 2);
    return clone(loaded.region);
  }();
  CHECK(file_copy.parameters().size() == 2);
}

TEST_CASE("share, clone and freeze differ in what becomes of parameters", "[rival]") {
  Graph g;
  const row4 x = input4(g, "x");
  const auto h = dense4(x, "bottom");
  const auto y = dense4(relu(h), "top");
  set_values(g);
  // The upper half alone, on features from elsewhere.
  const row4 features = input4(g, "features");
  const Region top = extract(inputs(h), outputs(y));
  REQUIRE(top.variables().size() == 2);
  Session session(g);
  const Array rows = numbers({3, 4}, 0.4f);
  const Array wanted = session.run(y, feed(h, rows));

  const Clone shared = clone(top, bind(h, features), variables::shared);
  const Clone copied = clone(top, bind(h, features), variables::copied);
  const Clone frozen = clone(top, bind(h, features), variables::frozen);
  for (const Clone& c : {shared, copied, frozen})
    CHECK(session.run(c(y), feed(features, rows)).same_bits(wanted));
  CHECK(trainable_variables(shared(y)) ==
        std::vector{variable_named(g, "top/w"), variable_named(g, "top/b")});
  CHECK(copied.parameters().size() == 2);
  CHECK(trainable_variables(frozen(y)).empty());
  // A frozen copy is a snapshot, a copied one starts from one, a shared one follows.
  g.store().set(variable_named(g, "top/w"), Array::full<float>({4, 4}, -1.0f));
  CHECK(session.run(frozen(y), feed(features, rows)).same_bits(wanted));
  CHECK(session.run(copied(y), feed(features, rows)).same_bits(wanted));
  CHECK(session.run(shared(y), feed(features, rows)).same_bits(session.run(y, feed(h, rows))));
  // Frozen is not for ever.
  const Clone thawed = unfreeze(frozen);
  CHECK(thawed.parameters().size() == 2);
  CHECK(session.run(thawed(y), feed(features, rows)).same_bits(wanted));
}

TEST_CASE("what is removed from the source stays in the copy", "[rival]") {
  Graph g;
  const row4 x = input4(g, "x");
  const auto p = placeholder<bool, shape<>>(g, "p");
  const auto w = make_variable<float, shape<4>>(g, "w", ones());
  const row4 y = cond(p, [&] { return row4(x * w); }, [&] { return row4(x - w); });
  const Region region = extract(inputs(x, p), outputs(y));
  Session session(g);
  session.initialize();
  const Clone copy = clone(region, into("copy"), variables::copied);
  CHECK(isomorphic(region, extract(inputs(copy(x), copy(p)), outputs(copy(y))), including::values));
  const row4 mine = copy(y);
  const any_tensor at = copy(x), chosen = copy(p);
  const Array rows = numbers({2, 4}, 0.4f);
  const Array wanted = session.run(y, feed(x, rows), feed(p, true));
  g.erase_ops(region.nodes());
  g.validate();
  CHECK(session.run(mine, feed(at, rows), feed(chosen, Array::scalar(true))).same_bits(wanted));
  CHECK_FALSE(g.find_variable("w").has_value());
  CHECK_THROWS_AS(copy.check(), graph_error);
}

TEST_CASE("tensors without elements survive a copy and a file", "[rival]") {
  Graph g;
  const auto x = placeholder<float, shape<dyn, 0>>(g, "x");
  const auto w = make_variable<float, shape<0, 3>>(g, "w", ones());
  const auto nothing = as<float, shape<0>>(constant(g, Array(dtype::float32, {0}), "nothing"));
  const auto y = matmul(x + nothing, w);  // sums over nothing
  Session session(g);
  session.initialize();
  const Region region = extract(inputs(x), outputs(y));
  const Clone copy = clone(region, variables::copied);
  copy.check();
  const Array rows(dtype::float32, {2, 0}), zeros_of(dtype::float32, {2, 3});
  CHECK(session.run(copy(y), feed(copy(x), rows)).same_bits(zeros_of));
  const temporary_file file;
  save_region(file.path, region);
  Graph other;
  const loaded_region loaded = load_region(other, file.path);
  CHECK(isomorphic(region, loaded.region, including::values));
  CHECK(Session(other).run(loaded.outputs[0], feed(loaded.inputs[0], rows)).same_bits(zeros_of));
}

TEST_CASE("one parameter is given one expression, however often it is read", "[rival]") {
  Graph g;
  const row4 x = input4(g, "x");
  constexpr auto layer = dense<4, "tied">.shared("tied");
  const auto y = layer(relu(layer(x)));
  const Region region = extract(inputs(x), outputs(y));
  const any_tensor w = g.handle(g.variable_of(variable_named(g, "tied/kernel")).read);
  const any_tensor half = w * 0.5, twice = w * 2.0;
  const auto digest = g.digest();
  // In one list, over several, and as an input besides.
  CHECK(mentions(
      message_of<boundary_error>([&] { (void)clone(region, variables::expr(w, half, w, twice)); }),
      "twice"));
  CHECK_THROWS_AS(clone(region, variables::expr(w, half), variables::expr(w, twice)),
                  boundary_error);
  CHECK_THROWS_AS(
      clone(extract(inputs(x, w), outputs(y)), bind(w, half), variables::expr(w, twice)),
      boundary_error);
  CHECK(g.digest() == digest);
  // One is enough for both places.
  const Clone copy = clone(region, bind(x, x), variables::shared, variables::expr(w, half));
  CHECK(g.uses(id_of(half)).size() == 2);
  copy.check();
}

TEST_CASE("a training step is copied with what its optimiser has learnt and its settings",
          "[rival]") {
  Graph g;
  const row4 x = input4(g, "x");
  const auto y = dense<2>(tanh(dense<5>(x)));
  const any_tensor loss = mean(square(y));
  const training_step step = minimize(loss, adam{.rate = exponential_decay(0.05, 10, 0.5)});
  Session session(g, {.seed = 2});
  session.initialize();
  const Array rows = numbers({6, 4}, 0.8f);
  for (int i = 0; i < 3; ++i) session.run(step, feed(x, rows));
  const Clone copy = clone(extract_training(inputs(x), step), bind(x, x), variables::copied);
  // The two go on alike, bit for bit: moments, step number and rate came along.
  for (int i = 0; i < 4; ++i) {
    session.run(step, feed(x, rows));
    session.run(copy(step), feed(x, rows));
    CHECK(session.run(loss, feed(x, rows)).same_bits(session.run(copy(loss), feed(x, rows))));
  }
}
