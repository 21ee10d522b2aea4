// A map from indices (of ops, scopes, strings) whose memory follows what is in it, not the graph.
#pragma once

#include <cstdint>
#include <vector>

namespace graft::detail {

/// A hash table in one piece of memory, or an array. Indices are below 2^32 - 1.
template <class T>
class index_map {
 public:
  /// Before the first set(): indices will be below `bound`, and about `count` of them will be mapped. Where that is
  /// most of them, an array takes the place of the hash table.
  void expect(std::size_t bound, std::size_t count) {
    if (bound <= 4 * count + 64) array_.resize(bound);
  }

  /// What an index is mapped to, or nullptr. Pointers live until the next set().
  [[nodiscard]] const T* find(std::uint32_t index) const {
    if (index < array_.size()) {
      const entry& e = array_[index];
      return e.index == index ? &e.value : nullptr;
    }
    if (table_.empty()) return nullptr;
    const entry& e = table_[place_of(index)];
    return e.index == index ? &e.value : nullptr;
  }
  [[nodiscard]] T* find(std::uint32_t index) {
    return const_cast<T*>(static_cast<const index_map&>(*this).find(index));
  }
  [[nodiscard]] bool contains(std::uint32_t index) const { return find(index) != nullptr; }

  /// Maps an index, anew if it was mapped before. On an exception nothing has changed.
  T& set(std::uint32_t index, T value) {
    if (index < array_.size()) {
      array_[index] = {index, value};
      return array_[index].value;
    }
    if ((used_ + 1) * 2 > table_.size()) grow();
    entry& e = table_[place_of(index)];
    if (e.index != index) ++used_;
    e.index = index;
    e.value = value;
    return e.value;
  }

  /// Calls f(index, value) for all, in no order that means anything.
  template <class F>
  void for_each(F&& f) {
    for (auto* entries : {&array_, &table_}) {
      for (entry& e : *entries) {
        if (e.index != no_index) f(e.index, e.value);
      }
    }
  }

 private:
  static constexpr std::uint32_t no_index = 0xffffffffu;
  struct entry {
    std::uint32_t index = no_index;
    T value{};
  };

  [[nodiscard]] std::size_t place_of(std::uint32_t index) const {
    const std::size_t mask = table_.size() - 1;
    std::size_t at = (index * 0x9e3779b97f4a7c15ull >> 32) & mask;
    while (table_[at].index != index && table_[at].index != no_index) at = (at + 1) & mask;
    return at;
  }
  void grow() {
    std::vector<entry> bigger(table_.empty() ? 16 : table_.size() * 2);
    bigger.swap(table_);
    for (const entry& e : bigger) {
      if (e.index != no_index) table_[place_of(e.index)] = e;
    }
  }

  std::vector<entry> array_;  // of the indices below its size
  std::vector<entry> table_;  // of the others; size is a power of two
  std::size_t used_ = 0;
};

}  // namespace graft::detail
