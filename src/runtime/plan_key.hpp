// What a call is in a row of numbers: equal calls have equal keys.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace graft::detail {

using plan_key = std::vector<std::uint64_t>;

inline std::uint64_t hash_of(std::span<const std::uint64_t> words) {
  std::uint64_t h = 0x9e3779b97f4a7c15ull ^ words.size();
  for (const std::uint64_t word : words) {
    h = (h ^ word) * 0xff51afd7ed558ccdull;
    h ^= h >> 32;
  }
  return h;
}

}  // namespace graft::detail
