#pragma once

#include <string_view>

namespace graft {

/// Version of these headers; `version()` tells that of the library that was linked.
inline constexpr int version_major = 0;
/// Of the headers.
inline constexpr int version_minor = 1;
/// Of the headers.
inline constexpr int version_patch = 0;

/// Returns the version of the linked library as "major.minor.patch".
std::string_view version() noexcept;

}  // namespace graft
