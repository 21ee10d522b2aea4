// Rules that drop, replace and wrap updates while these are cloned.
#include "graft/graft.hpp"

#include "clone_fixture.hpp"

using namespace graft_test;

namespace {

using vec4 = tensor<Graph, dtype::float32, shape<4>>;
using answer = std::optional<std::vector<any_tensor>>;

// A rule that asks `change` about assigns; the other ops stay.
template <class F>
op_transform each_assign(F change) {
  return each_op([change](const copied_op& op) -> answer {
    if (op.schema->name != "assign") return std::nullopt;
    return std::vector<any_tensor>{change(op)};
  });
}
any_tensor drop(const copied_op& op) { return op.operands[0]; }

// x * w, with a statistic that its layer moves and another that an update of the program's moves.
struct moved {
  Graph g;
  row4 x = input4(g);
  vec4 w = make_variable<float, shape<4>>(g, "w", ones());
  vec4 s = make_variable<float, shape<4>>(g, "s", zeros(), false, variable_role::statistic);
  row4 y = x * w + s;
  any_tensor next = assign(s, s + 1.0f, "move");
  any_tensor step = assign(w, w * 0.5f, "step");
  variable_id own = *g.variable_read_by(id_of(s)), trained = *g.variable_read_by(id_of(w));

  moved() {
    g.own_update(own, op_of(next));
    set_values(g);
  }
  [[nodiscard]] Region region() const {
    return extract(inputs(x), outputs(any_tensor(y), next, step));
  }
  [[nodiscard]] update_group group() const { return {g, {op_of(next), op_of(step)}}; }
};

const std::vector<op_id>& own_of(const Graph& g, variable_id v) {
  return g.variable_of(v).own_updates;
}

}  // namespace

TEST_CASE("updates that a rule drops are in no image of their group, and no variable's own",
          "[clone][rule]") {
  moved m;
  const Clone copy = clone(m.region(), bind(m.x, m.x), variables::copied, each_assign(drop));
  copy.check();
  m.g.validate();
  CHECK(copy(m.group()).empty());
  CHECK(own_of(m.g, copy(m.own)).empty());
  CHECK(updates_of(copy(m.y)).empty());
  CHECK(own_of(m.g, m.own).size() == 1);  // the source keeps its own
  Session session(m.g);
  const Array before = session.value(copy(m.own));
  (void)session.run(std::tuple{copy(m.y), updates_of(copy(m.y)), copy(m.group())},
                    feed(m.x, Array::full<float>({1, 4}, 1.0f)));
  CHECK(session.value(copy(m.own)).same_bits(before));
}

TEST_CASE("a rule drops one update of several", "[clone][rule]") {
  moved m;
  const Clone copy = clone(m.region(), bind(m.x, m.x), each_op([&](const copied_op& op) -> answer {
                             if (op.source != op_of(m.next)) return std::nullopt;
                             return std::vector<any_tensor>{op.operands[0]};
                           }));
  copy.check();
  CHECK(copy(m.group()).assigns() == std::vector<op_id>{copy(op_of(m.step))});
  CHECK(own_of(m.g, copy(m.own)).empty());
}

TEST_CASE("a rule that removes the copy of an update drops it", "[clone][rule]") {
  moved m;
  const Region region = extract(inputs(m.x), outputs(m.y));  // has the layer's own update
  REQUIRE(region.contains(op_of(m.next)));
  const Clone copy = clone(region, bind(m.x, m.x), each_op([](const copied_op& op) -> answer {
                             if (op.schema->name == "assign")
                               op.graph->erase_ops(std::vector{op.copy});
                             return std::nullopt;
                           }));
  copy.check();
  m.g.validate();
  CHECK(copy(update_group(m.g, {op_of(m.next)})).empty());
  CHECK(own_of(m.g, copy(m.own)).empty());
  CHECK_FALSE(copy.find(op_of(m.next)).has_value());
  CHECK_FALSE(copy.find(id_of(m.next)).has_value());
  CHECK(mentions(message_of<handle_error>([&] { (void)copy(m.next); }), "a rule removed its copy"));
}

TEST_CASE("what a rule puts in the place of an update is its image", "[clone][rule]") {
  moved m;
  std::vector<op_id> made;
  const Clone copy =
      clone(m.region(), bind(m.x, m.x), variables::copied,
            each_assign([&](const copied_op& op) -> any_tensor {
              const variable_id v{
                  static_cast<std::uint32_t>(op.graph->attributes_of(op.copy).integer("variable"))};
              const any_tensor read = op.graph->handle(op.graph->variable_of(v).read);
              const any_tensor other = assign(read, read * 0.0f);
              made.push_back(op_of(other));
              return other * 2.0f;  // on the way to what is returned
            }));
  copy.check();
  m.g.validate();
  REQUIRE(made.size() == 2);
  CHECK(copy(m.group()).assigns() == made);
  CHECK(own_of(m.g, copy(m.own)) == std::vector<op_id>{made[0]});
  Session session(m.g);
  session.run(copy(m.group()));
  CHECK(session.value(copy(m.own)).same_bits(Array::full<float>({4}, 0.0f)));
  CHECK(session.value(copy(m.trained)).same_bits(Array::full<float>({4}, 0.0f)));
}

TEST_CASE("an update that a rule wraps stays, with those of the wrapping", "[clone][rule]") {
  moved m;
  op_id counted;
  const Clone copy = clone(m.region(), bind(m.x, m.x), each_op([&](const copied_op& op) -> answer {
                             if (op.source == op_of(m.step))
                               return std::vector<any_tensor>{op.outputs[0] + 1.0f};
                             if (op.source != op_of(m.next)) return std::nullopt;
                             const auto count =
                                 make_variable<float, shape<4>>(*op.graph, "count", zeros());
                             const any_tensor update = assign(any_tensor(count), op.outputs[0]);
                             counted = op_of(update);
                             return std::vector<any_tensor>{update};
                           }));
  copy.check();
  CHECK(copy(m.group()).assigns() ==
        std::vector<op_id>{copy(op_of(m.next)), counted, copy(op_of(m.step))});
  // Another variable's update is not this one's own.
  CHECK(own_of(m.g, copy(m.own)) == std::vector<op_id>{copy(op_of(m.next))});
}

TEST_CASE("an update is not dropped for one that other ops became", "[clone][rule]") {
  moved m;
  // The second update takes what the first one assigns; dropping it leaves the first to itself.
  const any_tensor chained = assign(m.w, m.next, "chained");
  const Clone copy =
      clone(extract(inputs(), outputs(chained)), each_op([&](const copied_op& op) -> answer {
              if (op.source == op_of(m.next)) return std::vector<any_tensor>{op.outputs[0] * 1.0f};
              if (op.source != op_of(chained)) return std::nullopt;
              return std::vector<any_tensor>{op.operands[0]};
            }));
  copy.check();
  CHECK(copy(update_group(m.g, {op_of(chained)})).empty());
  CHECK(copy(update_group(m.g, {op_of(chained), op_of(m.next)})).assigns() ==
        std::vector<op_id>{copy(op_of(m.next))});
}

TEST_CASE("a training step's image leaves out what a rule dropped", "[clone][rule][training]") {
  Graph g;
  const auto x = input4(g);
  const auto y = dense<2>(dense<3>(x));
  const training_step step = minimize(mean(square(y)), sgd{0.1});
  const variable_id fixed = variable_named(g, "dense/kernel");
  const Clone copy =
      clone(extract_training(inputs(x), step), bind(x, x), each_assign([&](const copied_op& op) {
              const bool is_fixed = g.attributes_of(op.source).integer("variable") == fixed.value;
              return is_fixed ? op.operands[0] : op.outputs[0];
            }));
  copy.check();
  const training_step theirs = copy(step);
  CHECK(theirs.updates.assigns().size() == step.updates.assigns().size() - 1);
  Session session(g);
  session.initialize();
  const std::vector<variable_id> variables = copy.variables();
  std::vector<Array> before;
  for (const variable_id v : variables) before.push_back(session.value(v));
  session.run(theirs, feed(x, Array::full<float>({2, 4}, 1.0f)));
  for (std::size_t i = 0; i < variables.size(); ++i) {
    INFO(g.path_of(variables[i]));
    CHECK(session.value(variables[i]).same_bits(before[i]) == (variables[i] == copy(fixed)));
  }
}

TEST_CASE("all parameters of split ties have their updates in a group's image",
          "[clone][rule][ties]") {
  Graph g;
  const auto x = input4(g);
  const auto w = make_variable<float, shape<4>>(g, "w", ones());
  const auto y = sub(x * w, w);
  const variable_id v = *g.variable_read_by(id_of(w));
  const any_tensor decay = assign(w, w * 0.5f);
  g.own_update(v, op_of(decay));
  set_values(g);
  const update_group group(g, {op_of(decay)});
  const Region region = extract(inputs(x), outputs(y));
  const auto owned = [&](const Clone& copy) {
    std::vector<op_id> all;
    for (const variable_id image : copy.images(v)) {
      REQUIRE(own_of(g, image).size() == 1);
      all.push_back(own_of(g, image)[0]);
    }
    return all;
  };
  const Clone split = clone(region, bind(x, x), ties::split, variables::copied);
  split.check();
  CHECK(owned(split).size() == 2);
  CHECK(split(group).assigns() == owned(split));
  const Clone replaced = clone(region, bind(x, x), ties::split, variables::copied,
                               each_assign([](const copied_op& op) -> any_tensor {
                                 const tensor_id read =
                                     op.graph->operand(op.operands[0].ref().id.op, 0);
                                 return assign(op.graph->handle(read), op.operands[0] * 0.0f);
                               }));
  replaced.check();
  CHECK(owned(replaced).size() == 2);
  CHECK(replaced(group).assigns() == owned(replaced));
  const Clone dropped = clone(region, bind(x, x), ties::split, each_assign(drop));
  dropped.check();
  CHECK(dropped(group).empty());
  for (const variable_id image : dropped.images(v)) CHECK(own_of(g, image).empty());
}

TEST_CASE("a group of another graph has no image", "[clone]") {
  moved m, other;
  const Clone copy = clone(m.region(), bind(m.x, m.x));
  CHECK(mentions(message_of<handle_error>([&] { (void)copy(other.group()); }), "not of the graph"));
  CHECK(copy(update_group()).empty());
  CHECK(copy(m.group()).assigns().size() == 2);
  (void)m.g.open_body();  // what is built goes there; the group is the graph's all the same
  CHECK(copy(m.group()).assigns().size() == 2);
  m.g.abandon_body();
}
