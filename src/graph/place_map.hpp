// Lists of ops by index, and where in such a list an op is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "graft/graph/ids.hpp"

namespace graft::detail {

/// Dense indices of ops, ascending and without repetition: a list that somebody holds, or a run of
/// consecutive ones, which needs none.
class op_indices {
 public:
  op_indices() = default;
  op_indices(std::span<const std::uint32_t> list)  // NOLINT: a list is one
      : count_(list.size()), list_(list.data()) {}
  op_indices(const std::vector<std::uint32_t>& list)  // NOLINT: a list is one
      : op_indices(std::span<const std::uint32_t>(list)) {}
  static op_indices run(std::uint32_t first, std::size_t count) {
    op_indices result;
    result.first_ = first;
    result.count_ = count;
    return result;
  }

  [[nodiscard]] std::size_t size() const { return count_; }
  [[nodiscard]] bool empty() const { return count_ == 0; }
  [[nodiscard]] std::uint32_t operator[](std::size_t i) const {
    return list_ != nullptr ? list_[i] : first_ + static_cast<std::uint32_t>(i);
  }
  [[nodiscard]] std::uint32_t front() const { return (*this)[0]; }
  [[nodiscard]] std::uint32_t back() const { return (*this)[count_ - 1]; }
  [[nodiscard]] bool ascends() const {
    for (std::size_t i = 1; list_ != nullptr && i < count_; ++i) {
      if (list_[i] <= list_[i - 1]) return false;
    }
    return true;
  }
  /// True where each index is one more than the one before.
  [[nodiscard]] bool consecutive() const { return count_ == 0 || back() - front() + 1 == count_; }

 private:
  std::uint32_t first_ = 0;
  std::size_t count_ = 0;
  const std::uint32_t* list_ = nullptr;
};

/// Finds the place of an op in a sorted list of numbers, in memory of the list's size (not of the
/// graph's): nothing for a run of consecutive ones, an array over [first, last] where the list is dense
/// enough, else a hash table.
class place_map {
 public:
  static constexpr std::uint32_t none = 0xffffffffu;

  place_map() = default;
  /// @param sorted ascending, without repetition
  explicit place_map(const op_indices& sorted);
  /// The same of ids.
  explicit place_map(std::span<const op_id> sorted);

  /// Place of a number in the list, or none.
  [[nodiscard]] std::uint32_t find(std::uint32_t index) const {
    const std::uint32_t at = index - first_;
    if (at >= range_) return none;
    if (!places_.empty()) return places_[at];
    return table_.empty() ? at : find_hashed(index);
  }

 private:
  struct entry {
    std::uint32_t index = none;
    std::uint32_t place = none;
  };
  [[nodiscard]] std::uint32_t find_hashed(std::uint32_t index) const;
  template <class Number>
  void fill(std::size_t count, Number&& number);

  std::uint32_t first_ = 0, range_ = 0;
  std::vector<std::uint32_t> places_;
  std::vector<entry> table_;  // size is a power of two
};

}  // namespace graft::detail
