// A plan: everything about a call that does not change from run to run. What it has of one call alone, ids and
// names and addresses, is in an instance of it, so that calls of equal structure share the plan.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "graft/core/form.hpp"
#include "graft/graph/operator.hpp"

namespace graft::detail {

/// A fed tensor and what is fed to it.
struct fed_tensor {
  tensor_id tensor;
  dtype type = dtype::any;
  dims shape;
};

/// What a call is, without its values.
struct plan_request {
  std::vector<tensor_id> fetches;  ///< may repeat
  std::vector<op_id> updates;      ///< each once
  std::vector<fed_tensor> feeds;   ///< each tensor once
  bool check_numerics = false;     ///< keep every result apart and test it
  bool unused_feeds = false;       ///< allow feeds that nothing needs
};

/// Where a value is while a plan runs.
enum class home : std::uint8_t {
  none,      ///< nowhere: only its shape is read
  arena,     ///< the context's memory
  constant,  ///< an array of the plan's
  stored,    ///< an array of the graph's, which the plan computes nothing with
  feed,      ///< what the caller gave
  variable,  ///< a variable's cell
  fetch,     ///< memory that the caller gave for a result
};

/// A home and the number of the constant, stored array, feed, variable or fetch; for the arena the offset in
/// bytes.
struct location {
  home where = home::none;
  std::size_t index = 0;
};

/// One kernel call, or a group of elementwise ones that runs tile by tile.
struct plan_step {
  std::uint32_t op = no_id;  ///< number of the op, the last of a group; no_id: a copy
  std::uint32_t ops = 1;
  std::uint32_t compiled = 0;  ///< how many of these ops are in compiled chains
  bound_kernel kernel;
  bool own = false;                    ///< each instance has a kernel of its own
  std::optional<form_node> code;       ///< what an elementwise op is in forms
  std::vector<std::uint32_t> in, out;  ///< values; no_id: only its shape is read
  location scratch;
  std::size_t first_pointer = 0;  ///< in Plan::pointers: operands, then outputs
};

struct plan_value {
  tensor_info info;
  location at;
  std::uint32_t root = no_id;  ///< the value whose memory it is; its own number unless it is a view
  bool unread = false;         ///< of an op with bodies: no memory is needed
};

/// A variable that takes a value when the run ends.
struct plan_commit {
  std::uint32_t variable = 0;  ///< place in Plan::variables
  std::uint32_t from = no_id;  ///< value to copy; no_id: a step writes the variable itself
};

/// A result: where it is and the shape it is seen in.
struct plan_fetch {
  std::uint32_t value = no_id;
  std::uint32_t same_as = no_id;  ///< an earlier fetch of the same tensor
};

struct plan_variable {
  bool read = false;     ///< must have a value
  bool written = false;  ///< takes one
};

struct plan_patch {
  std::uint32_t pointer = 0;
  std::uint32_t index = 0;
};

/// The types that an op which draws by a key was planned with.
struct drawn_types {
  std::uint32_t op = no_id;  ///< number
  std::vector<value_type> operands, outputs;
};

/// What calls of one structure have in common.
struct Plan {
  std::vector<plan_value> values;
  std::vector<plan_step> steps;
  std::size_t first_update = 0;  ///< steps from here on write variables; they cannot fail
  std::vector<plan_fetch> fetches;
  std::vector<tensor_info> fetch_memory;  ///< what the caller gives memory for
  std::vector<plan_variable> variables;
  std::vector<plan_commit> commits;
  std::vector<Array> constants;

  std::size_t arena_bytes = 0;
  std::vector<location> pointers;  ///< operands and outputs of all steps
  std::vector<plan_patch> feed_pointers, stored_pointers, variable_pointers,
      fetch_pointers;  ///< those that change from run to run

  /// Steps whose kernels are made for each instance: what they draw or what they say where they fail
  /// is theirs alone.
  std::vector<std::uint32_t> own_steps;
  std::vector<drawn_types> drawn;
  std::vector<std::shared_ptr<const Graph>> bodies;  ///< that kernels run
  bool check_numerics = false;

  [[nodiscard]] const location& at(std::uint32_t value) const {
    return values[values[value].root].at;
  }
};

/// All variables that hold one cell.
using variable_ids = small_vector<variable_id, 1>;

/// An op that is computed as another.
struct merged_op {
  std::uint32_t as = 0;  ///< number of the other
  op_id op;
};
/// An op and its edit stamp: what was made of it is good as long as that is the stamp.
struct op_stamp {
  op_id op;
  std::uint64_t stamp = 0;
};
struct own_kernel {
  std::uint32_t step = 0;
  bound_kernel kernel;
};

/// What one call has of its own.
struct plan_instance {
  std::vector<op_id> ops;  ///< by number
  std::vector<merged_op> merged;
  std::vector<std::uint32_t> feeds;  ///< the plan's, as places in the request
  std::vector<variable_ids> variables;
  std::vector<Array> stored;
  std::vector<own_kernel> kernels;  ///< of Plan::own_steps
  std::vector<op_stamp> stamps;     ///< of all ops it rests on
};

struct call_graph;
class body_plans;

/// Makes the plan of a call. @throws what Session::run documents
/// @param bodies plans of bodies, each made where it is not there yet
Plan make_plan(const Graph& g, const plan_request& request, const call_graph& call,
               body_plans& bodies);
/// Whether a plan that was made for a call of the same key is one for this call, too. The key does not say by which
/// keys ops draw, and what they give may be of a type that follows from that.
bool serves(const Plan& p, const Graph& g, const call_graph& call);
/// Makes the instance of a call of a plan that was made for one of the same key.
plan_instance make_instance(const Graph& g, const Plan& p, call_graph call);

/// Describes steps and memory in words.
std::string describe(const Graph& g, const Plan& p, const plan_instance& own);

inline std::size_t bytes_of(const tensor_info& info) {
  return static_cast<std::size_t>(info.size) * size_of(info.type);
}

}  // namespace graft::detail
