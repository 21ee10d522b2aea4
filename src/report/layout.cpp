#include "report/layout.hpp"

#include <algorithm>
#include <tuple>

namespace graft::report {
namespace {

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
      p.label = g.name_of(op);
      p.group = group;
      p.variable = g.variable_read_by({op, 0}).has_value();
      p.tooltip = g.path_of(op) + "\n" + g.schema_of(op).name;
      for (std::uint32_t o = 0; o < g.output_count(op); ++o) {
        p.tooltip += "\n" + to_string(g.type_of({op, o}));
      }
      p.width = 18 + 7.2 * static_cast<double>(p.label.size());
      l.ops.push_back(std::move(p));
    }
  }
  for (std::size_t to = 0; to < l.ops.size(); ++to) {
    for (const tensor_id t : g.operands(l.ops[to].op)) {
      const auto from = l.place.find(t.op);
      if (from != l.place.end()) l.edges.push_back({from->second, to});
    }
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
  for (std::size_t i = 0; i < l.ops.size(); ++i) {
    if (!l.ops[i].variable || users[i].empty()) continue;
    std::size_t first = l.ops[users[i][0]].layer;
    for (const std::size_t user : users[i]) first = std::min(first, l.ops[user].layer);
    l.ops[i].layer = first > 0 ? first - 1 : 0;
  }
}

void assign_places(layout& l) {
  std::vector<std::vector<std::size_t>> layers;
  for (std::size_t i = 0; i < l.ops.size(); ++i) {
    if (layers.size() <= l.ops[i].layer) layers.resize(l.ops[i].layer + 1);
    layers[l.ops[i].layer].push_back(i);
  }
  std::vector<std::vector<std::size_t>> producers(l.ops.size()), users(l.ops.size());
  for (const placed_edge& e : l.edges) {
    producers[e.to].push_back(e.from);
    users[e.from].push_back(e.to);
  }
  // Variables have no producers: they go beside what their users use.
  const auto wish = [&](std::size_t i) {
    double total = 0;
    std::size_t count = 0;
    for (const std::size_t p : producers[i]) total += l.ops[p].x, ++count;
    if (count == 0) {
      for (const std::size_t u : users[i]) {
        for (const std::size_t p : producers[u]) {
          if (p != i && l.ops[p].layer < l.ops[i].layer) total += l.ops[p].x, ++count;
        }
      }
    }
    return count > 0 ? total / static_cast<double>(count) : 1e9 + static_cast<double>(i);
  };
  double widest = 0;
  std::vector<double> widths(layers.size(), 0);
  for (std::size_t k = 0; k < layers.size(); ++k) {
    for (const std::size_t i : layers[k]) widths[k] += l.ops[i].width + box_gap;
    widest = std::max(widest, widths[k]);
  }
  for (std::size_t k = 0; k < layers.size(); ++k) {
    // (wish, place in the layer, op): ops of equal wishes keep their order.
    std::vector<std::tuple<double, std::size_t, std::size_t>> order;
    for (const std::size_t i : layers[k]) {
      order.emplace_back(wish(i) - (l.ops[i].variable ? 1e-3 : 0) +
                             1e5 * static_cast<double>(l.ops[i].group),
                         order.size(), i);
    }
    std::sort(order.begin(), order.end());
    double x = margin + (widest - widths[k]) / 2;
    for (const auto& [wanted, place, i] : order) {
      l.ops[i].x = x + l.ops[i].width / 2;
      l.ops[i].y = margin + static_cast<double>(k) * (box_height + layer_gap);
      x += l.ops[i].width + box_gap;
    }
  }
  l.width = widest + 2 * margin;
  l.height = static_cast<double>(layers.size()) * (box_height + layer_gap) + 2 * margin;
}

}  // namespace

layout place(const Graph& graph, const drawing& what) {
  layout l;
  collect(graph, what, l);
  assign_layers(l);
  assign_places(l);
  return l;
}

}  // namespace graft::report
