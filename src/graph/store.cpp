#include "graft/graph/store.hpp"

#include <algorithm>
#include <unordered_map>

#include "graft/core/error.hpp"
#include "graft/schema/rules.hpp"

#include "graph/foreign_ids.hpp"
#include "graph/store_lock.hpp"

namespace graft {

VariableStore::VariableStore(std::uint32_t graph)
    : lock_(std::make_shared<lock_node>()), graph_(graph) {}

VariableStore::lock_node& VariableStore::root_lock() const {
  lock_node* node = lock_.get();
  while (node->next != nullptr) node = node->next.get();
  return *node;
}

void VariableStore::refuse(variable_id v) const {
  const std::string asked = "the value of variable " + std::to_string(v.value) + " was asked for";
  if (!v.may_be_of(graph_)) detail::refuse_foreign(asked);
  throw handle_error({.asked = asked,
                      .found = "the graph has no such variable",
                      .where = {},
                      .hint = "use ids of this graph's own variables"});
}

const std::shared_ptr<variable_cell>& VariableStore::cell(variable_id v) const {
  if (!contains(v)) refuse(v);
  std::shared_ptr<variable_cell>& its = cells_[v.value];
  if (missing_.load(std::memory_order_acquire) == 0) return its;
  const std::lock_guard lock(lock_->making);
  if (its == nullptr) {
    its = std::make_shared<variable_cell>();
    index_stale_ = index_stale_ || v.value < indexed_;
    missing_.fetch_sub(1, std::memory_order_release);
  }
  return its;
}

bool VariableStore::initialized(variable_id v) const {
  if (!contains(v)) refuse(v);
  if (missing_.load(std::memory_order_acquire) != 0) {
    const std::lock_guard lock(lock_->making);
    if (cells_[v.value] == nullptr) return false;
  }
  const std::shared_lock lock(root_lock().values);
  return cells_[v.value]->initialized;
}

Array VariableStore::get(variable_id v) const {
  const std::shared_lock lock(root_lock().values);
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
  const slot_type& slot = types_[v.value];
  const value_type wanted =
      value_type::of(slot.type, dims(std::span(extents_).subspan(slot.first, slot.rank)));
  if (!(wanted == value_type::of(value.type(), value.shape()))) {
    error_parts parts{.asked = "variable " + std::to_string(v.value) + " of " + to_string(wanted) +
                               " was to be set to " + std::string(name_of(value.type())) + " " +
                               to_string(value.shape()),
                      .found = "the shapes differ",
                      .where = {},
                      .hint = "reshape the value"};
    if (wanted.type == value.type()) throw shape_error(std::move(parts));
    parts.found = "the element types differ";
    parts.hint = "convert the value with cast()";
    throw dtype_error(std::move(parts));
  }
  const std::lock_guard updating(root_lock().updates);
  const std::unique_lock lock(root_lock().values);
  c.value.swap(value);  // what was there is freed when the locks are not held
  if (!c.initialized) ++version_;
  c.initialized = true;
}

void VariableStore::reset(variable_id v) {
  variable_cell& c = *cell(v);
  const std::lock_guard updating(root_lock().updates);
  const std::unique_lock lock(root_lock().values);
  c.value = Array();
  c.initialized = false;
  ++version_;
}

void VariableStore::reserve(std::size_t more) {
  // As growing does: asking for a little again and again must not copy all each time.
  const auto with_room = [more](auto& list) {
    if (list.capacity() - list.size() >= more) return;
    list.reserve(std::max(list.size() + more, list.size() * 2));
  };
  with_room(cells_);
  with_room(types_);
}

void VariableStore::add(std::shared_ptr<variable_cell> cell, const value_type& type) {
  if (cells_.size() == cells_.capacity() || types_.size() == types_.capacity()) reserve(1);
  const auto rank = static_cast<std::uint32_t>(type.shape.size());
  const std::size_t size = extents_.size();
  if (size < rank || !std::equal(type.shape.begin(), type.shape.end(),
                                 extents_.end() - static_cast<std::ptrdiff_t>(rank))) {
    extents_.insert(extents_.end(), type.shape.begin(), type.shape.end());
  }
  // From here on nothing fails.
  const auto first = static_cast<std::uint32_t>(extents_.size()) - rank;
  types_.push_back({first, rank, type.type, false});
  // Adding excludes all other use of the store, so these need no exchange.
  if (cell == nullptr)
    missing_.store(missing_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  cells_.push_back(std::move(cell));
  version_.store(version_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

struct VariableStore::cell_index {
  std::unordered_map<const variable_cell*, std::uint32_t> places;
};

variable_id VariableStore::find(const variable_cell& cell) {
  if (index_stale_) forget_index();
  if (by_cell_ == nullptr) by_cell_ = std::make_shared<cell_index>();
  auto& places = by_cell_->places;
  for (; indexed_ < cells_.size(); ++indexed_) {
    if (cells_[indexed_] == nullptr) continue;
    places.try_emplace(cells_[indexed_].get(), static_cast<std::uint32_t>(indexed_));
  }
  const auto found = places.find(&cell);
  return found == places.end() ? variable_id{} : variable_id{found->second, graph_};
}

void VariableStore::forget_index() noexcept {
  by_cell_.reset();
  indexed_ = 0;
  index_stale_ = false;
}

void VariableStore::truncate(std::size_t count) {
  if (count < indexed_) forget_index();
  while (cells_.size() > count) {
    if (cells_.back() == nullptr && !types_[cells_.size() - 1].gone) missing_.fetch_sub(1);
    cells_.pop_back();
  }
  if (types_.size() > count) types_.resize(count);
  // Extents end with those of the type that was added last.
  extents_.resize(types_.empty() ? 0 : types_.back().first + types_.back().rank);
  ++version_;
}

std::shared_ptr<variable_cell> VariableStore::exchange(
    variable_id v, std::shared_ptr<variable_cell> cell) noexcept {
  forget_index();
  std::shared_ptr<variable_cell>& its = cells_[v.value];
  if (its == nullptr && !types_[v.value].gone) missing_.fetch_sub(1);
  types_[v.value].gone = cell == nullptr;
  its.swap(cell);
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
