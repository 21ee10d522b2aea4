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
