#include "graft/runtime/instruction_set.hpp"

#include "kernels/kernels.hpp"

namespace graft {

std::string_view instruction_set() { return kernels::isa_name(kernels::active().which); }

}  // namespace graft
