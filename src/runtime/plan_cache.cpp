#include "runtime/plan_cache.hpp"

#include <algorithm>

namespace graft::detail {

cached_plan::cached_plan(Plan p, const Graph& g)
    : plan_(std::move(p)), graph_version_(g.version()), store_version_(g.store().version()) {}

bool cached_plan::holds(const Graph& g) {
  const std::uint64_t graph_now = g.version(), store_now = g.store().version();
  if (graph_now != graph_version_) {
    for (const auto& [op, stamp] : plan_.ops) {
      if (!g.contains(op) || g.edit_stamp(op) != stamp) return false;
    }
  }
  if ((graph_now != graph_version_ || store_now != store_version_) && !variables_hold(g))
    return false;
  graph_version_ = graph_now;
  store_version_ = store_now;
  return true;
}

bool cached_plan::variables_hold(const Graph& g) const {
  std::vector<const variable_cell*> cells;
  for (const plan_variable& v : plan_.variables) {
    for (const variable_id id : v.ids) {
      if (!g.contains(id)) return false;
      const variable_cell* cell = g.store().cell(id).get();
      if (id == v.ids.front()) {
        cells.push_back(cell);
      } else if (cell != cells.back()) {
        return false;
      }
    }
  }
  std::sort(cells.begin(), cells.end());
  return std::adjacent_find(cells.begin(), cells.end()) == cells.end();
}

std::unique_ptr<run_context> cached_plan::take() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      std::unique_ptr<run_context> c = std::move(idle_.back());
      idle_.pop_back();
      return c;
    }
    idle_.reserve(++contexts_);  // so that giving it back cannot fail
  }
  return std::make_unique<run_context>(plan_);
}

void cached_plan::give(std::unique_ptr<run_context> c) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(c));
}

namespace {

std::uint64_t hash_of(const plan_key& key) {
  std::uint64_t h = 0x9e3779b97f4a7c15ull ^ key.size();
  for (const std::uint64_t word : key) {
    h = (h ^ word) * 0xff51afd7ed558ccdull;
    h ^= h >> 32;
  }
  return h;
}

}  // namespace

std::shared_ptr<cached_plan> plan_cache::find(const plan_key& key, const Graph& g) {
  const std::uint64_t hash = hash_of(key);
  const std::lock_guard lock(mutex_);
  for (entry& e : entries_) {
    if (e.hash != hash || e.key != key) continue;
    if (e.plan->holds(g)) {
      e.used = ++clock_;
      return e.plan;
    }
    std::swap(e, entries_.back());
    entries_.pop_back();
    return nullptr;
  }
  return nullptr;
}

void plan_cache::add(const plan_key& key, std::shared_ptr<cached_plan> made) {
  ++made_;
  const std::uint64_t hash = hash_of(key);
  const std::lock_guard lock(mutex_);
  for (const entry& e : entries_) {
    if (e.hash == hash && e.key == key) return;  // another thread was first
  }
  if (entries_.size() == capacity) {
    const auto oldest =
        std::min_element(entries_.begin(), entries_.end(),
                         [](const entry& a, const entry& b) { return a.used < b.used; });
    std::swap(*oldest, entries_.back());
    entries_.pop_back();
  }
  entries_.push_back({hash, ++clock_, key, std::move(made)});
}

}  // namespace graft::detail
