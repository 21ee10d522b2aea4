// The same tensors with others in the place of some that they depend on: functional, nothing there
// changes.
#pragma once

#include <optional>
#include <vector>

#include "graft/surgery/policy.hpp"
#include "graft/surgery/region.hpp"

namespace graft {

/// Whether replacements are replaced in, too.
enum class replacements : std::uint8_t {
  as_given,  ///< a replacement stands as it is: what it depends on is the original's, keys
             ///< included. bind(a, b, b, a) swaps, and h may become f(h)
  chained,   ///< replacements are substituted themselves: with z1 -> q1 and z0 -> q0, where q1
             ///< depends on z0, z1 becomes q1 on q0. Replacements that depend on one another in a
             ///< circle are an error
};

/// What substitute() did.
template <class Targets>
struct substitution {
  Targets targets;                 ///< in the structure given
  std::vector<any_tensor> unused;  ///< keys that no target depends on (unused::allow)
  std::vector<op_id> added;        ///< the copies, in the order of ids
};

/// The options of substitute(), which are given by their values in any order.
struct substitute_options {
  unused keys = unused::error;                   ///< keys that no target depends on
  replacements inside = replacements::as_given;  ///< @see replacements

  void set(unused u) { keys = u; }
  void set(replacements r) { inside = r; }
};

namespace detail {

struct substitution_target {
  graph_reference tensor;
  value_type wanted;  ///< what its static type says
};
struct substitution_answer {
  std::vector<graph_reference> targets;
  std::vector<any_tensor> unused;
  std::vector<op_id> added;
};
/// The graph that everything is in, or nullptr without targets and keys. @throws handle_error
Graph* graph_of(const std::vector<substitution_target>& targets, const bindings& keys);
substitution_answer substitute_all(const std::vector<substitution_target>& targets,
                                   const bindings& keys, const substitute_options& options);

}  // namespace detail

/// As substitute(), with what else there is to know.
template <class Targets, class... Options>
auto substitute_with_report(const Targets& targets, const bindings& keys,
                            const Options&... options) {
  substitute_options chosen;
  (chosen.set(options), ...);
  std::vector<detail::substitution_target> list;
  detail::each_handle(targets, [&](const auto& t) {
    using handle = std::remove_cvref_t<decltype(t)>;
    static_assert(graph_handle<handle>, "graft: substitute takes handles of tensors");
    list.push_back({t.ref(), value_type_of<handle::type, typename handle::shape_type>()});
  });
  // Until the result stands: making it may fail, too.
  std::optional<Graph::transaction> all;
  if (Graph* const g = detail::graph_of(list, keys)) all.emplace(*g);
  detail::substitution_answer answer = detail::substitute_all(list, keys, chosen);
  std::size_t next = 0;
  auto mirrored = detail::map_handles(targets, [&](const auto& t) {
    using handle = std::remove_cvref_t<decltype(t)>;
    return handle(tensor<Graph, handle::type, typename handle::shape_type>(answer.targets[next++]));
  });
  substitution<decltype(mirrored)> result{std::move(mirrored), std::move(answer.unused),
                                          std::move(answer.added)};
  if (all) all->commit();
  return result;
}

/// The targets with some tensors replaced: `substitute(y, bind(x, x2))` is y computed from x2.
///
/// Only ops on paths from a key to a target are copied, into the scopes they are in; everything
/// else is shared, variables included, and a target that depends on no key is returned as it is.
/// Keys are any tensors: inputs, interior tensors, targets themselves, variables (what reads the
/// variable then reads the replacement). All replacements happen at once. Where a key lies behind
/// another one, the inner one wins.
///
/// A replacement may have another shape: types are worked out anew, and the first op that cannot
/// take them is named. Random ops keep their streams; control edges from ops that are not copied
/// are kept.
/// @param targets handles, or tuples, arrays, vectors, optionals and mirrored structs of them; the
/// result has the same structure and static types
/// @param keys bind(key, replacement, ...)
/// @param options unused::allow accepts keys that no target depends on; replacements::chained
/// @throws boundary_error for such a key otherwise, and for one that is given twice; graph_error
/// for chained replacements in a circle; shape_error, dtype_error; handle_error. The graph is then
/// as before. Complexity: O(what is copied + the smaller of what the targets depend on and what
/// depends on the keys), independent of the size of the graph; no recursion
template <class Targets, class... Options>
auto substitute(const Targets& targets, const bindings& keys, const Options&... options) {
  return substitute_with_report(targets, keys, options...).targets;
}

}  // namespace graft
