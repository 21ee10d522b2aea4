// Where the values of variables live.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "graft/graph/ids.hpp"
#include "graft/schema/value_type.hpp"
#include "graft/tensor/array.hpp"

namespace graft {

/// The value of one variable. Graphs whose variables are shared hold the same cell.
struct variable_cell {
  Array value;               ///< of the variable's type once there is one
  bool initialized = false;  ///< whether there is one
};

/// Maps the variables of one graph to their cells. Functions throw handle_error for an id that is of another graph or of
/// no variable.
///
/// Runs read cells under a shared lock and commit updates under an exclusive one, so concurrent
/// runs see all of another's updates or none.
class VariableStore {
 public:
  /// @param graph Graph::number() of the graph whose variables these are; 0: of none, which takes bare numbers
  explicit VariableStore(std::uint32_t graph = 0);
  /// Whether the variable has a value.
  [[nodiscard]] bool initialized(variable_id v) const;
  /// The value; shares storage with the store until either is written.
  /// @throws uninitialized_error
  [[nodiscard]] Array get(variable_id v) const;
  /// @throws shape_error, dtype_error where the value does not fit the variable's type at creation
  void set(variable_id v, Array value);
  void reset(variable_id v);  ///< makes it uninitialized

  /// The cell of a variable; thread-safe, as reading is.
  [[nodiscard]] const std::shared_ptr<variable_cell>& cell(variable_id v) const;
  /// @param cell shared with another variable; empty: one of its own without a value, made when it is asked for
  void add(std::shared_ptr<variable_cell> cell, const value_type& type);
  void reserve(std::size_t more);  ///< for variables that are about to be added
  /// Forgets all variables but the first `count`, for adding that is taken back.
  void truncate(std::size_t count);
  /// Puts another cell in a variable's place, none for a variable that is gone; returns the one
  /// before.
  std::shared_ptr<variable_cell> exchange(variable_id v,
                                          std::shared_ptr<variable_cell> cell) noexcept;
  /// The first variable that has a cell; an invalid id if none has. O(variables) after a change other than
  /// adding, else O(1).
  [[nodiscard]] variable_id find(const variable_cell& cell);
  /// Numbers of variables ever added, less those that were taken back.
  [[nodiscard]] std::size_t size() const { return cells_.size(); }
  /// What guards the values, of this store and of those it shares its lock with. For the functions of this library.
  struct lock_node;
  /// The lock itself.
  [[nodiscard]] lock_node& root_lock() const;
  /// Makes two stores use one lock; needed before one holds a cell of the other. Not while either
  /// is in use.
  void share_lock_with(VariableStore& other);
  /// Counts changes of which cells are initialized or shared; values written by runs do not count.
  [[nodiscard]] std::uint64_t version() const { return version_; }
  /// Counts a change of initialized or shared cells.
  void touch() { ++version_; }

 private:
  struct slot_type {  // of a value; the extents are in extents_
    std::uint32_t first, rank;
    dtype type;
    bool gone;  // the variable was removed
  };

  void forget_index() noexcept;
  [[nodiscard]] bool contains(variable_id v) const {
    return v.may_be_of(graph_) && v.value < cells_.size() && !types_[v.value].gone;
  }
  [[noreturn]] void refuse(variable_id v) const;

  // Most variables of a large clone never hold a value, so cells are made when they are asked for: under the guard,
  // as several threads may ask. While none is missing they are read without it.
  mutable std::vector<std::shared_ptr<variable_cell>> cells_;
  mutable std::atomic<std::size_t> missing_{0};
  mutable bool index_stale_ = false;  // a cell was made that by_cell_ passed by
  std::vector<slot_type> types_;
  std::vector<extent> extents_;
  struct cell_index;
  std::shared_ptr<cell_index> by_cell_;  // of the first `indexed_` cells; empty: of none
  std::size_t indexed_ = 0;
  std::shared_ptr<lock_node> lock_;
  const std::uint32_t graph_;
  std::atomic<std::uint64_t> version_{0};
};

}  // namespace graft
