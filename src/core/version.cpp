#include "graft/core/version.hpp"

namespace graft {

// Kept equal to the constants of the header and to the build file by tests/unit/version.cpp.
std::string_view version() noexcept { return "0.1.0"; }

}  // namespace graft
