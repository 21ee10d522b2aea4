// Makes the n-th allocation from now on fail, those of arrays included, and counts what is asked for. Include it in one
// source that is compiled of a program only: it replaces the global operator new and realloc. Unit tests that include it are
// listed in tests/unit/meson.build, and joined with each other only.
#pragma once

#include <atomic>
#include <cstdlib>
#include <new>
#include <utility>

#include "graft/core/error.hpp"

namespace failing {

inline std::atomic<long> left{-1};  // -1: none fails

/// What was asked for so far.
inline std::atomic<long> made{0}, bytes{0};
inline std::atomic<long> array_bytes{
    0};  ///< of arrays, which are aligned, and so is the memory of plans

inline bool now(std::size_t size) {
  ++made;
  bytes += static_cast<long>(size);
  const long before = left.load();
  if (before < 0) return false;
  left = before - 1;
  return before == 0;
}

/// Runs f with the n-th allocation failing, which comes as bad_alloc or, from an array, as size_error.
/// @returns true if there is no n-th allocation; false also where f got through without it
template <class F>
bool allocation(long n, F&& f) {
  left = n;
  const auto came = [] { return left.exchange(-1) < 0; };
  try {
    f();
  } catch (const std::bad_alloc&) {
    left = -1;
    return false;
  } catch (const graft::size_error&) {
    if (!came()) throw;
    return false;
  } catch (...) {
    left = -1;
    throw;
  }
  return !came();
}

struct cost {
  long allocations = 0, bytes = 0, array_bytes = 0;
};
/// What f asks for.
template <class F>
cost cost_of(F&& f) {
  const cost before{made, bytes, array_bytes};
  f();
  return {made - before.allocations, bytes - before.bytes, array_bytes - before.array_bytes};
}
/// The bytes of that.
template <class F>
std::size_t bytes_of(F&& f) {
  return static_cast<std::size_t>(cost_of(std::forward<F>(f)).bytes);
}

}  // namespace failing

// GCC takes the pair below for mismatched where it inlines only one of the two.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
void* operator new(std::size_t size) {
  if (failing::now(size)) throw std::bad_alloc();
  if (void* p = std::malloc(size != 0 ? size : 1)) return p;
  throw std::bad_alloc();
}
void* operator new[](std::size_t size) { return operator new(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return failing::now(size) ? nullptr : std::malloc(size != 0 ? size : 1);
}
void* operator new[](std::size_t size, const std::nothrow_t& tag) noexcept {
  return operator new(size, tag);
}
void* operator new(std::size_t size, std::align_val_t align, const std::nothrow_t&) noexcept {
  const auto to = static_cast<std::size_t>(align);
  failing::array_bytes += static_cast<long>(size);
  return failing::now(size) ? nullptr : std::aligned_alloc(to, (size + to - 1) / to * to);
}
void* operator new(std::size_t size, std::align_val_t align) {
  if (void* p = operator new(size, align, std::nothrow)) return p;
  throw std::bad_alloc();
}
void* operator new[](std::size_t size, std::align_val_t align) { return operator new(size, align); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
#pragma GCC diagnostic pop

// The pools of a graph grow by realloc. Sanitizers have their own, which is left alone.
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#if !defined(__has_feature)
#define GRAFT_TEST_REALLOC 1
#elif !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer) && \
    !__has_feature(memory_sanitizer)
#define GRAFT_TEST_REALLOC 1
#endif
#endif
#ifdef GRAFT_TEST_REALLOC
extern "C" void* __libc_realloc(void* p, std::size_t size);  // NOLINT: the C library's name
extern "C" void* realloc(void* p, std::size_t size) noexcept {
  return failing::now(size) ? nullptr : __libc_realloc(p, size);
}
#endif
