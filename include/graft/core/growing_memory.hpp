// Memory of arrays that grow in one piece.
#pragma once

#include <cstddef>

namespace graft::detail {

/// What std::realloc is to arrays that only grow; large ones are not copied where the system can give their pages
/// another address, and stay in large pages. What is added is not written.
/// @param memory what was got here for `bytes` bytes, of which the first `used` are kept; nullptr and 0 at first
/// @param wanted bytes, more than `bytes`
/// @returns nullptr where there is not that much, and all is as it was
[[nodiscard]] void* grow_memory(void* memory, std::size_t bytes, std::size_t used,
                                std::size_t wanted) noexcept;
/// Gives back what was got for `bytes` bytes.
void free_memory(void* memory, std::size_t bytes) noexcept;

}  // namespace graft::detail
