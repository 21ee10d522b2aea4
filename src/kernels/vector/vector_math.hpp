// Functions of one vector, and the primitive operators of elementwise chains made of them.
#pragma once

#include "graft/core/form.hpp"

#include "simd.hpp"

namespace graft::kernels::GRAFT_KERNEL_ISA {

#include "graft/vector/math.ipp"
#include "graft/vector/operators.ipp"

}  // namespace graft::kernels::GRAFT_KERNEL_ISA
