// Finding ops, scopes and variables by name, and the updates of variables: indices that are made when somebody asks.
#pragma once

#include <mutex>
#include <unordered_map>
#include <vector>

#include "graft/graph/graph.hpp"

#include "graph/memberships.hpp"

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
  // Those with ids below `ops_seen`, by the name that they had when they were looked at; some may be gone or have
  // another name.
  std::unordered_map<name_place, op_id, name_place_hash> ops;
  std::uint32_t ops_seen = 0;
  std::vector<op_id> renamed;  // to be looked at again
  // By parent, the scopes below `scopes_seen`. Some may be gone.
  std::unordered_map<name_place, std::uint32_t, name_place_hash> scopes;
  std::uint32_t scopes_seen = 1;
  std::uint32_t scopes_then = 1;  // how many there were when the map was last made from nothing
  // By variable, the ops with ids below `looked_at` that updated it when they were looked at, ascending. Some may be
  // gone.
  std::vector<std::vector<op_id>> updates;
  std::uint32_t looked_at = 0;
  // Of all collections; only edits change it.
  detail::memberships memberships;

  /// To be called where ops that were removed come back, and names that were given up.
  void forget_ops() noexcept {
    ops.clear();
    renamed.clear();
    ops_seen = 0;
  }
  /// To be called before an op gets another name.
  void look_again(op_id op) {
    if (op.value >= ops_seen) return;  // it will be looked at
    if (renamed.size() > ops.size()) return forget_ops();
    renamed.push_back(op);
  }
  /// To be called where scopes that were removed come back.
  void forget_scopes() noexcept {
    scopes.clear();
    scopes_seen = 1;
  }
};

/// The ops that update a variable, in the order of ids. Complexity: O(its updates); each op that is added is looked at
/// once.
std::vector<op_id> updates_of(const Graph& g, variable_id v);

}  // namespace graft::detail
