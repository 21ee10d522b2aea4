// The same tensors with others in the place of some that they depend on.
#include "graft/surgery/substitute.hpp"

#include "clone_fixture.hpp"

using namespace graft;
using namespace graft_test;

namespace {

// The operator names on the way from a tensor back along first operands, for short expectations.
std::string spine(const Graph& g, tensor_id t) {
  std::string text;
  for (;;) {
    text += g.schema_of(t.op).name;
    if (g.operand_count(t.op) == 0) return text + " " + g.path_of(t);
    text += " ";
    t = g.operand(t.op, 0);
  }
}

}  // namespace

TEST_CASE("a substitution copies what lies between, shares the rest and changes nothing there is") {
  Graph g;
  const auto x = input4(g, "x"), x2 = input4(g, "x2");
  const auto y = two_layers(x);
  const auto side = tanh(x, "side");
  const std::size_t ops = g.op_count();
  const std::uint64_t before = g.digest();
  row4 y2;
  {
    const Graph::transaction undo(g);
    y2 = substitute(y, bind(x, x2));
    CHECK(g.op_count() == ops + 5);  // two of matmul and add, one relu
    g.validate();
    const Region r = extract(inputs(x2), outputs(y2));
    CHECK(r.variables() == extract(inputs(x), outputs(y)).variables());  // the very same
    CHECK_FALSE(r.contains(op_of(side)));
    CHECK(g.uses(id_of(x)).size() == 2);
    CHECK(g.scope_of(op_of(y2)) == g.scope_of(op_of(y)));
    CHECK(g.path_of(op_of(y2)) != g.path_of(op_of(y)));
  }
  CHECK(g.digest() == before);
  static_assert(std::is_same_v<decltype(y2), row4>);
}

TEST_CASE("replacements happen at once: two inputs swap", "[edge-50]") {
  Graph g;
  const auto a = input4(g, "a"), b = input4(g, "b");
  const auto y = sub(a, b, "y");
  const auto y2 = substitute(y, bind(a, b, b, a));
  CHECK(g.operand(op_of(y2), 0) == id_of(b));
  CHECK(g.operand(op_of(y2), 1) == id_of(a));
  const auto y3 = substitute(y, bind(a, b));  // both operands the same tensor
  CHECK(g.operand(op_of(y3), 0) == id_of(b));
  CHECK(g.operand(op_of(y3), 1) == id_of(b));
  const auto z = sub(y, a, "z");
  const auto c = input4(g, "c");
  const auto z2 = substitute(z, bind(a, c, b, c));  // two keys, one tensor
  CHECK(g.operand(op_of(z2), 1) == id_of(c));
  CHECK(g.operand(g.operand(op_of(z2), 0).op, 0) == id_of(c));
  CHECK(g.operand(g.operand(op_of(z2), 0).op, 1) == id_of(c));
}

TEST_CASE("an op that takes a key twice is copied once", "[edge-4]") {
  Graph g;
  const auto x = input4(g, "x"), x2 = input4(g, "x2");
  const auto squared = mul(x, x, "squared");
  const auto y = sub(squared, squared, "y");
  const auto report = substitute_with_report(y, bind(x, x2));
  CHECK(report.added.size() == 2);
  const tensor_id copy = g.operand(op_of(report.targets), 0);
  CHECK(g.operand(op_of(report.targets), 1) == copy);
  CHECK(g.operand(copy.op, 0) == id_of(x2));
  CHECK(g.operand(copy.op, 1) == id_of(x2));
}

TEST_CASE("a replacement may depend on the original's interior, on its own key too", "[edge-51]") {
  Graph g;
  const auto x = input4(g, "x");
  const auto h = relu(x, "h");
  const auto y = tanh(h, "y");
  const auto noisy = exp(h, "noisy");
  const auto y2 = substitute(y, bind(h, noisy));
  CHECK(spine(g, id_of(y2)) == "tanh exp relu placeholder x");
  CHECK(g.operand(op_of(noisy), 0) == id_of(h));
  CHECK(g.operand(op_of(y), 0) == id_of(h));

  const auto before = g.digest();
  CHECK_THROWS_AS(substitute(y, bind(h, noisy), replacements::chained), graph_error);
  const auto k = sin(x, "k");
  const auto z = sub(h, k, "z");
  CHECK_THROWS_AS(substitute(z, bind(h, exp(k, "of_k"), k, exp(h, "of_h")), replacements::chained),
                  graph_error);
  CHECK_THROWS_AS(substitute(z, bind(h, k, k, h), replacements::chained), graph_error);
  (void)before;
  const auto text =
      message_of<graph_error>([&] { (void)substitute(y, bind(h, noisy), replacements::chained); });
  CHECK(mentions(text, "'h'"));
  g.validate();
}

TEST_CASE("keys may be targets, variables, and a tensor with its ancestor", "[edge-52][rival]") {
  Graph g;
  const auto x = input4(g, "x"), x2 = input4(g, "x2"), h2 = input4(g, "h2");
  const auto h = relu(x, "h");
  const auto y = sub(h, x, "y");
  SECTION("a target") {
    const auto [first, second] = substitute(std::tuple{h, y}, bind(h, h2));
    CHECK(id_of(first) == id_of(h2));
    CHECK(g.operand(op_of(second), 0) == id_of(h2));
    CHECK(id_of(substitute(h, bind(h, h2))) == id_of(h2));
  }
  SECTION("a variable") {
    const auto w = make_variable<float, shape<4>>(g, "w", zeros());
    const auto scaled = mul(x, w, "scaled");
    const auto stepped = as<float, shape<4>>(w - w * 0.1f);
    const auto twice = substitute(scaled, bind(w, stepped));
    CHECK(g.operand(op_of(twice), 1) == id_of(stepped));
    CHECK(g.operand(op_of(stepped), 0) == id_of(w));
    CHECK(g.variables().size() == 1);
    g.validate();
  }
  SECTION("the inner one wins, the outer still replaces what is not behind it") {
    const auto y2 = substitute(y, bind(x, x2, h, h2));
    CHECK(g.operand(op_of(y2), 0) == id_of(h2));
    CHECK(g.operand(op_of(y2), 1) == id_of(x2));
  }
  SECTION("an outer one that only the inner one needed has no effect") {
    const auto z = tanh(h, "z");
    CHECK_THROWS_AS(substitute(z, bind(x, x2, h, h2)), boundary_error);
    const auto report = substitute_with_report(z, bind(x, x2, h, h2), unused::allow);
    REQUIRE(report.unused.size() == 1);
    CHECK(id_of(report.unused[0]) == id_of(x));
  }
}

TEST_CASE("a key that no target depends on is an error, or listed", "[edge-53][rival]") {
  Graph g;
  const auto x = input4(g, "x"), x2 = input4(g, "x2"), other = input4(g, "other");
  const auto y = relu(x, "y");
  const auto before = g.digest();
  const std::string text =
      message_of<boundary_error>([&] { (void)substitute(y, bind(x, x2, other, x2)); });
  CHECK(mentions(text, "'other'"));
  CHECK_FALSE(mentions(text, "'x'"));
  CHECK(g.digest() == before);
  const auto report = substitute_with_report(y, bind(x, x2, other, x2), unused::allow);
  REQUIRE(report.unused.size() == 1);
  CHECK(id_of(report.unused[0]) == id_of(other));
  CHECK(g.operand(op_of(report.targets), 0) == id_of(x2));
  CHECK_THROWS_AS(substitute(y, bind(x, x2, x, other)), boundary_error);
}

TEST_CASE("chains of replacements are followed through all levels", "[edge-54][rival]") {
  Graph g;
  constexpr int levels = 5;
  std::vector<row4> z, q;
  z.push_back(input4(g, "z0"));
  for (int i = 1; i < levels; ++i) z.push_back(relu(z.back(), "z" + std::to_string(i)));
  const auto y = tanh(z.back(), "y");
  q.push_back(input4(g, "q0"));
  bindings keys = bind(z[0], q[0]);
  for (std::size_t i = 1; i < levels; ++i) {
    q.push_back(exp(z[i - 1], "q" + std::to_string(i)));
    const bindings next = bind(z[i], q[i]);
    keys.pairs.push_back(next.pairs[0]);
  }
  // As given: the last one only, on the original.
  const auto shallow = substitute(y, keys, unused::allow);
  CHECK(spine(g, id_of(shallow)) == "tanh exp relu relu relu placeholder z0");
  const auto deep = substitute(y, keys, replacements::chained);
  CHECK(spine(g, id_of(deep)) == "tanh exp exp exp exp placeholder q0");
  g.validate();
  // What replacements share is copied once.
  const auto a = input4(g, "a"), a2 = input4(g, "a2"), b = input4(g, "b");
  const auto shared = relu(a, "shared");
  const auto c = sub(b, shared, "c");
  const auto report =
      substitute_with_report(c, bind(a, a2, b, tanh(shared, "of_shared")), replacements::chained);
  CHECK(report.added.size() == 3);
  const op_id copy = op_of(report.targets);
  CHECK(g.operand(g.operand(copy, 0).op, 0) == g.operand(copy, 1));
  SECTION("through a name for another key") {
    const auto end = sub(a, b, "end");
    const auto both = substitute(end, bind(a, b, b, a2), replacements::chained);
    CHECK(g.operand(op_of(both), 0) == id_of(a2));
    CHECK(g.operand(op_of(both), 1) == id_of(a2));
  }
}

TEST_CASE("a replacement of another shape changes the types behind it", "[edge-55]") {
  Graph g;
  const auto x = placeholder<float, shape<2, 4>>(g, "x");
  const auto w = make_variable<float, shape<4, 4>>(g, "w", zeros());
  const auto h = relu(x, "h");
  const auto y = matmul(h, w, "y");
  const auto x8 = placeholder<float, shape<8, 4>>(g, "x8");
  const any_tensor wide = placeholder<float, shape<2, 5>>(g, "wide");

  const any_tensor y8 = substitute(any_tensor(y), bind(any_tensor(x), any_tensor(x8)));
  CHECK(g.type_of(id_of(y8)) == value_type::of(dtype::float32, {8, 4}));
  CHECK(g.type_of(id_of(y)) == value_type::of(dtype::float32, {2, 4}));
  g.validate();

  const auto before = g.digest();
  const std::string text =
      message_of<shape_error>([&] { (void)substitute(any_tensor(y), bind(any_tensor(x), wide)); });
  CHECK(mentions(text, "'y'"));  // the first op that cannot take it, by the name it has
  CHECK_FALSE(mentions(text, "y_1"));
  CHECK(g.digest() == before);
  // A target whose static type does not fit any more.
  CHECK_THROWS_AS(substitute(y, bind(any_tensor(x), any_tensor(x8))), shape_error);
  CHECK(g.digest() == before);
  SECTION("in a graph whose order is not that of its ops") {
    const auto early = relu(x, "early"), late = tanh(x, "late");
    const auto sum = add(early, late, "sum");
    const auto later = exp(x, "later");
    g.set_operand(op_of(early), 0, id_of(later));
    const any_tensor sum8 = substitute(any_tensor(sum), bind(any_tensor(x), any_tensor(x8)));
    CHECK(g.type_of(id_of(sum8)) == value_type::of(dtype::float32, {8, 4}));
    g.validate();
  }
}

TEST_CASE("another element type is refused where it meets an op that minds", "[edge-49]") {
  Graph g;
  const auto x = input4(g, "x"), b = input4(g, "b");
  const auto y = sub(relu(x), b, "difference");
  const any_tensor halves = placeholder<std::int64_t, shape<dyn, 4>>(g, "integers");
  const auto before = g.digest();
  const std::string text = message_of<dtype_error>(
      [&] { (void)substitute(any_tensor(y), bind(any_tensor(b), halves)); });
  CHECK(mentions(text, "'difference'"));
  CHECK(g.digest() == before);
}

TEST_CASE("targets that nothing changes are returned as they are, structures are kept",
          "[edge-56][rival]") {
  Graph g;
  const auto x = input4(g, "x"), x2 = input4(g, "x2"), other = input4(g, "other");
  const auto y = relu(x, "y"), away = tanh(other, "away");
  const auto [a, list, maybe, none] = substitute(
      std::tuple{away, std::array{y, away}, std::optional{y}, std::optional<row4>{}}, bind(x, x2));
  CHECK(a.ref() == away.ref());
  CHECK(list[1].ref() == away.ref());
  CHECK(list[0].ref() == maybe->ref());  // copied once
  CHECK(list[0].ref() != y.ref());
  CHECK_FALSE(none.has_value());
  CHECK(substitute(std::vector<row4>{}, bindings{}).empty());
  CHECK(substitute(std::vector<row4>{}, bind(x, x2), unused::allow).empty());
  CHECK_THROWS_AS(substitute(std::tuple<>{}, bind(x, x2)), boundary_error);
  CHECK(substitute(y, bindings{}).ref() == y.ref());
}

TEST_CASE("outputs of one op are replaced one by one", "[edge-15]") {
  Graph g;
  const auto x = input4(g, "x");
  const auto halves = split<2, 1>(x);
  const auto left = std::get<0>(halves), right = std::get<1>(halves);
  const auto y = sub(left, right, "y");
  const auto r2 = placeholder<float, shape<dyn, 2>>(g, "r2");
  const auto y2 = substitute(y, bind(right, r2));
  CHECK(g.operand(op_of(y2), 0) == id_of(left));  // shared
  CHECK(g.operand(op_of(y2), 1) == id_of(r2));
  const auto x2 = input4(g, "x2");
  const auto y3 = substitute(y, bind(right, r2, x, x2));
  CHECK(g.operand(op_of(y3), 0).op != op_of(left));
  CHECK(g.operand(op_of(y3), 1) == id_of(r2));
}

TEST_CASE("control edges stay with what was not copied, assertions follow", "[edge-19][edge-20]") {
  Graph g;
  const auto x = input4(g, "x"), x2 = input4(g, "x2");
  const auto before = tanh(x, "before");
  const auto y = relu(x, "y");
  const std::vector<tensor_id> of_x = ids(x), of_other = ids(before);
  const op_id check = g.add(schemas::check, of_x, {}, "check");
  const auto apart = input4(g, "apart");
  const std::vector<tensor_id> of_apart = ids(apart);
  const op_id elsewhere = g.add(schemas::check, of_apart, {}, "elsewhere");
  g.add_control_edge(op_of(before), op_of(y));
  g.add_control_edge(check, op_of(y));
  g.add_control_edge(elsewhere, op_of(y));
  const auto y2 = substitute(y, bind(x, x2));
  const auto waits = g.control_predecessors(op_of(y2));
  REQUIRE(waits.size() == 3);
  CHECK(waits[0] == op_of(before));
  CHECK(waits[1] != check);
  CHECK(g.operand(waits[1], 0) == id_of(x2));
  CHECK(waits[2] == elsewhere);
  g.validate();
}

TEST_CASE("handles of other graphs and of graphs that are gone are refused", "[edge-14]") {
  Graph g, other;
  const auto x = input4(g, "x"), foreign = input4(other, "foreign");
  const auto y = relu(x);
  const auto before = g.digest();
  CHECK_THROWS_AS(substitute(y, bind(x, foreign)), handle_error);
  CHECK_THROWS_AS(substitute(y, bind(foreign, x)), handle_error);
  CHECK_THROWS_AS(substitute(std::tuple{y, foreign}, bind(x, x)), handle_error);
  CHECK_THROWS_AS(substitute(row4(), bind(x, x)), handle_error);
  CHECK_THROWS_AS(substitute(y, bind(x, row4())), handle_error);
  CHECK(g.digest() == before);
}

TEST_CASE("deep chains, wide fans, and a target far from most of the graph",
          "[edge-18][edge-89][demo-13]") {
  Graph g;
  const auto x = input4(g, "x"), x2 = input4(g, "x2");
  row4 y = x, middle;
  for (int i = 0; i < 100000; ++i) {
    y = relu(y);
    if (i == 50000) middle = y;
  }
  const auto all = substitute_with_report(y, bind(x, x2));
  CHECK(all.added.size() == 100000);
  const auto chained = substitute_with_report(y, bind(x, x2), replacements::chained);
  CHECK(chained.added.size() == 100000);
  // One op amid the chain, with another use of the key behind which the rest hangs.
  const auto late = sub(middle, x, "late");
  CHECK(substitute_with_report(late, bind(middle, x2)).added.size() == 1);
  for (int i = 0; i < 1000; ++i) (void)tanh(x);
  CHECK(substitute_with_report(tanh(x), bind(x, x2)).added.size() == 1);
  g.validate();
}

TEST_CASE("a chained copy waits for the copy of what the original waits for") {
  Graph g;
  const auto x = placeholder<float, shape<2>>(g, "x");
  const auto z = placeholder<float, shape<2>>(g, "z");
  const auto other = placeholder<float, shape<2>>(g, "other");
  const auto first = relu(x), second = tanh(z);
  g.add_control_edge(g.id(second).op, g.id(first).op);
  const auto [a, b] = substitute(std::tuple{first, second}, bind(x, square(other), z, exp(other)),
                                 replacements::chained);
  CHECK(g.control_predecessors(g.id(a).op) == std::vector{g.id(b).op});
  g.validate();
  // Waiting in a circle is refused as computing in one is: here first would wait for second, made of first.
  const auto later = first + 1.0f;
  const std::uint64_t before = g.digest();
  CHECK_THROWS_AS(
      substitute(std::tuple{first, second}, bind(x, other, z, later), replacements::chained),
      graph_error);
  CHECK(g.digest() == before);
}
