// Every function of surgery on what is none: a graph that was moved from, a region whose graph is gone, handles and ids
// that name nothing. Each is refused by a sentence, and the graph that is there stays as it was.
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "graft/graft.hpp"

#include "catch.hpp"

namespace {

using namespace graft;
using row = tensor<Graph, dtype::float32, shape<2>>;

struct attempt {
  const char* what;
  std::function<void()> run;
};

void require_refused(const std::vector<attempt>& attempts) {
  for (const attempt& a : attempts) {
    INFO(a.what);
    std::string text;
    try {
      a.run();
    } catch (const error& e) {
      text = e.what();
      CHECK(!e.parts().asked.empty());
      CHECK(!e.parts().found.empty());
    } catch (const std::exception& e) {
      FAIL_CHECK("no error of the library: " << e.what());
      continue;
    }
    INFO(text);
    CHECK(text.size() > 20);
    CHECK(text.back() == '.');
  }
}

template <class T>
void use(const T&) {}

struct example {
  Graph g;
  row x = placeholder<float, shape<2>>(g, "x");
  row w = make_variable<float, shape<2>>(g, "w", ones());
  row h = tanh(x * w), y = h + x;
  Region region = extract(inputs(x), outputs(y));

  example() { Session(g).initialize(); }
};

const op_filter every = any_op();
const pattern some_tanh = patterns::op(ops::tanh, patterns::any("t"));

}  // namespace

TEST_CASE("surgery on a graph that was moved from is refused") {
  example n;
  Graph gone;
  const Graph there = std::move(gone);
  const op_id op = n.g.id(n.h).op;
  const variable_id v = n.region.variables()[0];
  const Clone frozen = clone(n.region, variables::frozen);
  const std::uint64_t before = n.g.digest();
  require_refused({
      {"find_ops", [&] { use(find_ops(gone, every)); }},
      {"find_ops among", [&] { use(find_ops(gone, {op}, every)); }},
      {"find_tensors", [&] { use(find_tensors(gone, every)); }},
      {"find_tensors_matching", [&] { use(find_tensors_matching(gone, "x")); }},
      {"find_variables", [&] { use(find_variables(gone, every)); }},
      {"choose", [&] { use(choose(gone, every)); }},
      {"forward_walk", [&] { use(forward_walk(gone, op)); }},
      {"backward_walk", [&] { use(backward_walk(gone, op)); }},
      {"walk_intersection", [&] { use(walk_intersection(gone, op, op)); }},
      {"walk_union", [&] { use(walk_union(gone, op, op)); }},
      {"flood", [&] { use(flood(gone, op, op)); }},
      {"boundary_of", [&] { use(boundary_of(gone, {op})); }},
      {"neighbours", [&] { use(neighbours(gone, {op})); }},
      {"tensors_of", [&] { use(tensors_of(gone, {op})); }},
      {"region_of", [&] { use(region_of(gone, {op})); }},
      {"swap_uses", [&] { use(swap_uses(gone, op, op)); }},
      {"swap_operands", [&] { use(swap_operands(gone, op, op)); }},
      {"bypass", [&] { bypass(gone, op); }},
      {"bypass an operand", [&] { bypass(gone, op, 0); }},
      {"detach", [&] { use(detach(gone, op)); }},
      {"insert_before", [&] { use(insert_before(gone, op, 0, [](auto t) { return t; })); }},
      {"add_control_edges", [&] { add_control_edges(gone, {op}, op); }},
      {"remove_control_edges", [&] { remove_control_edges(gone, {op}, op); }},
      {"move_control_edges", [&] { use(move_control_edges(gone, op, op)); }},
      {"clone", [&] { use(clone(n.region, into(gone))); }},
      {"replicate", [&] { use(replicate(n.region, 2, into(gone))); }},
      {"splice", [&] { use(splice(n.region, in_place_of(n.h, n.y), into(gone))); }},
      {"unfreeze", [&] { use(unfreeze(frozen, into(gone))); }},
      {"ensemble", [&] { use(ensemble(n.region, 2, into(gone))); }},
      {"lineage", [&] { use(lineage(gone, v)); }},
      {"copy_variables", [&] { copy_variables(gone, std::vector{std::pair(v, v)}); }},
      {"explain", [&] { use(explain(gone, "x")); }},
      {"isomorphic", [&] { use(isomorphic(gone, n.g)); }},
      {"isomorphic, second", [&] { use(isomorphic(n.g, gone)); }},
      {"diff", [&] { use(diff(gone, n.g)); }},
      {"correspond", [&] { use(correspond(n.g, gone)); }},
      {"content_hash", [&] { use(content_hash(gone)); }},
      {"canonical_order", [&] { use(canonical_order(gone)); }},
      {"find_matches", [&] { use(find_matches(gone, some_tanh)); }},
      {"rewrite", [&] { use(rewrite(gone, simplification_rules())); }},
      {"simplify", [&] { use(simplify(gone)); }},
      {"dot", [&] { use(dot(gone)); }},
      {"svg", [&] { use(svg(gone)); }},
  });
  CHECK(n.g.digest() == before);
}

TEST_CASE("surgery on a region whose graph is gone is refused") {
  std::optional<example> n(std::in_place);
  const Region region = n->region;
  const Clone copy = clone(region, variables::frozen), own = clone(region);
  const Ensemble members = ensemble(region, 2, variables::copied);
  const row x = n->x, y = n->y;
  const variable_id v = region.variables()[0];
  n.reset();
  example other;
  const std::uint64_t before = other.g.digest();
  require_refused({
      {"graph", [&] { use(region.graph()); }},
      {"report", [&] { use(region.report()); }},
      {"between", [&] { use(region.between()); }},
      {"with_inputs", [&] { use(region.with_inputs(std::vector<std::size_t>{0})); }},
      {"with_outputs", [&] { use(region.with_outputs(std::vector<std::size_t>{0})); }},
      {"with_hidden_inputs", [&] { use(region.with_hidden_inputs()); }},
      {"without_unused_inputs", [&] { use(region.without_unused_inputs()); }},
      {"to_string of a region", [&] { use(to_string(region)); }},
      {"clone", [&] { use(clone(region)); }},
      {"clone into another", [&] { use(clone(region, into(other.g))); }},
      {"replicate", [&] { use(replicate(region, 2)); }},
      {"splice", [&] { use(splice(region, in_place_of(other.h, y), into(other.g))); }},
      {"ensemble", [&] { use(ensemble(region, 2)); }},
      {"isomorphic", [&] { use(isomorphic(region, other.region)); }},
      {"isomorphic, second", [&] { use(isomorphic(other.region, region)); }},
      {"diff", [&] { use(diff(other.region, region)); }},
      {"copy_values of regions", [&] { copy_values(region, other.region); }},
      {"content_hash", [&] { use(content_hash(region)); }},
      {"canonical_order", [&] { use(canonical_order(region)); }},
      {"find_matches", [&] { use(find_matches(region, some_tanh)); }},
      {"rewrite", [&] { use(rewrite(region, simplification_rules())); }},
      {"simplify", [&] { use(simplify(region)); }},
      {"connect", [&] { use(connect(region, other.region)); }},
      {"swap_inputs", [&] { use(swap_inputs(other.region, region)); }},
      {"swap_outputs", [&] { use(swap_outputs(region, other.region)); }},
      {"bypass", [&] { use(bypass(region)); }},
      {"detach", [&] { use(detach(region)); }},
      {"detach_inputs", [&] { use(detach_inputs(region)); }},
      {"detach_outputs", [&] { use(detach_outputs(region)); }},
      {"dot of a region", [&] { use(dot(region)); }},
      {"svg of a clone", [&] { use(svg(region, own)); }},
      {"Clone::graph", [&] { use(own.graph()); }},
      {"Clone::scope_path", [&] { use(own.scope_path()); }},
      {"Clone::parameters", [&] { use(own.parameters()); }},
      {"Clone::initializer", [&] { use(own.initializer()); }},
      {"Clone::initializer_of", [&] { use(own.initializer_of(v)); }},
      {"Clone::initializer_of a read", [&] { use(own.initializer_of(x)); }},
      {"Clone::bytes_owned", [&] { use(own.bytes_owned()); }},
      {"Clone::check", [&] { own.check(); }},
      {"Clone::leak_audit", [&] { use(own.leak_audit()); }},
      {"to_string of a clone", [&] { use(to_string(own)); }},
      {"explain of a clone", [&] { use(explain(own, "x")); }},
      {"copy_values", [&] { copy_values(own); }},
      {"swap_values", [&] { swap_values(own); }},
      {"reinitialize", [&] { reinitialize(own); }},
      {"reset_slots", [&] { reset_slots(own); }},
      {"unfreeze", [&] { use(unfreeze(copy)); }},
      {"soft_update", [&] { use(soft_update(own, {.tau = 1})); }},
      {"Ensemble::graph", [&] { use(members.graph()); }},
      {"Ensemble::initializer", [&] { use(members.initializer()); }},
      {"Ensemble::member", [&] { use(members.member(0)); }},
      {"Ensemble::detach", [&] { use(members.detach(0)); }},
      {"Ensemble::scatter_from", [&] { members.scatter_from(std::vector{own, own}); }},
      {"Ensemble::gather_to", [&] { members.gather_to(std::vector{own, own}); }},
      {"extract", [&] { use(extract(inputs(x), outputs(y))); }},
      {"between tensors", [&] { use(between(inputs(x), outputs(y))); }},
      {"closure", [&] { use(closure(inputs(x), outputs(y))); }},
      {"substitute", [&] { use(substitute(y, bind(x, other.x))); }},
      {"reroute", [&] { use(reroute(x, y)); }},
      {"insert_after", [&] { use(insert_after(x, [](auto t) { return t; })); }},
  });
  // What is known without the graph is told still.
  CHECK(region.stale());
  CHECK(region.obstacles().front().what == obstacle::kind::stale);
  CHECK(region.contains(v));
  CHECK(own(y).ref().id.valid());
  CHECK(other.g.digest() == before);
}

TEST_CASE("surgery on empty handles is refused") {
  example n;
  const any_tensor none{graph_reference{}}, x = n.x, y = n.y;
  const Clone own = clone(n.region);
  const Ensemble members = ensemble(n.region, 2, variables::copied);
  const op_id op = n.g.id(n.h).op;
  const std::uint64_t before = n.g.digest();
  require_refused({
      {"extract an input", [&] { use(extract(inputs(none), outputs(y))); }},
      {"extract an output", [&] { use(extract(inputs(x), outputs(none))); }},
      {"extract nothing", [&] { use(extract(input_list{}, output_list{})); }},
      {"extract a given value",
       [&] { use(extract(inputs(x), outputs(y), given(none, Array::scalar(1.0f)))); }},
      {"between", [&] { use(between(inputs(none), outputs(none))); }},
      {"closure", [&] { use(closure(inputs(none), outputs(y))); }},
      {"with_inputs", [&] { use(n.region.with_inputs(inputs(none))); }},
      {"with_outputs", [&] { use(n.region.with_outputs(outputs(none))); }},
      {"bind a key", [&] { use(clone(n.region, bind(none, x))); }},
      {"bind to it", [&] { use(clone(n.region, bind(x, none))); }},
      {"bind_reshaped", [&] { use(clone(n.region, bind_reshaped(x, none))); }},
      {"bind_control", [&] { use(clone(n.region, bind_control(none, op))); }},
      {"bind_control to it", [&] { use(clone(n.region, bind_control(op, none))); }},
      {"expr", [&] { use(clone(n.region, variables::expr(any_tensor(n.w), none))); }},
      {"expr of it", [&] { use(clone(n.region, variables::expr(none, any_tensor(n.w)))); }},
      {"rule",
       [&] {
         use(clone(n.region, each_op([&](const copied_op& o) {
                     return std::optional(std::vector<any_tensor>(o.outputs.size()));
                   })));
       }},
      {"map", [&] { use(own(none)); }},
      {"map find", [&] { use(own.find(none)); }},
      {"map or_self", [&] { use(own.or_self(none)); }},
      {"map original", [&] { use(own.original(none)); }},
      {"map find_original", [&] { use(own.find_original(none)); }},
      {"initializer_of", [&] { use(own.initializer_of(none)); }},
      {"lineage", [&] { use(lineage(none, {own})); }},
      {"splice", [&] { use(splice(n.region, in_place_of(none, y))); }},
      {"splice by it", [&] { use(splice(n.region, in_place_of(x, none))); }},
      {"ensemble map", [&] { use(members(none)); }},
      {"has_members", [&] { use(members.has_members(none)); }},
      {"bind_each", [&] { use(ensemble(n.region, 2, bind_each(x, none))); }},
      {"bind_each a key", [&] { use(ensemble(n.region, 2, bind_each(none, x))); }},
      {"ensemble bind", [&] { use(ensemble(n.region, 2, bind(x, none))); }},
      {"substitute", [&] { use(substitute(none, bind(x, y))); }},
      {"substitute a key", [&] { use(substitute(y, bind(none, x))); }},
      {"substitute by it", [&] { use(substitute(y, bind(x, none))); }},
      {"substitute by nothing", [&] { use(substitute(none, bindings{})); }},
      {"reroute", [&] { use(reroute(none, x)); }},
      {"reroute to it", [&] { use(reroute(x, none)); }},
      {"swap_uses", [&] { use(swap_uses(none, x)); }},
      {"swap_uses, second", [&] { use(swap_uses(x, none)); }},
      {"connect", [&] { connect(none, op, 0); }},
      {"insert_after", [&] { use(insert_after(none, [](auto t) { return t; })); }},
      {"insert_after with it",
       [&] { use(insert_after(x, [](auto) { return any_tensor(graph_reference{}); })); }},
      {"insert_after a schema", [&] { use(insert_after(none, ops::tanh)); }},
      {"insert_before with it",
       [&] { use(insert_before(n.g, op, 0, [](auto) { return any_tensor(graph_reference{}); })); }},
      {"choose", [&] { use(choose(n.g, none)); }},
      {"forward_walk", [&] { use(forward_walk(n.g, none)); }},
      {"backward_walk", [&] { use(backward_walk(n.g, none)); }},
      {"inference", [&] { use(inference(none)); }},
      {"rewrite by it",
       [&] {
         use(rewrite(n.g, {{"none", some_tanh, [](const rule_args&) {
                              return std::optional(any_tensor(graph_reference{}));
                            }}}));
       }},
      {"summary", [&] { use(summary(none)); }},
  });
  CHECK(n.g.digest() == before);
  n.g.validate();
}

TEST_CASE("surgery by ids that name nothing is refused") {
  example n;
  const Clone own = clone(n.region);
  const Ensemble members = ensemble(n.region, 2, variables::copied);
  const op_id op = n.g.id(n.h).op, no_op;
  const tensor_id no_tensor;
  const variable_id v = n.region.variables()[0], no_variable;
  const std::vector<op_id> no_ops{no_op};
  const std::uint64_t before = n.g.digest();
  walk_options stopping;
  stopping.stop_at = {no_tensor};
  walk_options inside;
  inside.within = no_ops;
  require_refused({
      {"find_ops", [&] { use(find_ops(n.g, no_ops, every)); }},
      {"find_tensors", [&] { use(find_tensors(n.g, no_ops, every)); }},
      {"among", [&] { use(find_ops(n.g, no_ops, among({no_op}))); }},
      {"choose", [&] { use(choose(n.g, no_op)); }},
      {"choose a tensor", [&] { use(choose(n.g, no_tensor)); }},
      {"choose a variable", [&] { use(choose(n.g, no_variable)); }},
      {"forward_walk", [&] { use(forward_walk(n.g, no_op)); }},
      {"forward_walk of a tensor", [&] { use(forward_walk(n.g, no_tensor)); }},
      {"forward_walk of a variable", [&] { use(forward_walk(n.g, no_variable)); }},
      {"forward_walk, stopped", [&] { use(forward_walk(n.g, op, stopping)); }},
      {"backward_walk, within", [&] { use(backward_walk(n.g, op, inside)); }},
      {"flood", [&] { use(flood(n.g, no_op, op)); }},
      {"flood to", [&] { use(flood(n.g, op, no_op)); }},
      {"boundary_of", [&] { use(boundary_of(n.g, no_ops)); }},
      {"neighbours", [&] { use(neighbours(n.g, no_ops)); }},
      {"tensors_of", [&] { use(tensors_of(n.g, no_ops)); }},
      {"region_of", [&] { use(region_of(n.g, no_ops)); }},
      {"region_of nothing", [&] { use(region_of(n.g, {})); }},
      {"with_inputs", [&] { use(n.region.with_inputs(std::vector<std::size_t>{7})); }},
      {"with_outputs", [&] { use(n.region.with_outputs(std::vector<std::size_t>{7})); }},
      {"map", [&] { use(own(no_op)); }},
      {"map of a tensor", [&] { use(own(no_tensor)); }},
      {"map of a variable", [&] { use(own(no_variable)); }},
      {"map original", [&] { use(own.original(no_op)); }},
      {"images", [&] { use(own.images(no_variable)); }},
      {"initializer_of", [&] { use(own.initializer_of(no_variable)); }},
      {"explain", [&] { use(explain(n.g, "no/such/path")); }},
      {"explain of a clone", [&] { use(explain(own, "no/such/path")); }},
      {"lineage", [&] { use(lineage(n.g, no_variable)); }},
      {"copy_variables", [&] { copy_variables(n.g, std::vector{std::pair(v, no_variable)}); }},
      {"bind_control", [&] { use(clone(n.region, bind_control(no_op, op))); }},
      {"bind_control to it", [&] { use(clone(n.region, bind_control(op, no_op))); }},
      {"ensemble map", [&] { use(members(no_variable)); }},
      {"member", [&] { use(members.member(2)); }},
      {"detach a member", [&] { use(members.detach(2)); }},
      {"ensemble of none", [&] { use(ensemble(n.region, 0)); }},
      {"scatter_from", [&] { members.scatter_from({}); }},
      {"gather_to", [&] { members.gather_to({}); }},
      {"swap_uses", [&] { use(swap_uses(n.g, op, no_op)); }},
      {"swap_operands", [&] { use(swap_operands(n.g, no_op, op)); }},
      {"connect", [&] { connect(n.x, no_op, 0); }},
      {"connect a slot", [&] { connect(n.x, op, 9); }},
      {"bypass", [&] { bypass(n.g, no_op); }},
      {"bypass an operand", [&] { bypass(n.g, op, 9); }},
      {"detach", [&] { use(detach(n.g, no_op)); }},
      {"insert_before", [&] { use(insert_before(n.g, no_op, 0, [](auto t) { return t; })); }},
      {"insert_before a slot", [&] { use(insert_before(n.g, op, 9, [](auto t) { return t; })); }},
      {"add_control_edges", [&] { add_control_edges(n.g, {op}, no_op); }},
      {"add_control_edges before", [&] { add_control_edges(n.g, {no_op}, op); }},
      {"remove_control_edges", [&] { remove_control_edges(n.g, {no_op}, op); }},
      {"move_control_edges", [&] { use(move_control_edges(n.g, no_op, op)); }},
      {"move_control_edges to", [&] { use(move_control_edges(n.g, op, no_op)); }},
      {"a match's name", [&] { use(find_matches(n.g, some_tanh)[0]["u"]); }},
      {"a pattern of nothing", [&] { use(patterns::any_of({})); }},
      {"matching", [&] { use(matching("(")); }},
      {"within_scope", [&] { use(within_scope("a//b")); }},
  });
  CHECK(n.g.digest() == before);
  n.g.validate();
}

TEST_CASE("a region without ops is one as others are") {
  example n;
  const Region empty = extract(inputs(n.x), outputs(n.x));
  REQUIRE(empty.nodes().empty());
  CHECK(empty.report().unused_inputs.empty());
  CHECK(empty.between().empty());
  CHECK(empty.variables().empty());
  CHECK(isomorphic(empty, empty));
  CHECK(diff(empty, empty).empty());
  CHECK(canonical_order(empty).empty());
  CHECK(find_matches(empty, some_tanh).empty());
  CHECK(simplify(empty).replacements == 0);
  CHECK(!to_string(empty).empty());
  CHECK(!dot(empty).empty());
  const Clone copy = clone(empty, bind(n.x, n.h));
  copy.check();
  CHECK(copy(n.x).ref() == n.h.ref());
  CHECK(copy.nodes().empty());
  CHECK(!to_string(copy).empty());
  copy_values(copy);
  swap_values(copy);
  reinitialize(copy);
  CHECK(replicate(empty, 2, bind(n.x, n.h)).size() == 2);
  const Ensemble members = ensemble(empty, 2, bind(n.x, n.h));
  CHECK(members.variables().empty());
  CHECK(bypass(empty) == 0);
  (void)detach(empty);
  n.g.validate();
  require_refused({{"unfreeze", [&] { use(unfreeze(copy)); }}});
  n.g.validate();
}
