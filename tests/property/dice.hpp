// Random choices of property tests, the same on every machine.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
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

/// Calls f for each seed of a test, or for that of GRAFT_TEST_SEED alone.
template <class F>
void for_seeds(std::uint64_t count, F&& f) {
  if (const char* given = std::getenv("GRAFT_TEST_SEED")) {
    f(std::strtoull(given, nullptr, 10));
    return;
  }
  for (std::uint64_t seed = 1; seed <= seed_count(count); ++seed) f(seed);
}

}  // namespace graft_test
