// Clones: copies of regions with variables of a chosen kind, and the map between the two.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "graft/graph/initializer.hpp"
#include "graft/graph/update_group.hpp"
#include "graft/surgery/policy.hpp"
#include "graft/surgery/region.hpp"

namespace graft {

struct clone_data;

/// What became of one variable.
struct variable_image {
  variable_id source;  ///< of the region
  /// In the clone's graph, of an open body in the outermost one. Not valid for frozen and replaced variables, for those
  /// that only these need and for those that a rule removed; the source itself for a linked variable, and where only a
  /// shared variable's initial value or update needs it.
  variable_id image;
  variable_policy policy = variable_policy::fresh;  ///< what was decided for it
};

/// What became of a control edge by which an op of the region waits for one outside. @see control_in
struct control_image {
  op_id before;  ///< outside the region, in its graph
  op_id after;   ///< of the region; it was copied
  op_id
      image;  ///< what the copy waits for, in the clone's graph; not valid where the edge was dropped
};

/// A read or an update of a variable of the source from inside a clone, or by what runs because the clone waits for it.
struct source_access {
  variable_id variable;  ///< of the source
  op_id op;              ///< of the clone's graph
  bool allowed =
      false;  ///< true where its policy is `shared` or `linked`, and for what is waited for
};

/// A copy of a region, as a map between the region and the copy.
///
/// The map is total: every op, tensor and variable of the region has an image, boundary inputs
/// included (what they were bound to). `copy(y)` keeps the static type of y and the structure of
/// tuples, arrays, vectors and optionals; ids map to ids. What is shared is its own image. Only
/// what belongs to frozen variables alone (their initial values and updates) has none, and what a rule removed (@see
/// each_op); initial values of a clone in a body have handles around it, no ids. What is removed later keeps a stale id.
///
/// A clone is a value; copying it is cheap. It may outlive its graphs: then every use that needs
/// one throws handle_error.
class Clone {
 public:
  /// Made by clone().
  explicit Clone(std::shared_ptr<const clone_data> data) : data_(std::move(data)) {}
  // Moving copies, so that a clone that was moved from is still one.
  Clone(const Clone&) = default;
  Clone& operator=(const Clone&) = default;

  /// The image of a handle, an op_id, a tensor_id, a variable_id, an update_group, or a container of
  /// these. O(1) each. Types with a function `clone_image(const Clone&, const T&)` beside them, such
  /// as training_step, have what that returns.
  /// @throws handle_error for what is not of the source graph, not in the region, or has no image
  template <class T>
  [[nodiscard]] auto operator()(const T& t) const {
    if constexpr (requires { clone_image(*this, t); }) {
      return clone_image(*this, t);
    } else {
      return map_leaves(t);
    }
  }
  /// The image, or nothing where there is none.
  /// @throws handle_error for a handle or an id of another graph than the source's
  template <detail::leaf T>
  [[nodiscard]] std::optional<T> find(const T& t) const {
    return may(t, direction::forward);
  }
  /// The image, or what was given where there is none. @throws as find()
  template <class T>
  [[nodiscard]] auto or_self(const T& t) const {
    return detail::map_handles(t, [&](const auto& leaf) {
      const auto image = may(leaf, direction::forward);
      return image ? *image : leaf;
    });
  }
  /// The way back: from the clone to the region. A tensor that several inputs were bound to leads
  /// to the first of them, and one that a rule put in the place of several to the first of those, unless it is
  /// itself the copy of one. @see lineage
  /// @throws handle_error for what is not of the clone's graph, or not part of the clone
  template <class T>
  [[nodiscard]] auto original(const T& t) const {
    return detail::map_handles(t,
                               [&](const auto& leaf) { return must(leaf, direction::backward); });
  }
  /// The same, or nothing for what is not part of the clone. @throws handle_error for what is not of its graph
  template <detail::leaf T>
  [[nodiscard]] std::optional<T> find_original(const T& t) const {
    return may(t, direction::backward);
  }

  /// The graph the clone is in. @throws handle_error if it is gone
  [[nodiscard]] Graph& graph() const;
  /// The region that was copied.
  [[nodiscard]] const Region& origin() const&;
  [[nodiscard]] Region origin() && { return std::as_const(*this).origin(); }
  /// The scope that the clone's ops are under; 0 (the root) for into("") at the root.
  [[nodiscard]] scope_id scope() const;
  /// The path of scope(), "": the root. @throws handle_error if the graph is gone
  [[nodiscard]] std::string scope_path() const;

  /// Images of the region's inputs and outputs, in order.
  [[nodiscard]] std::vector<tensor_id> inputs() const;
  /// Images of the outputs, repetitions included.
  [[nodiscard]] std::vector<tensor_id> outputs() const;
  /// The ops that were added and are still there: copies, placeholders of unbound inputs, constants of frozen
  /// variables, what rules added; in the order of ids
  [[nodiscard]] std::vector<op_id> nodes() const;
  /// The new variables that are still there (fresh, copied, made by rules), in order of creation. Bodies hold none:
  /// those of a clone in an open body are of the outermost graph, in scopes as a layer's that is declared there.
  [[nodiscard]] std::vector<variable_id> variables() const;
  /// The new variables that an optimiser may train: trainable, of role parameter.
  [[nodiscard]] std::vector<variable_id> parameters() const;
  /// What became of each variable of the region, in the order of Region::variables(). Of a parameter
  /// whose ties were split it names the first image. @see images
  [[nodiscard]] const std::vector<variable_image>& variable_images() const&;
  [[nodiscard]] std::vector<variable_image> variable_images() && {
    return std::as_const(*this).variable_images();
  }
  /// What became of the control edges that enter the region, in the order of the ops that wait.
  [[nodiscard]] const std::vector<control_image>& control_images() const&;
  [[nodiscard]] std::vector<control_image> control_images() && {
    return std::as_const(*this).control_images();
  }
  /// All images of a variable: several where ties were split, in the order of the ops that read them;
  /// none for frozen and replaced variables. @throws handle_error for a variable outside the region
  [[nodiscard]] std::vector<variable_id> images(variable_id v) const;
  /// Exactly the new variables that have no value yet by their policy: the fresh ones, and those that rules made
  /// without giving them one.
  [[nodiscard]] initializer_set initializer() const;
  /// The same for what became of one variable of the region, fresh or copied: running it draws the first value
  /// (again).
  /// @throws handle_error for a variable outside the region, or without a variable of the clone's own
  [[nodiscard]] initializer_set initializer_of(variable_id v) const;
  /// The same for the variable that a tensor of the region reads. @throws handle_error as well if it reads none
  template <graph_handle T>
  [[nodiscard]] initializer_set initializer_of(const T& read) const {
    return initializer_of(variable_behind(read.ref()));
  }

  /// Bytes of the values that only this clone's variables and frozen constants hold; variables without a value
  /// have none. O(variables of the region), as bytes_shared().
  [[nodiscard]] std::int64_t bytes_owned() const;
  /// Bytes of values that others hold too: of shared variables, and of copied and frozen ones that nobody
  /// has written since.
  [[nodiscard]] std::int64_t bytes_shared() const;

  /// Checks that the map is one to one, that operands, types, ties and variables of the copy
  /// correspond to the source's, and that no op of the clone reaches a variable of the source
  /// except as its policy allows.
  /// @throws graph_error that names the first fault; handle_error if a graph is gone
  /// Complexity: O(region)
  void check() const;
  /// The variables of the source that the clone's ops, or ops that they wait for, read or update; in the order of ops.
  [[nodiscard]] std::vector<source_access> leak_audit() const;

  /// For the functions of this library.
  [[nodiscard]] const std::shared_ptr<const clone_data>& data() const { return data_; }

 private:
  enum class direction { forward, backward };

  template <class T>
  [[nodiscard]] auto map_leaves(const T& t) const {
    return detail::map_handles(t, [&](const auto& leaf) { return must(leaf, direction::forward); });
  }
  [[nodiscard]] std::optional<tensor_id> may(const tensor_id& t, direction d) const;
  [[nodiscard]] std::optional<op_id> may(const op_id& op, direction d) const;
  [[nodiscard]] std::optional<variable_id> may(const variable_id& v, direction d) const;
  [[nodiscard]] std::optional<graph_reference> may(const graph_reference& r, direction d) const;
  [[nodiscard]] variable_id variable_behind(const graph_reference& read) const;
  [[nodiscard]] tensor_id must(const tensor_id& t, direction d) const;
  [[nodiscard]] op_id must(const op_id& op, direction d) const;
  [[nodiscard]] variable_id must(const variable_id& v, direction d) const;
  [[nodiscard]] graph_reference must(const graph_reference& r, direction d) const;
  template <graph_handle T>
  [[nodiscard]] std::optional<T> may(const T& t, direction d) const {
    const std::optional<graph_reference> r = may(t.ref(), d);
    return r ? std::optional<T>(checked<T>(*r)) : std::nullopt;
  }
  template <graph_handle T>
  [[nodiscard]] T must(const T& t, direction d) const {
    return checked<T>(must(t.ref(), d));
  }
  template <graph_handle T>
  T checked(const graph_reference& r) const {
    check_type(r, value_type_of<T::type, typename T::shape_type>());
    return T(tensor<Graph, T::type, typename T::shape_type>(r));
  }
  // Types may differ where inputs have other shapes, or where rules were asked.
  void check_type(const graph_reference& image, const value_type& wanted) const;

  std::shared_ptr<const clone_data> data_;
};

/// The images of updates, as a group of the clone's graph: of each the update that a rule made of it, if it made
/// one, and those of the further parameters where ties were split. Updates that a rule dropped, and images that were
/// removed, are left out.
/// @throws handle_error for an update that is not in the region, or whose variable has no copy, and for a group of
/// another graph
update_group clone_image(const Clone& clone, const update_group& updates);

/// The variables that a variable was cloned from, in the same graph: its source, the source of that,
/// and so on, up to one that was removed.
std::vector<variable_id> lineage(const Graph& g, variable_id v);

/// What an op, a tensor or a variable of a clone descends from, through clones of clones: its original, the original of
/// that, and so on to what no clone made. Empty for what the clones share or did not make.
/// @param op in the graph of the last of the clones
/// @param clones in the order they were made; those that have no part in it are passed over
/// @throws handle_error for a handle or an id of another graph. Complexity: O(clones)
std::vector<op_id> lineage(op_id op, const std::vector<Clone>& clones);
/// The same of a tensor.
std::vector<tensor_id> lineage(tensor_id t, const std::vector<Clone>& clones);
/// The same of a variable.
std::vector<variable_id> lineage(variable_id v, const std::vector<Clone>& clones);
/// The same of a handle.
std::vector<any_tensor> lineage(const any_tensor& t, const std::vector<Clone>& clones);

/// clone() with its choices gathered.
Clone clone_region(const Region& region, const clone_options& options);

/// replicate() with its choices gathered.
std::vector<Clone> replicate_region(const Region& region, std::size_t count,
                                    const clone_options& options);

/// Copies a region.
///
/// @param choices in any order; the last of a kind counts, bindings and rules add up:
///   - `bind(x, x2)`: what replaces inputs. Element type, rank and known extents must fit; types
///   are worked out anew where a replacement knows more. `bind_reshaped(x, x2)` takes other shapes. Inputs that are not bound become placeholders of their name
///     and type in the clone's scope (@see unbound)
///   - `into("copy")`, `into(graph, "copy")`: where to; without it a scope "copy" of the same
///   graph, under
///     the current scope. The scope is made anew: its name gets a number if it is taken
///   - `variables::fresh` (default), `copied`, `shared`, `frozen`, `linked`, `variables::by(rule)`,
///   `variables::by_scope(...)`, `variables::by_role(...)`; `variables::expr(w, tensor)` adds to it
///   - `trainable(false)`: for the new variables
///   - `mode::inference`, `mode::training`: for layers that differ between the two
///   - `from("actor")`, `names::exact`, `seeds::same`, `seeds::fresh(7)`, `unbound::keep`, `coverage::affected`,
///   `ties::split`
///   - `control_in::keep`, `control_in::error`: for ops outside that ops of the region wait for; `bind_control(guard,
///   guard2)` names others in their place
///   - `collections::none`, `collections::by(rule)`: where the copies of members of collections are not to join the same
///   - `each_op(rule)`: to change, replace or drop ops on the way; several are asked in their order
///
/// Scopes of the source are made again under the clone's scope, as paths from the deepest scope
/// that holds all that is copied: what was "actor/dense/matmul" in a region within "actor" becomes
/// "copy/dense/matmul".
///
/// Variables keep role, type and trainable flag; `variable_info::origin` of a copy in the same
/// graph names its source. Their initial values are copied with them, with random streams of their
/// own (@see seeds). Updates that a layer declared are copied for fresh and copied variables, dropped for frozen
/// and replaced ones, and stay the source's where one is shared within a graph or linked (@see updates_of). Members of
/// collections in the region have their copies added to the same collections (@see collections). Control edges that
/// leave the region are not copied, and those that enter it are dropped unless asked for (@see control_in).
///
/// @throws boundary_error for a key that is no input or is bound twice, and for control edges that cannot be kept;
/// dtype_error, shape_error
/// for a replacement that does not fit; handle_error for foreign or stale handles; graph_error for
/// a stale region; uninitialized_error where a value to copy or freeze is missing; name_error under
/// names::exact; argument_error for a replacement that lacks an axis that an op names, for variables::linked in another graph, for a rule that returns another number of
/// tensors than the op has, and for rules that leave an input or output without an image; unsupported_error for
/// nested graphs that cannot follow. Both graphs are then as before. Complexity: O(region), independent of the size of the graphs
template <class... Choices>
Clone clone(const Region& region, const Choices&... choices) {
  clone_options options;
  (options.set(choices), ...);
  return clone_region(region, options);
}

/// As many clones of a region: `replicate(region, 8, into("member"))` makes "member", "member_1", ...
///
/// Random streams are keyed by the paths, so the first clones draw the same however many follow.
/// @return the clones in order; all are made, or none
/// @throws as clone does
template <class... Choices>
std::vector<Clone> replicate(const Region& region, std::size_t count, const Choices&... choices) {
  clone_options options;
  (options.set(choices), ...);
  return replicate_region(region, count, options);
}

/// The same with the number known at compile time: `auto [a, b] = replicate<2>(region)`.
template <std::size_t Count, class... Choices>
std::array<Clone, Count> replicate(const Region& region, const Choices&... choices) {
  const std::vector<Clone> all = replicate(region, Count, choices...);
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    return std::array<Clone, Count>{all[I]...};
  }(std::make_index_sequence<Count>());
}

/// Gives the clone's fresh and copied variables the values that their sources have now; elements
/// are copied when either is written. Shared and frozen variables are left alone, and pairs of which one
/// was removed since.
/// @throws uninitialized_error naming a source without a value; nothing has changed then
void copy_values(const Clone& clone);

/// Exchanges the values of the clone's fresh and copied variables with their sources'. Pairs of which one was
/// removed since are left alone.
/// @throws uninitialized_error naming a variable without a value, argument_error where ties were split;
/// nothing has changed then
void swap_values(const Clone& clone);

/// Takes the values of the clone's new variables away, copied ones included: session.initialize() draws them again.
/// Clone::initializer() holds the fresh ones only, as ever.
void reinitialize(const Clone& clone);

/// The same for the optimiser's slots and step counters among them only.
void reset_slots(const Clone& clone);

/// Gives each target the value of its source: pairs (source, target) of one graph, all at once.
/// @throws handle_error for a variable of another graph; shape_error, dtype_error, uninitialized_error naming the first that does not fit;
/// nothing has changed then
void copy_variables(Graph& g, std::span<const std::pair<variable_id, variable_id>> source_target);

/// unfreeze() with its choices gathered.
Clone unfreeze_clone(const Clone& frozen, clone_options options);

/// A trainable copy of a frozen clone: the same region again, with variables that have the values of
/// the clone's constants, in the clone's mode, on the inputs and expressions that the clone was bound to (through casts
/// where element_type(...) asks for others); in another graph, inputs that are not bound become placeholders.
///
/// A frozen clone has the values; what variables start with, their roles and the updates of layers are the source's. So
/// the source must be there, and its region as it was, and clones of a frozen clone cannot be unfrozen, but the frozen
/// clone itself.
/// @param choices as for clone(); a policy counts for variables that were not frozen, without one they
/// are shared with the source
/// @throws handle_error if the graph of the source is gone, graph_error if its region was edited or removed;
/// argument_error if nothing in the clone is frozen; where rules were asked about the clone (they are not
/// kept) and none are given; and, in another graph, for an expression that is not given anew; graph_error where a
/// constant of the clone was removed since, as its value went with it, or what an input was bound to; else as clone()
/// does
template <class... Choices>
[[nodiscard]] Clone unfreeze(const Clone& frozen, const Choices&... choices) {
  clone_options options;
  options.policy = variables::shared;
  (options.set(choices), ...);
  return unfreeze_clone(frozen, std::move(options));
}

namespace detail {
graph_reference in_mode(const graph_reference& y, mode m);
}

/// The same network on the same variables and inputs in inference mode: dropout passes, batch norm
/// uses its moving statistics.
///
/// Only ops that the mode changes and those that depend on them are added, under the scope
/// "inference"; without such ops the result is the argument. Updates that layers declared stay with
/// the original.
template <graph_handle T>
[[nodiscard]] T inference(const T& y) {
  detail::check_stated("inference", {}, y);
  return T(
      tensor<Graph, T::type, typename T::shape_type>(detail::in_mode(y.ref(), mode::inference)));
}

}  // namespace graft
