#include "graft/core/large_pages.hpp"

#include <cstdint>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace graft::detail {

void ask_for_large_pages(void* memory, std::size_t bytes) noexcept {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  constexpr std::size_t page = 4096;
  // The pages at both ends as a whole: a block that has pages of its own stays alike throughout then, and an allocator
  // can move it to grow it. The system finds the large pages within.
  const auto first = reinterpret_cast<std::uintptr_t>(memory) / page * page;
  const auto last = (reinterpret_cast<std::uintptr_t>(memory) + bytes + page - 1) / page * page;
  if (first < last) {
    (void)::madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
  }
#else
  (void)memory;
  (void)bytes;
#endif
}

void use_large_pages(void* memory, std::size_t bytes) noexcept {
  if (bytes >= 2 * large_page) ask_for_large_pages(memory, bytes);
}

}  // namespace graft::detail
