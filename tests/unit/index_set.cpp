// The set of indices that walks note what they met in.
#include "surgery/index_set.hpp"

#include <cstdint>
#include <random>
#include <set>
#include <vector>

#include "catch.hpp"

using graft::detail::index_set;

namespace {

void check_like(const index_set& found, const std::set<std::uint32_t>& wanted) {
  CHECK(found.size() == wanted.size());
  CHECK(found.empty() == wanted.empty());
  CHECK(found.sorted() == std::vector<std::uint32_t>(wanted.begin(), wanted.end()));
}

}  // namespace

TEST_CASE("a set of indices holds what is put in, however far apart it lies") {
  std::mt19937 random(3);
  for (const std::uint32_t bound : {1u, 64u, 513u, 5000u, 1u << 20, 0xfffffffeu}) {
    index_set found;
    std::set<std::uint32_t> wanted;
    check_like(found, wanted);
    CHECK_FALSE(found.contains(0));
    for (int i = 0; i < 2000; ++i) {
      const std::uint32_t index = random() % bound;
      CHECK(found.contains(index) == wanted.contains(index));
      if (random() % 4 == 0) {
        found.erase(index);
        wanted.erase(index);
      } else {
        CHECK(found.insert(index) == wanted.insert(index).second);
      }
    }
    check_like(found, wanted);
    const index_set copy = found;
    for (const std::uint32_t index : wanted) found.erase(index);
    check_like(found, {});
    check_like(copy, wanted);
  }
}

TEST_CASE("a set of neighbouring indices is gone through in either direction") {
  index_set up, down;
  std::set<std::uint32_t> all;
  for (std::uint32_t i = 0; i < 3000; ++i) {
    CHECK(up.insert(i));
    CHECK(down.insert(2999 - i));
    all.insert(i);
  }
  check_like(up, all);
  check_like(down, all);
  CHECK_FALSE(up.insert(1500));
  CHECK_FALSE(up.contains(3000));
}

TEST_CASE(
    "indices that come from above, as walks against the edges bring them, are found from below") {
  // Further apart than what one node of the set holds, from the top of the range down to 0.
  index_set found;
  std::set<std::uint32_t> wanted;
  for (std::uint32_t step = 0; step < 2000; ++step) {
    const std::uint32_t index = 0xffffffffu - step * 2147483u;
    CHECK(found.insert(index));
    CHECK_FALSE(found.insert(index));
    wanted.insert(index);
  }
  CHECK(found.insert(0));
  wanted.insert(0);
  check_like(found, wanted);
  for (const std::uint32_t index : wanted) CHECK(found.contains(index));
  CHECK_FALSE(found.contains(1));
  CHECK_FALSE(found.contains(0xffffffffu - 1));
}
