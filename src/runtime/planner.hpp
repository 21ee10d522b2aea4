// The passes that make a plan.
#pragma once

#include <vector>

#include "runtime/plan.hpp"

namespace graft::detail {

/// What may be done with steps, by step.
struct step_rules {
  std::vector<bool> fixed;  ///< it is not joined with others
  std::vector<bool> tied;   ///< others that do not read its results may wait for it
};

/// Joins elementwise steps of one output shape, where all that lies between them can stay in cache,
/// into single steps that run tile by tile; stretches of them that have a compiled kernel, see forms.hpp,
/// are one call. With the library's own kernels results are the same bits as op by op.
/// @param kept whether a root value is read after the last step
void fuse_elementwise(Plan& p, const std::vector<bool>& kept, const step_rules& rules);

/// Puts the steps that only compute new values of variables last and lets them write the variables
/// themselves, where no value that somebody still reads is lost; not where numerics are checked,
/// for then results are tested before anything is written. Makes copies for commits that need them.
void order_updates(Plan& p);

/// Joins steps that write variables element by element (bound_kernel::tile) and do not wait for each other into single
/// steps, and with them the copies of variables to others. Results are the same bits as one after the other.
void join_updates(Plan& p);

/// Gives every value and every step's scratch memory its place, and collects the pointers.
void lay_out_memory(Plan& p);

}  // namespace graft::detail
