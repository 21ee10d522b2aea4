// What a clone says of where things come from, and of one variable's initialiser.
#include "graft/graft.hpp"

#include "clone_fixture.hpp"

using namespace graft_test;

TEST_CASE("ops, tensors and variables know what they descend from", "[clone][edge-40]") {
  Graph g, other;
  const auto x = input4(g);
  const auto y = dense4(x);
  const variable_id w = variable_named(g, "dense/w");
  const Clone first = clone(extract(inputs(x), outputs(y)), bind(x, x), into("first"));
  const Clone beside = clone(extract(inputs(x), outputs(y)), bind(x, x), into("beside"));
  const Clone second = clone(extract(inputs(x), outputs(first(y))), into(other, "second"));
  const auto x3 = input4(other, "x3");
  const any_tensor z = second(first(y));
  const Clone third =
      clone(extract(inputs(second(x)), outputs(z)), bind(second(x), x3), into("third"));
  const std::vector<Clone> all{first, beside, second, third};

  const op_id last = third(op_of(z));
  CHECK(lineage(last, all) == std::vector{op_of(z), op_of(first(y)), op_of(y)});
  CHECK(lineage(tensor_id{last, 0}, all) == std::vector{id_of(z), id_of(first(y)), id_of(y)});
  CHECK(lineage(third(second(first(w))), all) == std::vector{second(first(w)), first(w), w});
  const auto handles = lineage(third(z), all);
  REQUIRE(handles.size() == 3);
  CHECK(handles[0].ref() == z.ref());
  CHECK(handles[2].ref() == y.ref());
  // What was bound to an input leads to what it stands for.
  CHECK(lineage(id_of(x3), all) == std::vector{id_of(second(x)), id_of(x)});
  // Generations that are left out end it, others do not matter.
  CHECK(lineage(last, {third}) == std::vector{op_of(z)});
  CHECK(lineage(last, {first, third}) == std::vector{op_of(z)});
  CHECK(lineage(first(op_of(y)), {first, beside}) == std::vector{op_of(y)});
  CHECK(lineage(op_of(y), {first, beside}).empty());
  CHECK(lineage(last, {}).empty());
  CHECK_THROWS_AS(lineage(any_tensor(y), all), handle_error);
}

TEST_CASE("what is shared or split has a lineage, too", "[clone][edge-28][edge-40]") {
  Graph g;
  const auto x = input4(g);
  const auto w = make_variable<float, shape<4>>(g, "w", uniform());
  const auto y = (x * w) * w;
  const variable_id v = *g.variable_read_by(id_of(w));
  const Clone shared = clone(extract(inputs(x), outputs(y)), bind(x, x), variables::shared);
  const Clone split = clone(extract(inputs(x), outputs(shared(y))), bind(x, x), ties::split);
  for (const variable_id image : split.images(v)) {
    CHECK(lineage(image, {shared, split}) == std::vector{v});
    CHECK(lineage(g.variable_of(image).read, {shared, split}) == std::vector{id_of(w)});
    CHECK(lineage(g, image) == std::vector{v});
  }
}

TEST_CASE("one variable of a clone is initialised alone", "[clone][edge-23]") {
  Graph g;
  const auto x = input4(g);
  const auto y = dense4(x);
  set_values(g);
  const variable_id w = variable_named(g, "dense/w"), b = variable_named(g, "dense/b");
  const any_tensor read = g.handle(g.variable_of(w).read);
  const Region region = extract(inputs(x), outputs(y));
  Session session(g);
  SECTION("fresh") {
    const Clone copy = clone(region);
    CHECK(copy.initializer_of(w).variables == std::vector{copy(w)});
    CHECK(copy.initializer_of(read).variables == std::vector{copy(w)});
    session.run(copy.initializer_of(w));
    CHECK(g.store().initialized(copy(w)));
    CHECK_FALSE(g.store().initialized(copy(b)));
    const Array drawn = session.value(copy(w));
    g.store().set(copy(w), Array::full<float>({4, 4}, 1.0f));
    session.run(copy.initializer_of(read));
    CHECK(session.value(copy(w)).same_bits(drawn));
    CHECK_THROWS_AS(copy.initializer_of(y), handle_error);
    CHECK_THROWS_AS(copy.initializer_of(copy(w)), handle_error);
  }
  SECTION("copied: it draws what fresh would have") {
    const Clone copy = clone(region, variables::copied);
    CHECK(session.value(copy(b)).same_bits(session.value(b)));
    session.run(copy.initializer_of(b));
    CHECK(session.value(copy(b)).span<float>()[0] == 0.0f);
    CHECK(session.value(b).span<float>()[0] != 0.0f);
  }
  SECTION("split: all of its images") {
    const auto t = make_variable<float, shape<4>>(g, "t", uniform());
    const variable_id v = *g.variable_read_by(id_of(t));
    const Clone copy = clone(extract(inputs(x), outputs((x * t) * t)), ties::split);
    CHECK(copy.initializer_of(v).variables == copy.images(v));
  }
  SECTION("what is not the clone's own has none") {
    for (const variable_policy policy : {variables::shared, variables::linked, variables::frozen}) {
      const Clone copy = clone(region, policy);
      CHECK(mentions(message_of<handle_error>([&] { (void)copy.initializer_of(w); }),
                     "no variable of its own"));
    }
    const Clone copy = clone(region);
    g.erase_ops(copy.nodes());
    CHECK_THROWS_AS(copy.initializer_of(w), handle_error);
  }
}

TEST_CASE("asking for what a failed extraction does not have is a sentence", "[extract]") {
  Graph g;
  const auto x = input4(g, "x"), mask = input4(g, "mask");
  const auto y = x * mask;
  const auto failed = try_extract(inputs(x), outputs(y));
  CHECK(mentions(message_of<boundary_error>([&] { (void)failed.value(); }), "'mask'"));
  CHECK(mentions(message_of<boundary_error>([&] { (void)failed->nodes(); }), "'mask'"));
  const auto good = try_extract(inputs(x, mask), outputs(y));
  CHECK(good.value().nodes().size() == 1);
  CHECK(mentions(message_of<argument_error>([&] { (void)good.error(); }), "nothing failed"));
}
