// Visiting a set of indices while it grows, from the highest to the lowest.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "surgery/index_set.hpp"

namespace graft::detail {

/// A walk against the edges of a graph whose ops come after those that they need, as they do where nothing was edited:
/// records lie in memory in the order of their indices, so a walk that goes down through them reads memory in one
/// direction, however far the edges reach. A stack would jump to and fro.
///
/// Any index may be added at any time. What is above the one that is visited is visited next.
class index_sweep {
 public:
  /// @param indices what was visited, in the end; it must be empty
  explicit index_sweep(index_set& indices) : set_(indices) {}

  void add(std::uint32_t index) {
    if (!set_.insert(index)) return;
    if (index > at_) {
      blocks_ = set_.block_count();
      above_.push_back(index);
    } else if (set_.block_count() != blocks_) {
      wait_for(index >> 9);
    }
  }

  /// Calls visit(index) once for each index that is in the set or is added by these calls.
  /// Complexity: O(indices + blocks of the set * log(blocks))
  template <class F>
  void run(F&& visit) {
    std::uint32_t block = 0, word = 0,
                  first = 0;  // where the walk is; first: the index of the word's first bit
    std::uint64_t left = 0;   // bits of the word that are not passed
    for (;;) {
      std::uint32_t index;
      if (above_.empty()) {
        // Those that were added to the word meanwhile lie below the one that was visited.
        std::uint64_t bits;
        while ((bits = left != 0 ? set_.word(block, word) & left : 0) == 0) {
          left = ~std::uint64_t{0};
          first -= 64;
          if (word-- != 0) continue;
          if (waiting_.empty()) return;
          const std::uint32_t key = next_block();
          block = set_.number_of_block(key);
          word = 7;
          first = (key << 9) + 7 * 64;
        }
        const auto bit = 63u - static_cast<std::uint32_t>(__builtin_clzll(bits));
        left = (std::uint64_t{1} << bit) - 1;
        index = at_ = first + bit;
      } else {
        index = above_.back();
        above_.pop_back();
      }
      visit(index);
    }
  }

 private:
  [[gnu::noinline]] void wait_for(std::uint32_t key) {
    blocks_ = set_.block_count();
    waiting_.push_back(key);
    std::push_heap(waiting_.begin(), waiting_.end());
  }
  [[gnu::noinline]] std::uint32_t next_block() {
    std::pop_heap(waiting_.begin(), waiting_.end());
    const std::uint32_t key = waiting_.back();
    waiting_.pop_back();
    return key;
  }

  index_set& set_;
  std::uint32_t at_ = 0xffffffffu;      // the index that is visited
  std::vector<std::uint32_t> above_;    // to be visited next
  std::vector<std::uint32_t> waiting_;  // blocks below, the highest first
  std::uint32_t blocks_ = 0;
};

}  // namespace graft::detail
