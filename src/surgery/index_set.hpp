// A set of dense op indices whose memory follows what is in it, not the graph.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace graft::detail {

/// A tree of fixed depth: blocks of 512 neighbouring indices, 64 bytes each, are found through nodes of 64 blocks, those
/// through one list. Walks along a chain stay in one block, any other step takes two look-ups that guess nothing, and
/// listing in ascending order sorts nothing. A lone index takes a block and a node, 320 bytes.
class index_set {
 public:
  /// Adds an index. @returns false if it was there
  bool insert(std::uint32_t index) {
    const std::uint32_t key = index >> block_bits;
    if (key != last_key_) turn_to(key);
    std::uint64_t& word = blocks_[last_block_].words[index >> 6 & 7];
    const std::uint64_t bit = std::uint64_t{1} << (index & 63);
    if ((word & bit) != 0) return false;
    word |= bit;
    ++size_;
    return true;
  }
  void erase(std::uint32_t index) {
    if (!contains(index)) return;
    blocks_[find_block(index >> block_bits)].words[index >> 6 & 7] &=
        ~(std::uint64_t{1} << (index & 63));
    --size_;
  }
  [[nodiscard]] bool contains(std::uint32_t index) const {
    const std::uint32_t found = find_block(index >> block_bits);
    return found != none && (blocks_[found].words[index >> 6 & 7] >> (index & 63) & 1) != 0;
  }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }

  /// All indices, ascending.
  [[nodiscard]] std::vector<std::uint32_t> sorted() const { return sorted_as<std::uint32_t>(); }
  /// @param graph where they are ids: the number of the graph that gave them
  template <class Id, class... Of>
  [[nodiscard]] std::vector<Id> sorted_as(Of... graph) const {
    std::vector<Id> result;
    result.reserve(size_);
    for (std::uint32_t n = 0; n < top_.size(); ++n) {
      if (top_[n] == none) continue;
      for (std::uint32_t k = 0; k < node_size; ++k) {
        const std::uint32_t found = nodes_[top_[n]].blocks[k];
        if (found == none) continue;
        for (std::uint32_t w = 0; w < 8; ++w) {
          const std::uint32_t first = ((((base_ + n) << node_bits) + k) << block_bits) + (w << 6);
          for (std::uint64_t bits = blocks_[found].words[w]; bits != 0; bits &= bits - 1) {
            result.push_back(
                Id{first + static_cast<std::uint32_t>(__builtin_ctzll(bits)), graph...});
          }
        }
      }
    }
    return result;
  }

 private:
  static constexpr std::uint32_t block_bits = 9, node_bits = 6, node_size = 1u << node_bits,
                                 none = 0xffffffffu;
  struct block {
    std::uint64_t words[8] = {};
  };
  struct node {
    std::uint32_t blocks[node_size];
  };

  // The block of a key, or none.
  [[nodiscard]] std::uint32_t find_block(std::uint32_t key) const {
    const std::uint32_t n = (key >> node_bits) - base_;
    if (n >= top_.size() || top_[n] == none) return none;
    return nodes_[top_[n]].blocks[key & (node_size - 1)];
  }
  // Apart, so that walks within a block keep their registers.
  [[gnu::noinline]] void turn_to(std::uint32_t key) {
    const std::uint32_t found = find_block(key);
    last_block_ = found != none ? found : add_block(key);
    last_key_ = key;
  }
  std::uint32_t add_block(std::uint32_t key) {
    const std::uint32_t n = place_in_top(key >> node_bits);
    if (top_[n] == none) {
      nodes_.emplace_back();
      std::fill_n(nodes_.back().blocks, node_size, none);
      top_[n] = static_cast<std::uint32_t>(nodes_.size() - 1);
    }
    if (blocks_.empty()) blocks_.reserve(4);
    blocks_.emplace_back();
    const auto added = static_cast<std::uint32_t>(blocks_.size() - 1);
    return nodes_[top_[n]].blocks[key & (node_size - 1)] = added;
  }

  // Makes room for a node on either side of those that are there; walks against the edges come from above.
  std::uint32_t place_in_top(std::uint32_t n) {
    if (top_.empty()) base_ = n;
    if (n < base_) {
      const std::uint32_t more =
          std::min(base_, std::max(base_ - n, static_cast<std::uint32_t>(top_.size() / 2)));
      top_.insert(top_.begin(), more, none);
      base_ -= more;
    }
    if (n - base_ >= top_.size()) top_.resize(n - base_ + 1, none);
    return n - base_;
  }

  std::vector<std::uint32_t> top_;  // nodes, from that with number base_ on
  std::uint32_t base_ = 0;
  std::vector<node> nodes_;
  std::vector<block> blocks_;
  std::uint32_t last_key_ = none, last_block_ = 0;  // of the last insert
  std::size_t size_ = 0;
};

}  // namespace graft::detail
