// Memory of arrays that grow in one piece: what is in it stays, and large pieces are moved without being copied.
#include "graft/core/growing_memory.hpp"

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <vector>

#include "graft/core/large_pages.hpp"
#include "graft/graph/pool.hpp"

#include "catch.hpp"
#include "sanitizers.hpp"

#if defined(__linux__) && !defined(GRAFT_TEST_ADDRESS_SANITIZER)
#include <sys/resource.h>
#define GRAFT_TEST_MOVED_PAGES
#endif

using namespace graft::detail;

namespace {

constexpr std::size_t mib = std::size_t{1} << 20;

// A block whose bytes tell where they are.
struct numbered {
  void* memory = nullptr;
  std::size_t bytes = 0, used = 0;

  numbered() = default;
  numbered(const numbered&) = delete;
  numbered& operator=(const numbered&) = delete;
  ~numbered() { free_memory(memory, bytes); }

  static unsigned char at(std::size_t i) { return static_cast<unsigned char>(i * 31 + (i >> 12)); }
  bool grow(std::size_t wanted) {
    void* const bigger = grow_memory(memory, bytes, used, wanted);
    if (bigger == nullptr) return false;
    memory = bigger;
    bytes = wanted;
    return true;
  }
  void fill(std::size_t until) {
    for (; used < until; ++used) static_cast<unsigned char*>(memory)[used] = at(used);
  }
  [[nodiscard]] bool holds() const {
    const auto* const all = static_cast<const unsigned char*>(memory);
    for (std::size_t i = 0; i < used; ++i) {
      if (all[i] != at(i)) return false;
    }
    return true;
  }
};

}  // namespace

#ifdef GRAFT_TEST_MOVED_PAGES
// The first case, as it looks at the most that the program ever had.
TEST_CASE("a large block that grows is never there twice") {
  const auto most = [] {
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    return static_cast<std::size_t>(used.ru_maxrss) * 1024;
  };
  numbered block, behind;
  REQUIRE(block.grow(64 * mib));
  block.fill(64 * mib);
  const std::size_t before = most();
  // Whatever lies behind it: the second time something does.
  for (const std::size_t size : {96 * mib, 160 * mib}) {
    REQUIRE(block.grow(size));
    if (behind.memory == nullptr) REQUIRE(behind.grow(64 * mib));
    CHECK(most() - before < 32 * mib);
    CHECK(block.holds());
  }
}

TEST_CASE("a large block begins at a large page, wherever it goes") {
  std::vector<numbered> blocks(3);
  for (std::size_t size = 16 * mib; size < 150 * mib; size += 9 * mib + 12345) {
    for (numbered& block : blocks) {
      REQUIRE(block.grow(size));
      block.fill(block.used + 10000);
      CHECK(block.holds());
      if (size < 32 * mib) continue;
      CHECK(reinterpret_cast<std::uintptr_t>(block.memory) % large_page == 0);
    }
  }
}

TEST_CASE("a block stays as it is where there is no memory for a larger one") {
  for (const std::size_t size : {std::size_t{1000}, 5 * mib, 40 * mib}) {
    numbered block;
    REQUIRE(block.grow(size));
    block.fill(size);
    void* const there = block.memory;
    for (const std::size_t wanted : {std::size_t{1} << 50, SIZE_MAX - 5 * mib, SIZE_MAX - 5}) {
      CHECK_FALSE(block.grow(wanted));
      CHECK(block.memory == there);
      CHECK(block.holds());
    }
    REQUIRE(block.grow(size + 3 * mib));
    CHECK(block.holds());
  }
}
#endif

TEST_CASE("a block that grows keeps what is used of it") {
  numbered block;
  for (std::size_t size = 16; size < 100 * mib; size += size / 2) {
    REQUIRE(block.grow(size));
    CHECK(block.holds());
    block.fill(size - size / 8);
  }
  CHECK(block.holds());
}

TEST_CASE("a pool of any size grows, is copied and cut back") {
  struct record {
    std::uint64_t number, more[3];
  };
  constexpr std::uint64_t count = 3 * mib;  // of 32 bytes
  pool<record> all;
  for (std::uint64_t i = 0; i < count; ++i) {
    all.reserve(1);
    all.push_back({i, {i, i, i}});
  }
  const auto numbers_are = [](const pool<record>& p) {
    for (std::uint64_t i = 0; i < p.size(); ++i) {
      if (p[i].number != i || p[i].more[2] != i) return false;
    }
    return true;
  };
  CHECK(all.size() == count);
  CHECK(numbers_are(all));
  pool<record> copy = all;
  all.truncate(10);
  all.reserve(count);
  CHECK(copy.size() == count);
  CHECK(numbers_are(copy));
  all.swap(copy);
  CHECK(all.size() == count);
  CHECK(copy.size() == 10);
  CHECK(numbers_are(copy));
}
