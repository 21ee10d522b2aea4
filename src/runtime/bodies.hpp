// Kernels of the operators that own bodies.
#pragma once

#include "runtime/body_runner.hpp"

namespace graft::detail {

/// How an op's bodies are bound.
struct body_binding {
  const std::vector<bool>& read;  ///< which outputs somebody reads: the others have no memory
  bool check_numerics;
  body_plans& plans;

  [[nodiscard]] std::shared_ptr<const body_runner> plan(const Graph& body,
                                                        std::span<const tensor_info> inputs) const {
    return plans.plan(body, inputs, check_numerics);
  }
};

/// Plans the bodies of an op once for its shapes, and makes a kernel that runs them. All memory of the
/// bodies is in the kernel's scratch memory, so running allocates nothing; a while_loop_gradient, which
/// cannot know how long it runs, keeps the memory for its record from run to run.
bound_kernel bind_bodies(const operator_schema& schema, const bind_args& b,
                         const body_binding& how);

}  // namespace graft::detail
