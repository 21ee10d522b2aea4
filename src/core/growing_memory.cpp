#include "graft/core/growing_memory.hpp"

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "graft/core/large_pages.hpp"

// The address sanitizer watches over the ends of what the allocator gives, not over pages.
#if defined(__SANITIZE_ADDRESS__)
#define GRAFT_WATCHED_ENDS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GRAFT_WATCHED_ENDS 1
#endif
#endif

#if defined(__linux__) && !defined(GRAFT_WATCHED_ENDS)
#include <sys/mman.h>
#define GRAFT_MOVES_PAGES 1
#endif

namespace graft::detail {

namespace {

void* reallocate(void* memory, std::size_t wanted) {
  void* const bigger = std::realloc(memory, wanted);
  if (bigger != nullptr) use_large_pages(bigger, wanted);
  return bigger;
}

}  // namespace

#ifdef GRAFT_MOVES_PAGES

namespace {

// Smaller blocks are left to the allocator, which keeps them for those who come next: fresh pages cost more than what
// copying takes. Larger ones most allocators give back to the system anyway.
constexpr std::size_t mapped_from = std::size_t{32} << 20;

// What a block is mapped as: whole large pages.
constexpr std::size_t mapped_size(std::size_t bytes) {
  return (bytes + large_page - 1) / large_page * large_page;
}

// Addresses for a block, which begin at a large page, without memory behind them.
void* set_addresses_aside(std::size_t size) {
  if (size + large_page < size) return nullptr;
  const std::size_t around = size + large_page;
  void* const whole = ::mmap(nullptr, around, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (whole == MAP_FAILED) return nullptr;
  const auto first = reinterpret_cast<std::uintptr_t>(whole);
  const std::size_t before = (large_page - first % large_page) % large_page;
  const std::size_t after = large_page - before;
  char* const place = static_cast<char*>(whole) + before;
  if (before != 0) (void)::munmap(whole, before);
  if (after != 0) (void)::munmap(place + size, after);
  return place;
}

void* map_memory(std::size_t size) {
  void* const memory = set_addresses_aside(size);
  if (memory == nullptr) return nullptr;
  if (::mprotect(memory, size, PROT_READ | PROT_WRITE) != 0) {
    (void)::munmap(memory, size);
    return nullptr;
  }
  // Before anything is written: what is there in small pages stays in them. And of the block as a whole, as the system
  // moves in one go only what is alike.
  ask_for_large_pages(memory, size);
  return memory;
}

void* grow_mapped(void* memory, std::size_t size, std::size_t wanted) {
  if (size == wanted) return memory;
  void* const longer = ::mremap(memory, size, wanted, 0);
  if (longer != MAP_FAILED) return longer;
  // Left to choose, the system might take addresses to which large pages cannot be moved as such.
  void* const place = set_addresses_aside(wanted);
  if (place == nullptr) return nullptr;
  void* const moved = ::mremap(memory, size, wanted, MREMAP_MAYMOVE | MREMAP_FIXED, place);
  // A failure may have given the addresses back, and another thread may have them by now: they are left alone.
  return moved != MAP_FAILED ? moved : nullptr;
}

}  // namespace

void* grow_memory(void* memory, std::size_t bytes, std::size_t used, std::size_t wanted) noexcept {
  if (wanted < mapped_from) return reallocate(memory, wanted);
  const std::size_t size = mapped_size(wanted);
  if (size < wanted) return nullptr;
  if (bytes >= mapped_from) return grow_mapped(memory, mapped_size(bytes), size);
  void* const mapped = map_memory(size);
  if (mapped == nullptr) return nullptr;
  if (used != 0) std::memcpy(mapped, memory, used);
  std::free(memory);
  return mapped;
}

void free_memory(void* memory, std::size_t bytes) noexcept {
  if (bytes >= mapped_from) {
    (void)::munmap(memory, mapped_size(bytes));
  } else {
    std::free(memory);
  }
}

#else

void* grow_memory(void* memory, std::size_t /*bytes*/, std::size_t /*used*/,
                  std::size_t wanted) noexcept {
  return reallocate(memory, wanted);
}

void free_memory(void* memory, std::size_t /*bytes*/) noexcept { std::free(memory); }

#endif

}  // namespace graft::detail
