// Ensembles: many copies of a region whose variables are stacked, run as one batch.
#pragma once

#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "graft/surgery/clone.hpp"

namespace graft {

struct ensemble_data;

namespace detail {
template <class Shape>
struct stacked_shape {
  using type = any_shape;
};
template <extent... Extents>
struct stacked_shape<shape<Extents...>> {
  using type = shape<dyn, Extents...>;
};
}  // namespace detail

/// The type of an ensemble's tensor: that of a member's with the axis of members before the others.
template <graph_handle T>
using stacked_t =
    tensor<Graph, T::type, typename detail::stacked_shape<typename T::shape_type>::type>;

/// N networks of one structure as one: variables have a leading axis of members, and so has what
/// depends on them. Elementwise operators, products of matrices, reductions, convolutions, pooling,
/// normalisation, look-ups and shape operators run once for all members; any other operator runs
/// member by member.
///
/// cond, while_loop and scan run once for all members too, with bodies that are stacked alike, where the
/// condition does not differ between members. Where it does, they run member by member.
///
/// An ensemble is ordinary graph: take the gradient of sum(loss over members), and one optimiser
/// trains all of them. It is a value; copying it is cheap. It runs, is trained and asked what became of the region's
/// tensors when the region is edited or gone, too; only member() and detach() need the region as it was.
///
/// Results equal those of N clones but for rounding: sums may be taken in another order. What draws at random
/// draws other numbers for each member, as clones do. Assertions hold for each member, and members of
/// collections join them: a stacked variable for the members' own, and of a tensor each member's part.
class Ensemble {
 public:
  /// Made by ensemble().
  explicit Ensemble(std::shared_ptr<const ensemble_data> data) : data_(std::move(data)) {}

  [[nodiscard]] std::size_t size() const;  ///< the number of members
  /// @throws handle_error if the graph is gone
  [[nodiscard]] Graph& graph() const;
  /// The region that was copied.
  [[nodiscard]] const Region& origin() const&;
  [[nodiscard]] Region origin() && { return std::as_const(*this).origin(); }
  /// The scope that the ensemble's ops are under.
  [[nodiscard]] scope_id scope() const;

  /// The tensor of all members, [members, ...], that a tensor of the region became.
  /// @throws handle_error for what is not in the region, or is the same for all members (it depends on
  /// no variable of theirs); the outputs of the region always have an axis of members
  template <graph_handle T>
  [[nodiscard]] stacked_t<T> operator()(const T& t) const {
    detail::check_stated("the map of an ensemble", {}, t);
    return stacked_t<T>(image(t.ref()));
  }
  /// The stacked variable. @throws handle_error where there is none (shared and frozen variables), and for a variable of
  /// another graph
  [[nodiscard]] variable_id operator()(variable_id v) const;
  /// The updates of all members, as one group: of a training step in the region, what trains all of them. Those of
  /// shared variables are among them once. @throws handle_error for an update that is not in the region, or that the
  /// ensemble does without (of frozen variables)
  [[nodiscard]] update_group operator()(const update_group& updates) const;
  /// True for a tensor of the region that differs between members.
  [[nodiscard]] bool has_members(const any_tensor& t) const;

  /// The new variables that are still there, in order of creation: stacked ones, and the streams that dropout draws
  /// from, which members share.
  [[nodiscard]] std::vector<variable_id> variables() const;
  /// Those that an optimiser may train and that are still there.
  [[nodiscard]] std::vector<variable_id> parameters() const;
  /// The new variables that had no value when they were made and are still there.
  [[nodiscard]] initializer_set initializer() const;

  /// One member as a view: a clone that reads its slice of the stacked variables, and what the ensemble reads of
  /// shared and frozen ones, so that it follows it, and gradients flow into them.
  /// @param choices as for clone(), but for those of variables (policies, variables::expr, trainable, ties::split), as a
  /// view has none of its own; without a mode the ensemble's. Only seeds::split and seeds::fresh(...) give it variables:
  /// random streams, which start where the ensemble's are. Without them, and in a body, it draws from the ensemble's
  ///
  /// What layers update, such as moving statistics, the view updates in its slice, by its own input (@see updates_of).
  /// @throws argument_error for a member that does not exist, for such a choice and for another graph, which cannot read
  /// the ensemble's variables: detach() what goes there; graph_error once the region was edited or removed;
  /// unsupported_error for a region whose outputs depend on updates of its own variables (@see extract_training), as an
  /// update is of a whole stacked variable: train all members, or detach() one; else as clone does
  template <class... Choices>
  [[nodiscard]] Clone member(std::size_t i, const Choices&... choices) const {
    clone_options options;
    (options.set(choices), ...);
    return member_clone(i, options);
  }
  /// One member as a network of its own: a clone with variables that have the member's values now, shared ones too;
  /// of frozen ones it has constants. It may go into another graph.
  /// @param choices as for clone(); without a mode the ensemble's. A policy counts for all variables: copied ones start
  /// with the member's values, frozen ones are constants of these, fresh ones are drawn anew. What the ensemble shares
  /// with its source may be shared or linked, nothing else
  /// @throws argument_error for a member that does not exist, and for variables to be shared or linked that are the
  /// ensemble's own; uninitialized_error where a value that is taken is missing; graph_error once the region was edited
  /// or removed; else as clone does
  template <class... Choices>
  [[nodiscard]] Clone detach(std::size_t i, const Choices&... choices) const {
    clone_options options;
    (options.set(choices), ...);
    return detached_clone(i, options);
  }

  /// Gives member i the values of the i-th clone of the same region, for all members at once.
  /// @throws argument_error unless there are as many clones as members, of this ensemble's region, and where a clone
  /// whose ties were split has several values for one variable of a member; uninitialized_error naming a variable
  /// without a value. Nothing has changed then
  void scatter_from(std::span<const Clone> clones) const;
  /// Gives the i-th clone the values of member i; where its ties were split, all variables of the tie.
  /// @throws argument_error also for a clone that shares its variables, and for one that is listed twice; else as
  /// scatter_from. Nothing has changed then
  void gather_to(std::span<const Clone> clones) const;

  /// For the functions of this library.
  [[nodiscard]] const std::shared_ptr<const ensemble_data>& data() const { return data_; }

 private:
  [[nodiscard]] graph_reference image(const graph_reference& r) const;
  [[nodiscard]] Clone member_clone(std::size_t i, clone_options options) const;
  [[nodiscard]] Clone detached_clone(std::size_t i, clone_options options) const;

  std::shared_ptr<const ensemble_data> data_;
};

/// Inputs that differ between members. @see bind_each
struct member_bindings {
  bindings all;  ///< (input of the region, what has a part for each member)
};

/// Replaces an input by a tensor that has a part for each member: of a rank higher by one, its first
/// extent the number of members.
template <graph_handle From, graph_handle To>
member_bindings bind_each(const From& from, const To& to) {
  if constexpr (From::shape_type::ranked && To::shape_type::ranked) {
    if constexpr (To::shape_type::rank != From::shape_type::rank + 1) {
      detail::refuse_shape<text("bind_each"), typename stacked_t<From>::shape_type,
                           typename To::shape_type>();
    }
  }
  return {{{{from.ref(), to.ref()}}}};
}

/// The choices of ensemble().
struct ensemble_options : clone_options {
  bindings stacked;  ///< @see bind_each
  using clone_options::set;
  void set(const member_bindings& b);
};

/// ensemble() with its choices gathered.
Ensemble ensemble_region(const Region& region, std::size_t members,
                         const ensemble_options& options);

/// Makes an ensemble of a region.
///
///     Ensemble many = ensemble(region, 8, bind(x, x2), into("ensemble"));
///     auto all = many(y);                          // [8, batch, ...]
///     session.run(many.initializer());
///     Clone third = many.detach(3);
///
/// @param members at least 1
/// @param choices `bind(x, x2)`: the same input for all members; `bind_each(x, xs)`: one for each. Inputs
/// that are not bound become placeholders that all members share. `into("name")` within the same graph, as for
/// clone(); policies: fresh draws every member's initial value from a stream of its own, copied starts all
/// from the source's value, shared and frozen variables are not stacked, others are refused; `trainable(false)`;
/// `mode::inference`; `collections::none` or `by(rule)`
///
/// What members compute is what clones with their values compute, to rounding: one batched operator may add in
/// another order. Elements of float32 outputs differ by at most 2e-6 (1 + their magnitude) where sums are
/// of tens of terms, as tests hold it; rounding grows with the length of sums and the depth of networks.
///
/// An update among the ops of the outputs (of a training step, @see extract_training) updates the stacked
/// variable; one of a shared variable the source's, which it may as long as it is the same for all members.
/// @throws argument_error for 0 members or another choice; boundary_error, dtype_error, shape_error, name_error,
/// handle_error, graph_error, uninitialized_error as clone does; unsupported_error for a cond or loop whose
/// condition differs between members and whose bodies draw random numbers, for an operator other than dropout
/// and the uniform and normal ones that draws from a stream, for initial values that read each other in a
/// circle, and for an update that gives a shared variable or a stream several values: replicate() such a region.
/// The graph is then as before
/// Complexity: O(region), and O(region * members) for initial values and what runs member by member
template <class... Choices>
Ensemble ensemble(const Region& region, std::size_t members, const Choices&... choices) {
  ensemble_options options;
  (options.set(choices), ...);
  return ensemble_region(region, members, options);
}

}  // namespace graft
