// What threads hold while they read or write values of variables.
#pragma once

#include <memory>
#include <mutex>
#include <shared_mutex>

#include "graft/graph/store.hpp"

namespace graft {

/// Stores that share cells form a tree of these; all of them hold the root's mutexes.
struct VariableStore::lock_node {
  std::shared_mutex values;  ///< guards the values of all cells
  /// Held, before `values`, from the first read to the commit of a run that updates variables: such
  /// runs follow one another, while those that only read go beside them.
  std::mutex updates;
  std::mutex making;  ///< of cells, in this store alone
  std::shared_ptr<lock_node> next;
};

namespace detail {

/// Guards the values of all cells of a store and of those it shares its lock with.
[[nodiscard]] inline std::shared_mutex& values_mutex(const VariableStore& store) {
  return store.root_lock().values;
}
/// Orders runs and changes that update variables.
[[nodiscard]] inline std::mutex& updates_mutex(const VariableStore& store) {
  return store.root_lock().updates;
}

}  // namespace detail
}  // namespace graft
