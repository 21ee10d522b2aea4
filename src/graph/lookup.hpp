// Finding ops, scopes and variables by name, and the updates of variables: indices that are made when somebody asks.
#pragma once

#include <mutex>
#include <unordered_map>
#include <vector>

#include "graft/graph/graph.hpp"

namespace graft::detail {

struct name_place {
  std::uint32_t scope, name, ordinal;
  bool operator==(const name_place&) const = default;
};
struct name_place_hash {
  std::size_t operator()(const name_place& p) const noexcept {
    std::uint64_t h = (std::uint64_t{p.scope} << 32 | p.name) * 0x9e3779b97f4a7c15ull;
    return (h ^ h >> 31 ^ p.ordinal) * 0xff51afd7ed558ccdull;
  }
};

// Guarded by its mutex, so that a const graph may be asked from several threads.
struct graph_lookup {
  std::mutex guard;
  std::uint64_t version = 0;  // of the graph when the maps were made
  std::unordered_map<name_place, std::uint32_t, name_place_hash> ops;     // dense indices
  std::unordered_map<name_place, std::uint32_t, name_place_hash> scopes;  // by parent
  // By variable, the ops with ids below `looked_at` that updated it when they were looked at, ascending. Some may be
  // gone.
  std::vector<std::vector<op_id>> updates;
  std::uint32_t looked_at = 0;
};

/// The ops that update a variable, in the order of ids. Complexity: O(its updates); each op that is added is looked at
/// once.
std::vector<op_id> updates_of(const Graph& g, variable_id v);

}  // namespace graft::detail
