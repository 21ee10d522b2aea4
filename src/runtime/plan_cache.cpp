#include "runtime/plan_cache.hpp"

#include <algorithm>

#include "runtime/body_runner.hpp"
#include "runtime/call_graph.hpp"

namespace graft::detail {

planned_call::planned_call(std::shared_ptr<shared_plan> shared, plan_instance own, const Graph& g)
    : shared_(std::move(shared)),
      own_(std::move(own)),
      graph_version_(g.version()),
      store_version_(g.store().version()) {}

bool planned_call::holds(const Graph& g) {
  const std::uint64_t graph_now = g.version(), store_now = g.store().version();
  if (graph_now != graph_version_) {
    for (const auto& [op, stamp] : own_.stamps) {
      if (!g.contains(op) || g.edit_stamp(op) != stamp) return false;
    }
  }
  if ((graph_now != graph_version_ || store_now != store_version_) && !variables_hold(g))
    return false;
  graph_version_ = graph_now;
  store_version_ = store_now;
  return true;
}

bool planned_call::variables_hold(const Graph& g) const {
  std::vector<const variable_cell*> cells;
  for (const variable_ids& ids : own_.variables) {
    for (const variable_id id : ids) {
      if (!g.contains(id)) return false;
      const variable_cell* cell = g.store().cell(id).get();
      if (id == ids.front()) {
        cells.push_back(cell);
      } else if (cell != cells.back()) {
        return false;
      }
    }
  }
  std::sort(cells.begin(), cells.end());
  return std::adjacent_find(cells.begin(), cells.end()) == cells.end();
}

std::unique_ptr<run_context> shared_plan::take() {
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

void shared_plan::give(std::unique_ptr<run_context> c) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(c));
}

std::shared_ptr<planned_call> plan_cache::plan(const Graph& g, const plan_request& request) {
  call_graph call = make_call_graph(g, request);
  std::shared_ptr<shared_plan> shared =
      plans_.find(call.key, [&](shared_plan& s) { return serves(s.plan(), g, call); });
  if (shared == nullptr) {
    body_plans bodies;
    const auto made = std::make_shared<shared_plan>(make_plan(g, request, call, bodies));
    shared = plans_.add(call.key, made);
    // Another thread may have been first, with a call that draws otherwise.
    if (shared != made && !serves(shared->plan(), g, call)) shared = made;
  }
  plan_instance own = make_instance(g, shared->plan(), std::move(call));
  return std::make_shared<planned_call>(std::move(shared), std::move(own), g);
}

}  // namespace graft::detail
