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
  error,  ///< boundary_error, with the path from the output to each
  keep,   ///< they stay outside; a clone in the same graph reads the same placeholders
  lift,   ///< they become inputs, after those given, in the order of ids
};
/// What happens to inputs that no output depends on.
enum class unused : std::uint8_t { error, allow };
/// What happens where an input depends, outside the region, on an op of the region that itself
/// depends on an input.
enum class reentry : std::uint8_t { error, allow };

/// The options of extract(), which are given by their values in any order: `extract(in, out,
/// leaks::lift)`.
struct extract_options {
  leaks uncut = leaks::error;
  unused inputs = unused::error;
  reentry crossing = reentry::error;

  void set(leaks l) { uncut = l; }
  void set(unused u) { inputs = u; }
  void set(reentry r) { crossing = r; }
};

/// What of a region touches its surroundings, and what in it is more than a function of its inputs.
struct region_report {
  struct exit {
    tensor_id tensor;  ///< inside the region, not one of its outputs
    op_id user;        ///< outside
    bool operator==(const exit&) const = default;
  };
  std::vector<tensor_id> unused_inputs;
  /// Uses of inner tensors by ops outside: other heads, gradients, optimisers. A clone does not
  /// touch them.
  std::vector<exit> side_exits;
  /// Updates of the region's variables that no layer declared (an optimiser's): not part of the
  /// region.
  std::vector<op_id> foreign_updates;
  std::vector<op_id> random;    ///< ops that draw from a stream
  std::vector<op_id> stateful;  ///< updates and ops with effects inside the region
  std::vector<std::pair<op_id, op_id>> control_in;   ///< (outside, inside): dropped by a clone
  std::vector<std::pair<op_id, op_id>> control_out;  ///< (inside, outside): dropped by a clone
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
  explicit Region(std::shared_ptr<const region_data> data) : data_(std::move(data)) {}

  /// The inputs in the order given, then those lifted.
  [[nodiscard]] const std::vector<tensor_id>& inputs() const;
  /// The outputs in the order given, repetitions included.
  [[nodiscard]] const std::vector<tensor_id>& outputs() const;
  /// Sources left uncut by leaks::keep, in the order of ids.
  [[nodiscard]] const std::vector<tensor_id>& kept() const;
  /// All ops, in the order of ids: reads, initial values and own updates of variables included.
  [[nodiscard]] const std::vector<op_id>& nodes() const;
  /// In order of creation.
  [[nodiscard]] const std::vector<variable_id>& variables() const;
  /// Outputs that are inputs too, in the order of the outputs.
  [[nodiscard]] const std::vector<tensor_id>& passthroughs() const;

  [[nodiscard]] bool contains(op_id op) const;       ///< O(1)
  [[nodiscard]] bool contains(variable_id v) const;  ///< O(log variables)

  /// The graph it was cut from. @throws handle_error if the graph is gone
  [[nodiscard]] Graph& graph() const;
  /// True where the graph is gone or an op of the region was removed or edited since.
  [[nodiscard]] bool stale() const;

  /// Looks at the surroundings. Complexity: O(region + its uses + variables of the graph's other
  /// updates).
  /// @throws handle_error if the graph is gone, graph_error if the region is stale
  [[nodiscard]] region_report report() const;

  /// For the functions of this library.
  [[nodiscard]] const std::shared_ptr<const region_data>& data() const { return data_; }

 private:
  std::shared_ptr<const region_data> data_;
};

/// A readable account of a region: sizes, inputs, outputs, variables, and what report() finds.
/// Deterministic.
std::string to_string(const Region& region);

result<Region, boundary_problem> try_extract_region(const input_list& in, const output_list& out,
                                                    const extract_options& options);

/// Cuts out what lies between inputs and outputs, or says what is wrong with them.
///
/// An input that lies behind another one cuts the paths through it; where nothing else needs the
/// outer one, that one is reported (unused::allow accepts it). An output that is an input passes
/// through. An output that depends on no input is legal: its whole closure is in the region. Inputs
/// cut tensors: other outputs of an input's op may lie inside.
/// @param options values of leaks, unused and reentry
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
  auto answer = try_extract(in, out, options...);
  if (!answer) throw boundary_error(answer.error().parts);
  return *answer;
}

}  // namespace graft
