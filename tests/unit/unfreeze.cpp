// Frozen clones made trainable again: what they were but for their constants.
#include "ensemble_fixture.hpp"

using namespace graft_test;

namespace {

using answer = std::optional<std::vector<any_tensor>>;

auto doubling(std::string_view name) {
  return each_op([name](const copied_op& op) -> answer {
    if (op.schema->name != name) return std::nullopt;
    return std::vector<any_tensor>{op.outputs[0] * 2.0f};
  });
}

// Two products by one variable, batch norm between them.
struct subject {
  Graph g;
  row4 x = input4(g), x2 = input4(g, "x2");
  tensor<Graph, dtype::float32, shape<4, 4>> w =
      make_variable<float, shape<4, 4>>(g, "w", normal(0, 1));
  row4 y = matmul(row4(batch_norm(matmul(x, w)).ref()), w);
  variable_id v = variable_named(g, "w");
  Region region = extract(inputs(x), outputs(y));
  Session session{g};
  Array rows = numbers({3, 4}, 0.3f);

  subject() { session.initialize(); }
  Array run(const any_tensor& t) { return session.run(t, feed(x, rows)); }
  // Other values for the source.
  void change() {
    session.set_value(v, numbers({4, 4}, 1.5f));
    session.run(updates_of(y), feed(x, rows));
  }
};

}  // namespace

TEST_CASE("an unfrozen clone has values for all parts of a split tie", "[clone][values][ties]") {
  subject s;
  const Clone frozen = clone(s.region, bind(s.x, s.x), variables::frozen);
  const Array then = s.run(frozen(s.y));
  s.change();
  const Clone thawed = unfreeze(frozen, ties::split);
  thawed.check();
  REQUIRE(thawed.images(s.v).size() == 2);
  CHECK(uninitialized(s.g).empty());
  CHECK(s.run(thawed(s.y)).same_bits(then));
  s.session.initialize();
  CHECK(s.run(thawed(s.y)).same_bits(then));
}

TEST_CASE("initialising an unfrozen clone leaves the values that were frozen", "[clone][values]") {
  subject s;
  const Clone frozen = clone(s.region, bind(s.x, s.x), variables::frozen);
  const Array then = s.run(frozen(s.y));
  const Clone thawed = unfreeze(frozen);
  CHECK(thawed.initializer().variables.empty());
  s.session.run(thawed.initializer());
  CHECK(s.run(thawed(s.y)).same_bits(then));
  // What a rule made is to be initialised, and nothing else.
  const Clone scaled = unfreeze(frozen, each_op([&](const copied_op& op) -> answer {
                                  if (op.source != op_of(s.y)) return std::nullopt;
                                  const auto k =
                                      make_variable<float, shape<4>>(*op.graph, "k", ones());
                                  return std::vector<any_tensor>{op.outputs[0] * any_tensor(k)};
                                }));
  REQUIRE(scaled.initializer().variables.size() == 1);
  s.session.run(scaled.initializer());
  CHECK(s.run(scaled(s.y)).same_bits(then));
}

TEST_CASE("an unfrozen clone is in the mode of the frozen one", "[clone][values][edge-26]") {
  subject s;
  s.session.run(updates_of(s.y), feed(s.x, s.rows));
  const Clone frozen = clone(s.region, bind(s.x, s.x), variables::frozen, mode::inference);
  const Array then = s.run(frozen(s.y));
  s.change();
  REQUIRE_FALSE(s.run(s.y).same_bits(then));
  CHECK(s.run(unfreeze(frozen)(s.y)).same_bits(then));
  // Unless another one is asked for.
  const Clone training = unfreeze(frozen, mode::training);
  CHECK_FALSE(s.run(training(s.y)).same_bits(then));
  CHECK(s.run(inference(training(s.y))).same_bits(then));
}

TEST_CASE("rules of a frozen clone are asked for again", "[clone][values][rule]") {
  subject s;
  const Clone frozen = clone(s.region, bind(s.x, s.x), variables::frozen, doubling("matmul"));
  const Array then = s.run(frozen(s.y));
  const auto before = s.g.digest();
  const std::string text = message_of<argument_error>([&] { (void)unfreeze(frozen); });
  INFO(text);
  CHECK(mentions(text, "rules"));
  CHECK(mentions(text, "each_op"));
  CHECK(s.g.digest() == before);
  const Clone thawed = unfreeze(frozen, doubling("matmul"));
  thawed.check();
  CHECK(s.run(thawed(s.y)).same_bits(then));
}

TEST_CASE("an unfrozen clone reads the expressions that the frozen one did", "[clone][values]") {
  Graph g, h;
  const row4 x = input4(g);
  const auto w = make_variable<float, shape<4>>(g, "w", constant(3));
  const auto b = make_variable<float, shape<4>>(g, "b", ones());
  const row4 y = x * w + b;
  const auto halved = w * 0.5f;
  Session session(g);
  session.initialize();
  const Clone frozen = clone(extract(inputs(x), outputs(y)), bind(x, x), variables::frozen,
                             variables::expr(w, halved));
  const Array rows = numbers({2, 4}, 0.4f);
  const Array then = session.run(frozen(y), feed(x, rows));
  const Clone thawed = unfreeze(frozen);
  thawed.check();
  CHECK(session.run(thawed(y), feed(x, rows)).same_bits(then));
  CHECK(thawed(w).ref() == halved.ref());
  CHECK(thawed.variables().size() == 1);
  // Another one may take its place; in another graph one must.
  const Clone other = unfreeze(frozen, variables::expr(w, w));
  CHECK_FALSE(session.run(other(y), feed(x, rows)).same_bits(then));
  const auto mine = constant(h, Array::full<float>({4}, 1.5f));
  const auto before = h.digest();
  const std::string text =
      message_of<argument_error>([&] { (void)unfreeze(frozen, into(h, "copy")); });
  INFO(text);
  CHECK(mentions(text, "in place of 'w'"));
  CHECK(h.digest() == before);
  const Clone there = unfreeze(frozen, into(h, "copy"), variables::expr(w, mine));
  there.check();
  Session other_session(h);
  CHECK(other_session.run(there(y), feed(there(x), rows)).same_bits(then));
}

TEST_CASE("a clone on inputs of another shape is unfrozen on them", "[clone][values]") {
  Graph g;
  const auto x = placeholder<float, shape<2, 4>>(g, "x");
  const auto wide = placeholder<float, shape<6, 4>>(g, "wide");
  const auto w = make_variable<float, shape<4, 4>>(g, "w", normal(0, 1));
  const any_tensor y = tanh(matmul(x, w));
  Session session(g);
  session.initialize();
  const Clone frozen =
      clone(extract(inputs(x), outputs(y)), bind_reshaped(x, wide), variables::frozen);
  const Array rows = numbers({6, 4}, 0.4f);
  const Clone thawed = unfreeze(frozen);
  thawed.check();
  CHECK(
      session.run(thawed(y), feed(wide, rows)).same_bits(session.run(frozen(y), feed(wide, rows))));
}

TEST_CASE("streams of an unfrozen clone go on from where they were frozen", "[clone][values]") {
  Graph g;
  const row4 x = input4(g);
  const row4 y = row4(dropout(dense4(x), 0.5).ref());
  Session session(g);
  session.initialize();
  const Array rows = Array::full<float>({8, 4}, 1);
  const Clone frozen = clone(extract(inputs(x), outputs(y)), bind(x, x), variables::frozen);
  const Array then = session.run(frozen(y), feed(x, rows));
  const Clone thawed = unfreeze(frozen);
  CHECK(session.run(thawed(y), feed(x, rows)).same_bits(then));
  CHECK(thawed.initializer().variables.empty());
}

TEST_CASE("an unfrozen clone of another element type reads what the frozen one did through casts",
          "[clone][values]") {
  Graph g;
  const row4 x = input4(g), x2 = input4(g, "x2");
  const auto w = make_variable<float, shape<4>>(g, "w", constant(3));
  const auto b = make_variable<float, shape<4>>(g, "b", ones());
  const row4 y = x * w + b;
  const auto halved = w * 0.5f;
  Session session(g);
  session.initialize();
  const bool other_graph = GENERATE(false, true);
  Graph h;
  const Clone frozen =
      other_graph ? clone(extract(inputs(x), outputs(y)), into(h, "copy"), variables::frozen)
                  : clone(extract(inputs(x), outputs(y)), bind(x, x2), variables::frozen,
                          variables::expr(w, halved));
  const Clone thawed = other_graph ? unfreeze(frozen, into(h), element_type(dtype::float64))
                                   : unfreeze(frozen, element_type(dtype::float64));
  Graph& in = frozen.graph();
  in.validate();
  thawed.check();
  frozen.check();
  CHECK(thawed.variables().size() == (other_graph ? 2 : 1));
  CHECK(in.type_of(thawed(g.id(y))).type == dtype::float64);
  // The map leads to the casts, and back from them and from what they read.
  CHECK(thawed.find_original(any_tensor(frozen(x)))->ref() == x.ref());
  CHECK(in.schema_of(thawed(g.id(x)).op).name == "cast");
  CHECK(in.operand(thawed(g.id(x)).op, 0) == in.id(frozen(x)));
  if (!other_graph) CHECK(in.operand(thawed(g.id(w)).op, 0) == g.id(halved));
  const Array rows = numbers({2, 4}, 0.4f);
  Session there(in);
  const Array wanted = there.run(frozen(y), feed(any_tensor(frozen(x)), rows));
  const Array found = there.run(thawed(any_tensor(y)), feed(any_tensor(frozen(x)), rows));
  for (std::size_t i = 0; i < wanted.span<float>().size(); ++i) {
    CHECK(found.span<double>()[i] == Approx(wanted.span<float>()[i]));
  }
  // An input may be named anew.
  const auto wide = placeholder<double, shape<2, 4>>(in, "wide");
  const Clone named = unfreeze(frozen, element_type(dtype::float64), into(in, "named"),
                               bind(any_tensor(x), any_tensor(wide)));
  CHECK(named(g.id(x)) == in.id(wide));
  named.check();
}

TEST_CASE("a frozen clone is unfrozen while its source is there as it was", "[clone][values]") {
  SECTION("the source is gone") {
    Graph there;
    std::optional<Clone> frozen;
    {
      subject s;
      frozen = clone(s.region, into(there, "frozen"), variables::frozen);
    }
    const auto digest = there.digest();
    const std::string text = message_of<handle_error>([&] { (void)unfreeze(*frozen); });
    INFO(text);
    CHECK(mentions(text, "a clone was to be unfrozen"));
    CHECK(mentions(text, "the graph that it was cloned from is gone"));
    CHECK(there.digest() == digest);
  }
  SECTION("the source was edited, or removed") {
    subject s;
    const Clone frozen = clone(s.region, bind(s.x, s.x), variables::frozen);
    const Array then = s.run(frozen(s.y));
    if (GENERATE(false, true)) {
      s.g.erase_ops(s.region.nodes());
    } else {
      (void)insert_after(s.y, [](const auto& t) { return t * 2.0f; });
      s.g.set_operand(op_of(s.y), 0, id_of(s.x));
    }
    const auto digest = s.g.digest();
    const std::string text = message_of<graph_error>([&] { (void)unfreeze(frozen); });
    INFO(text);
    CHECK(mentions(text, "a clone was to be unfrozen"));
    CHECK(mentions(text, "was edited or removed since"));
    CHECK(s.g.digest() == digest);
    CHECK(s.run(frozen(s.y)).same_bits(then));  // it goes on
  }
  SECTION("a clone of it") {
    subject s;
    const Clone frozen = clone(s.region, bind(s.x, s.x), variables::frozen);
    const Clone copy = clone(extract(inputs(s.x), outputs(frozen(s.y))), bind(s.x, s.x));
    const std::string text = message_of<argument_error>([&] { (void)unfreeze(copy); });
    INFO(text);
    CHECK(mentions(text, "clones of that have plain constants"));
    unfreeze(frozen).check();
  }
}
