#include "graph/place_map.hpp"

#include <bit>

namespace graft::detail {

template <class Number>
void place_map::fill(std::size_t count, Number&& number) {
  if (count == 0) return;
  first_ = number(0);
  range_ = number(count - 1) - first_ + 1;
  if (range_ == count) return;
  if (range_ <= 8 * count + 64) {
    places_.assign(range_, none);
    for (std::uint32_t i = 0; i < count; ++i) places_[number(i) - first_] = i;
    return;
  }
  table_.resize(std::bit_ceil(2 * count));
  const std::size_t mask = table_.size() - 1;
  for (std::uint32_t i = 0; i < count; ++i) {
    std::size_t at = (number(i) * 0x9e3779b97f4a7c15ull >> 32) & mask;
    while (table_[at].index != none) at = (at + 1) & mask;
    table_[at] = {number(i), i};
  }
}

place_map::place_map(const op_indices& sorted) {
  fill(sorted.size(), [&](std::size_t i) { return sorted[i]; });
}
place_map::place_map(std::span<const op_id> sorted) {
  fill(sorted.size(), [&](std::size_t i) { return sorted[i].value; });
}

std::uint32_t place_map::find_hashed(std::uint32_t index) const {
  const std::size_t mask = table_.size() - 1;
  std::size_t at = (index * 0x9e3779b97f4a7c15ull >> 32) & mask;
  while (table_[at].index != none && table_[at].index != index) at = (at + 1) & mask;
  return table_[at].place;
}

}  // namespace graft::detail
