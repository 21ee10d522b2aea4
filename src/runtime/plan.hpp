// A plan: everything about a call that does not change from run to run.
#pragma once

#include <cstdint>
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
  feed,      ///< what the caller gave
  variable,  ///< a variable's cell
  fetch,     ///< memory that the caller gave for a result
};

/// A home and the number of the constant, feed, variable or fetch; for the arena the offset in
/// bytes.
struct location {
  home where = home::none;
  std::size_t index = 0;
};

/// One kernel call, or a group of elementwise ones that runs tile by tile.
struct plan_step {
  op_id op;  ///< for messages: the last of a group
  std::uint32_t ops = 1;
  std::uint32_t compiled = 0;  ///< how many of these ops are in compiled chains
  bound_kernel kernel;
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
  small_vector<variable_id, 1> ids;  ///< all that hold one cell
  bool read = false;                 ///< must have a value
  bool written = false;              ///< takes one
};

struct plan_patch {
  std::uint32_t pointer = 0;
  std::uint32_t index = 0;
};

struct Plan {
  std::vector<plan_value> values;
  std::vector<plan_step> steps;
  std::size_t first_update = 0;  ///< steps from here on write variables; they cannot fail
  std::vector<plan_fetch> fetches;
  std::vector<tensor_info> fetch_memory;  ///< what the caller gives memory for
  std::vector<plan_variable> variables;
  std::vector<plan_commit> commits;
  std::vector<Array> constants;
  std::size_t feed_count = 0;

  std::size_t arena_bytes = 0;
  std::vector<location> pointers;  ///< operands and outputs of all steps
  std::vector<plan_patch> feed_pointers, variable_pointers,
      fetch_pointers;  ///< those that change from run to run

  /// The ops it rests on and their edit stamps: the plan is good as long as these are.
  std::vector<std::pair<op_id, std::uint64_t>> ops;
  bool check_numerics = false;

  [[nodiscard]] const location& at(std::uint32_t value) const {
    return values[values[value].root].at;
  }
};

/// Makes a plan. @throws what Session::run documents
Plan make_plan(const Graph& g, const plan_request& request);

/// Describes steps and memory in words.
std::string describe(const Graph& g, const Plan& p);

inline std::size_t bytes_of(const tensor_info& info) {
  return static_cast<std::size_t>(info.size) * size_of(info.type);
}

}  // namespace graft::detail
