// The passes that make a plan.
#pragma once

#include <vector>

#include "runtime/plan.hpp"

namespace graft::detail {

/// Joins elementwise steps of one output shape, where all that lies between them can stay in cache,
/// into single steps that run tile by tile. Results are the same bits: every element goes through
/// the same kernels.
/// @param kept whether a root value is read after the last step
/// @param fixed whether a step must stay as and where it is
void fuse_elementwise(Plan& p, const std::vector<bool>& kept, const std::vector<bool>& fixed);

/// Puts the steps that only compute new values of variables last and lets them write the variables
/// themselves, where no value that somebody still reads is lost; not where numerics are checked,
/// for then results are tested before anything is written. Makes copies for commits that need them.
void order_updates(Plan& p);

/// Gives every value and every step's scratch memory its place, and collects the pointers.
void lay_out_memory(Plan& p);

}  // namespace graft::detail
