// Kernels of the operators that own bodies.
#pragma once

#include "runtime/plan.hpp"

namespace graft::detail {

/// Plans the bodies of an op once for its shapes, and makes a kernel that runs them. All memory of the
/// bodies is in the kernel's scratch memory, so running allocates nothing; a while_loop_gradient, which
/// cannot know how long it runs, keeps the memory for its record from run to run.
/// @param read which outputs somebody reads: the others have no memory
bound_kernel bind_bodies(const operator_schema& schema, const bind_args& b,
                         const std::vector<bool>& read, bool check_numerics);

}  // namespace graft::detail
