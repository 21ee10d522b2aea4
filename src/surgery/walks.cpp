// Walks and boundaries of sets of ops.
#include "graft/graph/walks.hpp"

#include <algorithm>
#include <unordered_set>

#include "graft/graph/boost.hpp"
#include "graft/surgery/select.hpp"

#include "surgery/index_set.hpp"
#include "surgery/region_data.hpp"

namespace graft {
namespace detail {
namespace {

using graph_model::vertex;

// What a walk met, for ops of one graph: neighbours share a cache line.
class op_marks {
 public:
  bool insert(vertex v) { return met_.insert(static_cast<std::uint32_t>(v)); }

 private:
  index_set met_;
};

index_set indices_of(const Graph& g, const std::vector<op_id>& ops) {
  index_set set;
  for (const op_id op : ops) set.insert(g.data().index(op));
  return set;
}

std::vector<op_id> ids_of(const Graph& g, const std::vector<vertex>& vertices) {
  std::vector<op_id> ids;
  ids.reserve(vertices.size());
  for (const vertex v : vertices) ids.push_back(g.data().id(static_cast<std::uint32_t>(v)));
  return ids;
}

// Options in terms of vertices and edges.
class walk_limits {
 public:
  walk_limits(const Graph& g, const walk_options& where) : g_(g), where_(where) {
    if (where.within) within_ = indices_of(g, *where.within);
    for (const tensor_id t : where.stop_at) {
      (void)g.data().index(t);
      stops_.insert(t);
    }
  }

  [[nodiscard]] auto limits() const {
    const auto within = [this](vertex v) {
      const auto index = static_cast<std::uint32_t>(v);
      if (where_.within && !within_.contains(index)) return false;
      return !where_.within_if || (*where_.within_if)(g_, g_.data().id(index));
    };
    const auto follow = [this](const graph_model::edge& e) {
      if (e.control) return where_.control;
      if (stops_.empty()) return true;
      const Graph::tables& t = g_.data();
      return !stops_.contains({t.id(e.from), t.edges[e.at].output});
    };
    return walks::limits<decltype(within), decltype(follow)>{within, follow, where_.inclusive};
  }

 private:
  const Graph& g_;
  const walk_options& where_;
  index_set within_;
  std::unordered_set<tensor_id> stops_;
};

}  // namespace

std::vector<op_id> walk_forward(const Graph& g, const walk_seeds& seeds,
                                const walk_options& where) {
  std::vector<vertex> starts;
  for (const op_id op : seeds.ops) starts.push_back(g.data().index(op));
  for (const tensor_id t : seeds.tensors) {
    for (const Graph::use& u : g.uses(t)) starts.push_back(g.data().index(u.user));
  }
  op_marks marks;
  return ids_of(g, walks::forward(g, starts, walk_limits(g, where).limits(), marks));
}

std::vector<op_id> walk_backward(const Graph& g, const walk_seeds& seeds,
                                 const walk_options& where) {
  std::vector<vertex> starts;
  for (const op_id op : seeds.ops) starts.push_back(g.data().index(op));
  for (const tensor_id t : seeds.tensors) starts.push_back(g.data().index(t));
  op_marks marks;
  return ids_of(g, walks::backward(g, starts, walk_limits(g, where).limits(), marks));
}

std::vector<op_id> in_both(const std::vector<op_id>& first, const std::vector<op_id>& second) {
  index_set there;
  for (const op_id op : second) there.insert(op.value);
  std::vector<op_id> both;
  for (const op_id op : first) {
    if (there.contains(op.value)) both.push_back(op);
  }
  return both;
}

std::vector<op_id> in_either(std::vector<op_id> first, const std::vector<op_id>& second) {
  index_set there;
  for (const op_id op : first) there.insert(op.value);
  for (const op_id op : second) {
    if (there.insert(op.value)) first.push_back(op);
  }
  return first;
}

std::vector<op_id> flood(const Graph& g, const walk_seeds& seeds, const walk_seeds& boundary,
                         const flood_options& where) {
  const Graph::tables& t = g.data();
  index_set walls = indices_of(g, boundary.ops);
  for (const tensor_id tensor : boundary.tensors) walls.insert(t.index(tensor));
  std::vector<vertex> starts;
  for (const op_id op : seeds.ops) starts.push_back(t.index(op));
  for (const tensor_id tensor : seeds.tensors) starts.push_back(t.index(tensor));
  for (const vertex v : starts) {
    if (!walls.contains(static_cast<std::uint32_t>(v))) continue;
    const std::string path = g.path_of(t.id(static_cast<std::uint32_t>(v)));
    throw argument_error({"a flood was to start from '" + path + "'",
                          "that op is part of the boundary, too", path,
                          "give seeds that lie inside the boundary"});
  }
  const walk_options as_walk{where.inclusive, where.control, where.within, where.within_if,
                             where.stop_at};
  const walk_limits given(g, as_walk);
  const auto limits = given.limits();
  index_set met;  // boundary ops
  const auto within = [&](vertex v) {
    if (!limits.within(v)) return false;
    const auto index = static_cast<std::uint32_t>(v);
    if (!walls.contains(index)) return true;
    met.insert(index);
    return false;
  };
  op_marks marks;
  const std::vector<vertex> inside =
      walks::flood(g, starts,
                   walks::limits<decltype(within), decltype(limits.follow)>{within, limits.follow,
                                                                            where.inclusive},
                   marks);
  index_set all;
  for (const vertex v : inside) all.insert(static_cast<std::uint32_t>(v));
  if (where.with_boundary) {
    for (const std::uint32_t index : met.sorted()) all.insert(index);
  }
  std::vector<op_id> result;
  if (where.within) {
    index_set told;
    for (const op_id op : *where.within) {
      const std::uint32_t index = t.index(op);
      if (all.contains(index) && told.insert(index)) result.push_back(op);
    }
    return result;
  }
  for (const std::uint32_t index : all.sorted()) result.push_back(t.id(index));
  return result;
}

}  // namespace detail

std::vector<op_id> closure(const input_list& in, const output_list& out) {
  return extract(in, out, leaks::keep, unused::allow, reentry::allow).nodes();
}

std::vector<op_id> between(const input_list& in, const output_list& out) {
  return extract(in, out, leaks::keep, unused::allow, reentry::allow).between();
}

op_boundary boundary_of(const Graph& g, const std::vector<op_id>& ops) {
  const Graph::tables& t = g.data();
  const detail::index_set members = detail::indices_of(g, ops);
  op_boundary result;
  std::unordered_set<tensor_id> seen;
  detail::index_set done;
  for (const op_id op : ops) {
    const std::uint32_t index = t.index(op);
    if (!done.insert(index)) continue;
    for (const Graph::tables::edge& e : t.operands_of(index)) {
      const tensor_id operand{t.id(e.producer), e.output};
      if (!members.contains(e.producer) && seen.insert(operand).second)
        result.inputs.push_back(operand);
    }
    const std::uint32_t outputs = t.ops[index].output_count;
    std::vector<bool> inside(outputs), outside(outputs);
    g.for_each_use(op, [&](const Graph::use& u, std::uint32_t output) {
      (members.contains(t.index(u.user)) ? inside : outside)[output] = true;
    });
    for (std::uint32_t o = 0; o < outputs; ++o) {
      if (inside[o]) result.inside.push_back({op, o});
      if (outside[o] || !inside[o]) result.outputs.push_back({op, o});
    }
  }
  return result;
}

std::vector<op_id> neighbours(const Graph& g, const std::vector<op_id>& ops, bool control) {
  const Graph::tables& t = g.data();
  detail::index_set met;
  std::vector<op_id> result;
  const auto meet = [&](op_id op) {
    if (met.insert(t.index(op))) result.push_back(op);
  };
  for (const op_id op : ops) {
    for (const tensor_id operand : g.operands(op)) meet(operand.op);
    if (!control) continue;
    for (const op_id before : g.control_predecessors(op)) meet(before);
  }
  for (const op_id op : ops) {
    g.for_each_use(op, [&](const Graph::use& u, std::uint32_t) { meet(u.user); });
    if (!control) continue;
    for (const op_id after : g.control_successors(op)) meet(after);
  }
  return result;
}

std::vector<tensor_id> tensors_of(const Graph& g, const std::vector<op_id>& ops) {
  std::unordered_set<tensor_id> met;
  std::vector<tensor_id> result;
  const auto meet = [&](tensor_id t) {
    if (met.insert(t).second) result.push_back(t);
  };
  for (const op_id op : ops) {
    for (const tensor_id operand : g.operands(op)) meet(operand);
  }
  for (const op_id op : ops) {
    for (std::uint32_t o = 0; o < g.output_count(op); ++o) meet({op, o});
  }
  return result;
}

}  // namespace graft
