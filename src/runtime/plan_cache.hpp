// Plans that were made, by what they were made for.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "runtime/run.hpp"

namespace graft::detail {

/// A plan and the contexts that wait for its next run.
class cached_plan {
 public:
  cached_plan(Plan p, const Graph& g);
  [[nodiscard]] const Plan& plan() const { return plan_; }

  /// Whether the plan still tells how to compute what it was made for: no op it rests on was edited
  /// or removed, and its variables are as distinct as they were. Ops that were added do not matter.
  /// Thread-safe.
  bool holds(const Graph& g);

  std::unique_ptr<run_context> take();
  void give(std::unique_ptr<run_context> c);

 private:
  [[nodiscard]] bool variables_hold(const Graph& g) const;

  const Plan plan_;
  // The versions of graph and store at which the plan was last found to hold.
  std::atomic<std::uint64_t> graph_version_, store_version_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<run_context>> idle_;
  std::size_t contexts_ = 0;  // made so far
};

/// A context for the duration of a run.
class leased_context {
 public:
  explicit leased_context(cached_plan& from) : from_(from), context_(from.take()) {}
  ~leased_context() { from_.give(std::move(context_)); }
  leased_context(const leased_context&) = delete;
  leased_context& operator=(const leased_context&) = delete;
  run_context& operator*() { return *context_; }

 private:
  cached_plan& from_;
  std::unique_ptr<run_context> context_;
};

/// What a call is in a row of numbers; equal calls have equal keys.
using plan_key = std::vector<std::uint64_t>;

/// Keeps the plans that were used last.
///
/// (Equal clones could share a plan under a key that numbers ops by their place in the call instead
/// of by id; the addresses that differ are variables and constants only.)
class plan_cache {
 public:
  static constexpr std::size_t capacity = 128;

  /// The plan of a key if there is one that holds, else nullptr.
  std::shared_ptr<cached_plan> find(const plan_key& key, const Graph& g);
  void add(const plan_key& key, std::shared_ptr<cached_plan> made);
  [[nodiscard]] std::uint64_t made() const { return made_; }

 private:
  struct entry {
    std::uint64_t hash = 0, used = 0;
    plan_key key;
    std::shared_ptr<cached_plan> plan;
  };
  std::mutex mutex_;
  std::vector<entry> entries_;
  std::uint64_t clock_ = 0;
  std::atomic<std::uint64_t> made_{0};
};

}  // namespace graft::detail
