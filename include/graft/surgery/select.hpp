// Choosing ops and tensors of a graph: by what they are, by name, by scope, by walking, and their
// boundary.
#pragma once

#include <concepts>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "graft/core/callable.hpp"
#include "graft/core/name_view.hpp"
#include "graft/surgery/region.hpp"

namespace graft {

// --- Filters
// -----------------------------------------------------------------------------------------------

/// What filters of one kind have in common: they are combined by &&, || and !.
template <class Filter, class Id>
class combined_filters {
  friend Filter operator&&(Filter a, Filter b) {
    return [a = std::move(a), b = std::move(b)](const Graph& g, Id id) {
      return a(g, id) && b(g, id);
    };
  }
  friend Filter operator||(Filter a, Filter b) {
    return [a = std::move(a), b = std::move(b)](const Graph& g, Id id) {
      return a(g, id) || b(g, id);
    };
  }
  friend Filter operator!(Filter a) {
    return [a = std::move(a)](const Graph& g, Id id) { return !a(g, id); };
  }
};

/// A condition on ops. Filters are combined by &&, || and !.
class op_filter : public combined_filters<op_filter, op_id> {
 public:
  using condition = callable<bool(const Graph&, op_id)>;  ///< what a filter asks
  /// @param accept takes (op_id) or (const Graph&, op_id)
  template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, op_filter> &&
             (std::is_invocable_r_v<bool, const F&, op_id> ||
              std::is_invocable_r_v<bool, const F&, const Graph&, op_id>))
  op_filter(F accept) {  // NOLINT: lambdas are filters
    if constexpr (std::is_invocable_r_v<bool, const F&, const Graph&, op_id>) {
      accept_ = std::move(accept);
    } else {
      accept_ = [f = std::move(accept)](const Graph&, op_id op) { return f(op); };
    }
  }
  /// Whether it accepts an op of the graph.
  bool operator()(const Graph& g, op_id op) const { return accept_(g, op); }

 private:
  condition accept_;
};

/// Ops whose path ("encoder/dense/matmul") has a part that matches an ECMAScript regular
/// expression; `^` and `$` hold it to the ends.
/// @throws argument_error for a malformed expression, with what is wrong with it
op_filter matching(name_view regex);

/// Ops in the scopes of a path, at any depth. A path is compared component by component, so "foo"
/// is neither "foobar" nor "a/foo", and literally: characters that mean something in regular
/// expressions do not here. A `*` stands for any part of one component, a component `**` for any
/// number of components; `\` makes the next character literal. The empty path is the root: all ops.
/// A path without any scope selects nothing.
/// @throws argument_error for a path that ends in `\` or has an empty component
op_filter within_scope(name_view path);

/// Ops of one operator, by its name: of_operator("matmul").
op_filter of_operator(name_view name);

/// A condition on tensors. Filters are combined by &&, || and !. One of ops is one of tensors, too: of the op that
/// makes the tensor.
class tensor_filter : public combined_filters<tensor_filter, tensor_id> {
 public:
  using condition = callable<bool(const Graph&, tensor_id)>;  ///< what a filter asks
  /// @param accept takes (tensor_id) or (const Graph&, tensor_id)
  template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, tensor_filter> &&
             !std::is_same_v<std::remove_cvref_t<F>, op_filter> &&
             (std::is_invocable_r_v<bool, const F&, tensor_id> ||
              std::is_invocable_r_v<bool, const F&, const Graph&, tensor_id> ||
              std::is_convertible_v<F, op_filter>))
  tensor_filter(F accept) {  // NOLINT: lambdas are filters
    if constexpr (std::is_invocable_r_v<bool, const F&, const Graph&, tensor_id>) {
      accept_ = std::move(accept);
    } else if constexpr (std::is_invocable_r_v<bool, const F&, tensor_id>) {
      accept_ = [f = std::move(accept)](const Graph&, tensor_id t) { return f(t); };
    } else {
      *this = op_filter(std::move(accept));
    }
  }
  /// Asks about the op that makes the tensor.
  tensor_filter(op_filter made_by);  // NOLINT: see above
  /// Whether it accepts a tensor of the graph.
  bool operator()(const Graph& g, tensor_id t) const { return accept_(g, t); }

 private:
  condition accept_;
};

/// Tensors whose path, with ":1" for a second output, has a part that matches a regular expression as matching() does.
/// @throws argument_error for a malformed expression
tensor_filter tensors_matching(name_view regex);

/// The op of a path, "encoder/dense/matmul", as Graph::find_op() finds it, where one is expected.
/// @throws name_error with the names there are in the deepest scope of the path that exists, the most similar first
op_id op_named(const Graph& g, name_view path);

/// The ops that a filter accepts, in storage order. Complexity: O(ops of the graph)
std::vector<op_id> find_ops(const Graph& g, const op_filter& accept);
/// Those of a list that a filter accepts, in its order.
/// @throws handle_error for an op that is not in the graph
std::vector<op_id> find_ops(const Graph& g, const std::vector<op_id>& among,
                            const op_filter& accept);
/// The tensors that a filter accepts, in storage order: `find_tensors(g, within_scope("head"))`. Complexity: O(tensors of
/// the graph)
std::vector<tensor_id> find_tensors(const Graph& g, const tensor_filter& accept);
/// Those that some ops take or make and a filter accepts, each once: operands first, in the order of their first use,
/// then what the ops make. `find_tensors(g, ops, tensors_matching("^head/"))`
/// @throws handle_error for an op that is not in the graph
std::vector<tensor_id> find_tensors(const Graph& g, const std::vector<op_id>& of,
                                    const tensor_filter& accept);
/// The tensors whose path matches a regular expression: find_tensors(g, tensors_matching(regex)).
std::vector<tensor_id> find_tensors_matching(const Graph& g, name_view regex);
/// The variables whose read a filter accepts, in order of creation.
std::vector<variable_id> find_variables(const Graph& g, const op_filter& accept);

// --- Walks
// -------------------------------------------------------------------------------------------------

/// Limits of a walk.
struct walk_options {
  /// False: the ops that the walk starts from are left out of the result.
  bool inclusive = true;
  /// True: control edges are followed as well.
  bool control = false;
  /// If given, a walk visits only these; seeds, too, are left out unless they are among them.
  std::optional<std::vector<op_id>> within = {};
  /// If given, a walk visits only what it accepts.
  std::optional<op_filter> within_if = {};
  /// Tensors that a walk does not go through. Seeds are walked from all the same.
  std::vector<tensor_id> stop_at = {};
};

/// Where a flood goes, and what of it is told. @see flood
struct flood_options {
  /// False: the ops that the flood starts from are left out of the result.
  bool inclusive = true;
  /// False: boundary ops that were met are left out of the result.
  bool with_boundary = true;
  /// True: control edges are followed as well.
  bool control = false;
  /// If given, a flood visits only these, seeds and boundary ops included, and tells them in this order.
  std::optional<std::vector<op_id>> within = {};
  /// If given, a flood visits only what it accepts; boundary ops are asked about as well.
  std::optional<op_filter> within_if = {};
  /// Tensors that a flood does not follow, neither to those that take them nor to the op that makes them.
  std::vector<tensor_id> stop_at = {};
};

/// Some ops and tensors. As seeds of a walk, tensors stand for their users (forward) or their producers (backward).
struct selection {
  std::vector<op_id> ops;          ///< in the order they were found or given
  std::vector<tensor_id> tensors;  ///< likewise
};
/// Where walks begin.
using walk_seeds = selection;

namespace detail {

template <class T>
void add_seed(const Graph& g, walk_seeds& all, const T& seed) {
  if constexpr (graph_handle<T>) {
    all.tensors.push_back(g.id(seed.ref()));
  } else if constexpr (std::same_as<T, op_id>) {
    all.ops.push_back(seed);
  } else if constexpr (std::same_as<T, tensor_id>) {
    all.tensors.push_back(seed);
  } else {
    all.tensors.push_back(g.variable_of(seed).read);
  }
}

template <class Seeds>
walk_seeds seeds_of(const Graph& g, const Seeds& seeds) {
  if constexpr (std::same_as<Seeds, walk_seeds>) {
    return seeds;
  } else {
    walk_seeds all;
    each_handle(seeds, [&](const auto& seed) { add_seed(g, all, seed); });
    return all;
  }
}

std::vector<op_id> walk_forward(const Graph& g, const walk_seeds& seeds, const walk_options& where);
std::vector<op_id> walk_backward(const Graph& g, const walk_seeds& seeds,
                                 const walk_options& where);
std::vector<op_id> in_both(const std::vector<op_id>& first, const std::vector<op_id>& second);
std::vector<op_id> in_either(std::vector<op_id> first, const std::vector<op_id>& second);
std::vector<op_id> flood(const Graph& g, const walk_seeds& seeds, const walk_seeds& boundary,
                         const flood_options& where);

class selector {
 public:
  explicit selector(const Graph& g);
  ~selector();
  selector(const selector&) = delete;
  selector& operator=(const selector&) = delete;
  void add(const op_filter& accept);
  void add(const tensor_filter& accept);
  template <class T>
  void add(const T& some) {
    if constexpr (std::convertible_to<const T&, op_filter>) {
      add(op_filter(some));
    } else if constexpr (std::convertible_to<const T&, tensor_filter>) {
      add(tensor_filter(some));
    } else {
      add_listed(seeds_of(graph_, some));
    }
  }
  selection take() { return std::move(found_); }

 private:
  void add_listed(const selection& some);

  const Graph& graph_;
  selection found_;
  struct chosen;
  std::unique_ptr<chosen> chosen_;
};

}  // namespace detail

/// Chooses ops and tensors together, each once, in the order of first mention:
/// `choose(g, of_operator("add"), tensors_matching("^head/"), x, some_ops)`.
/// @param what in any order: filters of ops, filters of tensors, handles, op_ids, tensor_ids, variable_ids (their
/// reads), selections, or tuples, arrays, vectors of these but for filters
/// @throws handle_error for what is not in the graph
/// Complexity: O(graph) for each filter, O(1) for each of the others
template <class... What>
selection choose(const Graph& g, const What&... what) {
  detail::selector all(g);
  (all.add(what), ...);
  return all.take();
}

/// The ops that depend on the seeds, nearest first.
/// @param seeds handles, op_ids, tensor_ids, variable_ids, or tuples, arrays, vectors of these.
/// Tensors stand for their users; repetitions count once; without seeds there is no walk
/// @throws handle_error for what is not in the graph
/// Complexity: O(ops met and their uses), independent of the size of the graph; no recursion
template <class Seeds>
std::vector<op_id> forward_walk(const Graph& g, const Seeds& seeds,
                                const walk_options& where = {}) {
  return detail::walk_forward(g, detail::seeds_of(g, seeds), where);
}

/// The ops that the seeds depend on, nearest first. Tensors stand for their producers.
/// @see forward_walk
template <class Seeds>
std::vector<op_id> backward_walk(const Graph& g, const Seeds& seeds,
                                 const walk_options& where = {}) {
  return detail::walk_backward(g, detail::seeds_of(g, seeds), where);
}

/// The ops on paths from some ops or tensors to others, in the order of the forward walk.
/// @param from_where, to_where limits of the two walks
template <class From, class To>
std::vector<op_id> walk_intersection(const Graph& g, const From& from, const To& to,
                                     const walk_options& from_where, const walk_options& to_where) {
  return detail::in_both(forward_walk(g, from, from_where), backward_walk(g, to, to_where));
}
/// The same with one limit for both walks.
template <class From, class To>
std::vector<op_id> walk_intersection(const Graph& g, const From& from, const To& to,
                                     const walk_options& where = {}) {
  return walk_intersection(g, from, to, where, where);
}

/// The ops that either walk meets: the forward walk, then the rest of the backward one.
template <class From, class To>
std::vector<op_id> walk_union(const Graph& g, const From& from, const To& to,
                              const walk_options& from_where, const walk_options& to_where) {
  return detail::in_either(forward_walk(g, from, from_where), backward_walk(g, to, to_where));
}
/// The same with one limit for both walks.
template <class From, class To>
std::vector<op_id> walk_union(const Graph& g, const From& from, const To& to,
                              const walk_options& where = {}) {
  return walk_union(g, from, to, where, where);
}

/// The ops connected with the seeds in either direction, up to boundary ops, in storage order or that of
/// flood_options::within.
///
/// This follows uses as well as operands: whatever hangs on an op comes along, losses and
/// optimisers included. For the ops between tensors use between() or extract().
/// @param boundary ops where the flood stops; tensors stand for their producers, as among the seeds
/// @throws argument_error if an op is both seed and boundary; handle_error for what is not in the graph
/// Complexity: O(ops met and their edges), independent of the size of the graph; no recursion
template <class Seeds, class Boundary>
std::vector<op_id> flood(const Graph& g, const Seeds& seeds, const Boundary& boundary,
                         const flood_options& where = {}) {
  return detail::flood(g, detail::seeds_of(g, seeds), detail::seeds_of(g, boundary), where);
}

// --- Sets between tensors
// ----------------------------------------------------------------------------------

/// The ops on paths from inputs to outputs, in the order of ids: what a change of an input changes.
/// Weights and other operands that depend on no input are not among them.
/// @throws boundary_error for handles that are not of one living graph, or without outputs
/// Complexity: O(closure)
std::vector<op_id> between(const input_list& in, const output_list& out);

/// All ops that the outputs depend on, stopped at the inputs, in the order of ids: the ops of the
/// region that extract() makes, with whole variables. Placeholders that no input cuts off are left
/// out.
/// @throws boundary_error as between()
std::vector<op_id> closure(const input_list& in, const output_list& out);

// --- Boundaries
// --------------------------------------------------------------------------------------------

/// The tensors at the border of a set of ops.
struct op_boundary {
  std::vector<tensor_id> inputs;  ///< made outside, taken inside; in the order of first use
  std::vector<tensor_id>
      outputs;  ///< made inside, taken outside or not at all; in the order of ops
  std::vector<tensor_id>
      inside;  ///< made and taken inside; one that is taken outside too is in both
};

/// The boundary of a set of ops, by their data edges.
/// @param ops in any order, which is that of the results; repetitions count once
/// @throws handle_error for an op that is not in the graph
op_boundary boundary_of(const Graph& g, const std::vector<op_id>& ops);

/// The ops next to some ops: producers of operands, then users, each once, in order.
/// @param control whether control edges count
std::vector<op_id> neighbours(const Graph& g, const std::vector<op_id>& ops, bool control = false);

/// All tensors that some ops take or make, each once: operands first.
std::vector<tensor_id> tensors_of(const Graph& g, const std::vector<op_id>& ops);

}  // namespace graft
