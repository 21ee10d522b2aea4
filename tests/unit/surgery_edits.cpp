// Rewiring ops, their uses and control edges: what comes out, what is refused, and that nothing is left of what was
// refused, of regions as well.
#include <functional>

#include <sys/socket.h>  // has a connect() of its own

#include "graft/surgery/edit.hpp"
#include "graft/surgery/substitute.hpp"

#include "failing_allocations.hpp"
#include "letters_fixture.hpp"

using namespace graft;
using namespace graft_test;

namespace {

constexpr operator_schema doing_nothing{"test_same", 1, 1, schemas::infer_same};

tensor_id operand(const Graph& g, const any_tensor& t, std::uint32_t slot) {
  return g.operand(op_of(t), slot);
}

}  // namespace

TEST_CASE("several operands change at once, in any order") {
  Graph g;
  const auto x = input4(g, "x");
  const auto a = relu(x, "a"), b = tanh(a, "b"), y = exp(b, "y");
  // a and b change places: one by one, the first step would be a cycle.
  const std::vector<operand_change> turn{
      {op_of(b), 0, id_of(x)}, {op_of(a), 0, id_of(b)}, {op_of(y), 0, id_of(a)}};
  const auto before = g.digest();
  CHECK_THROWS_AS(g.set_operand(op_of(a), 0, id_of(b)), graph_error);
  CHECK(g.digest() == before);
  g.set_operands(turn);
  g.validate();
  CHECK(operand(g, y, 0) == id_of(a));
  CHECK(operand(g, a, 0) == id_of(b));
  const std::vector<operand_change> twice{{op_of(y), 0, id_of(x)}, {op_of(y), 0, id_of(b)}};
  CHECK_THROWS_AS(g.set_operands(twice), argument_error);
  const std::vector<operand_change> back{
      {op_of(a), 0, id_of(x)}, {op_of(b), 0, id_of(a)}, {op_of(y), 0, id_of(b)}};
  g.set_operands(back);
  CHECK(g.digest() == before);
}

TEST_CASE("an initial value that would read its own variable is refused") {
  Graph g;
  const auto seed = placeholder<float, shape<4>>(g, "seed");
  const auto start = relu(seed, "start");
  const variable_id v = g.add_variable("v", id_of(start), variable_role::parameter, true);
  const tensor_id read = g.variable_of(v).read;
  const auto before = g.digest();
  const std::string text =
      message_of<graph_error>([&] { connect(g.handle(read), op_of(start), 0); });
  CHECK(mentions(text, "'v'"));
  CHECK(g.digest() == before);
  // Nor may it get a type that the variable does not have.
  const any_tensor wide = placeholder<float, shape<5>>(g, "wide");
  const auto again = g.digest();
  CHECK_THROWS_AS(g.set_operand(op_of(start), 0, id_of(wide)), shape_error);
  CHECK(g.digest() == again);
}

TEST_CASE("initial values that would read each other in a circle are refused", "[edge-30]") {
  Graph g;
  const auto start = relu(placeholder<float, shape<4>>(g, "seed"), "start");
  const auto variable_of = [&](const char* name, const any_tensor& initial) {
    return g.handle(
        g.variable_of(g.add_variable(name, id_of(initial), variable_role::parameter, true)).read);
  };
  const any_tensor a = variable_of("a", start);
  const any_tensor b = variable_of("b", identity(a, "of_a"));
  const any_tensor alone = placeholder<float, shape<4>>(g, "alone");
  (void)tanh(alone, "user");
  const auto before = g.digest();
  const auto refused = [&](auto&& edit) {
    const std::string text = message_of<graph_error>(edit);
    INFO(text);
    CHECK(mentions(text, "'b' <- 'of_a' <- 'a'"));
    CHECK(mentions(text, "initial value"));
    CHECK(g.digest() == before);
    g.validate();
  };
  refused([&] { g.set_operand(op_of(start), 0, id_of(b)); });
  refused([&] { connect(b, op_of(start), 0); });
  refused([&] { reroute(g.handle(g.operand(op_of(start), 0)), b); });
  refused(
      [&] { insert_before(g, op_of(start), 0, [&](const any_tensor& t) { return add(t, b); }); });
  CHECK_THROWS_AS(g.add_control_edge(op_of(b), op_of(start)), graph_error);
  CHECK_THROWS_AS(swap_uses(g.handle(g.operand(op_of(start), 0)), b), graph_error);
  CHECK(g.digest() == before);
  // Reading another one is well.
  connect(alone, op_of(start), 0);
  g.validate();
}

TEST_CASE("types follow in a graph whose order is not that of its ops") {
  Graph g;
  const any_tensor x = placeholder<float, shape<dyn, 4>>(g, "x");
  const any_tensor x8 = placeholder<float, shape<8, 4>>(g, "x8");
  const any_tensor x9 = placeholder<float, shape<9, 4>>(g, "x9");
  const any_tensor early = relu(x), y = add(early, x), late = tanh(x);
  g.set_operand(op_of(y), 1, id_of(late));  // y stands before what it takes
  const std::vector<operand_change> both{{op_of(early), 0, id_of(x8)}, {op_of(late), 0, id_of(x8)}};
  g.set_operands(both);
  CHECK(g.type_of(id_of(y)) == value_type::of(dtype::float32, {8, 4}));
  // From 8 to 9 rows, through two ways that meet in an op stored before one of them.
  const std::vector<operand_change> on{{op_of(early), 0, id_of(x9)}, {op_of(late), 0, id_of(x9)}};
  g.set_operands(on);
  CHECK(g.type_of(id_of(y)) == value_type::of(dtype::float32, {9, 4}));
  g.validate();
}

TEST_CASE("uses move to another tensor, all or chosen ones") {
  letters s;
  Graph& g = s.graph;
  SECTION("all, and back: the graph is as it was") {
    const auto b2 = input4(g, "b2");
    const auto before = g.digest();
    CHECK(reroute(s.b, b2) == 1);
    CHECK(operand(g, s.c, 1) == id_of(b2));
    CHECK(g.uses(id_of(s.b)).empty());
    CHECK(reroute(b2, s.b) == 1);
    CHECK(g.digest() == before);
    CHECK(reroute(s.b, s.b) == 0);
  }
  SECTION("of some ops") {
    CHECK(reroute(s.c, s.a, among({op_of(s.e)})) == 1);
    CHECK(operand(g, s.e, 0) == id_of(s.a));
    CHECK(operand(g, s.f, 0) == id_of(s.c));
    CHECK(reroute(s.c, s.d, [&](op_id op) { return op == op_of(s.f); }) == 1);
    CHECK(operand(g, s.f, 0) == id_of(s.d));
    CHECK(operand(g, s.g, 0) == id_of(s.c));
    CHECK(reroute(s.c, s.d, within_scope("elsewhere")) == 0);
  }
  SECTION("several at once") {
    CHECK(reroute(std::tuple{s.a, s.b}, std::tuple{s.b, s.d}) == 3);
    CHECK(operand(g, s.c, 0) == id_of(s.b));
    CHECK(operand(g, s.c, 1) == id_of(s.d));
    CHECK(operand(g, s.g, 1) == id_of(s.b));
    CHECK_THROWS_AS(reroute(std::tuple{s.a, s.b}, s.d), argument_error);
    CHECK_THROWS_AS(reroute(std::tuple{s.a, s.a}, std::tuple{s.b, s.d}), argument_error);
  }
  g.validate();
}

TEST_CASE("two tensors exchange their uses, and again: the graph is as it was") {
  letters s;
  Graph& g = s.graph;
  const auto before = g.digest();
  CHECK(swap_uses(s.a, s.b) == 3);  // a is taken by c and g, b by c
  CHECK(operand(g, s.c, 0) == id_of(s.b));
  CHECK(operand(g, s.c, 1) == id_of(s.a));
  CHECK(operand(g, s.g, 1) == id_of(s.b));
  g.validate();
  CHECK(swap_uses(s.a, s.b) == 3);
  CHECK(g.digest() == before);
  CHECK(swap_uses(std::tuple{s.a, s.f}, std::tuple{s.b, s.g}) == 5);
  CHECK(swap_uses(std::tuple{s.a, s.f}, std::tuple{s.b, s.g}) == 5);
  CHECK(g.digest() == before);
  CHECK(swap_uses(s.a, s.a) == 0);
  CHECK(swap_uses(g, op_of(s.f), op_of(s.g)) == 2);
  CHECK(operand(g, s.h, 0) == id_of(s.g));
  CHECK(swap_uses(g, op_of(s.f), op_of(s.g)) == 2);
  CHECK(g.digest() == before);
  CHECK(swap_operands(g, op_of(s.e), op_of(s.g)) == 4);
  CHECK(operand(g, s.e, 1) == id_of(s.a));
  CHECK(swap_operands(g, op_of(s.e), op_of(s.g)) == 4);
  CHECK(operand(g, s.e, 1) == id_of(s.d));
  g.validate();
  CHECK_THROWS_AS(swap_operands(g, op_of(s.e), op_of(s.a)), argument_error);
  // Never found by algorithms that exchange handles.
  row4 p = s.a, q = s.b;
  using std::swap;
  const auto rewired = g.digest();
  swap(p, q);
  CHECK(g.digest() == rewired);
}

TEST_CASE("surgery that would make a cycle is refused and leaves no trace", "[edge-92]") {
  letters s;
  Graph& g = s.graph;
  const auto before = g.digest();
  CHECK_THROWS_AS(swap_uses(s.c, s.h), graph_error);  // f takes c, h depends on f
  CHECK(g.digest() == before);
  CHECK_THROWS_AS(reroute(s.a, s.h), graph_error);
  CHECK(g.digest() == before);
  CHECK_THROWS_AS(connect(s.h, op_of(s.f), 1), graph_error);
  CHECK(g.digest() == before);
  CHECK_THROWS_AS(add_control_edges(g, {op_of(s.h)}, op_of(s.c)), graph_error);
  CHECK(g.digest() == before);
  const Region first = extract(inputs(s.c, s.d), outputs(s.f));
  const Region second = extract(inputs(s.a, s.b), outputs(s.c));
  CHECK_THROWS_AS(bypass(extract(inputs(s.f, s.g), outputs(s.h))), argument_error);
  CHECK_THROWS_AS(connect(extract(inputs(s.c), outputs(s.g), leaks::keep),
                          extract(inputs(s.a), outputs(s.c), leaks::keep)),
                  graph_error);
  CHECK(g.digest() == before);
  CHECK_FALSE(first.stale());
  CHECK_FALSE(second.stale());

  // A bypass that a control edge forbids: the op waits for what depends on its users.
  const auto x = input4(g, "x"), p = relu(x, "p"), q = tanh(p, "q"), r = exp(x, "r");
  g.add_control_edge(op_of(q), op_of(r));
  const auto again = g.digest();
  const std::string text = message_of<graph_error>([&] { reroute(x, r, among({op_of(p)})); });
  CHECK(mentions(text, "'r'"));
  CHECK(mentions(text, "'q'"));  // the way round is told
  CHECK(g.digest() == again);
}

TEST_CASE("surgery that does not fit is refused and leaves no trace") {
  letters s;
  Graph& g = s.graph;
  const any_tensor five = placeholder<float, shape<dyn, 5>>(g, "five");
  const any_tensor whole = placeholder<std::int64_t, shape<dyn, 4>>(g, "whole");
  const Region cut = extract(inputs(s.a, s.b), outputs(s.c));
  const auto before = g.digest();
  const std::string text = message_of<shape_error>([&] { reroute(s.d, five, reshaping::allow); });
  INFO(text);
  CHECK(mentions(text, "'foo/bar/e'"));
  CHECK_THROWS_AS(swap_uses(s.b, whole), dtype_error);
  CHECK_THROWS_AS(connect(five, op_of(s.c), 0), shape_error);
  CHECK_THROWS_AS(connect(five, op_of(s.c), 2), handle_error);
  CHECK_THROWS_AS(insert_after(s.c, [&](const row4&) { return whole; }), dtype_error);
  CHECK_THROWS_AS(insert_after(s.c,
                               [&](const row4& c) -> row4 {
                                 (void)relu(c);
                                 throw std::runtime_error("no");
                               }),
                  std::runtime_error);
  Graph other;
  const auto foreign = input4(other);
  CHECK_THROWS_AS(reroute(s.a, foreign), handle_error);
  CHECK_THROWS_AS(reroute(row4(), s.a), handle_error);
  CHECK(g.digest() == before);
  CHECK_FALSE(cut.stale());
}

TEST_CASE("an op is bypassed: its users take what it took") {
  Graph g;
  const auto x = input4(g, "x"), m = input4(g, "m");
  const auto h = relu(x, "h"), y = tanh(h, "y");
  const auto masked = mul(y, m, "masked"), end = exp(masked, "end");
  SECTION("with one operand") {
    bypass(g, op_of(h));
    CHECK(operand(g, y, 0) == id_of(x));
    CHECK_FALSE(g.contains(op_of(h)));
  }
  SECTION("with several operands one is named") {
    CHECK_THROWS_AS(bypass(g, op_of(masked)), argument_error);
    CHECK_THROWS_WITH(bypass(g, op_of(x)), Catch::Contains("takes nothing"));
    CHECK(g.contains(op_of(masked)));
    bypass(g, op_of(masked), 0);
    CHECK(operand(g, end, 0) == id_of(y));
  }
  SECTION("control edges pass through") {
    const auto before = sin(x, "before"), after = sin(m, "after");
    g.add_control_edge(op_of(before), op_of(h));
    g.add_control_edge(op_of(h), op_of(after));
    bypass(g, op_of(h));
    CHECK(g.control_predecessors(op_of(y)) == std::vector<op_id>{op_of(before)});
    CHECK(g.control_predecessors(op_of(after)) == std::vector<op_id>{op_of(x), op_of(before)});
  }
  SECTION("collections name what its users take") {
    g.add_to_collection("hidden", {member::kind::tensor, {}, id_of(h)});
    g.add_to_collection("hidden", {member::kind::tensor, {}, id_of(y)});
    g.add_to_collection("both", {member::kind::tensor, {}, id_of(h)});
    g.add_to_collection("both", {member::kind::tensor, {}, id_of(x)});
    g.add_to_collection("ops", {member::kind::op, {}, id_of(h)});
    g.add_to_collection("ends", {member::kind::tensor, {}, id_of(end)});
    bypass(g, op_of(h));
    bypass(g, op_of(end));  // nobody takes it
    const auto tensors = [&](const char* name) {
      std::vector<tensor_id> found;
      for (const member& one : g.collection(name)) found.push_back(one.tensor);
      return found;
    };
    CHECK(tensors("hidden") == ids(x, y));
    CHECK(tensors("both") == ids(x));
    CHECK(tensors("ops").empty());
    CHECK(tensors("ends") == ids(masked));
  }
  SECTION("what cannot go stays, and its users with it") {
    const auto start = relu(placeholder<float, shape<4>>(g, "seed"), "start");
    const variable_id v = g.add_variable("v", id_of(start), variable_role::parameter, true);
    const auto digest = g.digest();
    CHECK_THROWS_AS(bypass(g, op_of(start)), graph_error);
    CHECK_THROWS_AS(bypass(g, g.variable_of(v).read.op), argument_error);
    CHECK(g.digest() == digest);
  }
  SECTION("inserted and bypassed: the graph is as it was") {
    const auto digest = g.digest();
    const auto noisy = insert_after(h, [](const row4& t) { return exp(t); });
    CHECK(g.digest() != digest);
    bypass(g, op_of(noisy));
    CHECK(g.digest() == digest);
  }
  g.validate();
}

TEST_CASE("something is inserted behind a tensor or before an operand") {
  Graph g;
  const auto x = input4(g, "x"), noise = input4(g, "noise");
  const auto h = relu(x, "h"), y = tanh(h, "y"), z = exp(h, "z");
  SECTION("by a lambda") {
    const auto noisy = insert_after(h, [&](const row4& t) { return add(t, noise, "noisy"); });
    static_assert(std::is_same_v<std::remove_const_t<decltype(noisy)>, row4>);
    CHECK(operand(g, y, 0) == id_of(noisy));
    CHECK(operand(g, z, 0) == id_of(noisy));
    CHECK(operand(g, noisy, 0) == id_of(h));
  }
  SECTION("for one user") {
    const auto noisy =
        insert_after(h, [&](const row4& t) { return add(sin(t), noise); }, among({op_of(z)}));
    CHECK(operand(g, y, 0) == id_of(h));
    CHECK(operand(g, z, 0) == id_of(noisy));
  }
  SECTION("by an operator") {
    const any_tensor in = insert_after(h, g.schema_of(op_of(z)));
    CHECK(operand(g, y, 0) == id_of(in));
    CHECK(operand(g, in, 0) == id_of(h));
    CHECK(std::string(g.schema_of(op_of(in)).name) == "exp");
  }
  SECTION("before an operand") {
    const any_tensor in =
        insert_before(g, op_of(z), 0, [](const any_tensor& t) { return any_tensor(sin(t)); });
    CHECK(operand(g, z, 0) == id_of(in));
    CHECK(operand(g, y, 0) == id_of(h));
  }
  SECTION("that does nothing") {
    const auto digest = g.digest();
    CHECK(id_of(insert_after(h, [](const row4& t) { return t; })) == id_of(h));
    CHECK(g.digest() == digest);
  }
  g.validate();
}

TEST_CASE("control edges are added, removed and moved") {
  letters s;
  Graph& g = s.graph;
  const auto before = g.digest();
  CHECK_THROWS_AS(add_control_edges(g, {op_of(s.a), op_of(s.c)}, op_of(s.h)), graph_error);
  CHECK(g.digest() == before);
  CHECK_THROWS_AS(remove_control_edges(g, {op_of(s.c), op_of(s.a)}, op_of(s.h)), graph_error);
  CHECK(g.digest() == before);
  add_control_edges(g, {op_of(s.a), op_of(s.d)}, op_of(s.c));
  remove_control_edges(g, {op_of(s.a), op_of(s.d)}, op_of(s.c));
  CHECK(g.digest() == before);
  add_control_edges(g, {op_of(s.a)}, op_of(s.e));
  add_control_edges(g, {op_of(s.e)}, op_of(s.h));
  CHECK(move_control_edges(g, op_of(s.e), op_of(s.f)) == 2);
  CHECK(g.control_predecessors(op_of(s.e)).empty());
  CHECK(g.control_predecessors(op_of(s.f)) == std::vector<op_id>{op_of(s.a)});
  CHECK(g.control_predecessors(op_of(s.h)) == std::vector<op_id>{op_of(s.c), op_of(s.f)});
  const auto moved = g.digest();
  // a's edge would go to c, which e and f take: h waits for c, and c would wait for h.
  add_control_edges(g, {op_of(s.h)}, op_of(input4(g, "last")));
  const auto with_last = g.digest();
  CHECK(with_last != moved);
  CHECK_THROWS_AS(move_control_edges(g, op_of(s.h), op_of(s.c)), graph_error);
  CHECK(g.digest() == with_last);
  g.validate();
}

TEST_CASE("an allocation that fails anywhere in an edit leaves graph and store as they were",
          "[edge-85]") {
  struct action {
    const char* name;
    std::function<void(letters&)> run;
  };
  const std::vector<action> actions{
      {"reroute", [](letters& s) { reroute(s.c, s.a, within_scope("foo/bar")); }},
      {"swap uses", [](letters& s) { swap_uses(std::tuple{s.a, s.f}, std::tuple{s.b, s.g}); }},
      {"swap uses of ops", [](letters& s) { swap_uses(s.graph, op_of(s.f), op_of(s.g)); }},
      {"swap operands", [](letters& s) { swap_operands(s.graph, op_of(s.e), op_of(s.g)); }},
      {"another shape",
       [](letters& s) {
         const any_tensor eight = s.graph.handle({s.graph.op_at(s.graph.op_count() - 1), 0});
         reroute(std::tuple{any_tensor(s.a), any_tensor(s.b), any_tensor(s.d)},
                 std::tuple{eight, eight, eight}, reshaping::allow);
       }},
      {"connect", [](letters& s) { connect(s.b, op_of(s.h), 0); }},
      {"connect regions",
       [](letters& s) {
         connect(extract(inputs(s.a, s.b), outputs(s.c)),
                 extract(inputs(s.f), outputs(s.h), leaks::keep));
       }},
      {"bypass", [](letters& s) { bypass(s.graph, op_of(s.f), 0); }},
      {"bypass a region",
       [](letters& s) { bypass(extract(inputs(s.c), outputs(s.f), leaks::keep)); }},
      {"insert after",
       [](letters& s) { insert_after(s.c, [](const row4& t) { return relu(exp(t)); }); }},
      {"insert an operator", [](letters& s) { insert_after(s.c, doing_nothing); }},
      {"insert before",
       [](letters& s) {
         insert_before(s.graph, op_of(s.h), 1,
                       [](const any_tensor& t) { return any_tensor(tanh(t)); });
       }},
      {"detach", [](letters& s) { detach(extract(inputs(s.c, s.d, s.a), outputs(s.h, s.f))); }},
      {"detach an op", [](letters& s) { detach(s.graph, op_of(s.c)); }},
      {"control edges",
       [](letters& s) {
         Graph::transaction all(s.graph);
         add_control_edges(s.graph, {op_of(s.a), op_of(s.d)}, op_of(s.g));
         move_control_edges(s.graph, op_of(s.g), op_of(s.e));
         remove_control_edges(s.graph, {op_of(s.a)}, op_of(s.e));
         all.commit();
       }},
      {"substitute", [](letters& s) { (void)substitute(s.h, bind(s.c, s.a, s.d, s.b)); }},
      {"substitute in chains",
       [](letters& s) { (void)substitute(s.h, bind(s.f, s.e, s.d, s.b), replacements::chained); }},
      {"substitute another shape",
       [](letters& s) {
         const any_tensor eight = s.graph.handle({s.graph.op_at(s.graph.op_count() - 1), 0});
         (void)substitute(any_tensor(s.h), bind(any_tensor(s.c), eight));
       }},
      {"a region with values",
       [](letters& s) {
         (void)clone(extract(
             inputs(s.a), outputs(s.h),
             given(s.b, Array::full<float>({2, 4}, 1), s.d, Array::full<float>({2, 4}, 2))));
       }},
  };
  for (const action& edit : actions) {
    INFO(edit.name);
    for (long at = 0;; ++at) {
      REQUIRE(at < 5000);
      letters s;
      (void)placeholder<float, shape<8, 4>>(s.graph, "eight");
      (void)make_variable<float, shape<4>>(s.graph, "w", zeros());
      set_values(s.graph);
      const auto before = s.graph.digest();
      bool through = false;
      try {
        through = failing::allocation(at, [&] { edit.run(s); });
      } catch (const error& e) {
        failing::left = -1;
        FAIL("refused: " << e.what());
      }
      s.graph.validate();
      if (through) {
        CHECK(s.graph.digest() != before);
        CHECK(at > 3);
        break;
      }
      if (s.graph.digest() != before) FAIL("the graph changed when allocation " << at << " failed");
    }
  }
}
