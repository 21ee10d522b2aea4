// Places in one block of memory, taken and given back while a plan is made.
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>

namespace graft::detail {

/// Best fit with joining of neighbours: O(log n) a call.
class arena_layout {
 public:
  std::size_t take(std::size_t bytes) {
    bytes = rounded(bytes);
    const auto fit = by_size_.lower_bound(bytes);
    if (fit == by_size_.end()) {
      const std::size_t offset = end_;
      end_ += bytes;
      return offset;
    }
    const auto best = free_.find(fit->second);
    const std::size_t offset = best->first, size = best->second;
    remove(best);
    if (size > bytes) insert(offset + bytes, size - bytes);
    return offset;
  }
  void give(std::size_t offset, std::size_t bytes) {
    std::size_t size = rounded(bytes);
    auto after = free_.lower_bound(offset);
    if (after != free_.end() && after->first == offset + size) {
      size += after->second;
      remove(after);
      after = free_.lower_bound(offset);
    }
    if (after != free_.begin()) {
      const auto before = std::prev(after);
      if (before->first + before->second == offset) {
        offset = before->first;
        size += before->second;
        remove(before);
      }
    }
    insert(offset, size);
  }
  [[nodiscard]] std::size_t end() const { return end_; }
  static std::size_t rounded(std::size_t bytes) {
    return (std::max<std::size_t>(bytes, 1) + 63) / 64 * 64;
  }

 private:
  using blocks = std::map<std::size_t, std::size_t>;
  void insert(std::size_t offset, std::size_t size) {
    free_.emplace(offset, size);
    by_size_.emplace(size, offset);
  }
  void remove(blocks::iterator block) {
    for (auto it = by_size_.find(block->second); it != by_size_.end(); ++it) {
      if (it->second == block->first) {
        by_size_.erase(it);
        break;
      }
    }
    free_.erase(block);
  }

  blocks free_;                                      // offset -> size
  std::multimap<std::size_t, std::size_t> by_size_;  // size -> offset
  std::size_t end_ = 0;
};

}  // namespace graft::detail
