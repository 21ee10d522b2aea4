// A planned body, run in memory that its op gives it.
#pragma once

#include <map>
#include <memory>
#include <span>

#include "runtime/plan.hpp"
#include "runtime/plan_key.hpp"

namespace graft::detail {

class body_runner;

/// The plans of the bodies of one call: ops that own one body, at any depth, share its plan for each list of shapes.
class body_plans {
 public:
  /// @param inputs one an input of the body, in order
  /// @throws what planning does
  std::shared_ptr<const body_runner> plan(const Graph& body, std::span<const tensor_info> inputs,
                                          bool check_numerics);

 private:
  std::map<plan_key, std::shared_ptr<const body_runner>> made_;
};

/// The plan of a body at given shapes of its inputs. Thread-safe: what changes is in the memory.
class body_runner {
 public:
  /// @param inputs one an input of the body, in order
  /// @param inner of the bodies within
  body_runner(const Graph& body, std::span<const tensor_info> inputs, bool check_numerics,
              body_plans& inner);

  /// Bytes of memory that a run needs, aligned to 64.
  [[nodiscard]] std::size_t bytes() const;
  /// Prepares memory; once before the first of a row of runs.
  void begin(std::byte* memory) const;
  /// Runs the body once.
  /// @param in one address an input
  /// @param out one address a result, none of which is read by the body
  void run(std::byte* memory, const void* const* in, void* const* out,
           const kernel_call& call) const;

 private:
  const Graph* body_;
  Plan plan_;
  plan_instance own_;
  struct result {
    std::uint32_t fetch_memory = no_id;  // steps write it there
    std::uint32_t same_as = no_id;       // an earlier result
    location at;                         // else where it is to be copied from
    std::size_t bytes = 0;
  };
  std::vector<result> results_;
};

}  // namespace graft::detail
