// Rewriting a graph by rules, and the simplifications that are made of them.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "graft/core/callable.hpp"
#include "graft/surgery/bodies.hpp"
#include "graft/surgery/pattern.hpp"

namespace graft {

/// What the right side of a rule sees.
struct rule_args {
  Graph& graph;                ///< where the match is, and where ops are added
  const pattern_match& match;  ///< what was found

  /// The tensor of a name in the pattern. @throws name_error
  [[nodiscard]] any_tensor operator[](name_view name) const { return graph.handle(match[name]); }
  /// The tensor that is to be replaced.
  [[nodiscard]] any_tensor root() const { return graph.handle(match.root); }
};

/// What to find and what to put in its place: `rewrite_rule{"double negation", op(ops::neg, op(ops::neg,
/// any("x"))), [](const rule_args& r) { return r["x"]; }}`.
struct rewrite_rule {
  std::string name;  ///< how reports and errors call it
  pattern find;      ///< what to look for
  /// Returns what takes the place of the match's root, made of tensors of the match and of new ops;
  /// or nothing, or the root itself, to leave the match alone: then what it has built goes again. New
  /// ops are made in the root's scope; scopes that it enters are left when it returns.
  callable<std::optional<any_tensor>(const rule_args&)> replace;
};

/// How far rewriting may go, and what becomes of what is left over.
struct rewrite_options {
  std::size_t passes = 100;  ///< over the graph, and over each body
  /// 0: sixteen for each op that is there at the beginning, and 1024.
  std::size_t replacements = 0;
  bool keep_dead = false;         ///< true: ops of matches stay, though nothing takes their outputs
  bodies nested = bodies::enter;  ///< whether rules match in bodies
};

/// What rewriting did.
class rewritten {
 public:
  /// What stands now for a tensor that was there before: the replacement of a root, itself for others,
  /// be it removed or not; for handles, ids and containers of handles.
  /// @throws handle_error for those of another graph
  template <class T>
  [[nodiscard]] auto operator()(const T& t) const {
    return detail::map_handles(t, [&](const auto& leaf) { return image(leaf); });
  }

  std::size_t replacements = 0;  ///< roots that were replaced
  std::size_t passes = 0;        ///< over the graph, the last of which replaced nothing
  std::size_t removed = 0;       ///< ops that were erased; as all counts, those in bodies too
  std::vector<std::pair<std::string, std::size_t>> by_rule;  ///< rules in order, and how often each
  std::unordered_map<tensor_id, tensor_id>
      images;               ///< roots of the graph and what stands for them now
  std::uint32_t graph = 0;  ///< the number of the graph; 0: of none yet

 private:
  void require_own(op_id op) const;
  void require_own(variable_id v) const;
  [[nodiscard]] tensor_id image(const tensor_id& t) const {
    require_own(t.op);
    const auto found = images.find(t);
    return found == images.end() ? t : found->second;
  }
  template <graph_handle T>
  [[nodiscard]] T image(const T& t) const {
    graph_reference r = t.ref();
    r.id = image(r.id);
    return T(tensor<Graph, T::type, typename T::shape_type>(r));
  }
  [[nodiscard]] op_id image(const op_id& op) const {
    require_own(op);
    return op;
  }
  [[nodiscard]] variable_id image(const variable_id& v) const {
    require_own(v);
    return v;
  }
};

/// Replaces what matches rules until none does.
///
/// In each pass the rules take their turns in the order given. A rule finds its matches as
/// find_matches() does, so none overlaps another of the same turn; they are replaced in that order, each
/// looked at once more before, as those before it may have changed its operands. A match with an op
/// that updates a variable, has effects or is touched by control edges is left alone.
///
/// Replacing redirects all that takes the root: operands everywhere in the graph, initial values of
/// variables, members of collections. Ops of the match that nothing takes any more are removed after
/// the pass, and the numbers they took with them, unless something refers to them.
///
/// Bodies of cond, while_loop and scan are entered, at any depth: after the turns of a pass, rules match within each
/// body as they do in a graph, never across its edge, until none does. A body that several ops have is treated once and
/// stays shared; one in which nothing is replaced stays as it is. What a right side takes from around a body becomes
/// an operand of the op that has it. rule_args::graph is the body then. `bodies::skip` leaves bodies alone.
///
/// It ends when a pass replaces nothing. Rules that never end, because what they make matches again,
/// are stopped by the limits of the options, and that is an error.
///
/// All is one transaction: what a rule throws, and every error below, leaves the graph as it was.
/// @throws graph_error naming the rule that was applied last where a limit is reached, and for a
/// replacement that depends on what takes the root, be it by a control edge or by the initial value
/// of a variable, and for a rule that leaves a scope it had not entered, or a body open; dtype_error,
/// shape_error for one that does not fit in the root's place
/// Complexity: O(passes x (ops + replacements))
rewritten rewrite(Graph& graph, const std::vector<rewrite_rule>& rules,
                  const rewrite_options& options = {});
/// The same for the ops of a region and their bodies: matches lie inside; its inputs, hidden ones and given values
/// included, are not looked behind.
/// Afterwards cut it out again: `extract(inputs(x), outputs(done(y)))`; the inputs stay, even unused.
/// @throws handle_error, graph_error for a lost graph or a stale region
rewritten rewrite(const Region& region, const std::vector<rewrite_rule>& rules,
                  const rewrite_options& options = {});

/// Rules that leave every value equal:
///
/// - x + 0, x - 0, x * 1, x / 1, x^1, where the number does not broadcast x (x + 0 may keep -0)
/// - -(-x); a cast to the type that x has; identity; dropout that lets everything pass (in inference
///   mode, or of rate 0)
/// - a transpose of a transpose becomes one transpose, or none; a transpose that swaps the last two
///   axes goes into the attributes of the matmul that takes it
/// - a reshape of what only reshapes becomes one reshape, and one to x's own shape none
const std::vector<rewrite_rule>& simplification_rules();

/// Rewrites by simplification_rules(). Values of all tensors that remain, and of the images of those
/// that do not, are as before.
rewritten simplify(Graph& graph, const rewrite_options& options = {});
/// The same of what is in a region; what is outside stays.
rewritten simplify(const Region& region, const rewrite_options& options = {});

}  // namespace graft
