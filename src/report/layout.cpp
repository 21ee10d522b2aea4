#include "report/layout.hpp"

#include <algorithm>
#include <tuple>
#include <unordered_map>

#include "graph/read_of.hpp"

namespace graft::report {
namespace {

// Long names lose their middle; the tooltip has all of it.
std::string elided(const std::string& text) {
  constexpr std::size_t longest = 28, head = 14, tail = 11;
  return text.size() <= longest ? text
                                : text.substr(0, head) + "..." + text.substr(text.size() - tail);
}

// The name with the innermost scope: "dense/matmul". A variable that stands beside the layer it is
// of goes by its own name, "kernel", and so does an op that is called like its layer.
std::string label_of(const Graph& g, op_id op, bool variable, bool beside_its_layer) {
  const std::string path = g.path_of(op);
  const std::size_t last = path.rfind('/');
  if (last == std::string::npos || last == 0) return elided(path);
  if (variable && beside_its_layer) return elided(path.substr(last + 1));
  const std::size_t before = path.rfind('/', last - 1);
  const std::string scope = before == std::string::npos
                                ? path.substr(0, last)
                                : path.substr(before + 1, last - before - 1);
  const std::string name = path.substr(last + 1);
  return elided(scope == name ? name : scope + "/" + name);
}

void collect(const Graph& g, const drawing& what, layout& l) {
  for (std::size_t group = 0; group < what.groups.size(); ++group) {
    for (const op_id op : what.groups[group].ops) {
      const auto [known, fresh] = l.place.try_emplace(op, l.ops.size());
      if (!fresh) {
        l.ops[known->second].shared |= l.ops[known->second].group != group;
        continue;
      }
      placed_op p;
      p.op = op;
      p.group = group;
      p.variable = detail::variable_read_by(g, op).has_value();
      p.tooltip = g.path_of(op) + "\n" + std::string(g.schema_of(op).name);
      for (std::uint32_t o = 0; o < g.output_count(op); ++o) {
        p.tooltip += "\n" + to_string(g.type_of({op, o}));
      }
      l.ops.push_back(std::move(p));
    }
  }
  std::vector<bool> beside(l.ops.size(), true);
  for (std::size_t to = 0; to < l.ops.size(); ++to) {
    for (const tensor_id t : g.operands(l.ops[to].op)) {
      const auto from = l.place.find(t.op);
      if (from == l.place.end()) continue;
      l.edges.push_back({from->second, to});
      if (g.scope_of(t.op) != g.scope_of(l.ops[to].op)) beside[from->second] = false;
    }
  }
  for (std::size_t i = 0; i < l.ops.size(); ++i) {
    placed_op& p = l.ops[i];
    p.label = label_of(g, p.op, p.variable, beside[i] && !p.shared);
    p.width = 18 + text_width(p.label);
  }
}

// Longest paths by repeated relaxation in order of readiness (Kahn), without recursion.
void assign_layers(layout& l) {
  std::vector<std::vector<std::size_t>> users(l.ops.size());
  std::vector<std::size_t> waiting(l.ops.size(), 0), ready;
  for (const placed_edge& e : l.edges) {
    users[e.from].push_back(e.to);
    ++waiting[e.to];
  }
  for (std::size_t i = 0; i < l.ops.size(); ++i) {
    if (waiting[i] == 0) ready.push_back(i);
  }
  for (std::size_t at = 0; at < ready.size(); ++at) {
    for (const std::size_t user : users[ready[at]]) {
      l.ops[user].layer = std::max(l.ops[user].layer, l.ops[ready[at]].layer + 1);
      if (--waiting[user] == 0) ready.push_back(user);
    }
  }
  // Sources, and what depends on variables alone, move down, users before producers.
  std::vector<bool> movable(l.ops.size(), false);
  std::vector<std::vector<std::size_t>> producers(l.ops.size());
  for (const placed_edge& e : l.edges) producers[e.to].push_back(e.from);
  std::vector<bool> of_variables(l.ops.size(), false);
  for (const std::size_t i : ready) {
    of_variables[i] = l.ops[i].variable || (!producers[i].empty() &&
                                            std::all_of(producers[i].begin(), producers[i].end(),
                                                        [&](auto p) { return of_variables[p]; }));
    movable[i] = of_variables[i] || producers[i].empty();
  }
  for (std::size_t at = ready.size(); at-- > 0;) {
    const std::size_t i = ready[at];
    if (!movable[i] || users[i].empty()) continue;
    std::size_t first = l.ops[users[i][0]].layer;
    for (const std::size_t user : users[i]) first = std::min(first, l.ops[user].layer);
    l.ops[i].layer = first > 0 ? first - 1 : 0;
  }
}

// The lanes, without their points yet: one for each op that edges leave for layers further down
// than the next in the same column.
void assign_lanes(layout& l, const std::vector<std::size_t>& column_of) {
  std::vector<std::size_t> last(l.ops.size(), 0);
  for (const placed_edge& e : l.edges) {
    if (column_of[e.from] == column_of[e.to])
      last[e.from] = std::max(last[e.from], l.ops[e.to].layer);
  }
  std::vector<std::pair<std::size_t, std::size_t>> spans;  // (layers passed, op)
  for (std::size_t i = 0; i < l.ops.size(); ++i) {
    if (last[i] > l.ops[i].layer + 1) spans.emplace_back(last[i] - l.ops[i].layer - 1, i);
  }
  std::sort(spans.begin(), spans.end());
  constexpr std::size_t most = 50'000;
  std::size_t total = 0;
  std::vector<std::size_t> lane_of(l.ops.size(), placed_edge::none);
  for (const auto& [span, i] : spans) {
    total += span;
    if (total > most) break;
    lane_of[i] = l.lanes.size();
    l.lanes.push_back({i, std::vector<std::pair<double, double>>(span)});
  }
  for (placed_edge& e : l.edges) {
    const std::size_t from = l.ops[e.from].layer, to = l.ops[e.to].layer;
    if (column_of[e.from] != column_of[e.to] || to <= from + 1 ||
        lane_of[e.from] == placed_edge::none)
      continue;
    e.lane = lane_of[e.from];
    e.lane_end = to - from - 1;
  }
}

// An op, or the place where a lane passes a layer.
struct node {
  double width = 0, x = 0;
  std::size_t layer = 0;
  std::size_t below = 0;  // length of the longest path down
  bool variable = false, passing = false, on_spine = false;
  std::vector<std::size_t> producers, users;  // in the same column
};

// Nodes of one column: places of ops in the layout, then those of lanes.
struct column {
  std::vector<node> nodes;
  std::vector<std::size_t> op;  // of the first nodes, in the layout
  std::vector<std::pair<std::size_t, std::size_t>>
      first_of_lane;  // (lane, the node of its first point; the others follow)
  double left = 0, right = 0;
};

column make_column(const layout& l, const std::vector<std::size_t>& column_of, std::size_t number) {
  column c;
  std::unordered_map<std::size_t, std::size_t> node_of;
  for (std::size_t i = 0; i < l.ops.size(); ++i) {
    if (column_of[i] != number) continue;
    node_of.emplace(i, c.nodes.size());
    c.op.push_back(i);
    node n;
    n.width = l.ops[i].width;
    n.layer = l.ops[i].layer;
    n.variable = l.ops[i].variable;
    c.nodes.push_back(std::move(n));
  }
  const auto join = [&](std::size_t from, std::size_t to) {
    c.nodes[from].users.push_back(to);
    c.nodes[to].producers.push_back(from);
  };
  std::unordered_map<std::size_t, std::size_t> first_of;
  for (std::size_t lane = 0; lane < l.lanes.size(); ++lane) {
    const auto from = node_of.find(l.lanes[lane].from);
    if (from == node_of.end()) continue;
    first_of.emplace(lane, c.nodes.size());
    c.first_of_lane.emplace_back(lane, c.nodes.size());
    for (std::size_t k = 0; k < l.lanes[lane].points.size(); ++k) {
      node n;
      n.width = 4;
      n.layer = l.ops[l.lanes[lane].from].layer + 1 + k;
      n.passing = true;
      c.nodes.push_back(std::move(n));
      join(k == 0 ? from->second : c.nodes.size() - 2, c.nodes.size() - 1);
    }
  }
  for (const placed_edge& e : l.edges) {
    const auto from = node_of.find(e.from), to = node_of.find(e.to);
    if (from == node_of.end() || to == node_of.end()) continue;
    join(e.lane == placed_edge::none ? from->second : first_of.at(e.lane) + e.lane_end - 1,
         to->second);
  }
  return c;
}

// Layer by layer: one op on the spine, the others beside it.
void assign_places(column& c, std::size_t layer_count) {
  std::vector<std::vector<std::size_t>> layers(layer_count);
  for (std::size_t i = 0; i < c.nodes.size(); ++i) layers[c.nodes[i].layer].push_back(i);
  for (std::size_t k = layer_count; k-- > 0;) {
    for (const std::size_t i : layers[k]) {
      for (const std::size_t u : c.nodes[i].users) {
        c.nodes[i].below = std::max(c.nodes[i].below, c.nodes[u].below + 1);
      }
    }
  }
  for (std::vector<std::size_t>& layer : layers) {
    if (layer.empty()) continue;
    const auto follows_spine = [&](const node& n) {
      return std::any_of(n.producers.begin(), n.producers.end(),
                         [&](auto p) { return c.nodes[p].on_spine; });
    };
    const auto rank = [&](std::size_t i) {
      const node& n = c.nodes[i];
      return std::tuple(n.variable, n.passing, !follows_spine(n),
                        -static_cast<std::ptrdiff_t>(n.below), i);
    };
    const std::size_t middle = *std::min_element(layer.begin(), layer.end(),
                                                 [&](auto a, auto b) { return rank(a) < rank(b); });
    // (wish, place in the layer, node): nodes of equal wishes keep their order.
    std::vector<std::tuple<double, std::size_t, std::size_t>> left, right;
    double end = 0, start = 0;
    const bool spine = !c.nodes[middle].variable && !c.nodes[middle].passing;
    if (spine) {
      c.nodes[middle].on_spine = true;
      end = c.nodes[middle].width / 2, start = -end;
    }
    for (const std::size_t i : layer) {
      const node& n = c.nodes[i];
      if (spine && i == middle) continue;
      double wish = 0;
      for (const std::size_t p : n.producers)
        wish += c.nodes[p].x / static_cast<double>(n.producers.size());
      if (wish < 0) {
        left.emplace_back(-wish, left.size(), i);
      } else {
        const double kind = n.passing ? 2e6 : n.variable ? 1e6 : 0;
        right.emplace_back(wish + kind, right.size(), i);
      }
    }
    std::sort(left.begin(), left.end());
    std::sort(right.begin(), right.end());
    for (const auto& [wish, place, i] : right) {
      node& n = c.nodes[i];
      n.x = end + box_gap + n.width / 2;
      if (n.passing) n.x = std::max(n.x, wish - 2e6);
      end = n.x + n.width / 2;
    }
    for (const auto& [wish, place, i] : left) {
      node& n = c.nodes[i];
      n.x = start - box_gap - n.width / 2;
      if (n.passing) n.x = std::min(n.x, -wish);
      start = n.x - n.width / 2;
    }
    c.left = std::min(c.left, start);
    c.right = std::max(c.right, end);
  }
}

void assign_places(layout& l, const std::vector<drawing_group>& groups) {
  std::size_t layer_count = 0;
  // Column 0 is of the first group, 1 of what is shared, the others follow.
  std::vector<std::size_t> column_of(l.ops.size());
  for (std::size_t i = 0; i < l.ops.size(); ++i) {
    layer_count = std::max(layer_count, l.ops[i].layer + 1);
    column_of[i] = l.ops[i].shared ? 1 : l.ops[i].group == 0 ? 0 : l.ops[i].group + 1;
  }
  assign_lanes(l, column_of);
  const auto top = [](std::size_t layer) {
    return margin + panel_title + static_cast<double>(layer) * (box_height + layer_gap);
  };
  double x = margin;
  for (std::size_t number = 0; number < groups.size() + 1; ++number) {
    column c = make_column(l, column_of, number);
    if (c.nodes.empty()) continue;
    assign_places(c, layer_count);
    placed_column panel;
    panel.shared = number == 1;
    panel.group = number < 2 ? 0 : number - 1;
    panel.title = panel.shared ? "shared" : elided(groups[panel.group].title);
    if (x > margin) x += column_gap;
    const double shift = x + panel_padding - c.left;
    for (std::size_t i = 0; i < c.op.size(); ++i) {
      l.ops[c.op[i]].x = c.nodes[i].x + shift;
      l.ops[c.op[i]].y = top(c.nodes[i].layer);
    }
    for (const auto& [lane, first] : c.first_of_lane) {
      std::vector<std::pair<double, double>>& points = l.lanes[lane].points;
      for (std::size_t k = 0; k < points.size(); ++k) {
        points[k] = {c.nodes[first + k].x + shift, top(c.nodes[first + k].layer)};
      }
    }
    panel.left = x;
    x += std::max(c.right - c.left, text_width(panel.title)) + 2 * panel_padding;
    panel.right = x;
    l.columns.push_back(std::move(panel));
  }
  l.width = std::max(x + margin, 360.0);
  l.height = top(layer_count) - layer_gap + panel_padding;
}

}  // namespace

layout place(const Graph& graph, const drawing& what) {
  layout l;
  collect(graph, what, l);
  assign_layers(l);
  assign_places(l, what.groups);
  return l;
}

}  // namespace graft::report
