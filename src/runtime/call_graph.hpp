// The ops of a call, numbered by what they compute and not by which they are, and equal ones merged:
// calls of one structure have one numbering and one key.
#pragma once

#include <memory>
#include <vector>

#include "runtime/plan.hpp"
#include "runtime/plan_key.hpp"

namespace graft::detail {

/// An op of a call. It stands for all that compute the same.
struct call_op {
  std::uint32_t index = 0;         ///< dense; of the first of the equal ones
  std::uint32_t asked_by = no_id;  ///< the op that first needed it; no_id: the call itself
  std::uint32_t first_value = 0;   ///< the value that its first output is
  std::uint32_t first_operand = 0, operands = 0;  ///< in call_graph::operands
  std::uint32_t first_before = 0, before = 0;     ///< in call_graph::before
  std::uint32_t slot = no_id;  ///< the variable it reads or updates, or the place of the constant
  bool value = false;          ///< its results are needed, not only their shapes
  bool tied = false;           ///< a control edge of the call begins or ends here
  bool as_known = false;       ///< its types are those that the graph has
  bool own = false;  ///< an attribute that is not in the key, of a random stream, is part of it
};

/// A call with its ops in an order in which they can run. Values are the feeds, then the outputs of
/// the ops.
struct call_graph {
  std::vector<call_op> ops;
  std::vector<std::uint32_t> operands;  ///< values
  std::vector<std::uint32_t> before;    ///< ops that others wait for
  std::vector<std::uint32_t> fetches;   ///< values
  std::vector<std::uint32_t> feeds;     ///< by value: the place in the request
  std::vector<bool> read;               ///< by value: somebody reads more than its shape

  std::vector<variable_ids> variables;  ///< those that hold one cell are one
  std::vector<Array> constants;         ///< those of which a plan needs no more than a place
  std::vector<merged_op> merged;
  std::vector<op_stamp> stamps;

  /// Equal for calls that one plan serves. It has all that a plan is made from but the addresses of
  /// variables and of constants that nothing is computed from while planning, the keys of random
  /// streams, and names.
  plan_key key;
  /// The key has addresses of bodies and of constants. A plan keeps both.
  std::vector<std::shared_ptr<const Graph>> bodies;

  [[nodiscard]] std::span<const std::uint32_t> operands_of(const call_op& op) const {
    return std::span(operands).subspan(op.first_operand, op.operands);
  }
  [[nodiscard]] std::span<const std::uint32_t> before_of(const call_op& op) const {
    return std::span(before).subspan(op.first_before, op.before);
  }
};

/// O(size of the call).
/// @throws handle_error for what is gone, feed_error for a feed that nothing needs
call_graph make_call_graph(const Graph& g, const plan_request& request);

}  // namespace graft::detail
