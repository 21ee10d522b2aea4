// Plans that were made, by what they were made for.
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "runtime/plan_key.hpp"
#include "runtime/run.hpp"

namespace graft::detail {

/// A plan and the contexts that wait for its next run, whichever instance that is of.
class shared_plan {
 public:
  explicit shared_plan(Plan p) : plan_(std::move(p)) {}
  [[nodiscard]] const Plan& plan() const { return plan_; }

  std::unique_ptr<run_context> take();
  void give(std::unique_ptr<run_context> c);

 private:
  const Plan plan_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<run_context>> idle_;
  std::size_t contexts_ = 0;  // made so far
};

/// The plan of a call, with what the call has of its own.
class planned_call {
 public:
  planned_call(std::shared_ptr<shared_plan> shared, plan_instance own, const Graph& g);
  [[nodiscard]] shared_plan& shared() const { return *shared_; }
  [[nodiscard]] const Plan& plan() const { return shared_->plan(); }
  [[nodiscard]] const plan_instance& own() const { return own_; }

  /// Whether the plan still tells how to compute what it was made for: no op it rests on was edited
  /// or removed, and its variables are as distinct as they were. Ops that were added do not matter.
  /// Thread-safe.
  bool holds(const Graph& g);

 private:
  [[nodiscard]] bool variables_hold(const Graph& g) const;

  const std::shared_ptr<shared_plan> shared_;
  const plan_instance own_;
  // The versions of graph and store at which the plan was last found to hold.
  std::atomic<std::uint64_t> graph_version_, store_version_;
};

/// A context for the duration of a run.
class leased_context {
 public:
  explicit leased_context(shared_plan& from) : from_(from), context_(from.take()) {}
  ~leased_context() { from_.give(std::move(context_)); }
  leased_context(const leased_context&) = delete;
  leased_context& operator=(const leased_context&) = delete;
  run_context& operator*() { return *context_; }

 private:
  shared_plan& from_;
  std::unique_ptr<run_context> context_;
};

/// Keeps what was used last, up to a number of things. What others hold goes last: dropping it would
/// free nothing.
template <class Kept, std::size_t Capacity>
class recent_plans {
 public:
  /// What is kept under a key if `holds(kept)`, else nullptr; what does not hold is dropped.
  template <class Holds>
  std::shared_ptr<Kept> find(const plan_key& key, Holds&& holds) {
    const std::uint64_t hash = hash_of(key);
    const std::lock_guard lock(mutex_);
    for (entry& e : entries_) {
      if (e.hash != hash || e.key != key) continue;
      if (holds(*e.kept)) {
        e.used = ++clock_;
        return e.kept;
      }
      std::swap(e, entries_.back());
      entries_.pop_back();
      return nullptr;
    }
    return nullptr;
  }
  /// @return what is kept under the key from now on: another thread may have been first
  std::shared_ptr<Kept> add(plan_key key, std::shared_ptr<Kept> made) {
    const std::uint64_t hash = hash_of(key);
    const std::lock_guard lock(mutex_);
    for (entry& e : entries_) {
      if (e.hash == hash && e.key == key) return e.kept;
    }
    if (entries_.size() == Capacity) {
      const auto rank = [](const entry& e) { return std::pair(e.kept.use_count() > 1, e.used); };
      const auto oldest =
          std::min_element(entries_.begin(), entries_.end(),
                           [&](const entry& a, const entry& b) { return rank(a) < rank(b); });
      std::swap(*oldest, entries_.back());
      entries_.pop_back();
    }
    entries_.push_back({hash, ++clock_, std::move(key), made});
    ++added_;
    return made;
  }
  [[nodiscard]] std::uint64_t added() const { return added_; }

 private:
  struct entry {
    std::uint64_t hash = 0, used = 0;
    plan_key key;
    std::shared_ptr<Kept> kept;
  };
  std::mutex mutex_;
  std::vector<entry> entries_;
  std::uint64_t clock_ = 0;
  std::atomic<std::uint64_t> added_{0};
};

/// The plans of a session: calls by ids, and under them plans by structure.
class plan_cache {
 public:
  /// The plan of a call that was planned before and still holds, else nullptr.
  std::shared_ptr<planned_call> find(const plan_key& ids, const Graph& g) {
    return calls_.find(ids, [&](planned_call& c) { return c.holds(g); });
  }
  void add(const plan_key& ids, std::shared_ptr<planned_call> made) {
    calls_.add(ids, std::move(made));
  }
  /// Plans a call, or makes it share the plan of one of equal structure.
  std::shared_ptr<planned_call> plan(const Graph& g, const plan_request& request);
  /// Number of plans made so far.
  [[nodiscard]] std::uint64_t made() const { return plans_.added(); }

 private:
  static constexpr std::size_t capacity = 128;
  recent_plans<planned_call, capacity - 1> calls_;  // one plan less is in use, and can go
  recent_plans<shared_plan, capacity> plans_;
};

}  // namespace graft::detail
