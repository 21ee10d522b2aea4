// What the tests of other systems ask of networks that are put together and cut apart: ONNX' compose and
// extractor, TensorFlow's meta graphs, PyTensor's graph_replace, torch.func's stacked modules.
#include "graft/graft.hpp"

#include "clone_fixture.hpp"
#include "ensemble_fixture.hpp"
#include "temporary_file.hpp"

using namespace graft;
using namespace graft_test;

namespace {

// Two networks in graphs of their own, with equal names.
struct two_graphs {
  Graph first, second;
  row4 x = input4(first, "x");
  row4 left = dense4(x, "head"), right = tanh(x);
  row4 a = input4(second, "a"), b = input4(second, "b");
  row4 y = sub(dense4(a, "head"), b);

  two_graphs() {
    set_values(first, 1);
    set_values(second, -3);
  }
  [[nodiscard]] Array of_first(const row4& t, const Array& rows) {
    return Session(first).run(t, feed(x, rows));
  }
  [[nodiscard]] Array of_second(const Array& at_a, const Array& at_b) {
    return Session(second).run(y, feed(a, at_a), feed(b, at_b));
  }
};

Array rows3() { return numbers({3, 4}, 0.4f); }

}  // namespace

TEST_CASE("a network goes on where another one of another graph ends", "[rival]") {
  two_graphs s;
  const Region region = extract(inputs(s.a, s.b), outputs(s.y));
  Session session(s.first);
  const Array left = s.of_first(s.left, rows3()), right = s.of_first(s.right, rows3());
  SECTION("at all its inputs") {
    const Clone c =
        clone(region, into(s.first, "second"), bind(s.a, s.left, s.b, s.right), variables::copied);
    CHECK(session.run(c(s.y), feed(s.x, rows3())).same_bits(s.of_second(left, right)));
    CHECK(c.nodes().size() == region.nodes().size());  // no placeholders were left between
  }
  SECTION("at one; the other stays an input, under its name") {
    const Clone c = clone(region, into(s.first, "second"), bind(s.a, s.left), variables::copied);
    CHECK(s.first.path_of(id_of(c(s.b))) == "second/b");
    CHECK(session.run(c(s.y), feed(s.x, rows3()), feed(c(s.b), left))
              .same_bits(s.of_second(left, left)));
  }
  SECTION("one output at two inputs") {
    const Clone c =
        clone(region, into(s.first, "second"), bind(s.a, s.left, s.b, s.left), variables::copied);
    CHECK(session.run(c(s.y), feed(s.x, rows3())).same_bits(s.of_second(left, left)));
  }
  SECTION("with equal names on both sides, which wire nothing") {
    const Clone c =
        clone(region, into(s.first, ""), bind(s.a, s.left, s.b, s.right), variables::copied);
    CHECK(session.run(c(s.y), feed(s.x, rows3())).same_bits(s.of_second(left, right)));
    CHECK(s.first.path_of(c(variable_named(s.second, "head/w"))) == "head_1/w");
    CHECK(s.of_first(s.left, rows3()).same_bits(left));
  }
  s.first.validate();
}

TEST_CASE("inputs and outputs may be dropped, and what only they needed goes", "[rival]") {
  Graph g;
  const row4 x = input4(g, "x"), z = input4(g, "z");
  const auto trunk = dense4(x, "trunk");
  const auto a = dense4(trunk, "a"), b = add(dense4(trunk, "b"), z);
  const Region both = extract(inputs(x, z), outputs(a, b));
  REQUIRE(both.variables().size() == 6);
  const Region one = both.with_outputs(outputs(a)).without_unused_inputs();
  CHECK(one.inputs() == ids(x));
  CHECK(one.variables().size() == 4);
  const Clone copy = clone(one, into("one"));
  CHECK(copy.variables().size() == 4);
  CHECK_FALSE(g.find_scope("one/b").has_value());
  // A dropped input is a source that stays what it was, within the graph.
  const Clone kept = clone(both.with_inputs(inputs(x)), into("kept"));
  CHECK(kept(z).ref() == z.ref());
  const temporary_file file;
  save_region(file.path, one);
  Graph other;
  CHECK(load_region(other, file.path).variables.size() == 4);
  // What is no input or output of the region is refused with those there are.
  CHECK(mentions(message_of<boundary_error>([&] { (void)both.with_outputs(outputs(trunk)); }),
                 "'trunk/add'"));
  CHECK_THROWS_AS(both.with_inputs(inputs(trunk)), boundary_error);
}

TEST_CASE("a name that is taken is refused on request, whatever has it", "[rival]") {
  Graph g;
  const row4 x = input4(g, "x");
  const Region region = extract(inputs(x), outputs(dense4(x, "net")));
  Graph other;
  const row4 taken = input4(other, "an_op");
  (void)taken;
  (void)make_variable<float, shape<4>>(other, "a_variable", zeros());
  {
    const in_scope s(other, "a_scope");
    (void)input4(other, "inner");
  }
  const auto digest = other.digest();
  for (const char* name : {"a_scope", "an_op", "a_variable"}) {
    INFO(name);
    if (std::string_view(name) == "a_scope") {
      CHECK(mentions(
          message_of<name_error>([&] { (void)clone(region, into(other, name), names::exact); }),
          name));
      CHECK(other.digest() == digest);
    } else {
      // Scopes and ops are told apart, as folders and files in two lists; nothing collides.
      const Graph::transaction undo(other);
      const Clone c = clone(region, into(other, name), names::exact);
      CHECK(other.path_of(c(variable_named(g, "net/w"))) == std::string(name) + "/w");
      other.validate();
    }
  }
  CHECK(other.digest() == digest);
  // Names within the clone that are taken at the root.
  (void)dense4(input4(other, "x"), "net");
  const auto before = other.digest();
  CHECK_THROWS_AS(clone(region, into(other, ""), from(""), names::exact), name_error);
  CHECK(other.digest() == before);
}

TEST_CASE("types and named extents of outputs stay what they are", "[rival]") {
  Graph g, other;
  const auto x = placeholder<float, shape<dim<"batch">, 4>>(g, "x");
  const auto y = dense<3>(relu(x));
  const Clone c = clone(extract(inputs(x), outputs(y)), into(other, "net"));
  static_assert(
      std::is_same_v<std::remove_const_t<decltype(c(y))>, std::remove_const_t<decltype(y)>>);
  CHECK(other.type_of(id_of(c(y))) == g.type_of(id_of(y)));
  CHECK(other.type_of(id_of(c(x))) == g.type_of(id_of(x)));
  // A binding to another named extent renames it all the way.
  const auto z = placeholder<float, shape<dim<"others">, 4>>(other, "z");
  const Clone d =
      clone(extract(inputs(x), outputs(y)), into(other, "net"), bind(any_tensor(x), any_tensor(z)));
  CHECK(other.type_of(id_of(d(any_tensor(y)))).shape == dims{dim<"others">, 3});
}

TEST_CASE("a network that is written, read and written again is the same bytes", "[rival]") {
  Graph g;
  const row4 x = input4(g, "x"), z = input4(g, "z");
  row4 y;
  {
    const in_scope outer(g, "outer");
    const in_scope inner(g, "inner");
    y = dense4(batch_norm(x) + dense4(z));
  }
  g.add_to_collection("outputs", {member::kind::tensor, {}, id_of(y)});
  set_values(g);
  const temporary_file file, again;
  save_region(file.path, extract(inputs(x, z), outputs(y)));
  Graph other;
  const loaded_region loaded = load_region(other, file.path);
  save_region(again.path, loaded.region);
  CHECK(file.bytes() == again.bytes());
  CHECK(other.find_variable("outer/inner/dense/w").has_value());

  // Into one scope twice: the second gets a number, and its own variables.
  Graph third;
  CHECK(third.path_of(load_region(third, file.path, into("s")).variables[0]).starts_with("s/"));
  CHECK(third.path_of(load_region(third, file.path, into("s")).variables[0]).starts_with("s_1/"));
  third.validate();
  // Its inputs are all given, or none.
  const row4 mine = input4(third, "mine");
  const auto digest = third.digest();
  const std::string text =
      message_of<boundary_error>([&] { (void)load_region(third, file.path, inputs(mine)); });
  CHECK(mentions(text, "2"));
  CHECK_THROWS_AS(load_region(third, file.path, inputs(mine, mine, mine)), boundary_error);
  CHECK(third.digest() == digest);
}

TEST_CASE("a loop is put into a loop, from a region and from a file", "[rival]") {
  using state = tensor<Graph, dtype::float32, shape<3>>;
  using sequence_of = tensor<Graph, dtype::float32, shape<2, 3>>;
  Graph g;
  const state start = placeholder<float, shape<3>>(g, "start");
  const sequence_of steps = placeholder<float, shape<2, 3>>(g, "steps");
  const state inner = std::get<0>(
      scan(start, steps, [](auto s, auto e) { return std::tuple{s * e + 1.0f, std::tuple{}}; }));
  const Region loop = extract(inputs(start, steps), outputs(inner));
  const temporary_file file;
  save_region(file.path, loop);

  const Array ones = Array::full<float>({3}, 1.0f);
  const Array twos = Array::full<float>({2, 3}, 2.0f);
  const bool from_file = GENERATE(false, true);
  Graph h;
  const state x = placeholder<float, shape<3>>(h, "x");
  const sequence_of xs = placeholder<float, shape<2, 3>>(h, "xs");
  const auto outer = std::get<0>(scan(x, xs, [&](auto s, auto e) {
    Graph& body = *h.current_body();
    const sequence_of all = identity(xs);  // of the body
    const any_tensor inside =
        from_file ? load_region(body, file.path, inputs(s, all)).outputs[0]
                  : any_tensor(clone(loop, into(body, "loop"), bind(start, s, steps, all))(inner));
    return std::tuple{as<float, shape<3>>(inside) - e, std::tuple{}};
  }));
  h.validate();
  Session session(h);
  // The loop inside makes 4 s + 3 of s, the one outside takes 2 from that: 1, 5, 21.
  CHECK(
      session.run(outer, feed(x, ones), feed(xs, twos)).same_bits(Array::full<float>({3}, 21.0f)));
  const state slope = gradient(sum(outer), x);
  CHECK(
      session.run(slope, feed(x, ones), feed(xs, twos)).same_bits(Array::full<float>({3}, 16.0f)));
  // The whole is a network as any other.
  Graph third;
  const Clone copy = clone(extract(inputs(x, xs), outputs(outer, slope)), into(third, "copy"));
  copy.check();
  CHECK(Session(third)
            .run(copy(slope), feed(copy(x), ones), feed(copy(xs), twos))
            .same_bits(Array::full<float>({3}, 16.0f)));
}

TEST_CASE("a network with variables is not read into a body", "[rival]") {
  Graph g;
  const row4 x = input4(g, "x");
  const auto y = dense4(x);
  set_values(g);
  const temporary_file file;
  save_region(file.path, extract(inputs(x), outputs(y)));
  Graph h;
  const row4 z = input4(h, "z");
  const auto p = placeholder<bool, shape<>>(h, "p");
  const auto digest = h.digest();
  CHECK_THROWS_AS(cond(
                      p,
                      [&] {
                        const row4 inside = z * 1.0f;
                        return as<float, shape<dyn, 4>>(
                            load_region(*h.current_body(), file.path, inputs(inside)).outputs[0]);
                      },
                      [&] { return row4(z); }),
                  graph_error);
  CHECK(h.current_body() == nullptr);
  CHECK(h.digest() == digest);
  h.validate();
}

TEST_CASE("what is stacked must be of one kind", "[rival]") {
  Graph g;
  const row4 x = input4(g, "x");
  const auto y = dropout(dense<4>(x), 0.5);
  const Region region = extract(inputs(x), outputs(y));
  Session session(g, {.seed = 4});
  session.initialize();
  const Ensemble many = ensemble(region, 2, bind(x, x));
  session.run(many.initializer());
  const variable_id kernel = variable_named(g, "dense/kernel");
  const Array before = session.value(many(kernel));
  const auto refused = [&](const std::vector<Clone>& members, const char* because) {
    INFO(because);
    CHECK(mentions(message_of<argument_error>([&] { many.scatter_from(members); }), because));
    CHECK(session.value(many(kernel)).same_bits(before));
  };
  const Clone fine = clone(region, bind(x, x), variables::copied);
  refused({}, "0 clones");
  refused({fine}, "1 clone");
  refused({fine, fine, fine}, "3 clones");
  refused({fine, clone(extract(inputs(x), outputs(relu(y))), variables::copied)}, "another region");
  refused({fine, clone(region, bind(x, x),
                       variables::by_role({{variable_role::parameter, variables::frozen}},
                                          variables::copied))},
          "no variable of its own");
}

TEST_CASE("operators of several outputs and random ones are stacked too", "[rival]") {
  Graph g;
  const row4 x = input4(g, "x");
  SECTION("several outputs") {
    const auto [a, b] = split<2, 1>(dense<6>(x));
    compare_with_clones(g, x, sub(b, a), 3, numbers({5, 4}, 0.7f));
  }
  SECTION("random") {
    const auto y = dropout(x, 0.5);
    const Ensemble many = ensemble(extract(inputs(x), outputs(y)), 2, bind(x, x));
    Session session(g, {.seed = 6});
    session.initialize();
    const Array all = session.run(many(y), feed(x, Array::full<float>({16, 4}, 1.0f)));
    CHECK_FALSE(all.rows(0, 1).same_bits(all.rows(1, 2)));
  }
}
