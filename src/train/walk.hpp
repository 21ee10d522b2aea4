// The ops that tensors depend on, in an order in which each comes after what it uses.
#pragma once

#include <unordered_map>
#include <vector>

#include "graft/graph/graph.hpp"

namespace graft::detail {

struct closure {
  std::vector<op_id> order;                      // producers first
  std::unordered_map<op_id, std::size_t> place;  // index in `order`
};

/// Walks backwards from tensors, without recursion: depth is bounded by memory alone.
inline closure backward_closure(const Graph& g, const std::vector<tensor_id>& from) {
  closure result;
  struct frame {
    op_id op;
    std::uint32_t next;
  };
  std::vector<frame> path;
  std::unordered_map<op_id, bool> seen;
  for (const tensor_id start : from) {
    if (!seen.emplace(start.op, true).second) continue;
    path.push_back({start.op, 0});
    while (!path.empty()) {
      frame& top = path.back();
      if (top.next < g.operand_count(top.op)) {
        const op_id producer = g.operand(top.op, top.next++).op;
        if (seen.emplace(producer, true).second) path.push_back({producer, 0});
      } else {
        result.place.emplace(top.op, result.order.size());
        result.order.push_back(top.op);
        path.pop_back();
      }
    }
  }
  return result;
}

}  // namespace graft::detail
