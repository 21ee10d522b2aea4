// Which numbers are names of dimensions: lists of integers hold both.
#pragma once

#include "graft/core/dims.hpp"

namespace graft::detail {

/// Whether named_dim() gave a number out in this process, for a name that does not pack. Thread-safe.
bool is_long_name(extent e);
/// Whether a number below dyn is that of a name at all.
bool has_name(extent e);

}  // namespace graft::detail
