// Which collections an op, a tensor or a variable is in.
#pragma once

#include <cstdint>
#include <vector>

#include "graft/graph/graph.hpp"

#include "graph/index_map.hpp"

namespace graft::detail {

/// True if two mean the same, whatever stands where it does not count.
inline bool is_same(const member& a, const member& b) {
  if (a.what != b.what) return false;
  if (a.what == member::kind::variable) return a.variable == b.variable;
  return a.what == member::kind::tensor ? a.tensor == b.tensor : a.tensor.op == b.tensor.op;
}

/// One entry for each member of each collection, in the order they were added; so those of one collection are in its
/// order. The entries of one variable are in a list, and those of an op with its tensors.
class memberships {
 public:
  static constexpr std::uint32_t none = 0xffffffffu;
  struct entry {
    member what;
    std::uint32_t collection;  ///< none: it left
    std::uint32_t next;        ///< in its list
  };

  /// How many there are, those that left included.
  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  [[nodiscard]] const entry& operator[](std::uint32_t i) const { return entries_[i]; }
  /// Calls f(number of the entry) for all of a variable, or of an op and its tensors, in no order that means anything.
  template <class F>
  void for_each(variable_id v, F&& f) const {
    each(of_variables_.find(v.value), f);
  }
  template <class F>
  void for_each(op_id op, F&& f) const {
    each(of_ops_.find(op.value), f);
  }

  /// Adds what the collection does not have. On an exception nothing has changed.
  void add(std::uint32_t collection, const member& m) {
    if (entries_.size() == entries_.capacity()) entries_.reserve(2 * entries_.size() + 4);
    std::uint32_t& head = head_of(m);
    entries_.push_back({m, collection, head});  // cannot fail: the room is there
    head = static_cast<std::uint32_t>(entries_.size() - 1);
  }
  void remove_last() noexcept {
    leave(static_cast<std::uint32_t>(entries_.size() - 1));
    entries_.pop_back();
  }
  /// The entry of a member of a collection; none if it is not in it.
  [[nodiscard]] std::uint32_t find(std::uint32_t collection, const member& m) const {
    std::uint32_t found = none;
    const auto look = [&](std::uint32_t i) {
      if (entries_[i].collection == collection && is_same(entries_[i].what, m)) found = i;
    };
    if (m.what == member::kind::variable) {
      for_each(m.variable, look);
    } else {
      for_each(m.tensor.op, look);
    }
    return found;
  }
  /// Lets exchange() give an entry this member.
  void prepare(const member& m) { (void)head_of(m); }
  /// Gives an entry another member and collection (none: it leaves), and takes those that it had.
  void exchange(std::uint32_t i, member& m, std::uint32_t& collection) noexcept {
    leave(i);
    std::swap(entries_[i].what, m);
    std::swap(entries_[i].collection, collection);
    if (entries_[i].collection == none) return;
    std::uint32_t& head = *known_head(entries_[i].what);
    entries_[i].next = head;
    head = i;
  }

 private:
  template <class F>
  void each(const std::uint32_t* head, F&& f) const {
    for (std::uint32_t i = head == nullptr ? none : *head; i != none; i = entries_[i].next) f(i);
  }
  [[nodiscard]] std::uint32_t* known_head(const member& m) noexcept {
    return m.what == member::kind::variable ? of_variables_.find(m.variable.value)
                                            : of_ops_.find(m.tensor.op.value);
  }
  std::uint32_t& head_of(const member& m) {
    if (std::uint32_t* known = known_head(m)) return *known;
    return m.what == member::kind::variable ? of_variables_.set(m.variable.value, none)
                                            : of_ops_.set(m.tensor.op.value, none);
  }
  // Takes an entry out of its list.
  void leave(std::uint32_t i) noexcept {
    if (entries_[i].collection == none) return;
    std::uint32_t* at = known_head(entries_[i].what);
    while (*at != i) at = &entries_[*at].next;
    *at = entries_[i].next;
  }

  std::vector<entry> entries_;
  index_map<std::uint32_t> of_variables_, of_ops_;  // the first of the list
};

}  // namespace graft::detail
