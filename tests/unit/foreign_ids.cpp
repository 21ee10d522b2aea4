// Ids know their graph: those of another are refused wherever one is taken, and nothing has changed then.
#include <functional>
#include <string>
#include <type_traits>

#include "graft/graft.hpp"
#include "graft/surgery/splice.hpp"

#include "clone_fixture.hpp"
#include "temporary_file.hpp"

using namespace graft_test;

namespace {

// Two of these have the same numbers.
struct subject {
  Graph g;
  row4 x = input4(g), h = dense4(x, "one"), z = relu(h), y = dense4(z, "two");
  any_tensor loss = mean(square(y));
  op_id relu_op = op_of(z), sum_op = op_of(y), x_op = op_of(x);
  scope_id one = *g.find_scope("one");
  variable_id w = variable_named(g, "one/w"), b = variable_named(g, "one/b");
  tensor_id t = id_of(z);

  [[nodiscard]] Region region() const { return extract(inputs(x), outputs(y)); }
};

struct attempt {
  const char* what;
  std::function<void()> make;
};

// Each ends in a handle_error that says what was asked and that it is of another graph.
void check_refused(const std::vector<const Graph*>& graphs, const std::vector<attempt>& attempts) {
  for (const attempt& a : attempts) {
    INFO(a.what);
    std::vector<std::uint64_t> before;
    for (const Graph* g : graphs) before.push_back(g->digest());
    const std::string said = message_of<handle_error>(a.make);
    INFO(said);
    CHECK((mentions(said, "another graph") || mentions(said, "not of the graph")));
    CHECK(mentions(said, "; "));
    for (std::size_t i = 0; i < graphs.size(); ++i) {
      CHECK(graphs[i]->digest() == before[i]);
      graphs[i]->validate();
    }
  }
}

}  // namespace

TEST_CASE("an id knows its graph, and is compared by its number") {
  Graph g, h;
  CHECK(g.number() != 0);
  CHECK(g.number() != h.number());
  const op_id mine = op_of(input4(g)), other = op_of(input4(h));
  CHECK(mine.graph == g.number());
  CHECK(mine.may_be_of(g.number()));
  CHECK_FALSE(mine.may_be_of(h.number()));
  CHECK(mine == other);
  CHECK(mine < op_id{5});
  CHECK(std::hash<op_id>()(mine) == std::hash<op_id>()(other));
  CHECK(tensor_id{mine, 1} > tensor_id{other, 0});
  // What a program makes of a number is taken by every graph.
  CHECK(op_id{0}.may_be_of(g.number()));
  CHECK(g.contains(op_id{0}));
  CHECK(g.handle({op_id{0}, 0}).ref().id.op.graph == g.number());
  CHECK_FALSE(op_id{}.valid());
  CHECK_FALSE(g.contains(op_id{}));
  // A number is no id by itself.
  static_assert(!std::is_convertible_v<std::uint32_t, op_id>);
  static_assert(!std::is_convertible_v<std::uint32_t, variable_id>);
  static_assert(!std::is_convertible_v<std::uint32_t, scope_id>);
}

TEST_CASE("a graph has none of another's ids") {
  subject a, b;
  CHECK(a.g.contains(a.relu_op));
  CHECK_FALSE(a.g.contains(b.relu_op));
  CHECK(a.g.contains(a.w));
  CHECK_FALSE(a.g.contains(b.w));
  const Region region = a.region();
  CHECK(region.contains(a.relu_op));
  CHECK_FALSE(region.contains(b.relu_op));
  CHECK(region.contains(a.w));
  CHECK_FALSE(region.contains(b.w));
}

TEST_CASE("the sentence says what was asked for and what to do") {
  subject a, b;
  const std::string number = std::to_string(b.relu_op.value);
  CHECK(message_of<handle_error>([&] { (void)a.g.path_of(b.relu_op); }) ==
        "op " + number +
            " was asked for; the id is of another graph. Use the ids that this graph gave; those "
            "of what was "
            "cloned are found by the clone: clone(id).");
  const std::string variable = message_of<handle_error>([&] { (void)a.g.variable_of(b.w); });
  CHECK(mentions(variable, "variable " + std::to_string(b.w.value) + " was asked for"));
  const std::string value = message_of<handle_error>([&] { (void)a.g.store().get(b.w); });
  CHECK(mentions(value, "the value of variable " + std::to_string(b.w.value) + " was asked for"));
  const std::string scope = message_of<handle_error>([&] { (void)a.g.scope_path(b.one); });
  CHECK(mentions(scope, "scope " + std::to_string(b.one.value) + " was asked for"));
}

TEST_CASE("functions of a graph refuse ids of another") {
  subject a, b;
  Graph& g = a.g;
  const tensor_id own = a.t, other = b.t;
  const any_tensor read = g.handle(g.variable_of(a.b).read);
  const op_id update = op_of(assign(read, read));
  check_refused(
      {&a.g, &b.g},
      {
          {"add", [&] { g.add(ops::relu, {&other, 1}); }},
          {"add_variable",
           [&] { g.add_variable("v", b.g.variable_of(b.b).read, variable_role::parameter, true); }},
          {"own_update of a variable", [&] { g.own_update(b.b, update); }},
          {"own_update by an op", [&] { g.own_update(a.b, b.relu_op); }},
          {"add_control_edge before", [&] { g.add_control_edge(b.x_op, a.relu_op); }},
          {"add_control_edge after", [&] { g.add_control_edge(a.x_op, b.relu_op); }},
          {"reenter_scope", [&] { g.reenter_scope(b.one); }},
          {"scope_path", [&] { (void)g.scope_path(b.one); }},
          {"parent_scope", [&] { (void)g.parent_scope(b.one); }},
          {"scope_within, inner", [&] { (void)g.scope_within(b.one, a.one); }},
          {"scope_within, outer", [&] { (void)g.scope_within(a.one, b.one); }},
          {"index_of", [&] { (void)g.index_of(b.relu_op); }},
          {"edit_stamp", [&] { (void)g.edit_stamp(b.relu_op); }},
          {"schema_of", [&] { (void)g.schema_of(b.relu_op); }},
          {"attributes_of", [&] { (void)g.attributes_of(b.relu_op); }},
          {"operand_count", [&] { (void)g.operand_count(b.relu_op); }},
          {"operand", [&] { (void)g.operand(b.relu_op, 0); }},
          {"operands", [&] { (void)g.operands(b.relu_op); }},
          {"output_count", [&] { (void)g.output_count(b.relu_op); }},
          {"control_predecessors", [&] { (void)g.control_predecessors(b.relu_op); }},
          {"control_successors", [&] { (void)g.control_successors(b.relu_op); }},
          {"scope_of", [&] { (void)g.scope_of(b.relu_op); }},
          {"name_of", [&] { (void)g.name_of(b.relu_op); }},
          {"path_of an op", [&] { (void)g.path_of(b.relu_op); }},
          {"line_of", [&] { (void)g.line_of(b.relu_op); }},
          {"type_of", [&] { (void)g.type_of(other); }},
          {"path_of a tensor", [&] { (void)g.path_of(other); }},
          {"uses", [&] { (void)g.uses(other); }},
          {"for_each_use",
           [&] { g.for_each_use(b.relu_op, [](const Graph::use&, std::uint32_t) {}); }},
          {"handle", [&] { (void)g.handle(other); }},
          {"a handle put together",
           [&] { (void)g.id(graph_reference{g.slot(), g.slot()->generation, other}); }},
          {"a handle of another graph", [&] { (void)g.id(b.z); }},
          {"variable_of", [&] { (void)g.variable_of(b.w); }},
          {"path_of a variable", [&] { (void)g.path_of(b.w); }},
          {"variable_read_by", [&] { (void)g.variable_read_by(b.g.variable_of(b.w).read); }},
          {"set_trainable", [&] { g.set_trainable(b.w, false); }},
          {"a variable of a collection",
           [&] { g.add_to_collection("c", {member::kind::variable, b.w, {}}); }},
          {"a tensor of a collection",
           [&] { g.add_to_collection("c", {member::kind::tensor, {}, other}); }},
          {"an op of a collection",
           [&] { g.add_to_collection("c", {member::kind::op, {}, other}); }},
          {"set_operand of an op", [&] { g.set_operand(b.relu_op, 0, own); }},
          {"set_operand to a tensor", [&] { g.set_operand(a.sum_op, 0, other); }},
          {"set_attributes", [&] { g.set_attributes(b.relu_op, {}); }},
          {"remove_control_edge", [&] { g.remove_control_edge(b.x_op, b.relu_op); }},
          {"rename", [&] { g.rename(b.relu_op, "other"); }},
          {"erase_ops", [&] { g.erase_ops({&b.sum_op, 1}); }},
      });
}

TEST_CASE("values of another graph's variables are neither read nor written") {
  subject a, b;
  set_values(a.g);
  set_values(b.g, 100);
  Session session(a.g);
  VariableStore& store = a.g.store();
  const Array zeros(dtype::float32, {4, 4});
  const temporary_file file, unwritten;
  save_variables(a.g, file.path);
  const std::vector<variable_id> foreign{b.w}, mixed{a.w, b.w};
  const std::vector<std::pair<variable_id, variable_id>> to{{a.w, b.w}}, from{{b.w, a.w}};
  check_refused(
      {&a.g, &b.g},
      {
          {"initialized", [&] { (void)store.initialized(b.w); }},
          {"get", [&] { (void)store.get(b.w); }},
          {"set", [&] { store.set(b.w, zeros); }},
          {"reset", [&] { store.reset(b.w); }},
          {"cell", [&] { (void)store.cell(b.w); }},
          {"Session::value", [&] { (void)session.value(b.w); }},
          {"Session::set_value", [&] { session.set_value(b.w, zeros); }},
          {"initializer_of", [&] { session.run(initializer_of(a.g, foreign)); }},
          {"a set of variables", [&] { session.run(initializer_set{a.g, foreign}); }},
          {"save_variables", [&] { save_variables(a.g, unwritten.path, foreign); }},
          {"load_variables", [&] { load_variables(a.g, file.path, {.variables = foreign}); }},
          {"load_variables beside its own",
           [&] { load_variables(a.g, file.path, {.variables = mixed}); }},
          {"copy_variables to", [&] { copy_variables(a.g, to); }},
          {"copy_variables from", [&] { copy_variables(a.g, from); }},
      });
}

TEST_CASE("training another graph's variables is refused") {
  subject a, b;
  const any_tensor gradient = a.g.handle(a.g.variable_of(a.w).read);
  const std::vector<std::pair<variable_id, variable_id>> to{{a.w, b.w}}, from{{b.w, a.w}},
      foreign{{b.w, b.b}};
  const op_id other = op_of(minimize(b.loss, sgd{.rate = 0.1}).loss);
  check_refused(
      {&a.g, &b.g},
      {
          {"minimize", [&] { minimize(a.loss, adam{}, {.parameters = b.g.variables()}); }},
          {"minimize, one of two",
           [&] { minimize(a.loss, sgd{.rate = 0.1}, {.parameters = {a.w, b.w}}); }},
          {"apply_gradients", [&] { apply_gradients(a.g, {{b.w, gradient}}, adam{}); }},
          {"apply_gradients, one of two",
           [&] { apply_gradients(a.g, {{a.w, gradient}, {b.w, gradient}}, adam{}); }},
          {"soft_update to", [&] { soft_update(a.g, to); }},
          {"soft_update from", [&] { soft_update(a.g, from); }},
          {"soft_update", [&] { soft_update(a.g, foreign); }},
          {"update_group", [&] { update_group(a.g, {other}); }},
      });
}

TEST_CASE("ids of another graph are not selected") {
  subject a, b;
  const std::vector<op_id> ops{b.relu_op};
  const std::vector<tensor_id> tensors{b.t};
  const Graph& g = a.g;
  check_refused(
      {&a.g, &b.g},
      {
          {"find_ops", [&] { (void)find_ops(g, ops, any_op()); }},
          {"find_tensors",
           [&] { (void)find_tensors(g, ops, tensor_filter([](tensor_id) { return true; })); }},
          {"among", [&] { (void)find_ops(g, among(ops)); }},
          {"among ops of two graphs", [&] { (void)among({a.relu_op, b.relu_op}); }},
          {"choose an op", [&] { (void)choose(g, b.relu_op); }},
          {"choose a tensor", [&] { (void)choose(g, b.t); }},
          {"choose a variable", [&] { (void)choose(g, b.w); }},
          {"forward_walk from an op", [&] { (void)forward_walk(g, b.relu_op); }},
          {"forward_walk from a tensor", [&] { (void)forward_walk(g, b.t); }},
          {"forward_walk within", [&] { (void)forward_walk(g, a.relu_op, {.within = ops}); }},
          {"forward_walk within what is accepted",
           [&] { (void)forward_walk(g, a.relu_op, {.within_if = among(ops)}); }},
          {"backward_walk", [&] { (void)backward_walk(g, b.relu_op); }},
          {"backward_walk to a stop",
           [&] { (void)backward_walk(g, a.sum_op, {.stop_at = tensors}); }},
          {"walk_intersection", [&] { (void)walk_intersection(g, a.x_op, b.sum_op); }},
          {"walk_union", [&] { (void)walk_union(g, b.x_op, a.sum_op); }},
          {"flood", [&] { (void)flood(g, b.relu_op, a.x_op); }},
          {"flood to a boundary", [&] { (void)flood(g, a.relu_op, b.x_op); }},
          {"flood within", [&] { (void)flood(g, a.relu_op, a.x_op, {.within = ops}); }},
          {"boundary_of", [&] { (void)boundary_of(g, ops); }},
          {"neighbours", [&] { (void)neighbours(g, ops); }},
          {"tensors_of", [&] { (void)tensors_of(g, ops); }},
          {"region_of", [&] { (void)region_of(g, ops); }},
          {"a drawing's group", [&] { (void)dot(g, drawing{{{"group", ops}}, {}, {}, {}}); }},
          {"a drawing's input", [&] { (void)dot(g, drawing{{}, tensors, {}, {}}); }},
          {"a drawing's output", [&] { (void)svg(g, drawing{{}, {}, tensors, {}}); }},
          {"a drawing's copies",
           [&] { (void)dot(g, drawing{{}, {}, {}, {{a.relu_op, b.relu_op}}}); }},
      });
}

TEST_CASE("edits of another graph's ops are refused") {
  subject a, b;
  Graph& g = a.g;
  check_refused(
      {&a.g, &b.g},
      {
          {"reroute", [&] { reroute(a.z, a.h, among({b.relu_op})); }},
          {"swap_uses, first", [&] { swap_uses(g, b.relu_op, a.x_op); }},
          {"swap_uses, second", [&] { swap_uses(g, a.relu_op, b.relu_op); }},
          {"swap_operands", [&] { swap_operands(g, a.relu_op, b.relu_op); }},
          {"connect", [&] { connect(a.x, b.relu_op, 0); }},
          {"bypass", [&] { bypass(g, b.relu_op); }},
          {"bypass by an operand", [&] { bypass(g, b.relu_op, 0); }},
          {"detach", [&] { detach(g, b.relu_op); }},
          {"insert_before",
           [&] { insert_before(g, b.relu_op, 0, [](const any_tensor& t) { return t; }); }},
          {"add_control_edges before", [&] { add_control_edges(g, {b.x_op}, a.relu_op); }},
          {"add_control_edges after", [&] { add_control_edges(g, {}, b.relu_op); }},
          {"remove_control_edges", [&] { remove_control_edges(g, {}, b.relu_op); }},
          {"move_control_edges from", [&] { move_control_edges(g, b.relu_op, a.relu_op); }},
          {"move_control_edges to", [&] { move_control_edges(g, a.relu_op, b.relu_op); }},
      });
}

TEST_CASE("a clone tells its source's ids from its own graph's and from others") {
  subject a, b;
  Graph into_graph;
  const Region region = a.region();
  const Clone away = clone(region, into(into_graph, "away"));
  const Clone within = clone(region, into("within"));
  const Ensemble many = ensemble(region, 2, into("many"));
  const op_id image = away(a.relu_op);
  const variable_id image_of_w = away(a.w);
  CHECK(image.graph == into_graph.number());
  CHECK(image_of_w.graph == into_graph.number());
  CHECK(away.original(image).graph == a.g.number());
  CHECK(away.original(image) == a.relu_op);
  CHECK(away.original(away(a.t)) == a.t);
  CHECK(away.original(image_of_w) == a.w);
  const update_group foreign(b.g, {b.relu_op});
  check_refused(
      {&a.g, &b.g, &into_graph},
      {
          {"an op", [&] { (void)away(b.relu_op); }},
          {"a tensor", [&] { (void)away(b.t); }},
          {"a variable", [&] { (void)away(b.w); }},
          {"its own op", [&] { (void)away(image); }},
          {"its own variable", [&] { (void)away(image_of_w); }},
          {"find", [&] { (void)within.find(b.relu_op); }},
          {"find of a variable", [&] { (void)within.find(b.w); }},
          {"or_self", [&] { (void)within.or_self(b.t); }},
          {"or_self in a list", [&] { (void)within.or_self(std::vector{a.w, b.w}); }},
          {"original", [&] { (void)within.original(b.relu_op); }},
          {"original of what is the source's", [&] { (void)away.original(a.relu_op); }},
          {"original of a variable", [&] { (void)away.original(a.w); }},
          {"find_original", [&] { (void)within.find_original(b.t); }},
          {"images", [&] { (void)within.images(b.w); }},
          {"initializer_of", [&] { (void)within.initializer_of(b.w); }},
          {"a group of updates", [&] { (void)within(foreign); }},
          {"lineage in a graph", [&] { (void)lineage(a.g, b.w); }},
          {"lineage of an op", [&] { (void)lineage(b.relu_op, {within}); }},
          {"lineage of a tensor", [&] { (void)lineage(b.t, {within}); }},
          {"lineage of a variable", [&] { (void)lineage(b.w, {within}); }},
          {"Region::value_of", [&] { (void)region.value_of(b.t); }},
          {"a variable of an ensemble", [&] { (void)many(b.w); }},
          {"bind_control from", [&] { (void)clone(region, bind_control(b.x_op, a.sum_op)); }},
          {"bind_control to", [&] { (void)clone(region, bind_control(op_of(a.loss), b.sum_op)); }},
      });
}

TEST_CASE("what rewriting is asked about is of its graph") {
  subject a, b;
  const rewritten done = simplify(a.g);
  CHECK(done(a.t) == a.t);
  check_refused({&a.g, &b.g}, {{"a tensor", [&] { (void)done(b.t); }},
                               {"an op", [&] { (void)done(b.relu_op); }},
                               {"a variable", [&] { (void)done(b.w); }},
                               {"a handle", [&] { (void)done(b.z); }}});
}

TEST_CASE("ids follow a graph that is moved") {
  subject a;
  Graph other;
  (void)input4(other);
  const std::uint32_t number = a.g.number();
  const std::string path = a.g.path_of(a.relu_op);
  Graph moved(std::move(a.g));
  CHECK(moved.number() == number);
  CHECK(moved.path_of(a.relu_op) == path);
  CHECK(moved.path_of(a.w) == "one/w");
  CHECK(moved.scope_path(a.one) == "one");
  CHECK_FALSE(moved.store().initialized(a.w));
  const op_id gone = other.op_at(0);
  other = std::move(moved);
  CHECK(other.number() == number);
  CHECK(other.path_of(a.relu_op) == path);
  CHECK_FALSE(other.contains(gone));  // of what was there before
  Graph fresh;
  CHECK(fresh.number() != number);
}

TEST_CASE("a body is a graph of its own") {
  Graph g;
  const auto x = input4(g);
  const auto y = relu(x);
  Graph& body = g.open_body();
  const any_tensor inside = tanh(any_tensor(y));  // what is outside comes in by its handle
  const tensor_id inner = body.id(inside), standing = body.id(y);
  CHECK(body.number() != g.number());
  CHECK(inner.op.graph == body.number());
  CHECK(standing.op.graph == body.number());
  CHECK_FALSE(g.contains(inner.op));
  CHECK_FALSE(body.contains(op_of(y)));
  const tensor_id outer = id_of(y);
  check_refused({&g}, {{"around it", [&] { (void)g.type_of(inner); }},
                       {"an operand around it", [&] { (void)g.uses(standing); }},
                       {"in it", [&] { (void)body.path_of(outer); }},
                       {"an operand in it", [&] { body.add(ops::relu, {&outer, 1}); }},
                       {"an edit in it", [&] { connect(inside, op_of(y), 0); }}});
  body.add(ops::results, {&inner, 1});
  const Graph::closed_body closed = g.close_body();
  const Graph& made = g.body(closed.index);
  CHECK(made.number() == inner.op.graph);
  CHECK(made.path_of(inner) == "tanh");
  CHECK(closed.captures == std::vector{outer});
  CHECK(closed.captures[0].op.graph == g.number());
  CHECK_THROWS_AS(g.path_of(inner), handle_error);
}

TEST_CASE("every id that a graph gives is its own") {
  subject a;
  const std::uint32_t number = a.g.number();
  const auto own = [&](const auto& list) {
    return std::all_of(list.begin(), list.end(), [&](const auto& id) {
      if constexpr (std::is_same_v<std::decay_t<decltype(id)>, tensor_id>) {
        return id.op.graph == number;
      } else {
        return id.graph == number;
      }
    });
  };
  const auto check_all = [&](const Graph& g) {
    for (std::size_t i = 0; i < g.op_count(); ++i) {
      const op_id op = g.op_at(i);
      CHECK(op.graph == number);
      CHECK(g.scope_of(op).graph == number);
      CHECK(own(g.operands(op)));
      g.for_each_use(op,
                     [&](const Graph::use& u, std::uint32_t) { CHECK(u.user.graph == number); });
    }
    CHECK(own(g.variables()));
    for (const variable_id v : g.variables()) {
      const variable_info& info = g.variable_of(v);
      CHECK(info.id.graph == number);
      CHECK(info.read.op.graph == number);
      CHECK(info.initial.op.graph == number);
      CHECK(own(info.own_updates));
      if (info.origin.valid()) CHECK(info.origin.graph == number);
      CHECK(g.variable_read_by(info.read)->graph == number);
    }
  };
  CHECK(a.g.current_scope().graph == number);
  CHECK(a.g.find_scope("")->graph == number);
  CHECK(a.g.enter_scope("deep").graph == number);
  CHECK(a.g.parent_scope(a.g.current_scope()).graph == number);
  a.g.leave_scope();
  // What was made up of numbers is the graph's once it has it.
  a.g.add_to_collection("c", {member::kind::op, {}, {op_id{a.relu_op.value}, 0}});
  const Clone copy = clone(a.region(), into("copy"));
  const Clone mixed = clone(a.region(), into("mixed"), variables::shared, ties::split);
  const training_step step = minimize(copy.or_self(a.loss), adam{});
  const std::vector<any_tensor> replaced{substitute(any_tensor(a.y), bind(a.z, a.h))};
  for (const std::vector<op_id>& some :
       {a.region().nodes(), a.region().between(), copy.nodes(), mixed.nodes(),
        step.updates.assigns(), backward_walk(a.g, a.sum_op), canonical_order(a.g),
        substitute_with_report(any_tensor(a.y), bind(a.z, a.h)).added}) {
    CHECK_FALSE(some.empty());
    CHECK(own(some));
  }
  CHECK(own(a.region().variables()));
  CHECK(own(copy.variables()));
  CHECK(own(copy.images(a.w)));
  CHECK(own(step.parameters));
  CHECK(own(step.slots));
  for (const member& m : a.g.collection("c")) CHECK(m.tensor.op.graph == number);
  for (const member& m : a.g.collection("variables")) CHECK(m.variable.graph == number);
  check_all(a.g);
  // Where ids are no longer places.
  const op_id extra = op_of(tanh(a.x));
  a.g.erase_ops({&extra, 1});
  (void)tanh(a.x);
  CHECK(own(clone(a.region(), into("again")).nodes()));
  check_all(a.g);
}
