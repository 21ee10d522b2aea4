// Values of many variables, changed as one.
#pragma once

#include <vector>

#include "graft/graph/store.hpp"

namespace graft::detail {

/// Changes values of variables, of one graph or of several, all or none: what may fail comes before write(), which
/// cannot, and other threads see all that it writes to a graph or nothing.
///
/// Runs that update variables of these graphs wait for its end. So what is read of them meanwhile is as of one
/// moment, and no update is lost between reading and writing.
class value_change {
 public:
  explicit value_change(std::vector<VariableStore*> stores);
  ~value_change();
  value_change(const value_change&) = delete;
  value_change& operator=(const value_change&) = delete;

  /// Notes a new value for a variable of one of the stores, of its type and shape. The last one noted counts.
  void set(VariableStore& store, variable_id v, Array value);
  /// Notes that a variable is to have no value.
  void reset(VariableStore& store, variable_id v);
  /// Writes what was noted.
  void write() noexcept;

 private:
  struct change {
    VariableStore* store;
    variable_cell* cell;
    Array value;
    bool initialized;
  };

  std::vector<VariableStore*> stores_;  // one for each lock, in the order in which they are taken
  std::vector<change> changes_;
};

}  // namespace graft::detail
