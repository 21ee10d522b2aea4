#include <sstream>
#include <vector>

#include "graft/core/error.hpp"

#include "catch.hpp"
#include "small_graph.hpp"

using namespace graft;
using small::apply;
using small::make_input;

TEST_CASE("ops keep their operands in order, parallel edges included") {
  Graph g;
  const tensor_id a = make_input(g), b = make_input(g);
  const tensor_id s = apply(g, small::add, {b, a});
  const tensor_id twice = apply(g, small::add, {s, s});

  CHECK(g.op_count() == 4);
  CHECK(g.operand(s.op, 0) == b);
  CHECK(g.operand(s.op, 1) == a);
  CHECK(g.operands(twice.op).size() == 2);
  const auto uses = g.uses(s);
  REQUIRE(uses.size() == 2);
  CHECK(uses[0].user == twice.op);
  CHECK(uses[0].slot == 0);
  CHECK(uses[1].slot == 1);
  CHECK(g.uses(twice).empty());
  CHECK(g.schema_of(s.op).name == std::string("add"));
  CHECK(g.index_of(twice.op) == 3);
  CHECK(g.op_at(2) == s.op);
  g.validate();
}

TEST_CASE("types come from the shape rules") {
  Graph g;
  const tensor_id x = make_input(g, {dyn, 4}), w = make_input(g, {4, 5});
  const tensor_id y = apply(g, small::matmul, {x, w});
  CHECK(g.type_of(y) == value_type::of(dtype::float32, {dyn, 5}));
  const tensor_id both = apply(g, small::split, {y});
  CHECK(g.output_count(both.op) == 2);
  CHECK(g.type_of({both.op, 1}) == g.type_of(y));
  CHECK(g.type_of(make_input(g, {})) == value_type::of(dtype::float32, {}));
  const tensor_id any{g.add(small::input, {}, attribute_list().set("type", dtype::int64)), 0};
  CHECK(g.type_of(any) == value_type::unranked(dtype::int64));
}

TEST_CASE("uses of one output leave out those of another") {
  Graph g;
  const tensor_id s = apply(g, small::split, {make_input(g)});
  const tensor_id second{s.op, 1};
  const tensor_id r = apply(g, small::relu, {second});
  CHECK(g.uses(s).empty());
  REQUIRE(g.uses(second).size() == 1);
  int seen = 0;
  g.for_each_use(s.op, [&](const Graph::use& u, std::uint32_t output) {
    ++seen;
    CHECK(u.user == r.op);
    CHECK(output == 1);
  });
  CHECK(seen == 1);
}

TEST_CASE("operands that do not fit are refused in a sentence") {
  Graph g;
  g.enter_scope("encoder");
  g.enter_scope("dense");
  const tensor_id x = make_input(g, {64, 784}), w = make_input(g, {128, 10});
  const std::uint64_t before = g.digest();
  try {
    g.add(small::matmul, std::vector{x, w}, {}, {}, source_line{"model.cpp", 42});
    FAIL("accepted");
  } catch (const shape_error& e) {
    CHECK(std::string(e.what()) ==
          "matmul 'encoder/dense/matmul' cannot take float32 [64, 784] and float32 [128, 10]; the "
          "inner "
          "extents must be equal: needs [?, 128], found [64, 784] (model.cpp:42). Change the "
          "layer's units.");
  }
  CHECK(g.digest() == before);
  const tensor_id i = make_input(g, {128, 10}, {}, dtype::int64);
  CHECK_THROWS_AS(apply(g, small::add, {w, i}), dtype_error);
  CHECK_THROWS_AS(apply(g, small::add, {w}), argument_error);
  CHECK_THROWS_WITH(apply(g, small::relu, {w, w}), Catch::Contains("needs 1, found 2"));
  CHECK_THROWS_WITH(apply(g, small::join, {}), Catch::Contains("needs at least 1, found 0"));
  CHECK_THROWS_AS(apply(g, small::along, {w}, {}, attribute_list().set("axis", -1)),
                  argument_error);
  CHECK_THROWS_AS(apply(g, small::relu, {tensor_id{w.op, 1}}), handle_error);
  CHECK_THROWS_AS(apply(g, small::relu, {tensor_id{op_id{99}, 0}}), handle_error);
  CHECK_THROWS_AS(apply(g, small::relu, {tensor_id{}}), handle_error);
  g.validate();
}

TEST_CASE("attributes are copied into the graph") {
  Graph g;
  tensor_id y;
  {
    std::string key = "some_key", value = "some value";
    attribute_list a;
    a.set_string(key, value)
        .set("axis", 1)
        .set("rate", 0.5)
        .set("pads", dims{1, 2, 3, 4, 5, 6, 7, 8});
    y = apply(g, small::along, {make_input(g)}, {}, a);
    key.assign(key.size(), '#');
    value.assign(value.size(), '#');
  }
  const attribute_list& a = g.attributes_of(y.op);
  CHECK(a.string("some_key") == "some value");
  CHECK(a.real("rate") == 0.5);
  CHECK(a.integers("pads").size() == 8);
  CHECK(g.attributes_of(apply(g, small::relu, {y}).op).empty());
}

TEST_CASE("attributes that refer to nothing are refused") {
  Graph g;
  for (const attribute_kind kind :
       {attribute_kind::constant, attribute_kind::variable, attribute_kind::body}) {
    attribute_list a;
    a.set("axis", 1).set("what", std::int64_t{3}, kind);
    CHECK_THROWS_AS(apply(g, small::along, {make_input(g)}, {}, a), argument_error);
  }
  CHECK_THROWS_AS(g.constant(0), handle_error);
  CHECK_THROWS_AS(g.constant(-1), handle_error);
  CHECK_THROWS_AS(g.body(0), handle_error);
  CHECK_THROWS_AS(g.add(ops::variable, {}), argument_error);
}

TEST_CASE("constants keep their values") {
  Graph g;
  const tensor_id c = g.add_constant(Array::from<float>({2}, {1.5f, 2.5f}), "c");
  CHECK(g.type_of(c) == value_type::of(dtype::float32, {2}));
  CHECK(g.constant(g.attributes_of(c.op).integer("value")).at<float>({1}) == 2.5f);
  const Array& first = g.constant(0);
  for (int i = 0; i < 100; ++i) g.add_constant(Array::scalar<float>(1));
  CHECK(first.at<float>({0}) == 1.5f);  // references stay good
  CHECK_THROWS_AS(g.add_constant(Array()), argument_error);
  g.validate();
}

TEST_CASE("control edges order ops and cannot close a cycle") {
  Graph g;
  const tensor_id x = make_input(g), y = apply(g, small::relu, {x}), z = apply(g, small::relu, {x});
  g.add_control_edge(y.op, z.op);
  g.add_control_edge(y.op, z.op);  // kept once
  CHECK(g.control_predecessors(z.op) == std::vector{y.op});
  CHECK(g.control_successors(y.op) == std::vector{z.op});
  CHECK_THROWS_AS(g.add_control_edge(z.op, y.op), graph_error);
  CHECK_THROWS_AS(g.add_control_edge(z.op, x.op), graph_error);
  CHECK_THROWS_AS(g.add_control_edge(z.op, z.op), graph_error);
  const tensor_id w = apply(g, small::relu, {x});
  g.add_control_edge(w.op, y.op);  // leads to a lower place in storage
  CHECK_THROWS_AS(g.add_control_edge(z.op, w.op), graph_error);
  g.validate();
  g.remove_control_edge(w.op, y.op);
  g.add_control_edge(z.op, w.op);
  CHECK_THROWS_AS(g.remove_control_edge(w.op, y.op), graph_error);
  g.validate();
}

TEST_CASE("handles follow their graph and notice when it is gone") {
  any_tensor stale;
  {
    Graph g;
    const tensor_id x = make_input(g);
    stale = g.handle(x);
    Graph moved(std::move(g));
    CHECK(&target_traits<Graph>::target_of(stale.ref()) == &moved);
    CHECK(moved.id(stale) == x);
    CHECK_THROWS_AS(g.op_count(), handle_error);  // NOLINT: use after move is what is tested
    CHECK_THROWS_AS(g.store(), handle_error);
    Graph other;
    CHECK_THROWS_AS(other.id(stale), handle_error);
    g = std::move(moved);
    CHECK(g.id(stale) == x);
    Graph second;
    const any_tensor of_second = second.handle(make_input(second));
    second = std::move(g);
    CHECK(second.id(stale) == x);
    CHECK_THROWS_AS(second.id(of_second), handle_error);
  }
  CHECK_THROWS_AS(target_traits<Graph>::target_of(stale.ref()), handle_error);
  Graph next;  // takes the slot again
  make_input(next);
  CHECK_THROWS_AS(next.id(stale), handle_error);
  CHECK_THROWS_WITH(next.id(any_tensor{}), Catch::Contains("handle is empty"));
}

TEST_CASE("a handle is written as what it names") {
  const auto written = [](const auto& t) {
    std::ostringstream out;
    out << t;
    return out.str();
  };
  CHECK(written(any_tensor{}) == "an empty handle");
  any_tensor lost;
  {
    Graph g;
    g.enter_scope("encoder");
    const any_tensor x = g.handle(make_input(g, {dyn, 10}));
    CHECK(written(x) == "'" + g.path_of(g.id(x)) + "' of float32 [?, 10]");
    CHECK(written(as<float, shape<dyn, 10>>(x)) == written(x));
    lost = x;
    const graph_reference& r = x.ref();
    CHECK(written(any_tensor(graph_reference{r.slot, r.generation, {r.id.op, 5}})) ==
          "a handle of an output that is not there");
    const any_tensor gone = g.handle(make_input(g));
    g.erase_ops(std::vector{gone.ref().id.op});
    CHECK(written(gone) == "a handle whose op is gone");
  }
  CHECK(written(lost) == "a handle whose graph is gone");
}

TEST_CASE("as checks what the graph knows") {
  Graph g;
  const any_tensor x = g.handle(make_input(g, {dyn, 10}));
  const auto typed = as<float, shape<dyn, 10>>(x);
  CHECK(typed.ref() == x.ref());
  CHECK_NOTHROW(as<float, any_shape>(x));
  CHECK_NOTHROW(as<float, shape<64, 10>>(x));  // may be
  CHECK_THROWS_AS((as<double, shape<dyn, 10>>(x)), dtype_error);
  CHECK_THROWS_AS((as<float, shape<dyn, 11>>(x)), shape_error);
  CHECK_THROWS_AS((as<float, shape<dyn>>(x)), shape_error);
}

TEST_CASE("ops are added through references") {
  using traits = target_traits<Graph>;
  Graph g;
  const graph_reference x = g.handle(make_input(g)).ref();
  const auto refs = traits::add(g, small::split, std::vector{x}, {}, "halves", {});
  REQUIRE(refs.size() == 2);
  CHECK(refs[1].id.output == 1);
  CHECK(traits::type_of(refs[1]) == g.type_of(x.id));
  CHECK(traits::mode_of(g) == mode::training);
  traits::set_mode(g, mode::inference);
  CHECK(g.current_mode() == mode::inference);
  traits::enter_scope(g, "s");
  CHECK(g.scope_path(g.current_scope()) == "s");
  traits::leave_scope(g);
  CHECK_THROWS_AS(traits::leave_scope(g), graph_error);
  Graph other;
  CHECK_THROWS_AS(traits::add(other, small::relu, std::vector{x}, {}, {}, {}), handle_error);
  const graph_reference read = traits::add_variable(g, small::weight("w", {2, 3}), {});
  const auto update = traits::add(
      g, ops::assign, std::vector{read},
      attribute_list().set("variable", std::int64_t{0}, attribute_kind::variable), {}, {});
  traits::own_update(g, read, update[0]);
  CHECK(g.variable_of(variable_id{0}).own_updates == std::vector{update[0].id.op});
  CHECK_THROWS_AS(traits::own_update(g, x, update[0]), argument_error);
  CHECK_THROWS_AS(traits::own_update(g, read, x), argument_error);
}

TEST_CASE("a chain of 100000 ops needs no stack") {
  Graph g;
  tensor_id x = make_input(g);
  for (int i = 0; i < 100000; ++i) x = apply(g, small::relu, {x});
  CHECK(g.op_count() == 100001);
  g.validate();
  CHECK(g.digest() != 0);
  CHECK_THROWS_AS(g.set_operand(g.op_at(1), 0, x), graph_error);
}

TEST_CASE("constants go with the last op that refers to them, and come back with it") {
  Graph g;
  const tensor_id kept = g.add_constant(Array::full<float>({2}, 1)),
                  gone = g.add_constant(Array::full<float>({2}, 2));
  const auto number = [&](tensor_id t) { return g.attributes_of(t.op).integer("value"); };
  const std::int64_t first = number(kept), second = number(gone);
  {
    Graph::transaction undo(g);
    g.erase_ops(std::vector{gone.op});
    CHECK_THROWS_AS(g.constant(second), handle_error);
    g.validate();
  }
  CHECK(g.constant(second).span<float>()[0] == 2);
  const attribute_list same = g.attributes_of(gone.op);
  const op_id again = g.add(ops::constant, {}, same);
  g.erase_ops(std::vector{gone.op});
  CHECK(g.constant(second).span<float>()[0] == 2);  // another op refers to it
  g.erase_ops(std::vector{again});
  CHECK_THROWS_AS(g.constant(second), handle_error);
  CHECK(g.constant(first).span<float>()[0] == 1);
  CHECK_THROWS_AS(g.add(ops::constant, {}, same), argument_error);
  CHECK(number(g.add_constant(Array::full<float>({2}, 3))) > second);
  g.validate();
}

TEST_CASE("bodies are checked and kept") {
  Graph g;
  auto inner = std::make_unique<Graph>();
  make_input(*inner, {2}, "inner_x");
  const Graph* at = inner.get();
  const std::int64_t body = g.add_body(std::move(inner));
  CHECK(&g.body(body) == at);
  CHECK(g.body_count() == 1);
  CHECK_THROWS_AS(g.add_body(nullptr), argument_error);
  const tensor_id x = make_input(g);
  attribute_list a;
  a.set("axis", 1).set("body", body, attribute_kind::body);
  apply(g, small::along, {x}, {}, a);
  g.validate();
}
