// Memory in large pages, where the system has them.
#pragma once

#include <cstddef>

namespace graft::detail {

/// What one of them holds on most machines.
inline constexpr std::size_t large_page = std::size_t{2} << 20;

/// Tells the system that a piece of memory is about to be filled, so that it may come in large pages: fresh memory in
/// pages of 4 KiB costs more than what is written to it, and long loops spend time looking pages up. It is a wish: nothing
/// happens where the system has no such pages or does not grant them.
void ask_for_large_pages(void* memory, std::size_t bytes) noexcept;

/// The same for a piece that is large enough to gain; others are left alone.
void use_large_pages(void* memory, std::size_t bytes) noexcept;

struct block_shape {
  std::size_t bytes, alignment;
};
/// How a block of memory is asked for: one that fills a large page begins at one, and ends at one where that
/// takes at most an eighth more.
constexpr block_shape shape_of_block(std::size_t bytes, std::size_t alignment) {
  if (bytes < large_page) return {bytes, alignment};
  const std::size_t over = bytes % large_page, more = over == 0 ? 0 : large_page - over;
  const bool whole = more <= bytes / 8 && bytes + more >= bytes;  // which may not fit
  return {whole ? bytes + more : bytes, large_page};
}

}  // namespace graft::detail
