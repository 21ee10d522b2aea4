#include "graft/graph/store.hpp"

#include <mutex>

#include "graft/core/error.hpp"
#include "graft/schema/rules.hpp"

namespace graft {

const std::shared_ptr<variable_cell>& VariableStore::cell(variable_id v) const {
  if (v.value < cells_.size() && cells_[v.value] != nullptr) return cells_[v.value];
  throw handle_error(
      {.asked = "the value of variable " + std::to_string(v.value) + " was asked for",
       .found = "the graph has no such variable",
       .where = {},
       .hint = "use ids of this graph's own variables"});
}

bool VariableStore::initialized(variable_id v) const {
  const std::shared_lock lock(mutex());
  return cell(v)->initialized;
}

Array VariableStore::get(variable_id v) const {
  const std::shared_lock lock(mutex());
  const variable_cell& c = *cell(v);
  if (!c.initialized) {
    throw uninitialized_error(
        {.asked = "the value of variable " + std::to_string(v.value) + " was asked for",
         .found = "it has none yet",
         .where = {},
         .hint = "run its initializer first, or set its value"});
  }
  return c.value;
}

void VariableStore::set(variable_id v, Array value) {
  variable_cell& c = *cell(v);
  const value_type& wanted = types_[v.value];
  const std::string asked = "variable " + std::to_string(v.value) + " of " + to_string(wanted) +
                            " was to be set to " + std::string(name_of(value.type())) + " " +
                            to_string(value.shape());
  if (wanted.type != value.type()) {
    throw dtype_error({.asked = asked,
                       .found = "the element types differ",
                       .where = {},
                       .hint = "convert the value with cast()"});
  }
  if (!(wanted.shape == value.shape())) {
    throw shape_error(
        {.asked = asked, .found = "the shapes differ", .where = {}, .hint = "reshape the value"});
  }
  const std::unique_lock lock(mutex());
  c.value = std::move(value);
  if (!c.initialized) ++version_;
  c.initialized = true;
}

void VariableStore::reset(variable_id v) {
  variable_cell& c = *cell(v);
  const std::unique_lock lock(mutex());
  c.value = Array();
  c.initialized = false;
  ++version_;
}

void VariableStore::add(std::shared_ptr<variable_cell> cell, const value_type& type) {
  if (cells_.size() == cells_.capacity()) cells_.reserve(cells_.size() * 2 + 8);
  types_.push_back(type);
  cells_.push_back(std::move(cell));  // cannot fail: the room is there
  ++version_;
}

variable_id VariableStore::find(const variable_cell& cell) {
  for (; indexed_ < cells_.size(); ++indexed_) {
    if (cells_[indexed_] == nullptr) continue;
    by_cell_.try_emplace(cells_[indexed_].get(), static_cast<std::uint32_t>(indexed_));
  }
  const auto found = by_cell_.find(&cell);
  return found == by_cell_.end() ? variable_id{} : variable_id{found->second};
}

void VariableStore::forget_index() noexcept {
  by_cell_.clear();
  indexed_ = 0;
}

void VariableStore::truncate(std::size_t count) {
  if (count < indexed_) forget_index();
  while (cells_.size() > count) cells_.pop_back();
  while (types_.size() > count) types_.pop_back();
  ++version_;
}

std::shared_ptr<variable_cell> VariableStore::exchange(
    variable_id v, std::shared_ptr<variable_cell> cell) noexcept {
  forget_index();
  cells_[v.value].swap(cell);
  ++version_;
  return cell;
}

void VariableStore::share_lock_with(VariableStore& other) {
  std::shared_ptr<lock_node> mine = lock_, theirs = other.lock_;
  while (mine->next != nullptr) mine = mine->next;
  while (theirs->next != nullptr) theirs = theirs->next;
  if (mine != theirs) mine->next = theirs;
}

}  // namespace graft
