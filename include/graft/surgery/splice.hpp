// Putting a copy of a region in the place of tensors of a graph, the same or another.
#pragma once

#include <vector>

#include "graft/surgery/clone.hpp"
#include "graft/surgery/edit.hpp"

namespace graft {

/// What a copy comes in the place of. @see in_place_of
struct replaced_tensors {
  std::vector<graph_reference> old;  ///< of the graph that the copy goes into
  std::vector<graph_reference> by;   ///< of the region, one for each
  shape_choice shapes = {};          ///< whether shapes may change
};

/// For splice(): what takes `old` is to take the copy of `by`.
/// @param old tensors of the graph that the copy goes into; handles, or containers of handles
/// @param by as many tensors of the region, such as its outputs, whose copies fit in the place of the old ones. What
/// does not by its static type does not compile
template <class Old, class By>
replaced_tensors in_place_of(const Old& old, const By& by) {
  detail::check_all_fit<text("in_place_of"), false, Old, By>();
  return {detail::references_of(old), detail::references_of(by)};
}
/// The same where shapes may change: `in_place_of(h, y, reshaping::allow)`.
template <class Old, class By>
replaced_tensors in_place_of(const Old& old, const By& by, reshaping::allowed allow) {
  detail::check_all_fit<text("in_place_of"), true, Old, By>();
  return {detail::references_of(old), detail::references_of(by), allow};
}

namespace detail {
Clone splice_region(const Region& region, const replaced_tensors& places,
                    const clone_options& options);
}

/// Copies a region as clone() does and puts the copy in the place of tensors: what took them takes
/// the copy's. `splice(encoder, in_place_of(h, y), bind(x, input), into(host, "encoder"))`
///
/// Uses that the copy itself makes of the old tensors, because inputs are bound to them, stay.
/// @param choices as for clone(); without into(graph, ...) the copy goes into the region's graph
/// @returns the copy
/// @throws argument_error for numbers that differ, or an old tensor named twice; shape_error,
/// dtype_error where a copy does not fit in the place of an old tensor, or a user cannot take it; graph_error for a cycle; handle_error;
/// and as clone() does. Both graphs are then as before
template <class... Choices>
Clone splice(const Region& region, const replaced_tensors& places, const Choices&... choices) {
  clone_options options;
  (options.set(choices), ...);
  return detail::splice_region(region, places, options);
}

}  // namespace graft
