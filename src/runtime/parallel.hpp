// The threads that a session's kernels run on.
#pragma once

#include <memory>

#include "graft/graph/operator.hpp"

namespace graft::detail {

/// @param threads 0: one a processor
std::unique_ptr<parallel_runner> make_parallel_runner(int threads);

}  // namespace graft::detail
