// Rules that change ops while they are cloned.
#include "graft/graft.hpp"

#include "../support/failing_allocations.hpp"
#include "clone_fixture.hpp"

using namespace graft_test;

namespace {

bool is(const copied_op& op, const char* name) { return op.schema->name == name; }

std::size_t count_of(const Graph& g, const Clone& c, const char* name) {
  std::size_t n = 0;
  for (const op_id op : c.nodes()) n += g.schema_of(op).name == name;
  return n;
}

using answer = std::optional<std::vector<any_tensor>>;

// A rule that asks `change` about the ops of one operator.
template <class F>
op_transform each(const char* name, F change) {
  return each_op([name, change](const copied_op& op) -> answer {
    if (!is(op, name)) return std::nullopt;
    return std::vector<any_tensor>{change(op)};
  });
}
template <class F>
op_transform each_any(F change) {
  return each_op([change](const copied_op& op) -> answer { return change(op); });
}

Array ones_of(const dims& shape) {
  Array a(dtype::float32, shape);
  for (float& e : a.mutable_span<float>()) e = 1;
  return a;
}

}  // namespace

TEST_CASE("a rule inserts ops behind others", "[clone][rule]") {
  Graph g;
  const auto x = input4(g);
  const auto h = relu(x);
  const auto y = h * h + h;
  const Clone copy =
      clone(extract(inputs(x), outputs(y)), bind(x, x),
            each_op([](const copied_op& op) -> std::optional<std::vector<any_tensor>> {
              if (!is(op, "relu")) return std::nullopt;
              return std::vector<any_tensor>{op.outputs[0] + 1.0f};
            }));
  copy.check();
  g.validate();
  CHECK(g.id(copy(h)) != tensor_id{copy(g.id(h).op), 0});
  CHECK(copy.original(copy(h)).ref().id == h.ref().id);
  Session session(g);
  const Array found = session.run(copy(y), feed(x, ones_of({2, 4})));
  for (const float e : found.span<float>()) CHECK(e == 6.0f);
  const Array original = session.run(y, feed(x, ones_of({2, 4})));
  for (const float e : original.span<float>()) CHECK(e == 2.0f);
}

TEST_CASE("a rule replaces and drops ops", "[clone][rule]") {
  Graph g;
  const auto x = input4(g);
  const auto y = tanh(relu(x) * 2.0f) * 2.0f;
  const Clone copy =
      clone(extract(inputs(x), outputs(y)), bind(x, x),
            each_op([](const copied_op& op) -> std::optional<std::vector<any_tensor>> {
              if (is(op, "tanh")) return std::vector<any_tensor>{op.operands[0]};
              if (is(op, "relu")) return std::vector<any_tensor>{neg(op.operands[0])};
              return std::nullopt;
            }));
  copy.check();
  Session session(g);
  const Array found = session.run(copy(y), feed(x, ones_of({1, 4})));
  for (const float e : found.span<float>()) CHECK(e == -4.0f);
}

TEST_CASE("a rule changes attributes", "[clone][rule]") {
  Graph g;
  const auto x = input4(g);
  const auto y = leaky_relu(x, 0.5);
  const Clone copy =
      clone(extract(inputs(x), outputs(y)), bind(x, x),
            each_op([](const copied_op& op) -> std::optional<std::vector<any_tensor>> {
              if (is(op, "leaky_relu")) {
                attribute_list changed = op.graph->attributes_of(op.copy);
                changed.set("alpha", 0.25);
                op.graph->set_attributes(op.copy, changed);
              }
              return std::nullopt;
            }));
  copy.check();
  Session session(g);
  Array in = ones_of({1, 4});
  for (float& e : in.mutable_span<float>()) e = -1;
  CHECK(session.run(y, feed(x, in)).span<float>()[0] == -0.5f);
  CHECK(session.run(copy(y), feed(x, in)).span<float>()[0] == -0.25f);
}

TEST_CASE("a rule that fails leaves the graph as it was", "[clone][rule][edge-85]") {
  Graph g;
  const auto x = input4(g);
  const auto y = relu(dense4(x));
  const Region region = extract(inputs(x), outputs(y));
  const std::size_t ops = g.op_count();
  const auto with = [&](std::vector<any_tensor> answer) {
    return each_op([answer](const copied_op& op) -> std::optional<std::vector<any_tensor>> {
      if (is(op, "matmul")) return answer;
      return std::nullopt;
    });
  };
  CHECK(mentions(message_of<argument_error>([&] { (void)clone(region, with({x, x})); }),
                 "2 tensors"));
  const auto narrow = placeholder<float, shape<3>>(g, "narrow");
  CHECK_THROWS_AS(clone(region, with({narrow})), shape_error);
  CHECK_THROWS_AS(
      clone(region, each_op([](const copied_op&) -> std::optional<std::vector<any_tensor>> {
              throw std::runtime_error("no");
            })),
      std::runtime_error);
  CHECK(g.op_count() == ops + 1);
  CHECK(g.current_scope() == scope_id{});
  g.validate();
  CHECK(count_of(g, clone(region), "relu") == 1);
}

TEST_CASE("a rule may make initial values, but not of the variables that start with them [edge-30]",
          "[clone][rule]") {
  Graph g;
  const auto x = input4(g);
  const auto start = relu(fill<float, shape<4>>(g, -2.0), "start");
  const any_tensor a = g.handle(
      g.variable_of(g.add_variable("a", id_of(start), variable_role::parameter, true)).read);
  const any_tensor b = g.handle(
      g.variable_of(g.add_variable("b", id_of(identity(a)), variable_role::parameter, true)).read);
  const any_tensor y = add(mul(x, a), b);
  const Region region = extract(inputs(x), outputs(y));
  const Clone copy =
      clone(region, bind(x, x),
            each_op([](const copied_op& op) -> std::optional<std::vector<any_tensor>> {
              if (!is(op, "relu")) return std::nullopt;
              return std::vector<any_tensor>{exp(op.operands[0] + 2.0f)};
            }));
  g.validate();
  copy.check();
  Session session(g);
  session.run(copy.initializer());
  CHECK(session.value(copy(b)).at<float>({3}) == 1);
  // Edits go on noticing circles.
  const op_id sum = g.operand(g.variable_of(*g.variable_read_by(id_of(copy(a)))).initial.op, 0).op;
  const auto before = g.digest();
  CHECK_THROWS_AS(g.set_operand(sum, 0, id_of(copy(b))), graph_error);
  CHECK(g.digest() == before);

  const std::string text = message_of<graph_error>([&] {
    const std::uint32_t first = g.op_id_bound();
    clone(region, bind(x, x),
          each_op([&](const copied_op& op) -> std::optional<std::vector<any_tensor>> {
            if (!is(op, "relu")) return std::nullopt;
            for (std::uint32_t id = first; id < g.op_id_bound(); ++id) {
              if (g.name_of(op_id{id}) == "b")
                return std::vector<any_tensor>{g.handle({op_id{id}, 0})};
            }
            return std::nullopt;
          }));
  });
  INFO(text);
  CHECK(mentions(text, "/a'"));
  CHECK(g.digest() == before);
}

TEST_CASE("what stands in the place of a dropped op leads back to its own op", "[clone][rule]") {
  Graph g;
  const auto x = input4(g);
  const auto a = relu(x), b = tanh(a), c = exp(x), y = add(b, c);
  const auto drop = [](const copied_op& op) { return op.operands[0]; };
  const Clone copy =
      clone(extract(inputs(x), outputs(y)), bind(x, x), each("tanh", drop), each("exp", drop));
  copy.check();
  CHECK(copy(b).ref() == copy(a).ref());
  CHECK(copy.original(copy(b)).ref() == a.ref());
  CHECK(copy.original(copy(id_of(b)).op) == op_of(a));
  CHECK(copy.original(copy(c)).ref() == x.ref());
  CHECK(copy.original(copy(op_of(b))) == op_of(b));
  for (const op_id op : copy.origin().nodes()) CHECK(copy.original(copy(op)) == op);
}

TEST_CASE("rules see an op after those that it takes, however they are stored", "[clone][rule]") {
  Graph g;
  const auto x = input4(g);
  const auto a = relu(x, "a"), b = tanh(x, "b");
  const auto y = sub(a, b, "y");
  g.set_operand(op_of(a), 0, id_of(b));  // a takes b, which is stored after it
  std::vector<std::string> asked;
  const Clone copy = clone(extract(inputs(x), outputs(y)), bind(x, x),
                           each_any([&](const copied_op& op) -> answer {
                             asked.push_back(g.name_of(op.source));
                             if (is(op, "tanh"))
                               return std::vector<any_tensor>{op.outputs[0] + 1.0f};
                             if (is(op, "relu"))
                               return std::vector<any_tensor>{neg(op.operands[0])};
                             return std::nullopt;
                           }));
  CHECK(asked == std::vector<std::string>{"b", "a", "y"});
  copy.check();
  g.validate();
  Session session(g);
  const float t = session.run(b, feed(x, ones_of({1, 4}))).span<float>()[0];
  CHECK(session.run(copy(a), feed(x, ones_of({1, 4}))).span<float>()[0] == -(t + 1));
  CHECK(session.run(copy(y), feed(x, ones_of({1, 4}))).span<float>()[0] == -2 * (t + 1));
}

TEST_CASE("several rules are asked in their order", "[clone][rule]") {
  Graph g;
  const auto x = input4(g);
  const auto y = tanh(relu(x));
  const auto scaled = [](float by) {
    return each("relu", [by](const copied_op& op) { return op.outputs[0] * by + 1.0f; });
  };
  const Region region = extract(inputs(x), outputs(y));
  const auto drop = each("tanh", [](const copied_op& op) { return op.operands[0]; });
  Session session(g);
  const auto run = [&](const Clone& copy) {
    copy.check();
    return session.run(copy(y), feed(x, ones_of({1, 4}))).span<float>()[0];
  };
  CHECK(run(clone(region, bind(x, x), scaled(2), scaled(10), drop)) == 31.0f);
  CHECK(run(clone(region, bind(x, x), drop, scaled(10), scaled(2))) == 23.0f);
}

TEST_CASE("variables that a rule makes are the clone's", "[clone][rule]") {
  Graph g;
  const auto x = input4(g);
  const auto y = relu(dense4(x));
  std::vector<variable_id> made;
  const auto rule = each("relu", [&](const copied_op& op) -> any_tensor {
    const auto gain = make_variable<float, shape<4>>(*op.graph, "gain", ones());
    const auto bias = make_variable<float, shape<4>>(*op.graph, "bias", zeros());
    made = {*op.graph->variable_read_by(id_of(gain)), *op.graph->variable_read_by(id_of(bias))};
    op.graph->store().set(made[1], Array::full<float>({4}, 3.0f));
    return op.outputs[0] * any_tensor(gain) + any_tensor(bias);
  });
  const Clone copy = clone(extract(inputs(x), outputs(y)), bind(x, x), rule, into("copy"));
  copy.check();
  CHECK(paths(g, copy.variables()) ==
        std::vector<std::string>{"copy/dense/w", "copy/dense/b", "copy/gain", "copy/bias"});
  CHECK(copy.parameters() == copy.variables());
  CHECK(paths(g, copy.initializer().variables) ==
        std::vector<std::string>{"copy/dense/w", "copy/dense/b", "copy/gain"});
  CHECK_FALSE(copy.find_original(made[0]).has_value());
  CHECK(mentions(message_of<handle_error>([&] { (void)copy.original(made[0]); }),
                 "no image of a variable"));
  Session session(g);
  session.run(copy.initializer());
  CHECK(session.value(made[0]).span<float>()[0] == 1.0f);
  CHECK(session.value(made[1]).span<float>()[0] == 3.0f);
  for (const float e : session.run(copy(y), feed(x, ones_of({2, 4}))).span<float>())
    CHECK(e >= 3.0f);
  CHECK(copy.bytes_owned() + copy.bytes_shared() == 4 * (16 + 4 + 4 + 4));
  reinitialize(copy);
  CHECK_FALSE(g.store().initialized(made[1]));
  session.initialize();
  CHECK(session.value(made[1]).span<float>()[0] == 0.0f);
}

TEST_CASE("ops that were removed are no nodes of a clone", "[clone][rule]") {
  Graph g;
  const auto x = input4(g);
  const auto y = relu(dense4(x));
  op_id removed;
  const Clone copy =
      clone(extract(inputs(x), outputs(y)), bind(x, x), each("relu", [&](const copied_op& op) {
              removed = op_of(exp(op.outputs[0]));
              op.graph->erase_ops(std::vector{removed});
              return tanh(op.operands[0]);
            }));
  const auto all_there = [&] {
    for (const op_id op : copy.nodes()) CHECK(g.contains(op));
  };
  all_there();
  CHECK_FALSE(has(copy.nodes(), removed));
  CHECK(count_of(g, copy, "relu") == 1);
  const std::size_t before = copy.nodes().size();
  const op_id dead = copy(op_of(y));  // nothing takes it
  g.erase_ops(std::vector{dead});
  all_there();
  CHECK(copy.nodes().size() == before - 1);
  const variable_id w = copy(variable_named(g, "dense/w"));
  std::vector<op_id> all = copy.nodes();
  g.erase_ops(all);
  CHECK(copy.nodes().empty());
  CHECK_FALSE(has(copy.variables(), w));
  CHECK(copy.variables().empty());
  CHECK(copy.parameters().empty());
  CHECK(copy.initializer().variables.empty());
  CHECK(copy.bytes_owned() == 0);
  reinitialize(copy);
  g.validate();
}

TEST_CASE("types follow the rules from op to op", "[clone][rule]") {
  Graph g;
  const auto x = input4(g);
  const auto h = relu(x);
  const auto y = tanh(h * h);
  std::vector<dtype> seen;
  const Clone copy = clone(extract(inputs(x), outputs(y)), bind(x, x),
                           each_any([&](const copied_op& op) -> answer {
                             seen.push_back(g.type_of(id_of(op.outputs[0])).type);
                             if (!is(op, "relu")) return std::nullopt;
                             return std::vector<any_tensor>{cast<double>(op.outputs[0])};
                           }));
  CHECK(seen == std::vector{dtype::float32, dtype::float64, dtype::float64});
  g.validate();
  CHECK(g.type_of(id_of(copy(any_tensor(y)))).type == dtype::float64);
  CHECK_THROWS_AS(copy(y), dtype_error);  // its static type says float
  CHECK_THROWS_AS(copy.find(y), dtype_error);
  Session session(g);
  const double expected = std::tanh(1.0);
  CHECK(session.run(copy(any_tensor(y)), feed(x, ones_of({1, 4}))).span<double>()[0] ==
        Approx(expected).epsilon(1e-12));
  // An op that cannot take what it gets is named.
  const auto z = add(relu(x), constant(g, Array::full<float>({2, 4}, 1.0f)), "z");
  const auto before = g.digest();
  CHECK(mentions(
      message_of<dtype_error>([&] {
        (void)clone(extract(inputs(x), outputs(z)), bind(x, x),
                    each("relu", [](const copied_op& op) { return cast<double>(op.outputs[0]); }));
      }),
      "'copy_1/z'"));
  CHECK(g.digest() == before);
}

TEST_CASE("variables start with what rules make of their initial values",
          "[clone][rule][edge-30]") {
  Graph g;
  const auto x = input4(g);
  const auto w = make_variable<float, shape<4>>(g, "w", ones());
  const auto y = x * w;
  const Region region = extract(inputs(x), outputs(y));
  const op_id start = g.variable_of(*g.variable_read_by(id_of(w))).initial.op;
  const auto of_start = [&](auto change) {
    return each_any([=](const copied_op& op) -> answer {
      if (op.source != start) return std::nullopt;
      return std::vector<any_tensor>{change(op)};
    });
  };
  const Clone copy =
      clone(region, bind(x, x), of_start([](const copied_op& op) { return op.outputs[0] * 0.5f; }));
  copy.check();
  g.validate();
  Session session(g);
  session.run(copy.initializer());
  CHECK(session.value(copy(*g.variable_read_by(id_of(w)))).span<float>()[0] == 0.5f);

  const auto before = g.digest();
  CHECK(mentions(message_of<dtype_error>([&] {
                   (void)clone(region, of_start([](const copied_op& op) {
                                 return cast<double>(op.outputs[0]);
                               }));
                 }),
                 "the variable is float32 [4]"));
  CHECK_THROWS_AS(clone(region, of_start([](const copied_op& op) {
                          return concat<0>(op.outputs[0], op.outputs[0]);
                        })),
                  shape_error);
  CHECK(mentions(message_of<graph_error>([&] {
                   (void)clone(region, into("cyclic"), of_start([&](const copied_op& op) {
                                 const auto v = op.graph->find_variable("cyclic/w");
                                 return op.outputs[0] +
                                        op.graph->handle(op.graph->variable_of(*v).read);
                               }));
                 }),
                 "'cyclic/w'"));
  CHECK(g.digest() == before);
}

TEST_CASE("a rule that closes a cycle is refused", "[clone][rule][edge-92]") {
  Graph g;
  const auto x = placeholder<float, shape<4>>(g, "x");
  const auto a = relu(x, "a");
  const auto b = concat<0>(a, x), c = exp(b);
  const Region region = extract(inputs(x), outputs(any_tensor(c)));
  const auto before = g.digest();
  const auto later = [](const copied_op& op, std::uint32_t by) {
    return op.graph->handle({op_id{op.copy.value + by}, 0});
  };
  CHECK(mentions(message_of<graph_error>([&] {
                   (void)clone(region, bind(x, x),
                               each("relu", [&](const copied_op& op) { return later(op, 2); }));
                 }),
                 "depends on it"));
  // On the way there, too, where types would change for ever.
  CHECK_THROWS_AS(clone(region, each_any([&](const copied_op& op) -> answer {
                          if (is(op, "relu")) return std::vector<any_tensor>{later(op, 1)};
                          if (!is(op, "exp")) return std::nullopt;
                          const op_id given = g.operand(op_id{op.copy.value - 1}, 1).op;
                          attribute_list longer = g.attributes_of(given);
                          longer.set("shape", dims{5});
                          g.set_attributes(given, longer);
                          return std::nullopt;
                        })),
                  graph_error);
  CHECK(g.digest() == before);
  // A later op that does not depend on it is no cycle.
  const auto d = tanh(x), e = sub(d, a);
  const Clone copy =
      clone(extract(inputs(x), outputs(e)), bind(x, x), each("relu", [&](const copied_op& op) {
              return op.graph->handle({op_id{op.copy.value + 1}, 0});
            }));
  copy.check();
  g.validate();
  CHECK(copy(a).ref() == copy(d).ref());
}

TEST_CASE("members of collections follow the rules", "[clone][rule][edge-38]") {
  Graph g;
  const auto x = input4(g);
  const auto a = relu(x), b = tanh(a);
  g.add_to_collection("activations", {member::kind::tensor, {}, id_of(a)});
  g.add_to_collection("activations", {member::kind::op, {}, id_of(a)});
  const Clone copy = clone(extract(inputs(x), outputs(b)), bind(x, x),
                           each("relu", [](const copied_op& op) { return op.outputs[0] + 1.0f; }));
  const auto members = g.collection("activations");
  REQUIRE(members.size() == 4);
  CHECK(members[2].tensor == copy(id_of(a)));
  CHECK(members[2].tensor.op != copy(op_of(a)));
  CHECK(members[3].tensor.op == copy(op_of(a)));
}

TEST_CASE("the work of rules is linear in the region, whatever is around it",
          "[clone][rule][edge-89]") {
  // What is asked of the allocator stands for work: looking for cycles in all of a graph takes a
  // mark per op.
  const auto bytes = [](int ops, int around) {
    Graph g;
    const auto x = input4(g);
    row4 y = x, other = x;
    for (int i = 0; i < around; ++i) other = relu(other);
    for (int i = 0; i < ops; ++i) y = relu(y);
    const Region region = extract(inputs(x), outputs(y));
    const auto noisy =
        each("relu", [](const copied_op& op) { return op.outputs[0] + op.operands[0]; });
    (void)clone(region, bind(x, x), noisy);  // the graph makes room
    const std::size_t result = failing::bytes_of([&] { (void)clone(region, bind(x, x), noisy); });
    g.validate();
    return result;
  };
  CHECK(bytes(4000, 0) < 3 * bytes(2000, 0));
  CHECK(bytes(100, 50000) < bytes(100, 0) + 1000000);
}

TEST_CASE("what a rule that failed has seen names nothing later", "[clone][rule][edge-85]") {
  Graph g;
  const auto x = input4(g);
  const auto y = relu(x);
  any_tensor seen;
  CHECK_THROWS_AS(
      clone(extract(inputs(x), outputs(y)), each("relu",
                                                 [&](const copied_op& op) -> any_tensor {
                                                   seen = op.outputs[0] * 3.0f;
                                                   throw std::runtime_error("no");
                                                 })),
      std::runtime_error);
  any_tensor z = y;
  for (int i = 0; i < 8; ++i) z = exp(z);
  CHECK_THROWS_AS(g.path_of(id_of(seen)), handle_error);
  Session session(g);
  CHECK_THROWS_AS(session.run(seen, feed(x, ones_of({1, 4}))), handle_error);
}

TEST_CASE("a rule returns what an input or a variable was replaced by, in the region too",
          "[clone][rule]") {
  Graph g;
  const auto x = placeholder<float, shape<2, 4>>(g, "x");
  const auto w = make_variable<float, shape<4>>(g, "w", ones());
  const auto tw = tanh(w);
  const auto y = relu(tanh(x) * tw);
  const auto dropped = each("tanh", [](const copied_op& op) { return op.operands[0]; });
  const Region net = extract(inputs(x), outputs(y));
  const Clone twice = clone(net, bind(x, y), dropped);
  twice.check();
  const Clone by_expression = clone(net, bind(x, x), variables::expr(w, tw), dropped);
  by_expression.check();
  Session session(g);
  session.initialize();
  session.run(twice.initializer());
  const Array in = Array::full<float>({2, 4}, 0.5f);
  const float first = session.run(y, feed(x, in)).span<float>()[0];
  CHECK(session.run(twice(y), feed(x, in)).span<float>()[0] == first);
}

TEST_CASE("a rule returns nothing of the source that the clone has a copy of", "[clone][rule]") {
  Graph g;
  const auto x = input4(g), outside = input4(g, "outside");
  const auto w = make_variable<float, shape<4>>(g, "w", zeros());
  const auto h = x * w;
  const auto y = relu(h) + 1.0f;
  const Region region = extract(inputs(x), outputs(y));
  const auto instead = [](const char* name, const any_tensor& t) {
    return each(name, [t](const copied_op&) { return t; });
  };
  const auto before = g.digest();
  const std::string text = message_of<argument_error>([&] {
    (void)clone(region, bind(x, x), each_op([&](const copied_op& op) -> answer {
                  if (!is(op, "mul")) return std::nullopt;
                  return std::vector<any_tensor>{g.handle({op.source, 0})};
                }));
  });
  CHECK(mentions(text, "asked about 'mul'"));
  CHECK(mentions(text, "'mul' of the source"));
  CHECK(mentions(text, "coverage::affected"));
  CHECK_THROWS_AS(clone(region, instead("relu", h)), argument_error);
  CHECK_THROWS_AS(clone(region, instead("variable", w)), argument_error);
  CHECK_THROWS_AS(clone(region, variables::linked, instead("mul", w)), argument_error);
  CHECK(g.digest() == before);
  // What is around the region is no copy's source, nor is what clone and source share by name.
  for (const any_tensor& other : {any_tensor(outside), any_tensor(x), any_tensor(outside * 2.0f)}) {
    const Clone copy = clone(region, bind(x, x), instead("relu", other));
    copy.check();
  }
  const auto kept = clone(region, bind(x, x), variables::shared, instead("mul", w));
  kept.check();
  const Clone part = clone(extract(inputs(x, outside), outputs(y + outside)), bind(x, x),
                           coverage::affected, variables::shared, instead("add", h));
  part.check();
  // In a body as well.
  const auto last = scan(h, placeholder<float, shape<3, dyn, 4>>(g, "xs"),
                         [&](auto s, auto) { return std::tuple{tanh(s), s}; });
  const Region loop = extract(inputs(x), outputs(std::get<0>(last)), leaks::keep);
  const std::string nested =
      message_of<argument_error>([&] { (void)clone(loop, bind(x, outside), instead("tanh", h)); });
  CHECK(mentions(nested, "in body 'body' of 'scan'"));
  clone(loop, bind(x, outside), instead("tanh", outside)).check();
  g.validate();
}
