// Rules that remove ops, and in what state rules leave the graph.
#include "graft/graft.hpp"
#include "graft/graph/operator.hpp"

#include "clone_fixture.hpp"

using namespace graft_test;

namespace {

using answer = std::optional<std::vector<any_tensor>>;

template <class F>
op_transform each_any(F change) {
  return each_op([change](const copied_op& op) -> answer { return change(op); });
}

// A rule that removes the copy of one op of the source.
op_transform removing(op_id source) {
  return each_any([source](const copied_op& op) -> answer {
    if (op.source == source) op.graph->erase_ops(std::vector{op.copy});
    return std::nullopt;
  });
}

// An operator whose gradient rule enters a scope, and leaves `scopes_to_leave` of them.
constexpr operator_schema entering{"test_entering", 1, 1, schemas::infer_same};
int scopes_to_leave = 0;
operand_gradients gradient_of_entering(const gradient_args& a) {
  a.graph.enter_scope("slope");
  for (int i = 0; i < scopes_to_leave; ++i) a.graph.leave_scope();
  return {any_tensor(*a.output_gradients[0] * 2.0f)};
}

}  // namespace

TEST_CASE("a copy that a rule removed has no image, and check() takes it", "[clone][rule]") {
  Graph g;
  const auto x = input4(g);
  const auto a = relu(x), y = tanh(a);
  const op_id guard = g.add(schemas::check, std::vector{id_of(a)}, {}, "guard");
  g.add_control_edge(guard, op_of(y));
  const Region region = extract(inputs(x), outputs(y));
  REQUIRE(region.contains(guard));
  const Clone copy = clone(region, bind(x, x), removing(guard));
  copy.check();
  g.validate();
  CHECK_FALSE(copy.find(guard).has_value());
  CHECK(copy.or_self(guard) == guard);
  CHECK(mentions(message_of<handle_error>([&] { (void)copy(guard); }), "a rule removed its copy"));
  for (const op_id op : copy.nodes()) CHECK(copy(copy.original(op)) == op);
  CHECK_FALSE(copy.find_original(op_id{copy(op_of(y)).value + 1}).has_value());
  CHECK(copy.nodes().size() == region.nodes().size() - 1);
  CHECK(mentions(to_string(copy), "'copy/tanh'"));
  CHECK(mentions(explain(copy, "guard"), "a rule removed its copy"));
  // Removed later, it is a fault.
  g.erase_ops(std::vector{copy(op_of(y))});
  CHECK(mentions(message_of<graph_error>([&] { copy.check(); }), "the copy of an op is gone"));
}

TEST_CASE("a variable that a rule removed has no image", "[clone][rule]") {
  Graph g;
  const auto x = input4(g);
  const auto w = make_variable<float, shape<4>>(g, "w", ones());
  const auto b = make_variable<float, shape<4>>(g, "b", zeros());
  const auto y = x * w + b;
  g.add_to_collection("weights", {member::kind::variable, *g.variable_read_by(id_of(w)), {}});
  set_values(g);
  const variable_id v = *g.variable_read_by(id_of(w)), bias = *g.variable_read_by(id_of(b));
  const auto without = [&](const copied_op& op) -> answer {
    if (op.schema->name != "mul") return std::nullopt;
    const any_tensor result = relu(op.operands[0]);
    const op_id read = op_of(op.operands[1]);
    op.graph->erase_ops(std::vector{
        op.copy, read, op.graph->variable_of(*op.graph->variable_read_by({read, 0})).initial.op});
    return std::vector<any_tensor>{result};
  };
  // The copy of the product is taken until the sum has had its turn.
  const auto before = g.digest();
  CHECK_THROWS_AS(clone(extract(inputs(x), outputs(y)), bind(x, x), each_any(without)),
                  graph_error);
  CHECK(g.digest() == before);
  const auto product = x * w;
  for (const variable_policy policy : {variables::copied, variables::fresh, variables::frozen}) {
    const bool frozen = policy == variables::frozen;
    const Clone copy = clone(extract(inputs(x), outputs(product)), bind(x, x), policy,
                             each_any([&](const copied_op& op) -> answer {
                               if (op.schema->name != "mul") return std::nullopt;
                               const op_id read = op_of(op.operands[1]);
                               std::vector<op_id> gone{op.copy, read};
                               if (!frozen) {
                                 const auto of = op.graph->variable_read_by({read, 0});
                                 gone.push_back(op.graph->variable_of(*of).initial.op);
                               }
                               const any_tensor result = relu(op.operands[0]);
                               op.graph->erase_ops(gone);
                               return std::vector<any_tensor>{result};
                             }));
    copy.check();
    g.validate();
    CHECK_FALSE(copy.find(v).has_value());
    CHECK_FALSE(copy.find(w).has_value());
    CHECK(copy.images(v).empty());
    CHECK_FALSE(copy.variable_images()[0].image.valid());
    CHECK(copy.variables().empty());
    CHECK(copy.bytes_owned() == 0);
    if (!frozen) {
      CHECK(mentions(to_string(copy), "a rule removed its copy"));
      CHECK(mentions(explain(copy, "w"), "a rule removed its copy"));
    }
    CHECK(copy.bytes_shared() == 0);
    CHECK(g.type_of(id_of(copy(any_tensor(product)))).shape.size() == 2);
    copy_values(copy);
    swap_values(copy);
    reinitialize(copy);
    CHECK_THROWS_AS(copy.initializer_of(v), handle_error);
    if (frozen) {
      CHECK(mentions(message_of<graph_error>([&] { (void)unfreeze(copy); }), "'w' was removed"));
    } else {
      CHECK_THROWS_AS(soft_update(copy), argument_error);
    }
  }
  CHECK(g.collection("weights").size() == 1);
  CHECK(g.contains(bias));
}

TEST_CASE("an output that a rule removes without replacing it is refused", "[clone][rule]") {
  Graph g;
  const auto x = input4(g);
  const auto a = relu(x, "a"), y = tanh(a, "y");
  const Region region = extract(inputs(x), outputs(y));
  const auto before = g.digest();
  const std::string text =
      message_of<argument_error>([&] { (void)clone(region, bind(x, x), removing(op_of(y))); });
  INFO(text);
  CHECK(mentions(text, "output 'y'"));
  CHECK(mentions(text, "removed"));
  CHECK(g.digest() == before);
  // Replaced, it may go.
  const Clone copy = clone(region, bind(x, x), each_any([&](const copied_op& op) -> answer {
                             if (op.source != op_of(y)) return std::nullopt;
                             const any_tensor other = exp(op.operands[0]);
                             op.graph->erase_ops(std::vector{op.copy});
                             return std::vector<any_tensor>{other};
                           }));
  copy.check();
  CHECK(g.schema_of(op_of(copy(y))).name == "exp");
  CHECK_FALSE(copy.find(op_of(y)).has_value());
  CHECK(copy.original(copy(y)).ref() == y.ref());
  // By a rule that is asked about another op.
  CHECK_THROWS_AS(clone(extract(inputs(x), outputs(y, a)), bind(x, x),
                        each_any([&](const copied_op& op) -> answer {
                          if (op.source != op_of(y)) return std::nullopt;
                          op.graph->erase_ops(std::vector{op.copy, op_of(op.operands[0])});
                          return std::vector<any_tensor>{exp(op.graph->handle(id_of(x)))};
                        })),
                  argument_error);
  g.validate();
}

TEST_CASE("an input that a rule removes is refused", "[clone][rule]") {
  Graph g;
  const auto x = input4(g), z = input4(g, "z");
  const auto y = add(relu(x), z, "y");
  const auto before = g.digest();
  const std::string text = message_of<argument_error>([&] {
    (void)clone(extract(inputs(x, z), outputs(y)), each_any([&](const copied_op& op) -> answer {
                  if (op.source != op_of(y)) return std::nullopt;
                  const any_tensor other = exp(op.operands[0]);
                  op.graph->erase_ops(std::vector{op.copy, op_of(op.operands[1])});
                  return std::vector<any_tensor>{other};
                }));
  });
  INFO(text);
  CHECK(mentions(text, "input 'z'"));
  CHECK(g.digest() == before);
}

TEST_CASE("what takes a tensor that another rule removed is named", "[clone][rule]") {
  Graph g;
  const auto x = input4(g);
  const auto a = relu(x, "a"), b = tanh(x, "b");
  const auto y = sub(a, b, "y");
  op_id put;
  const auto before = g.digest();
  const std::string text = message_of<graph_error>([&] {
    (void)clone(extract(inputs(x), outputs(y)), bind(x, x),
                each_any([&](const copied_op& op) -> answer {
                  if (op.source == op_of(a)) {
                    const any_tensor other = exp(op.operands[0]);
                    put = op_of(other);
                    return std::vector<any_tensor>{other};
                  }
                  if (op.source == op_of(b)) op.graph->erase_ops(std::vector{put});
                  return std::nullopt;
                }));
  });
  INFO(text);
  CHECK(mentions(text, "'copy/y'"));
  CHECK(mentions(text, "place of 'a'"));
  CHECK(g.digest() == before);
  // Where nothing takes it, it has no image.
  const auto h = relu(x), z = tanh(h);
  g.add_to_collection("hidden", {member::kind::tensor, {}, id_of(h)});
  const Clone copy = clone(extract(inputs(x), outputs(z)), bind(x, x),
                           each_any([&](const copied_op& op) -> answer {
                             if (op.source == op_of(h)) {
                               const any_tensor other = exp(op.operands[0]);
                               put = op_of(other);
                               return std::vector<any_tensor>{other};
                             }
                             const any_tensor other = cos(op.graph->handle(id_of(x)));
                             op.graph->erase_ops(std::vector{op.copy, put});
                             return std::vector<any_tensor>{other};
                           }));
  copy.check();
  CHECK_FALSE(copy.find(h).has_value());
  CHECK(copy.find(op_of(h)).has_value());
  CHECK(g.collection("hidden").size() == 1);
  g.validate();
}

TEST_CASE("an initial value that another rule removed is named", "[clone][rule]") {
  Graph g;
  const auto x = input4(g);
  const auto w = make_variable<float, shape<4>>(g, "w", ones());
  const auto y = x * w;
  const op_id start = g.variable_of(*g.variable_read_by(id_of(w))).initial.op;
  op_id put;
  const auto before = g.digest();
  const std::string text = message_of<graph_error>([&] {
    (void)clone(extract(inputs(x), outputs(y)), bind(x, x),
                each_any([&](const copied_op& op) -> answer {
                  if (op.source == start) {
                    const any_tensor other = op.outputs[0] * 2.0f;
                    put = op_of(other);
                    return std::vector<any_tensor>{other};
                  }
                  if (op.source == op_of(y)) op.graph->erase_ops(std::vector{put});
                  return std::nullopt;
                }));
  });
  INFO(text);
  CHECK(mentions(text, "'copy/w'"));
  CHECK(mentions(text, "removed that again"));
  CHECK(g.digest() == before);
}

TEST_CASE("what a rule has seen in replicas that were taken back names nothing later",
          "[clone][rule]") {
  Graph g;
  const auto x = input4(g);
  const auto y = relu(dense4(x));
  const Region region = extract(inputs(x), outputs(y));
  const Ensemble both = ensemble(region, 2, bind(x, x));
  any_tensor seen;
  int turns = 0;
  const auto second_fails = each_any([&](const copied_op& op) -> answer {
    if (op.source != op_of(y)) return std::nullopt;
    if (++turns == 2) throw std::runtime_error("no");
    seen = op.outputs[0] * 3.0f;
    return std::vector<any_tensor>{seen};
  });
  const auto fails = each_any([&](const copied_op& op) -> answer {
    seen = op.outputs[0] * 3.0f;
    throw std::runtime_error("no");
  });
  for (const bool many : {true, false}) {
    const auto before = g.digest();
    if (many) {
      CHECK_THROWS_AS(replicate(region, 2, bind(x, x), second_fails), std::runtime_error);
    } else {
      CHECK_THROWS_AS(both.member(0, fails), std::runtime_error);
    }
    CHECK(g.digest() == before);
    row4 z = y;
    for (int i = 0; i < 64; ++i) z = exp(z);
    CHECK_THROWS_AS(g.path_of(id_of(seen)), handle_error);
  }
}

TEST_CASE("scopes that a rule enters are left when it returns", "[clone][rule]") {
  Graph g;
  const auto x = input4(g);
  const auto y = tanh(relu(x));
  const Region region = extract(inputs(x), outputs(y));
  g.enter_scope("mine");
  const scope_id mine = g.current_scope();
  const Clone copy =
      clone(region, bind(x, x), into("c"), each_any([](const copied_op& op) -> answer {
              op.graph->enter_scope("noise");
              op.graph->set_mode(mode::inference);
              return std::vector<any_tensor>{op.outputs[0] + op.outputs[0]};
            }));
  CHECK(g.current_scope() == mine);
  CHECK(g.current_mode() == mode::training);
  CHECK(g.path_of(id_of(copy(y))) == "mine/c/noise_1/add");
  g.leave_scope();
  CHECK(g.current_scope() == scope_id{});
  CHECK_THROWS_AS(g.leave_scope(), graph_error);
  g.validate();
}

TEST_CASE("a rule may not leave scopes that it did not enter, nor a body open", "[clone][rule]") {
  Graph g;
  const auto x = input4(g);
  const auto y = relu(x, "y");
  const Region region = extract(inputs(x), outputs(y));
  g.enter_scope("mine");
  const scope_id mine = g.current_scope();
  const auto before = g.digest();
  const auto refused = [&](auto leave) {
    const std::string text = message_of<graph_error>([&] {
      (void)clone(region, bind(x, x), each_any([&](const copied_op& op) -> answer {
                    leave(*op.graph);
                    return std::nullopt;
                  }));
    });
    INFO(text);
    CHECK(mentions(text, "about 'y'"));
    CHECK(g.current_scope() == mine);
    CHECK(g.current_body() == nullptr);
    CHECK(g.digest() == before);
    return text;
  };
  CHECK(mentions(refused([](Graph& of) { of.leave_scope(); }), "a scope that it had not entered"));
  CHECK(mentions(refused([](Graph& of) {
                   of.leave_scope();
                   of.leave_scope();
                   of.enter_scope("a");
                   of.enter_scope("b");
                 }),
                 "a scope that it had not entered"));
  CHECK(mentions(refused([](Graph& of) { (void)of.open_body(); }), "left a body open"));
  CHECK_THROWS_AS(clone(region, each_any([&](const copied_op& op) -> answer {
                          op.graph->enter_scope("a");
                          throw std::runtime_error("no");
                        })),
                  std::runtime_error);
  CHECK(g.current_scope() == mine);
  CHECK(g.digest() == before);
}

TEST_CASE("rules of rewriting, rates and gradients leave the scopes as they were", "[rewrite]") {
  Graph g;
  const auto x = input4(g);
  const any_tensor y = relu(neg(neg(x)));
  const auto twice = [](auto change) {
    using namespace patterns;
    return std::vector{rewrite_rule{"twice", op(ops::neg, op(ops::neg, any("x"))), change}};
  };
  const rewritten done = rewrite(g, twice([](const rule_args& r) -> std::optional<any_tensor> {
                                   r.graph.enter_scope("new");
                                   return exp(r["x"]);
                                 }));
  CHECK(done.replacements == 1);
  CHECK(g.current_scope() == scope_id{});
  CHECK(g.path_of(g.operand(op_of(y), 0)) == "new/exp");
  (void)neg(neg(x));
  const auto before = g.digest();
  CHECK(mentions(message_of<graph_error>([&] {
                   (void)rewrite(g, twice([](const rule_args& r) -> std::optional<any_tensor> {
                                   r.graph.leave_scope();
                                   return exp(r["x"]);
                                 }));
                 }),
                 "by the rule 'twice'"));
  CHECK(g.digest() == before);
  CHECK(g.current_scope() == scope_id{});
  const auto w = make_variable<float, shape<4>>(g, "w", ones());
  const learning_rate rate = learning_rate::rule([](const any_tensor& step) {
    target_traits<Graph>::target_of(step.ref()).enter_scope("rate");
    return any_tensor(step * 0.0 + 0.1);
  });
  const training_step step = minimize(mean(square(x * w)), sgd{.rate = rate});
  CHECK(g.current_scope() == scope_id{});
  CHECK(mentions(g.path_of(id_of(step.rate)), "optimizer/rate/"));
  CHECK(g.path_of(step.step) == "optimizer/step");
  const learning_rate leaving = learning_rate::rule([](const any_tensor& t) {
    Graph& of = target_traits<Graph>::target_of(t.ref());
    of.leave_scope();
    of.leave_scope();
    return any_tensor(t * 0.0 + 0.1);
  });
  const any_tensor loss = mean(square(x * w));
  const auto between = g.digest();
  CHECK(mentions(message_of<graph_error>([&] { (void)minimize(loss, sgd{.rate = leaving}); }),
                 "learning rate"));
  CHECK(g.digest() == between);
  CHECK(g.current_scope() == scope_id{});
  CHECK_THROWS_AS(g.leave_scope(), graph_error);
}

TEST_CASE("gradient rules of a program's own leave the scopes as they were", "[gradients]") {
  operator_definition d;
  d.schema = &entering;
  d.gradient = gradient_of_entering;
  if (find_operator(entering.name) == nullptr) register_operator(d);
  Graph g;
  const auto x = input4(g);
  const any_tensor y = g.handle({g.add(entering, std::vector{id_of(relu(x))}), 0});
  scopes_to_leave = 0;
  const any_tensor slope = gradient(y, any_tensor(x));
  CHECK(g.current_scope() == scope_id{});
  CHECK(mentions(g.path_of(id_of(slope)), "gradients/"));
  CHECK(g.find_op("gradients/slope/mul").has_value());
  CHECK_FALSE(mentions(g.path_of(id_of(slope)), "slope"));  // what comes next is beside it
  scopes_to_leave = 3;
  const auto before = g.digest();
  CHECK(mentions(message_of<graph_error>([&] { (void)gradient(y, any_tensor(x)); }),
                 "the gradient rule of test_entering"));
  CHECK(g.digest() == before);
  CHECK(g.current_scope() == scope_id{});
}
