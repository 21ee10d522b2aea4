// The set of indices that walks note what they met in.
#include "surgery/index_set.hpp"

#include <algorithm>
#include <cstdint>
#include <random>
#include <set>
#include <vector>

#include "catch.hpp"
#include "surgery/index_sweep.hpp"

using graft::detail::index_set, graft::detail::index_sweep;

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
    "a sweep visits what is added while it goes on, each index once, downwards where edges lead "
    "down") {
  std::mt19937 random(5);
  for (const std::uint32_t bound : {1u, 64u, 513u, 5000u, 1u << 20}) {
    for (const bool upwards : {false, true}) {
      // What an index leads to, as if by edges: the same each time it is asked.
      const auto next = [&](std::uint32_t index, std::uint32_t k) {
        const std::uint32_t hash = (index * 2654435761u + k * 40503u) >> 7;
        const std::uint32_t below = index == 0 ? 0 : hash % index;
        return upwards && hash % 16 == 0 ? (index + hash % 700) % bound : below;
      };
      std::vector<std::uint32_t> starts;
      for (int i = 0; i < 20; ++i) starts.push_back(random() % bound);

      std::set<std::uint32_t> wanted;
      std::vector<std::uint32_t> open = starts;
      while (!open.empty()) {
        const std::uint32_t index = open.back();
        open.pop_back();
        if (!wanted.insert(index).second) continue;
        for (std::uint32_t k = 0; k < 3; ++k) open.push_back(next(index, k));
      }

      index_set found;
      index_sweep sweep(found);
      std::vector<std::uint32_t> order;
      for (const std::uint32_t index : starts) sweep.add(index);
      sweep.run([&](std::uint32_t index) {
        order.push_back(index);
        for (std::uint32_t k = 0; k < 3; ++k) sweep.add(next(index, k));
      });
      check_like(found, wanted);
      CHECK(order.size() == wanted.size());
      CHECK(std::set<std::uint32_t>(order.begin(), order.end()) == wanted);
      if (!upwards) CHECK(std::is_sorted(order.rbegin(), order.rend()));
    }
  }
}
