// Running chains of elementwise ops tile by tile, so that what lies between them stays in cache.
#pragma once

#include <unordered_set>

#include "runtime/plan.hpp"

namespace graft::detail {

/// Replaces runs of neighbouring elementwise steps of one output shape by single steps. Results are the same bits: every
/// element goes through the same kernels.
/// @param kept roots of slots that are read after the run
/// @param root the slot whose memory a slot is
void fuse_elementwise(plan& p, const std::unordered_set<std::uint32_t>& kept,
                      function_ref<std::uint32_t(std::uint32_t)> root);

}  // namespace graft::detail
