// The functions of graph_editor, one by one, and what stands in their place.
#include <cstdio>
#include <string_view>

#include <graft/graft.hpp>

#include "check.hpp"

using namespace graft;

namespace {

const Array ones = Array::full<float>({2, 4}, 1.0f);

void selecting() {
  Graph g;
  auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  auto y = dense<2, "head">(relu(dense<8, "trunk">(x)));
  //! [select]
  auto sums = find_ops(g, of_operator("add"));      // filter_ops, select_ops
  auto biases = find_ops(g, matching("bias$"));     // filter_ops_from_regex
  auto trunk = find_ops(g, within_scope("trunk"));  // get_name_scope_ops: "trunk2" is another
  auto some = find_ops(g, of_operator("add") && !within_scope("trunk"));  // positive_filter
  auto taken =
      find_tensors(g, trunk, [&](tensor_id t) { return g.uses(t).size() == 1; });  // filter_ts
  auto heads = find_tensors(g, sums, tensors_matching("^head/"));  // filter_ts_from_regex
  auto made = find_tensors(g, tensors_matching("relu"));           // select_ts
  selection both_kinds =
      choose(g, matching("add"), tensors_matching("relu"), x, trunk);  // select_ops_and_ts
  auto around = neighbours(g, trunk, true);         // get_ops_ios; true: check_cios(control_ios)
  op_boundary border = boundary_of(g, trunk);       // compute_boundary_ts
  auto island = flood(g, x, y, {.control = true});  // get_within_boundary_ops
  auto inner = between(inputs(x), outputs(y));      // ... but only what lies between tensors
  auto ahead = forward_walk(g, x, {.inclusive = true});       // get_forward_walk_ops
  auto behind = backward_walk(g, y, {.stop_at = {g.id(x)}});  // get_backward_walk_ops, stop_at_ts
  auto within = forward_walk(g, x, {.within = trunk});        // within_ops
  auto but = forward_walk(g, x, {.within_if = !of_operator("relu")});  // within_ops_fn
  auto both = walk_intersection(g, x, y);                              // get_walks_intersection_ops
  auto either = walk_union(g, x, y, {.control = true});                // get_walks_union_ops
  //! [select]
  check(sums.size() == 2 && some.size() == 1 && made.size() == 1, "filters combine");
  check(!biases.empty() && taken.size() == 5 && heads.size() == 3, "tensors are searched");
  check(both_kinds.ops.size() == trunk.size() + 1 && both_kinds.tensors.size() == 2,
        "each counts once");
  check(both == inner && inner.size() == 5, "what lies between lies on a path");
  check(ahead.size() == 5 && behind.size() > both.size() && either.size() >= behind.size(),
        "the way back meets weights, too");
  check(within.size() == 2 && within == but, "a walk keeps to what it may visit");
  check(border.inputs.size() == 1 && !border.outputs.empty(), "the trunk has a border");
  check(!around.empty() && !island.empty(), "there is something around the trunk");
}

void views() {
  Graph g;
  auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  g.enter_scope("part");
  auto h = relu(x);
  auto y = tanh(h);
  g.leave_scope();
  auto z = h * y;
  //! [view]
  Region region = extract(inputs(x), outputs(h, y));  // make_view, sgv, SubGraphView
  Region scope =
      region_of(g, find_ops(g, within_scope("part")));       // make_view_from_scope, sgv_scope
  Region fewer = region.with_inputs({0});                    // remap_inputs
  Region swapped = region.with_outputs({1, 0});              // remap_outputs
  Region other = region.with_inputs({0}).with_outputs({1});  // remap
  Region twice = region.with_outputs({0, 0, 1});             // outputs may repeat
  Region again = twice.with_outputs({0, 2});                 // remap_outputs_make_unique
  Region whole = region_of(g, region.nodes());               // remap_default
  std::size_t takers = g.uses(g.id(h)).size();               // consumers
  Region each =
      region.with_outputs(std::vector<std::size_t>(takers, 0));  // remap_outputs_to_consumers
  Region needed = region.with_outputs({0});                 // remove_unused_ops: a region has none
  auto taken = region.inputs();                             // inputs, connected_inputs
  auto given = boundary_of(g, region.nodes()).outputs;      // connected_outputs
  bool through = !region.passthroughs().empty();            // passthroughs, is_passthrough
  std::size_t at = region.place_of_input(x);                // input_index, output_index
  bool inside = region.contains(op_named(g, "part/relu"));  // find_op_by_name
  bool fresh = !region.stale();                             // views go stale unnoticed
  //! [view]
  check(whole.inputs() == region.inputs() && scope.nodes() == region.nodes(), "ops tell inputs");
  check(swapped.outputs()[0] == region.outputs()[1], "outputs change places");
  check(again.outputs() == region.outputs() && each.outputs().size() == 2, "outputs repeat");
  check(needed.nodes().size() == 1 && other.outputs().size() == 1, "what is not needed goes");
  check(fewer.inputs() == taken && given.size() == 2 && !through && at == 0 && inside && fresh,
        "a region can be asked");
  check_refused([&] { (void)region.place_of_input(h); }, "Its inputs are 'x'");
  check_refused([&] { (void)op_named(g, "part/rely"); }, "There are 'part/relu'");
  (void)z;
}

void copies() {
  Graph g, other;
  auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  auto x2 = placeholder<float, shape<dyn, 4>>(g, "x2");
  auto mask = placeholder<float, shape<dyn, 4>>(g, "mask");
  g.enter_scope("net");
  auto h = dense<4, "layer">(x) * mask;
  auto y = relu(h);
  g.leave_scope();
  g.add_to_collection("results", {member::kind::tensor, {}, g.id(y)});
  const auto kept_before = g.collections();
  Session session(g);
  session.initialize();
  //! [copy]
  Region region = extract(inputs(x, mask), outputs(y));
  Clone alone = clone(region, variables::fresh);    // copy(sgv): inputs become placeholders
  Clone there = clone(region, into(other, "net"));  // copy(sgv, dst_graph)
  Clone named = clone(region, into("b"), from("net"),
                      names::exact);  // dst_scope, src_scope, reuse_dst_scope
  Clone bound = clone(region, bind(x, x2), variables::shared,
                      unbound::keep);   // copy_with_input_replacements, keep_t_if_possible_handler
  auto z = substitute(y, bind(h, x2));  // graph_replace(y, {h: x2}): only the relu is copied
  auto y2 = bound(y);                   // info.transformed(y)
  auto back = bound.original(y2);       // info.original(y2)
  auto maybe = bound.find(g.id(x2));    // transformed(x2, missing_fn): an optional
  auto pairs = correspond(
      region, extract(inputs(there(x), there(mask)), outputs(there(y))));  // find_corresponding
  auto kept = there.graph().collections();                                 // collections follow
  Clone renamed = clone(region, collections::by([](std::string_view name) {
                          return "b/" + std::string(name);  // assign_renamed_collections_handler
                        }));
  Clone lone = clone(region, collections::none);  // ... of a Transformer that assigns none
  //! [copy]
  check(alone.inputs().size() == 2 && named.scope_path() == "b", "copies stand alone");
  check(back.ref().id == y.ref().id && !maybe && kept == kept_before, "the map leads back");
  check(g.collection("b/results").size() == 1 && lone.nodes().size() == renamed.nodes().size(),
        "collections are named anew");
  check(pairs.differences.empty(), "a copy corresponds to its source");
  check(session.run(z, feed(x2, ones)).at<float>({0, 0}) == 1, "the replacement is taken");
}

void handlers() {
  Graph g;
  auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  auto y = relu(x) + 1.0f;
  //! [handler]
  // Transformer, transform_op_handler, copy_op_handler(nodedef_fn), transform_op_if_inside_handler
  Clone softer = clone(extract(inputs(x), outputs(y)), bind(x, x),
                       each_op([](const copied_op& op) -> std::optional<std::vector<any_tensor>> {
                         if (op.schema->name != "relu") return std::nullopt;  // copied as it is
                         return std::vector<any_tensor>{softplus(op.operands[0])};
                       }));
  //! [handler]
  Session session(g);
  const Array found = session.run(softer(y), feed(x, ones));
  check(found.at<float>({0, 0}) > 2.3f && found.at<float>({0, 0}) < 2.32f, "1 + log(1 + e)");
}

void outside() {
  Graph g;
  auto x = placeholder<float, shape<2, 4>>(g, "x");
  auto mask = placeholder<float, shape<2, 4>>(g, "mask");
  auto x2 = placeholder<float, shape<2, 4>>(g, "x2");
  auto mask2 = placeholder<float, shape<2, 4>>(g, "mask2");
  auto longer = placeholder<float, shape<8, 4>>(g, "longer");
  auto guard = relu(mask, "guard"), guard2 = relu(mask2, "guard2");
  auto h = tanh(x), y = h * mask;
  g.add_control_edge(g.id(guard).op, g.id(h).op);
  //! [outside]
  Region region = extract(inputs(x), outputs(y), leaks::keep);  // reads mask as a hidden input
  Clone fed = clone(region, bind(x, x2));                       // transform_external_input_handler
  Region open = region.with_hidden_inputs();      // transform_external_hidden_input_handler:
  Clone free = clone(open, bind(mask, mask2));    // named, it is an input like others
  Clone waits = clone(region, control_in::keep);  // transform_control_input_handler: as it was
  Clone other = clone(region, bind_control(guard, guard2));  // ... another op
  auto first = other.original(other(h));  // transform_original_op_handler: the map has them all
  Clone tall = clone(extract(inputs(x), outputs(h)),
                     bind_reshaped(x, longer));  // copy_shape=False: shapes are worked out anew
  //! [outside]
  check(fed.inputs()[0] == g.id(x2) && free(mask).ref().id == mask2.ref().id, "inputs are told");
  check(waits.control_images().size() == 1 && waits.control_images()[0].image == g.id(guard).op,
        "the copy waits for the same op");
  check(other.control_images()[0].image == g.id(guard2).op && first.ref() == h.ref(),
        "the copy waits for the other");
  check(g.type_of(tall.outputs()[0]).shape == dims{8, 4}, "the copy has another shape");
}

void rerouting() {
  Graph g;
  auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  auto a = relu(x);
  auto b = tanh(x);
  auto y = a * 2.0f;
  auto z = b * 3.0f;
  auto behind_y = y + 10.0f;
  auto behind_z = z + 20.0f;
  const auto value = [&](const auto& t) {
    Session session(g);
    return session.run(t, feed(x, ones)).template at<float>({0, 0});
  };
  const float y_before = value(y), z_before = value(z);
  //! [reroute]
  swap_uses(a, b);                                   // swap_ts: y takes b, z takes a
  swap_uses(a, b, among({g.id(y).op, g.id(z).op}));  // ... can_modify; and back
  reroute(b, a);                                     // reroute_ts: what took b takes a
  reroute(a, b, !among({g.id(y).op}));               // ... cannot_modify
  Region first = extract(inputs(a), outputs(y)), second = extract(inputs(b), outputs(z));
  swap_outputs(first, second);  // swap_outputs: who took y takes z
  swap_inputs(first, second);   // swap_inputs: y takes b, z takes a; both of them are swap_ios
  auto own = among(first.nodes()) || among(second.nodes());
  reroute(std::tuple{y}, std::tuple{z}, !own);  // reroute_outputs: who took y takes z
  reroute(std::tuple{b}, std::tuple{a}, among(first.nodes()));  // reroute_inputs: y takes a;
                                                                // both of them are reroute_ios
  //! [reroute]
  check(y_before == 2 && z_before < 3, "before");
  check(value(y) == 2 && value(z) == 3, "both take the relu");
  check(value(behind_y) == 13 && value(behind_z) == 23, "both are behind z");
}

void editing() {
  Graph g;
  auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  auto w = placeholder<float, shape<dyn, 4>>(g, "w");
  auto a = relu(x);
  auto b = tanh(a);
  auto y = b + w;
  op_id relu_op = g.id(a).op, tanh_op = g.id(b).op, sum = g.id(y).op;
  const auto value = [&] {
    Session session(g);
    return session.run(y, feed(x, ones), feed(w, ones)).template at<float>({0, 0});
  };
  //! [edit]
  add_control_edges(g, {tanh_op}, sum);              // add_control_inputs
  auto waiting = g.control_successors(tanh_op);      // ControlOutputs
  remove_control_edges(g, {tanh_op}, sum);           // remove_control_inputs
  for (op_id later : g.control_successors(relu_op))  // detach_control_outputs,
    remove_control_edges(g, {relu_op}, later);  // with control_predecessors detach_control_inputs
  bypass(g, tanh_op);                           // bypass: what took the tanh takes the relu
  auto noisy = insert_after(a, [](auto t) { return t + 1.0f; });
  connect(a, sum, 0);  // an op's operand: the sum takes the relu again
  Region part = extract(inputs(a), outputs(y), leaks::keep);
  auto ends = detach_inputs(part);  // detach_inputs; also detach_outputs and detach
  Region maker = extract(inputs(x), outputs(a));
  detach_outputs(maker);  // connect(maker, part, disconnect_first=True):
  connect(maker, extract(inputs(ends[0]), outputs(y), leaks::keep));  // connect(maker, part)
  //! [edit]
  check(waiting.size() == 1 && waiting[0] == sum, "the edge was there");
  check(value() == 2, "relu(x) + w is what is left");
  check(g.uses(g.id(a)).size() == 1, "nobody else takes the relu");
  (void)noisy;
}

void utilities() {
  Graph g;
  auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  auto y = dense<2>(relu(dense<8>(x)));
  Region region = extract(inputs(x), outputs(y));
  //! [util]
  auto all = tensors_of(g, region.nodes());  // get_tensors, make_list_of_t
  auto ops = find_ops(g, any_op());          // make_list_of_op
  op_id maker = g.id(y).op;                  // get_generating_ops
  auto takers = g.uses(g.id(x));             // get_consuming_ops
  Graph& home = region.graph();              // get_unique_graph, check_graphs: every call does
  auto ph =
      placeholder<float, shape<dyn, 4>>(g, "ph");  // make_placeholder_from_dtype_and_shape, ph
  auto like = clone(region, into("like"))(x);      // make_placeholder_from_tensor, placeholder_name
  auto trees =
      clone(region)(std::tuple{x, std::vector{y}});  // transform_tree, flatten_tree: any nesting
  {
    using namespace patterns;
    auto layer =
        op(ops::add, op(ops::matmul, any("in"), patterns::variable("kernel")),  // OpMatcher,
           patterns::variable("bias"));  // op_type, input_ops
    auto found = find_matches(region, layer);
    auto inner = find_matches(region, layer.used_by(of_operator("relu")));  // output_ops
    auto later = find_matches(region, layer.after(any_op()));               // control_input_ops
    check(inner.size() == 1 && later.empty(), "one has a relu behind it, none waits");
    check(found.size() == 2, "both layers are found");
  }
  //! [util]
  check(all.size() > 5 && ops.size() > all.size() / 2 && g.contains(maker), "lists are lists");
  check(takers.size() == 1 && &home == &g, "one op takes x");
  check(g.name_of(g.id(like).op) == "x" && ph.ref().id != like.ref().id, "named as its source");
  check(std::get<1>(trees).size() == 1, "structures are mirrored");
}

}  // namespace

int main() {
  selecting();
  views();
  copies();
  handlers();
  outside();
  rerouting();
  editing();
  utilities();
}
