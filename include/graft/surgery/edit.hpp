// Surgery in place: rewiring what is there.
//
// Every function is a transaction. What comes in the place of a tensor has its element type, rank and
// known extents, as bind() has it; reshaping::allow, given last, lets shapes change. Types are worked out anew for all
// that depends on what was changed, cycles are refused, and on an exception the graph is exactly as before. Regions
// whose own ops were changed become stale.
//
// What is rewired are operands. Collections go on naming the tensors they named, and variables
// start with the tensors they started with.
#pragma once

#include <concepts>
#include <cstdint>
#include <utility>
#include <vector>

#include "graft/surgery/fits.hpp"
#include "graft/surgery/region.hpp"
#include "graft/surgery/select.hpp"

namespace graft {

/// All ops: the filter that leaves nothing out.
op_filter any_op();
/// The ops of a list. @throws handle_error for ops of two graphs; asked about another graph than theirs it throws, too
op_filter among(std::vector<op_id> ops);

namespace detail {

template <class T>
std::vector<graph_reference> references_of(const T& handles) {
  std::vector<graph_reference> list;
  each_handle(handles, [&](const auto& t) { list.push_back(t.ref()); });
  return list;
}

// The choices of an edit, in any order: which users, and whether shapes may change.
struct edit_choices {
  op_filter users = any_op();
  shape_choice shapes;

  void set(const op_filter& f) { users = f; }
  void set(reshaping::allowed a) { shapes = a; }
};
template <class... Choices>
edit_choices gathered(const Choices&... choices) {
  edit_choices all;
  (all.set(choices), ...);
  return all;
}
template <class... Choices>
inline constexpr bool any_shape_among = (std::same_as<Choices, reshaping::allowed> || ...);

std::size_t reroute_all(const std::vector<graph_reference>& from,
                        const std::vector<graph_reference>& to, const edit_choices& choices);
std::size_t swap_all(const std::vector<graph_reference>& a, const std::vector<graph_reference>& b,
                     const edit_choices& choices);
/// The graph of a handle, that its own op is in. @throws handle_error
Graph& graph_of(const graph_reference& r);
std::vector<Graph::use> uses_by(const graph_reference& r, const op_filter& users);
std::size_t join(const Region& first, const Region& second, shape_choice shapes);
/// @param uses of `x`; @param call how errors call what was asked
void take_instead(Graph& g, const char* call, tensor_id x, const std::vector<Graph::use>& uses,
                  const graph_reference& value, shape_choice shapes);
void connect_one(const graph_reference& value, op_id user, std::uint32_t slot, shape_choice shapes);

}  // namespace detail

/// What took `from` takes `to`: `reroute(h, other)`. What `to` itself depends on among the users
/// makes a cycle and is refused: leave it out by a filter, or use insert_after().
/// @param from, to handles, or containers with as many of them, rerouted at once; each of `from`
/// stands once. What does not fit by its static type does not compile
/// @param choices a filter, for uses by some ops only: `among(ops)`, `within_scope("head")`, a lambda on op_id;
/// reshaping::allow
/// @returns the number of operands changed
/// @throws dtype_error, shape_error where `to` does not fit, or an op cannot take it; graph_error, handle_error;
/// argument_error for numbers that differ, and where `to` lacks an axis that an op names
template <class From, class To, class... Choices>
std::size_t reroute(const From& from, const To& to, const Choices&... choices) {
  detail::check_all_fit<text("reroute"), detail::any_shape_among<Choices...>, From, To>();
  return detail::reroute_all(detail::references_of(from), detail::references_of(to),
                             detail::gathered(choices...));
}

/// What took a takes b, and the other way round; doing it again restores the graph.
/// @param a, b as in reroute(), and each fits in the place of the other; a tensor may stand once in all
/// @param choices as in reroute()
/// @returns the number of operands changed
// Not called swap: standard algorithms would find it for handles and rewire graphs.
template <class A, class B, class... Choices>
  requires(!std::same_as<A, Graph>)
std::size_t swap_uses(const A& a, const B& b, const Choices&... choices) {
  detail::check_all_fit<text("swap_uses"), detail::any_shape_among<Choices...>, A, B>();
  return detail::swap_all(detail::references_of(a), detail::references_of(b),
                          detail::gathered(choices...));
}
/// Exchanges the uses of all outputs of two ops. @throws argument_error for numbers of outputs that
/// differ
std::size_t swap_uses(Graph& g, op_id a, op_id b, shape_choice shapes = {});
/// Exchanges what two ops take, operand by operand. @throws argument_error for numbers of operands
/// that differ
std::size_t swap_operands(Graph& g, op_id a, op_id b, shape_choice shapes = {});

/// Makes an operand another tensor, for a handle; within a body, of an op of the body.
/// @throws dtype_error, shape_error where it does not fit in the place of what the op took; as Graph::set_operands,
/// which takes ids and whatever the op can take
// Templates, as the C library has a function of this name.
template <graph_handle T>
void connect(const T& value, op_id user, std::uint32_t slot, shape_choice shapes = {}) {
  detail::connect_one(value.ref(), user, slot, shapes);
}
/// Joins the outputs of one region to the inputs of another: what ops of the second took from its
/// inputs they take from the first. @returns the number of operands changed
/// @throws argument_error for numbers that differ; dtype_error, shape_error where an output does not fit;
/// graph_error for a stale region or a cycle
template <std::same_as<Region> R>
std::size_t connect(const R& first, const R& second, shape_choice shapes = {}) {
  return detail::join(first, second, shapes);
}
/// Exchanges the inputs of two regions: their own uses of them, all at once. An op that is in both
/// gets what it gets in either.
/// @returns the number of operands changed
/// @throws argument_error for numbers that differ, and for an op in both that would get two tensors
/// for one; dtype_error, shape_error where one does not fit in the place of the other; graph_error for a stale region
/// or a cycle
std::size_t swap_inputs(const Region& a, const Region& b, shape_choice shapes = {});
/// Exchanges the outputs of two regions: uses by ops outside both. Ops that the regions share stay
/// as they are.
/// @returns the number of operands changed
/// @throws argument_error for numbers that differ, and for a tensor that would become two (an output
/// of both at other places, or one that stands several times); dtype_error, shape_error as swap_inputs(); graph_error
/// for a stale region or a cycle
std::size_t swap_outputs(const Region& a, const Region& b, shape_choice shapes = {});

/// Removes an op with one operand and one output: its users take what it took. Ops that waited for
/// it wait for what it waited for, and collections name what its users take. Complexity: O(graph), as
/// Graph::erase_ops
/// @throws argument_error if it has several operands or outputs in use; dtype_error, shape_error if it changes the type
/// of what it takes, as a cast does; graph_error if it cannot go (an initial value, a variable's read)
void bypass(Graph& g, op_id op, reshaping::allowed allow);
/// The same where the op may not change the shape either. @throws shape_error if it does
void bypass(Graph& g, op_id op);
/// The same for an op with several operands: its users take the operand at a place.
void bypass(Graph& g, op_id op, std::uint32_t operand, shape_choice shapes = {});
/// Leads around a region: ops outside that took output i take input i. The region stays, its
/// outputs used inside only. @returns the number of operands changed
/// @throws argument_error for numbers that differ; dtype_error, shape_error where an input does not fit in the place of
/// its output
std::size_t bypass(const Region& region, shape_choice shapes = {});

/// The placeholders that detach() puts where it cuts.
struct detached {
  std::vector<any_tensor> inputs;  ///< one an input (or operand), in order; equal tensors share one
  std::vector<any_tensor>
      outputs;  ///< one an output, in order; an empty handle where nobody takes it
  /// Of a region: one a hidden input (Region::kept()), in order; a constant where it has a value.
  std::vector<any_tensor> hidden;
};
/// Cuts a region free: its ops take new placeholders in place of its inputs and hidden inputs, and
/// the values that some were given in place of these; ops outside take new placeholders in place of
/// its outputs; control edges across its border go. Outputs that are inputs are left alone.
detached detach(const Region& region);
/// Only the inputs, or only the outputs, of that. Hidden inputs stay.
std::vector<any_tensor> detach_inputs(const Region& region);
/// Only the outputs of that.
std::vector<any_tensor> detach_outputs(const Region& region);
/// Cuts an op free: operands, uses and control edges.
detached detach(Graph& g, op_id op);

/// Puts something behind a tensor: what took x takes f(x).
/// `insert_after(h, [](auto h) { return h + noise; })`
/// @param f builds on x what fits in the place of x; the uses of x that it makes stay with x
/// @param choices as in reroute()
/// @returns what f returned
template <graph_handle T, std::invocable<const T&> F, class... Choices>
auto insert_after(const T& x, F&& f, const Choices&... choices) {
  const detail::edit_choices chosen = detail::gathered(choices...);
  Graph& g = detail::graph_of(x.ref());
  const std::vector<Graph::use> uses = detail::uses_by(x.ref(), chosen.users);
  Graph::transaction all(g);
  auto y = f(x);
  static_assert(graph_handle<decltype(y)>, "graft: insert_after takes what builds one tensor");
  detail::check_fits<text("insert_after"), T, decltype(y), detail::any_shape_among<Choices...>>();
  detail::take_instead(g, "insert_after", x.ref().id, uses, y.ref(), chosen.shapes);
  all.commit();
  return y;
}
/// The same with an operator that has one operand.
any_tensor insert_after(const any_tensor& x, const operator_schema& schema,
                        const attribute_list& attributes = {}, const op_filter& users = any_op(),
                        shape_choice shapes = {});

/// Puts something before one operand of an op: it takes f(what it took), which fits in the place of what it took.
/// @returns what f returned
template <std::invocable<const any_tensor&> F>
auto insert_before(Graph& g, op_id user, std::uint32_t slot, F&& f, shape_choice shapes = {}) {
  const tensor_id taken = g.operand(user, slot);
  Graph::transaction all(g);
  auto y = f(g.handle(taken));
  detail::take_instead(g, "insert_before", taken, {Graph::use{user, slot}}, y.ref(), shapes);
  all.commit();
  return y;
}

/// Makes an op wait for others.
/// @throws graph_error for an edge that is there already, or for a cycle
void add_control_edges(Graph& g, const std::vector<op_id>& before, op_id after);
/// @throws graph_error for an edge that is not there
void remove_control_edges(Graph& g, const std::vector<op_id>& before, op_id after);
/// What waited for one op waits for another, and that one waits for what the first waited for.
/// @returns the number of edges moved; edges between the two go
std::size_t move_control_edges(Graph& g, op_id from, op_id to);

}  // namespace graft
