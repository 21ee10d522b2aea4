// Regions: what lies between some tensors of a graph and some others, cut out by following the data
// backwards.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "graft/surgery/boundary.hpp"

namespace graft {

/// What happens to placeholders that an output depends on and no input cuts off.
enum class leaks : std::uint8_t {
  error,  ///< boundary_error, with the path from the output to each. Where only the updates of a shared layer that is
  ///< applied elsewhere too need one, as those of batch norm do, what it takes there is kept instead
  keep,      ///< they stay outside; a clone in the same graph reads the same placeholders
  lift,      ///< they become inputs, after those given, in the order of ids
  constant,  ///< clones have constants in their place, of values from given(); without one it is an
             ///< error
};
/// What happens to inputs that no output depends on.
enum class unused : std::uint8_t { error, allow };
/// What happens where an input depends, outside the region, on an op of the region that itself
/// depends on an input.
enum class reentry : std::uint8_t {
  error,
  allow,   ///< it cuts all the same; a clone does not follow the outside
  extend,  ///< the ops outside come into the region: the input cuts no longer and is none
};

/// Values that tensors have inside a region: @see given
struct given_values {
  std::vector<std::pair<graph_reference, Array>> values;  ///< (tensor, what it is)
};

namespace detail {
inline void add_given(given_values&) {}
template <graph_handle T, class... Rest>
void add_given(given_values& all, const T& t, const Array& value, const Rest&... rest) {
  all.values.emplace_back(t.ref(), value);
  add_given(all, rest...);
}
}  // namespace detail

/// Gives values to tensors that the outputs depend on: `extract(in, out, given(mask, value))`. The
/// region is cut there, as at an input, and each of its clones has a constant in the tensor's place
/// (unless bind() replaces it). Implies leaks::constant unless another policy is named.
/// @param t a placeholder or any other tensor; its value follows, then further pairs
template <graph_handle T, class... Rest>
given_values given(const T& t, const Array& value, const Rest&... rest) {
  static_assert(sizeof...(Rest) % 2 == 0, "graft: give each tensor a value: given(t, value, ...)");
  given_values all;
  detail::add_given(all, t, value, rest...);
  return all;
}

/// The options of extract(), which are given by their values in any order: `extract(in, out,
/// leaks::lift)`.
struct extract_options {
  leaks uncut = leaks::error;           ///< sources that no input cuts off
  unused inputs = unused::error;        ///< inputs that no output depends on
  reentry crossing = reentry::error;    ///< inputs that depend on the region
  given_values given;                   ///< @see given
  std::vector<graph_reference> hidden;  ///< tensors where to cut that are not inputs

  void set(leaks l) { uncut = l; }
  void set(const given_values& g);
  void set(unused u) { inputs = u; }
  void set(reentry r) { crossing = r; }
};

/// What of a region touches its surroundings, and what in it is more than a function of its inputs.
struct region_report {
  /// A use of a tensor of the region by an op outside.
  struct exit {
    tensor_id tensor;  ///< inside the region, not one of its outputs
    op_id user;        ///< outside
    bool operator==(const exit&) const = default;
  };
  std::vector<tensor_id> unused_inputs;  ///< inputs that no output depends on
  /// Uses of inner tensors by ops outside: other heads, gradients, optimisers. A clone does not
  /// touch them.
  std::vector<exit> side_exits;
  /// Updates of the region's variables that no layer declared (an optimiser's): not part of the
  /// region.
  std::vector<op_id> foreign_updates;
  std::vector<op_id> random;    ///< ops that draw from a stream
  std::vector<op_id> stateful;  ///< updates and ops with effects inside the region
  std::vector<std::pair<op_id, op_id>> control_in;   ///< (outside, inside): @see clone
  std::vector<std::pair<op_id, op_id>> control_out;  ///< (inside, outside): dropped by a clone
};

/// Something in the way of taking a region for a function of its inputs.
struct obstacle {
  /// What is in the way.
  enum class kind : std::uint8_t {
    stale,               ///< the graph is gone, or ops were edited since; nothing else is looked at
    hidden_input,        ///< it reads a tensor from outside that is no input
    unused_input,        ///< no output depends on an input
    reentry,             ///< an input depends on the region through the outside
    control_in,          ///< an op of it waits for one outside; a copy does not
    control_out,         ///< an op outside waits for one of it
    foreign_update,      ///< an op outside updates its variables
  } what = kind::stale;  ///< one of these
  tensor_id
      tensor;  ///< the input, or output 0 of the op inside (of the op outside for foreign_update)
  std::string text;  ///< one clause
};

struct region_data;

/// A piece of a graph between inputs and outputs: the ops that the outputs depend on, followed
/// backwards and stopped at the inputs.
///
/// A region is closed under variables: a variable that is read inside brings its initial value (and
/// the variables that one reads) and the updates that its own layer declared, such as moving
/// statistics, with what these depend on. Nothing else enters: losses, gradients and optimisers
/// that hang on inner tensors are side exits. Ops with effects that an op of the region waits for
/// by a control edge (assertions) belong to it.
///
/// A region is a value: copying it is cheap, and it may outlive its graph. Adding to the graph
/// never invalidates it; taking back (Graph::transaction) or editing its own ops makes it stale,
/// and then clone() refuses it.
class Region {
 public:
  /// Made by extract().
  explicit Region(std::shared_ptr<const region_data> data) : data_(std::move(data)) {}
  // Moving copies, so that a region that was moved from is still one.
  Region(const Region&) = default;
  Region& operator=(const Region&) = default;

  /// The inputs in the order given, then those lifted.
  [[nodiscard]] const std::vector<tensor_id>& inputs() const&;
  [[nodiscard]] std::vector<tensor_id> inputs() && { return std::as_const(*this).inputs(); }
  /// The outputs in the order given, repetitions included.
  [[nodiscard]] const std::vector<tensor_id>& outputs() const&;
  [[nodiscard]] std::vector<tensor_id> outputs() && { return std::as_const(*this).outputs(); }
  /// Hidden inputs, in the order of ids: sources left uncut by leaks::keep, inputs that were
  /// dropped, tensors with given values, and what layers take where they are applied outside (@see leaks).
  [[nodiscard]] const std::vector<tensor_id>& kept() const&;
  [[nodiscard]] std::vector<tensor_id> kept() && { return std::as_const(*this).kept(); }
  /// The value that a tensor of kept() was given, or nullptr. @throws handle_error for a tensor of another graph
  [[nodiscard]] const Array* value_of(tensor_id t) const;
  /// All ops, in the order of ids: reads, initial values and own updates of variables included.
  [[nodiscard]] const std::vector<op_id>& nodes() const&;
  [[nodiscard]] std::vector<op_id> nodes() && { return std::as_const(*this).nodes(); }
  /// In order of creation.
  [[nodiscard]] const std::vector<variable_id>& variables() const&;
  [[nodiscard]] std::vector<variable_id> variables() && { return std::as_const(*this).variables(); }
  /// Outputs that are inputs too, in the order of the outputs.
  [[nodiscard]] const std::vector<tensor_id>& passthroughs() const&;
  [[nodiscard]] std::vector<tensor_id> passthroughs() && {
    return std::as_const(*this).passthroughs();
  }

  /// The place of a tensor in inputs(), or its first one in outputs().
  /// @throws boundary_error for a tensor that is none, with those there are; handle_error for one of another graph, or
  /// if the graph is gone. Complexity: O(inputs), O(outputs)
  [[nodiscard]] std::size_t place_of_input(const any_tensor& t) const;
  /// The same for the outputs.
  [[nodiscard]] std::size_t place_of_output(const any_tensor& t) const;

  [[nodiscard]] bool contains(op_id op) const;       ///< O(1); false for an op of another graph
  [[nodiscard]] bool contains(variable_id v) const;  ///< O(log variables); false likewise

  /// The graph it was cut from. @throws handle_error if the graph is gone
  [[nodiscard]] Graph& graph() const;
  /// True where the graph is gone or an op of the region was removed or edited since.
  [[nodiscard]] bool stale() const;

  /// Looks at the surroundings. Complexity: O(region + its uses + all updates of its variables); each
  /// op of the graph is looked at once in its life.
  /// @throws handle_error if the graph is gone, graph_error if the region is stale
  [[nodiscard]] region_report report() const;

  /// The ops on paths from an input to an output, in the order of ids. Others (weights, their
  /// initial values and updates) are in nodes() only, which is the closure of the outputs.
  /// Complexity: O(region)
  [[nodiscard]] std::vector<op_id> between() const;

  /// What is in the way of taking the region for a function of its inputs, in the order of
  /// obstacle::kind. Complexity: as report()
  [[nodiscard]] std::vector<obstacle> obstacles() const;
  /// True if there are none.
  [[nodiscard]] bool is_eligible() const { return obstacles().empty(); }

  // New regions from this one. All throw handle_error if the graph is gone and graph_error if this
  // one is stale.

  /// With the inputs at some places of inputs(), in that order. Those left out become hidden inputs
  /// (kept()): they still cut, and a clone in the same graph reads them.
  /// @throws boundary_error for a place named twice; argument_error for one that does not exist
  [[nodiscard]] Region with_inputs(const std::vector<std::size_t>& places) const;
  /// The same by handle. @throws boundary_error for a handle that is no input
  [[nodiscard]] Region with_inputs(const input_list& chosen) const;
  /// With the outputs at some places of outputs(), in that order; a place may come several times.
  /// Ops that only outputs left out needed leave the region.
  /// @throws argument_error for a place that does not exist; boundary_error without any
  [[nodiscard]] Region with_outputs(const std::vector<std::size_t>& places) const;
  /// The same by handle. @throws boundary_error for a handle that is no output
  [[nodiscard]] Region with_outputs(const output_list& chosen) const;
  /// With all hidden inputs that have no value made inputs, after those there are, in the order of
  /// ids.
  [[nodiscard]] Region with_hidden_inputs() const;
  /// Without the inputs that no output depends on.
  [[nodiscard]] Region without_unused_inputs() const;

  /// For the functions of this library.
  [[nodiscard]] const std::shared_ptr<const region_data>& data() const { return data_; }

 private:
  std::shared_ptr<const region_data> data_;
};

/// A readable account of a region: sizes, inputs, outputs, variables, and what report() finds.
/// Deterministic.
std::string to_string(const Region& region);

/// try_extract() with its choices gathered.
result<Region, boundary_problem> try_extract_region(const input_list& in, const output_list& out,
                                                    const extract_options& options);

/// Cuts out what lies between inputs and outputs, or says what is wrong with them.
///
/// An input that lies behind another one cuts the paths through it; where nothing else needs the
/// outer one, that one is reported (unused::allow accepts it). An output that is an input passes
/// through. An output that depends on no input is legal: its whole closure is in the region. Inputs
/// cut tensors: other outputs of an input's op may lie inside.
/// @param options values of leaks, unused and reentry, and given(...)
/// @throws dtype_error, shape_error for a given value that does not fit its tensor
/// Complexity: O(region), independent of the size of the graph, and without recursion.
template <class... Options>
result<Region, boundary_problem> try_extract(const input_list& in, const output_list& out,
                                             const Options&... options) {
  extract_options chosen;
  (chosen.set(options), ...);
  return try_extract_region(in, out, chosen);
}

/// The same, by exception.
/// @throws boundary_error whose sentence lists all that is wrong, each uncut source with its path
template <class... Options>
Region extract(const input_list& in, const output_list& out, const Options&... options) {
  return try_extract(in, out, options...).value();
}

/// region_of() with its choices gathered.
Region region_of_ops(const Graph& g, const std::vector<op_id>& ops, const extract_options& options);

/// The region of a set of ops, such as all ops of a scope: its inputs are the tensors that they
/// take from outside, its outputs those that are taken outside or not at all (boundary_of); initial
/// values and own updates of variables that are read inside are no outputs. Ops of the set that no
/// output needs are left out, what variables bring along comes in.
/// @param options as extract() takes
/// @throws boundary_error as extract(); handle_error for an op that is not in the graph
template <class... Options>
Region region_of(const Graph& g, const std::vector<op_id>& ops, const Options&... options) {
  extract_options chosen;
  (chosen.set(options), ...);
  return region_of_ops(g, ops, chosen);
}

}  // namespace graft
