// Random choices of property tests, the same on every machine.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

namespace graft_test {

// splitmix64 (Steele, Lea, Flood 2014).
class dice {
 public:
  explicit dice(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
  }
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(next() % n); }
  bool one_in(std::size_t n) { return below(n) == 0; }
  template <class T>
  const T& of(const std::vector<T>& list) {
    return list[below(list.size())];
  }
  /// At most as many, each once.
  template <class T>
  std::vector<T> some_of(const std::vector<T>& list, std::size_t count) {
    std::vector<T> picked;
    for (std::size_t i = 0; i < count; ++i) {
      const T& item = of(list);
      if (std::find(picked.begin(), picked.end(), item) == picked.end()) picked.push_back(item);
    }
    return picked;
  }

 private:
  std::uint64_t state_;
};

/// How many seeds a test tries: its own number, times GRAFT_TEST_ROUNDS where that is set.
inline std::uint64_t seed_count(std::uint64_t count) {
  const char* rounds = std::getenv("GRAFT_TEST_ROUNDS");
  return rounds != nullptr ? count * std::strtoull(rounds, nullptr, 10) : count;
}

struct seed_range {
  std::uint64_t first, last;
};
/// The seeds that this run of a test tries: of `count` (times GRAFT_TEST_ROUNDS) those of the part that GRAFT_TEST_PART names, as
/// in 2/4; or that of GRAFT_TEST_SEED alone.
/// @throws std::invalid_argument for a part that is none
inline seed_range seeds(std::uint64_t count) {
  if (const char* given = std::getenv("GRAFT_TEST_SEED")) {
    const std::uint64_t seed = std::strtoull(given, nullptr, 10);
    return {seed, seed};
  }
  const std::uint64_t all = seed_count(count);
  const char* given = std::getenv("GRAFT_TEST_PART");
  if (given == nullptr) return {1, all};
  char* end = nullptr;
  const std::uint64_t part = std::strtoull(given, &end, 10);
  const std::uint64_t parts = *end == '/' ? std::strtoull(end + 1, &end, 10) : 0;
  if (*end != 0 || part == 0 || part > parts) {
    throw std::invalid_argument(std::string("GRAFT_TEST_PART is ") + given + ", not such as 2/4");
  }
  return {all * (part - 1) / parts + 1, all * part / parts};
}

/// Calls f for each seed of a test, as `seeds` has them.
template <class F>
void for_seeds(std::uint64_t count, F&& f) {
  const seed_range range = seeds(count);
  for (std::uint64_t seed = range.first; seed <= range.last; ++seed) f(seed);
}

}  // namespace graft_test
