// Unique names for what a recorder adds.
#pragma once

#include <cstddef>
#include <cstdint>

#include "graft/dsl/network_table.hpp"

namespace graft::detail {

[[noreturn]] void recorder_refuses_name(const char* why);

// Makes names unique in their scope, by the rule of graphs: "dense", "dense_1", ...; a number asked
// for is kept while it is free. Ops and scopes count apart.
//
// A place is a scope, and for the outermost scope of a body also the body, in the upper half.
class name_counter {
 public:
  struct chosen {
    std::uint32_t base = 0;  // characters of the name without "_<number>"
    std::uint32_t suffix = 0;
  };

  constexpr name_counter() = default;
  name_counter(const name_counter&) = delete;
  name_counter& operator=(const name_counter&) = delete;
  constexpr ~name_counter() {
    delete[] keys_;
    delete[] counts_;
  }

  constexpr chosen take(std::uint64_t place, bool is_scope, const char* name, std::size_t size) {
    if (size == 0) recorder_refuses_name("a name must not be empty");
    std::uint32_t asked = 0;
    const std::size_t base =
        name[size - 1] >= '0' && name[size - 1] <= '9' ? base_of(name, size, asked) : size;
    if ((used_ + 1) * 2 > capacity_) grow();
    std::uint64_t h =
        0xcbf29ce484222325ull ^ ((place * 2 + (is_scope ? 1 : 0)) * 0x9e3779b97f4a7c15ull);
    for (std::size_t i = 0; i < base; ++i) {
      if (name[i] == '/') recorder_refuses_name("a name must not hold a '/'");
      h = (h ^ static_cast<unsigned char>(name[i])) * 0x100000001b3ull;
    }
    h |= 1;  // a key of 0 marks an empty slot
    std::uint32_t& next = find(h);
    if (next == 0) ++used_;
    std::uint32_t number = next;
    if (asked > next && !is_apart(h, asked)) {
      apart_.push_back({h, asked});
      return {static_cast<std::uint32_t>(base), asked};
    }
    while (is_apart(h, number)) ++number;
    next = number + 1;
    return {static_cast<std::uint32_t>(base), number};
  }

 private:
  struct taken_apart {
    std::uint64_t key = 0;
    std::uint32_t number = 0;
  };

  // "add_12" is "add" and 12; "add", "add_0" and "add_01" have no number.
  static constexpr std::size_t base_of(const char* name, std::size_t size, std::uint32_t& number) {
    std::size_t first = size;
    while (first > 0 && name[first - 1] >= '0' && name[first - 1] <= '9') --first;
    if (size - first > 9 || name[first] == '0' || first < 2 || name[first - 1] != '_') return size;
    for (std::size_t i = first; i < size; ++i) {
      number = number * 10 + static_cast<std::uint32_t>(name[i] - '0');
    }
    return first - 1;
  }
  [[nodiscard]] constexpr bool is_apart(std::uint64_t key, std::uint32_t number) const {
    for (const taken_apart& t : apart_) {
      if (t.key == key && t.number == number) return true;
    }
    return false;
  }
  constexpr std::uint32_t& find(std::uint64_t key) {
    std::size_t i = (key >> 7) & (capacity_ - 1);
    while (keys_[i] != 0 && keys_[i] != key) i = (i + 1) & (capacity_ - 1);
    keys_[i] = key;
    return counts_[i];
  }
  constexpr void grow() {
    const std::size_t old_capacity = capacity_;
    const std::uint64_t* old_keys = keys_;
    const std::uint32_t* old_counts = counts_;
    capacity_ = capacity_ == 0 ? 64 : capacity_ * 4;
    keys_ = new std::uint64_t[capacity_]();
    counts_ = new std::uint32_t[capacity_]();
    for (std::size_t i = 0; i < old_capacity; ++i) {
      if (old_keys[i] != 0) find(old_keys[i]) = old_counts[i];
    }
    delete[] old_keys;
    delete[] old_counts;
  }

  std::uint64_t* keys_ = nullptr;
  std::uint32_t* counts_ = nullptr;
  std::size_t capacity_ = 0;
  std::size_t used_ = 0;
  growing_list<taken_apart> apart_;
};

}  // namespace graft::detail
