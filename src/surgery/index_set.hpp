// A set of dense op indices whose memory follows what is in it, not the graph.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

namespace graft::detail {

/// Blocks of 512 neighbouring indices, 64 bytes each, found by a hash table: walks along a chain stay in one block,
/// walks to and fro in as few cache lines as there can be, and listing in ascending order sorts blocks instead of indices.
class index_set {
 public:
  /// Adds an index. @returns false if it was there
  bool insert(std::uint32_t index) {
    std::uint64_t& word = block_of(index >> 9).words[index >> 6 & 7];
    const std::uint64_t bit = std::uint64_t{1} << (index & 63);
    if ((word & bit) != 0) return false;
    word |= bit;
    ++size_;
    return true;
  }
  void erase(std::uint32_t index) {
    if (!contains(index)) return;
    block_of(index >> 9).words[index >> 6 & 7] &= ~(std::uint64_t{1} << (index & 63));
    --size_;
  }
  [[nodiscard]] bool contains(std::uint32_t index) const {
    if (table_.empty()) return false;
    const entry& e = table_[place_of(index >> 9)];
    return e.key == index >> 9 && (blocks_[e.block].words[index >> 6 & 7] >> (index & 63) & 1) != 0;
  }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }

  /// All indices, ascending.
  [[nodiscard]] std::vector<std::uint32_t> sorted() const { return sorted_as<std::uint32_t>(); }
  /// @param graph where they are ids: the number of the graph that gave them
  template <class Id, class... Of>
  [[nodiscard]] std::vector<Id> sorted_as(Of... graph) const {
    std::vector<entry> entries;
    entries.reserve(blocks_.size());
    for (const entry& e : table_) {
      if (e.key != no_key) entries.push_back(e);
    }
    std::sort(entries.begin(), entries.end(),
              [](const entry& a, const entry& b) { return a.key < b.key; });
    std::vector<Id> result;
    result.reserve(size_);
    for (const entry& e : entries) {
      for (std::uint32_t w = 0; w < 8; ++w) {
        const std::uint32_t first = (e.key << 9) + (w << 6);
        for (std::uint64_t bits = blocks_[e.block].words[w]; bits != 0; bits &= bits - 1) {
          result.push_back(Id{first + static_cast<std::uint32_t>(__builtin_ctzll(bits)), graph...});
        }
      }
    }
    return result;
  }

 private:
  static constexpr std::uint32_t no_key = 0xffffffffu;
  struct block {
    std::uint64_t words[8] = {};
  };
  struct entry {
    std::uint32_t key = no_key;
    std::uint32_t block = 0;
  };

  block& block_of(std::uint32_t key) {
    if (key != last_.key) {
      entry& recent = recent_[key % recent_.size()];
      if (key != recent.key) recent = entry_of(key);
      last_ = recent;
    }
    return blocks_[last_.block];
  }
  // Apart, so that walks within a block keep their registers.
  [[gnu::noinline]] const entry& entry_of(std::uint32_t key) {
    if (blocks_.size() * 2 >= table_.size()) grow();
    entry& e = table_[place_of(key)];
    if (e.key == no_key) {
      blocks_.emplace_back();
      e = {key, static_cast<std::uint32_t>(blocks_.size() - 1)};
    }
    return e;
  }
  // Where a key is or belongs.
  [[nodiscard]] std::size_t place_of(std::uint32_t key) const {
    const std::size_t mask = table_.size() - 1;
    std::size_t at = (key * 0x9e3779b97f4a7c15ull >> 32) & mask;
    while (table_[at].key != key && table_[at].key != no_key) at = (at + 1) & mask;
    return at;
  }
  void grow() {
    std::vector<entry> old(table_.empty() ? 16 : table_.size() * 2);
    old.swap(table_);
    for (const entry& e : old) {
      if (e.key != no_key) table_[place_of(e.key)] = e;
    }
    blocks_.reserve(table_.size() / 2);
  }

  std::vector<entry> table_;  // size is a power of two
  std::vector<block> blocks_;
  std::array<entry, 16> recent_;  // of inserts
  entry last_;                    // the one of the last insert
  std::size_t size_ = 0;
};

}  // namespace graft::detail
