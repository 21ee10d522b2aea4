// Checking indices before anything is written with them.
#pragma once

#include <string>
#include <string_view>

#include "graft/graph/operator.hpp"

namespace graft::support {

/// Reads the index at a place; the type is int32 or int64.
inline std::int64_t index_at(const void* indices, dtype type, std::int64_t i) {
  return type == dtype::int32 ? static_cast<const std::int32_t*>(indices)[i]
                              : static_cast<const std::int64_t*>(indices)[i];
}

/// @throws numeric_error naming the op and the first index outside [0, bound)
inline void check_indices(const void* indices, dtype type, std::int64_t count, std::int64_t bound,
                          std::string_view where) {
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t index = index_at(indices, type, i);
    if (index >= 0 && index < bound) continue;
    throw numeric_error(
        {"'" + std::string(where) + "' looks up entries among " + std::to_string(bound),
         "index number " + std::to_string(i) + " is " + std::to_string(index), std::string(where),
         "every index must be at least 0 and less than " + std::to_string(bound)});
  }
}

/// @throws unsupported_error unless the type is int32 or int64
inline void require_index_type(const bind_args& b, dtype type) {
  if (type == dtype::int32 || type == dtype::int64) return;
  throw unsupported_error({"a kernel was looked for to run '" + std::string(b.where) + "'",
                           "its indices are " + std::string(name_of(type)), std::string(b.where),
                           "cast them to int64"});
}

}  // namespace graft::support
