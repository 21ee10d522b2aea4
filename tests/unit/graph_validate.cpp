// Graphs are broken through their storage, each in one way, and must be found broken.
#include <functional>

#include "graft/core/error.hpp"

#include "catch.hpp"
#include "graph/building.hpp"
#include "small_graph.hpp"

using namespace graft;
using small::apply;
using small::make_input;

namespace {

using tables = Graph::tables;

struct sample {
  Graph g;
  tensor_id x, y, z;
  variable_id w, v;
  sample() {
    x = make_input(g, {2, 3}, "x");
    g.enter_scope("s");
    w = g.add_variable(small::weight("w", {2, 3}));
    y = apply(g, small::add, {x, g.variable_of(w).read}, "y");
    g.leave_scope();
    g.enter_scope("t");
    g.leave_scope();
    v = g.add_variable(small::weight("v", {2, 3}));
    z = apply(g, small::add, {y, y}, "z");
    g.own_update(w, small::assign(g, w, y).op);
    g.add_control_edge(x.op, z.op);
    g.add_to_collection("c", {member::kind::tensor, {}, z});
    g.add_to_collection("c", {member::kind::variable, w, {}});
  }
};

}  // namespace

TEST_CASE("a graph that was built is valid") {
  sample s;
  CHECK_NOTHROW(s.g.validate());
  CHECK_NOTHROW(Graph().validate());
}

TEST_CASE("every broken invariant is found") {
  using breaker = std::function<void(sample&, tables&)>;
  const auto index = [](const sample& s, tensor_id t) { return s.g.data().index(t.op); };
  const std::vector<std::pair<const char*, breaker>> breakers{
      {"ids are not numbered", [](sample&, tables& t) { ++t.next_id; }},
      {"no parent", [](sample&, tables& t) { t.scopes[1].parent = 2; }},
      {"two scopes", [](sample&, tables& t) { t.scopes[2].name = t.scopes[1].name; }},
      {"was entered", [](sample&, tables& t) { t.scope_stack.push_back(17); }},
      {"no operator", [](sample&, tables& t) { t.ops[0].schema = nullptr; }},
      {"has no name", [](sample&, tables& t) { t.ops[0].scope = 50; }},
      {"no attributes", [](sample&, tables& t) { t.ops[0].attributes = 1000; }},
      {"beyond the pools", [](sample&, tables& t) { t.ops[0].output_count = 1000; }},
      {"belongs to another op",
       [&](sample& s, tables& t) { t.edges[t.ops[index(s, s.z)].first_operand].user = 0; }},
      {"does not exist",
       [&](sample& s, tables& t) { t.edges[t.ops[index(s, s.z)].first_operand].output = 1; }},
      {"does not exist",
       [&](sample& s, tables& t) { t.edges[t.ops[index(s, s.z)].first_operand].producer = 99; }},
      {"comes after it",
       [&](sample& s, tables& t) {
         t.edges[t.ops[index(s, s.y)].first_operand].producer = index(s, s.z);
       }},
      {"has no shape",
       [&](sample& s, tables& t) {
         t.outputs[t.ops[index(s, s.z)].first_output].extents = 1u << 20;
       }},
      {"do not match operands",
       [&](sample& s, tables& t) { t.edges[t.ops[index(s, s.y)].first_use].prev_use = 0; }},
      {"end elsewhere", [&](sample& s, tables& t) { t.ops[index(s, s.y)].last_use = 0; }},
      {"in no use list",
       [&](sample& s, tables& t) {
         tables::op_record& r = t.ops[index(s, s.x)];
         r.first_use = r.last_use = tables::none;
       }},
      {"do not match", [&](sample& s, tables& t) { t.controls[0].after = index(s, s.y); }},
      {"in one list only",
       [&](sample& s, tables& t) { t.ops[index(s, s.x)].control_out = tables::none; }},
      {"depends on itself",
       [&](sample& s, tables& t) {
         t.ordered = false;  // z and the update swap roles: y takes z, which takes y
         const std::uint32_t e = t.ops[index(s, s.y)].first_operand, x = index(s, s.x),
                             z = index(s, s.z);
         t.edges[e].producer = z;
         t.ops[x].first_use = t.ops[x].last_use = tables::none;
         t.ops[z].first_use = t.ops[z].last_use = e;
       }},
      {"two ops are named",
       [&](sample& s, tables& t) { t.ops[index(s, s.z)].name = t.ops[index(s, s.x)].name; }},
      {"might be given again", [&](sample& s, tables& t) { t.ops[index(s, s.z)].ordinal = 5; }},
      {"might be given again", [](sample&, tables& t) { t.scopes[2].ordinal = 9; }},
      {"not what its operands give",
       [&](sample& s, tables& t) {
         t.outputs[t.ops[index(s, s.z)].first_output].type = dtype::int32;
       }},
      {"cannot take",
       [&](sample& s, tables& t) {
         t.outputs[t.ops[index(s, s.x)].first_output].type = dtype::int32;
         t.ops[index(s, s.x)].schema = &small::zeros;
         attribute_list a = small::declared(dtype::int32, {2, 3});
         t.ops[index(s, s.x)].attributes = graft::detail::store_attributes(t, a);
       }},
      {"one cell a variable", [](sample& s, tables&) { s.g.store().truncate(0); }},
      {"another read op", [](sample& s, tables& t) { t.variables[0].read = s.x; }},
      {"no initial value", [](sample&, tables& t) { t.variables[0].initial = {}; }},
      {"comes after its read",
       [](sample&, tables& t) { t.variables[0].initial = t.variables[1].read; }},
      {"cannot hold", [](sample&, tables& t) { t.variables[1].type.type = dtype::int8; }},
      {"read as another type", [](sample&, tables& t) { t.variables[1].type.shape = {dyn, 3}; }},
      {"owns no update", [](sample& s, tables& t) { t.variables[0].own_updates = {s.x.op}; }},
      {"another id", [](sample&, tables& t) { t.variables[1].id = variable_id{0}; }},
      {"has no variable", [](sample&, tables& t) { t.shared_keys.emplace("k", variable_id{7}); }},
      {"depends on itself",
       [](sample&, tables& t) { t.variables[1].initial = t.variables[1].read; }},
      {"a member twice",
       [](sample&, tables& t) { t.collections[0].members.push_back(t.collections[0].members[0]); }},
      {"a member that does not exist",
       [](sample&, tables& t) { t.collections[0].members[1].variable = variable_id{9}; }},
      {"a member that does not exist",
       [](sample&, tables& t) { t.collections[0].members[0].tensor.output = 3; }},
  };
  for (const auto& [words, f] : breakers) {
    INFO(words);
    sample s;
    f(s, s.g.data());
    try {
      s.g.validate();
      FAIL_CHECK("found valid");
    } catch (const graph_error& e) {
      CHECK_THAT(std::string(e.what()), Catch::Contains(words));
    }
  }
}

TEST_CASE("a digest tells graphs apart by what they say") {
  const auto digest_of = [](const std::function<void(Graph&)>& f) {
    Graph g;
    f(g);
    return g.digest();
  };
  const auto chain = [](Graph& g) { apply(g, small::relu, {make_input(g, {2}, "x")}, "y"); };
  CHECK(digest_of(chain) == digest_of(chain));
  std::vector<std::uint64_t> seen{digest_of(chain), Graph().digest()};
  const std::vector<std::function<void(Graph&)>> others{
      [](Graph& g) { apply(g, small::relu, {make_input(g, {2}, "x")}, "z"); },
      [](Graph& g) { apply(g, small::relu, {make_input(g, {3}, "x")}, "y"); },
      [](Graph& g) { apply(g, small::relu, {make_input(g, {2}, "x", dtype::float64)}, "y"); },
      [](Graph& g) { apply(g, small::split, {make_input(g, {2}, "x")}, "y"); },
      [](Graph& g) { apply(g, small::dropout, {make_input(g, {2}, "x")}, "y"); },
      [](Graph& g) {
        apply(g, small::relu, {make_input(g, {2}, "x")}, "y", attribute_list().set("a", 1));
      },
      [](Graph& g) {
        apply(g, small::relu, {make_input(g, {2}, "x")}, "y", attribute_list().set("a", 2));
      },
      [](Graph& g) {
        apply(g, small::relu, {make_input(g, {2}, "x")}, "y", attribute_list().set("b", 1));
      },
      [](Graph& g) {
        apply(g, small::relu, {make_input(g, {2}, "x")}, "y", attribute_list().set("a", 1.0));
      },
      [](Graph& g) {
        apply(g, small::relu, {make_input(g, {2}, "x")}, "y", attribute_list().set("a", dims{1}));
      },
      [](Graph& g) {
        g.enter_scope("s");
        apply(g, small::relu, {make_input(g, {2}, "x")}, "y");
      },
      [](Graph& g) {
        const tensor_id x = make_input(g, {2}, "x");
        g.add_control_edge(x.op, apply(g, small::relu, {x}, "y").op);
      },
      [](Graph& g) {
        const tensor_id y = apply(g, small::relu, {make_input(g, {2}, "x")}, "y");
        g.add_to_collection("c", {member::kind::tensor, {}, y});
      },
      [](Graph& g) {
        const tensor_id y = apply(g, small::relu, {make_input(g, {2}, "x")}, "y");
        g.add_to_collection("c", {member::kind::op, {}, y});
      },
      [](Graph& g) { g.add_constant(Array::scalar(1.0f), "x"); },
      [](Graph& g) { g.add_constant(Array::scalar(2.0f), "x"); },
      [](Graph& g) { g.add_variable(small::weight("x", {1})); },
      [](Graph& g) {
        variable_spec spec = small::weight("x", {1});
        spec.trainable = false;
        g.add_variable(spec);
      },
      [](Graph& g) {
        variable_spec spec = small::weight("x", {1});
        spec.role = variable_role::counter;
        g.add_variable(spec);
      },
      [](Graph& g) {
        variable_spec spec = small::weight("x", {1});
        spec.shared_key = "k";
        g.add_variable(spec);
      },
      [](Graph& g) {
        g.store().set(g.add_variable(small::weight("x", {1})), Array(dtype::float32, {1}));
      },
      [](Graph& g) {
        g.store().set(g.add_variable(small::weight("x", {1})), Array::full<float>({1}, 1));
      },
      [](Graph& g) {
        const tensor_id a = make_input(g, {2}, "a"), b = make_input(g, {2}, "b");
        apply(g, small::add, {a, b});
      },
      [](Graph& g) {
        const tensor_id a = make_input(g, {2}, "a"), b = make_input(g, {2}, "b");
        apply(g, small::add, {b, a});
      },
      [](Graph& g) { make_input(g, {named_dim("a dimension with a long name")}, "x"); },
      [](Graph& g) { make_input(g, {named_dim("another dimension with a long name")}, "x"); },
  };
  for (const auto& f : others) {
    const std::uint64_t d = digest_of(f);
    CHECK(d == digest_of(f));
    for (const std::uint64_t before : seen) CHECK(d != before);
    seen.push_back(d);
  }
}

TEST_CASE("a digest does not see ids, attribute order or garbage") {
  Graph a, b;
  const tensor_id extra = make_input(a, {9}, "extra");
  for (Graph* g : {&a, &b}) {
    attribute_list list;
    if (g == &a) {
      list.set("p", 1).set("q", 2);
    } else {
      list.set("q", 2).set("p", 1);
    }
    apply(*g, small::relu, {make_input(*g, {2}, "x")}, "y", list);
    g->add_variable(small::weight("w", {2}));
  }
  CHECK(a.digest() != b.digest());
  a.erase_ops(std::vector{extra.op});
  CHECK(a.digest() == b.digest());
}
