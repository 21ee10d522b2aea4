// Which instructions kernels use.
#pragma once

#include <string_view>

namespace graft {

/// The instruction set whose kernels sessions run: "sse2", "avx2" (with FMA) or "avx512".
///
/// The best one that the processor has is chosen when kernels are first needed. The environment variable
/// GRAFT_ISA names a lower one: for measuring, or for equal bits on unequal machines. A name that is not known
/// or not supported is reported once on stderr, and the best one is used.
std::string_view instruction_set();

}  // namespace graft
