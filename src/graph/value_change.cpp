#include "graph/value_change.hpp"

#include <algorithm>
#include <functional>

#include "graph/store_lock.hpp"

namespace graft::detail {

value_change::value_change(std::vector<VariableStore*> stores) : stores_(std::move(stores)) {
  // By address, so that two changes of the same graphs never wait for each other.
  const auto lock_of = [](const VariableStore* s) { return &updates_mutex(*s); };
  std::sort(stores_.begin(), stores_.end(), [&](const VariableStore* a, const VariableStore* b) {
    return std::less<>()(lock_of(a), lock_of(b));
  });
  const auto same = [&](const VariableStore* a, const VariableStore* b) {
    return lock_of(a) == lock_of(b);
  };
  stores_.erase(std::unique(stores_.begin(), stores_.end(), same), stores_.end());
  for (const VariableStore* s : stores_) updates_mutex(*s).lock();
}

value_change::~value_change() {
  for (const VariableStore* s : stores_) updates_mutex(*s).unlock();
}

void value_change::set(VariableStore& store, variable_id v, Array value) {
  changes_.push_back({&store, store.cell(v).get(), std::move(value), true});
}

void value_change::reset(VariableStore& store, variable_id v) {
  changes_.push_back({&store, store.cell(v).get(), Array(), false});
}

void value_change::write() noexcept {
  for (const VariableStore* s : stores_) values_mutex(*s).lock();
  for (change& c : changes_) {
    c.cell->value.swap(c.value);  // what was there is freed when the locks are not held
    if (c.cell->initialized == c.initialized) continue;
    c.cell->initialized = c.initialized;
    c.store->touch();
  }
  for (const VariableStore* s : stores_) values_mutex(*s).unlock();
}

}  // namespace graft::detail
