// Running a plan.
#pragma once

#include <new>
#include <vector>

#include "runtime/plan.hpp"

namespace graft::detail {

/// The memory that one run of a plan needs; used again by later runs of any instance, by one at a time.
class run_context {
 public:
  /// @throws size_error if there is no memory
  explicit run_context(const Plan& p);
  ~run_context();
  run_context(const run_context&) = delete;
  run_context& operator=(const run_context&) = delete;

  std::byte* arena = nullptr;
  std::vector<void*> pointers;        // of all steps' operands and outputs
  std::vector<variable_cell*> cells;  // of the plan's variables

 private:
  std::align_val_t alignment_{64};  // of the arena
};

/// What changes from run to run.
struct run_arguments {
  const void* const* feeds = nullptr;  ///< addresses, in the order of the request
  void* const* fetches = nullptr;      ///< addresses for Plan::fetch_memory
  parallel_runner& parallel;
  std::uint64_t seed = 0;
};

/// Runs a plan: all reads under the store's shared lock, then all writes of variables under its
/// exclusive one.
/// @param at_start called when variables are readable and before any step
/// @throws uninitialized_error, numeric_error and what kernels throw; no variable has changed then
void run_plan(const Plan& p, const plan_instance& own, run_context& c, Graph& g,
              const run_arguments& arguments, function_ref<void()> at_start);

/// Runs all steps of a plan of a body.
/// @param pointers of the steps' operands and outputs
void run_steps(const Plan& p, const plan_instance& own, const Graph& g, void** pointers,
               std::byte* arena, const kernel_call& call);

/// An op's path and the line of the user's program it was declared at, for messages.
std::string declared(const Graph& g, op_id op);
/// Throws an error of an op's kernel, or of the binding of one, again: these know the path of their op, and the line of
/// the program that declared it is added here.
template <class Error>
[[noreturn]] void rethrow_declared(const Error& cause, const Graph& g, op_id op) {
  error_parts parts = cause.parts();
  if (parts.where == g.path_of(op)) parts.where = declared(g, op);
  throw Error(std::move(parts));
}
/// Throws the sentence about a variable that is read before it has a value.
[[noreturn]] void refuse_uninitialized(const Graph& g, variable_id v);

}  // namespace graft::detail
