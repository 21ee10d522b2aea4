// A set of dense op indices whose memory follows what is in it, not the graph.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace graft::detail {

/// Blocks of 64 neighbouring indices in a hash table: neighbours share a block, so walks along a
/// chain stay in one cache line, and listing in ascending order sorts blocks instead of indices.
class index_set {
 public:
  /// Adds an index. @returns false if it was there
  bool insert(std::uint32_t index) {
    const std::uint32_t key = index >> 6;
    block& b = last_ < table_.size() && table_[last_].key == key ? table_[last_] : other_block(key);
    const std::uint64_t bit = std::uint64_t{1} << (index & 63);
    if ((b.bits & bit) != 0) return false;
    b.bits |= bit;
    ++size_;
    return true;
  }
  void erase(std::uint32_t index) {
    block& b = other_block(index >> 6);
    const std::uint64_t bit = std::uint64_t{1} << (index & 63);
    if ((b.bits & bit) != 0) --size_;
    b.bits &= ~bit;
  }
  [[nodiscard]] bool contains(std::uint32_t index) const {
    if (table_.empty()) return false;
    const std::uint32_t key = index >> 6;
    for (std::size_t at = start(key);; at = (at + 1) & (table_.size() - 1)) {
      if (table_[at].key == key) return (table_[at].bits >> (index & 63) & 1) != 0;
      if (table_[at].key == no_key) return false;
    }
  }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }

  /// All indices, ascending.
  [[nodiscard]] std::vector<std::uint32_t> sorted() const { return sorted_as<std::uint32_t>(); }
  template <class Id>
  [[nodiscard]] std::vector<Id> sorted_as() const {
    std::vector<block> blocks;
    blocks.reserve(blocks_);
    for (const block& b : table_) {
      if (b.key != no_key && b.bits != 0) blocks.push_back(b);
    }
    std::sort(blocks.begin(), blocks.end(),
              [](const block& a, const block& b) { return a.key < b.key; });
    std::vector<Id> result;
    result.reserve(size_);
    for (const block& b : blocks) {
      for (std::uint64_t bits = b.bits; bits != 0; bits &= bits - 1) {
        result.push_back(Id{(b.key << 6) + static_cast<std::uint32_t>(__builtin_ctzll(bits))});
      }
    }
    return result;
  }

 private:
  static constexpr std::uint32_t no_key = 0xffffffffu;
  struct block {
    std::uint32_t key = no_key;
    std::uint64_t bits = 0;
  };

  [[nodiscard]] std::size_t start(std::uint32_t key) const {
    return (key * 0x9e3779b97f4a7c15ull >> 32) & (table_.size() - 1);
  }

  block& other_block(std::uint32_t key) {
    if (blocks_ * 2 >= table_.size()) grow();
    last_ = place_of(key);
    if (table_[last_].key == no_key) {
      table_[last_].key = key;
      ++blocks_;
    }
    return table_[last_];
  }
  [[nodiscard]] std::size_t place_of(std::uint32_t key) const {
    std::size_t at = start(key);
    while (table_[at].key != key && table_[at].key != no_key) at = (at + 1) & (table_.size() - 1);
    return at;
  }
  void grow() {
    std::vector<block> old(table_.empty() ? 16 : table_.size() * 2);
    old.swap(table_);
    for (const block& b : old) {
      if (b.key != no_key) table_[place_of(b.key)] = b;
    }
  }

  std::vector<block> table_;
  std::size_t blocks_ = 0;
  std::size_t size_ = 0;
  std::size_t last_ = 0;
};

}  // namespace graft::detail
