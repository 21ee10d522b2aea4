#include "graft/report/diff_drawing.hpp"

#include <algorithm>
#include <map>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "graph/read_of.hpp"
#include "report/markup.hpp"
#include "surgery/anchored.hpp"

namespace graft {
namespace {

using report::escaped;
using report::number;
using report::quoted;

using detail::anchored;

enum class state : std::uint8_t { same, changed, removed, added };
struct colour {
  const char* title;
  const char* fill;
  const char* line;
};
constexpr colour colours[] = {{"equal", "#f1f5f9", "#94a3b8"},
                              {"changed", "#fef3c7", "#b45309"},
                              {"left only", "#fee2e2", "#b91c1c"},
                              {"right only", "#dcfce7", "#15803d"}};
const colour& colour_of(state s) { return colours[static_cast<std::size_t>(s)]; }

struct box {
  std::string label, tooltip;
  state is = state::same;
  bool port = false;
  bool variable = false;
  std::size_t layer = 0;
  double x = 0, y = 0, width = 0;
};

// Both sides as one graph.
struct merged {
  std::vector<box> boxes;
  std::map<std::pair<std::size_t, std::size_t>, state> edges;
};

constexpr double box_height = 26, layer_gap = 30, box_gap = 14, margin = 24;

// One side: which box each op and each input became.
struct side {
  const anchored& a;
  std::unordered_map<op_id, std::size_t> box_of;
  std::unordered_map<tensor_id, std::size_t> input_of;
};

std::string describe(const Graph& g, op_id op) {
  std::string text = g.path_of(op) + ": " + std::string(g.schema_of(op).name);
  for (std::uint32_t i = 0; i < g.output_count(op); ++i)
    text += " " + to_string(g.type_of({op, i}));
  return text;
}

// Ops that outputs and updates need: not those of initial values alone.
std::unordered_set<op_id> visible_ops(const anchored& a) {
  const Graph& g = a.graph();
  std::unordered_set<op_id> seen;
  std::vector<op_id> open;
  const auto need = [&](op_id op) {
    if (a.place(op) != anchored::none && seen.insert(op).second) open.push_back(op);
  };
  for (const tensor_id t : a.outputs()) {
    if (a.cut(t) < 0) need(t.op);
  }
  for (std::uint32_t i = 0; i < a.count(); ++i) {
    const op_id op = a.op(i);
    if (a.place(op) != anchored::none && g.schema_of(op).has(ops::update)) need(op);
  }
  while (!open.empty()) {
    const op_id op = open.back();
    open.pop_back();
    for (const tensor_id t : g.operands(op)) {
      if (a.cut(t) < 0) need(t.op);
    }
    for (const op_id before : a.waits_for(op)) need(before);
  }
  return seen;
}

class merger {
 public:
  merger(const anchored& a, const anchored& b, const correspondence& c)
      : left_{a, {}, {}}, right_{b, {}, {}}, c_(c) {}

  merged run() {
    find_texts();
    add_inputs();
    add_ops();
    add_edges(left_, state::removed);
    add_edges(right_, state::added);
    return std::move(m_);
  }

 private:
  void find_texts() {
    for (const difference& d : c_.differences) {
      if (d.left.valid()) text_left_[d.left] += d.text + "\n";
      if (d.right.valid()) text_right_[d.right] += d.text + "\n";
    }
  }

  std::size_t add(std::string label, std::string tooltip, state is) {
    box b;
    b.label = std::move(label);
    b.tooltip = std::move(tooltip);
    b.is = is;
    b.width = 18 + 7.2 * static_cast<double>(b.label.size());
    m_.boxes.push_back(std::move(b));
    return m_.boxes.size() - 1;
  }

  void add_inputs() {
    const auto &x = left_.a.cuts(), &y = right_.a.cuts();
    for (std::size_t i = 0; i < std::max(x.size(), y.size()); ++i) {
      const bool l = i < x.size(), r = i < y.size();
      std::string tooltip;
      if (l) tooltip += left_.a.graph().path_of(x[i]);
      if (r) tooltip += (l ? " / " : "") + right_.a.graph().path_of(y[i]);
      state is = l && r ? state::same : l ? state::removed : state::added;
      if (l && r && !(left_.a.graph().type_of(x[i]) == right_.a.graph().type_of(y[i]))) {
        is = state::changed;
      }
      const std::size_t at = add("input " + std::to_string(i), tooltip, is);
      m_.boxes[at].port = true;
      if (l) left_.input_of.emplace(x[i], at);
      if (r) right_.input_of.emplace(y[i], at);
    }
  }

  void add_ops() {
    const std::unordered_set<op_id> show_left = visible_ops(left_.a),
                                    show_right = visible_ops(right_.a);
    for (const auto& [x, y] : c_.ops) {
      const auto p = text_left_.find(x), q = text_right_.find(y);
      const bool differs = p != text_left_.end() || q != text_right_.end();
      if (!differs && show_left.count(x) == 0 && show_right.count(y) == 0) continue;
      const std::string a = left_.a.graph().name_of(x), b = right_.a.graph().name_of(y);
      const std::string tooltip =
          differs ? (p != text_left_.end() ? p->second : q->second)
                  : describe(left_.a.graph(), x) + "\n" + describe(right_.a.graph(), y);
      const std::size_t at =
          add(a == b ? a : a + " / " + b, tooltip, differs ? state::changed : state::same);
      m_.boxes[at].variable = detail::variable_read_by(left_.a.graph(), x).has_value();
      left_.box_of.emplace(x, at);
      right_.box_of.emplace(y, at);
    }
    add_unmatched(left_, c_.only_left, state::removed);
    add_unmatched(right_, c_.only_right, state::added);
  }

  void add_unmatched(side& s, const std::vector<op_id>& only, state is) {
    for (const op_id op : only) {
      const std::size_t at = add(s.a.graph().name_of(op), describe(s.a.graph(), op), is);
      m_.boxes[at].variable = detail::variable_read_by(s.a.graph(), op).has_value();
      s.box_of.emplace(op, at);
    }
  }

  void add_edges(const side& s, state alone) {
    const Graph& g = s.a.graph();
    const auto edge = [&](std::size_t from, std::size_t to) {
      const auto [at, fresh] = m_.edges.try_emplace({from, to}, alone);
      if (!fresh && at->second != alone) at->second = state::same;
    };
    const auto source = [&](tensor_id t) {
      if (const auto input = s.input_of.find(t); input != s.input_of.end()) return input->second;
      const auto op = s.box_of.find(t.op);
      return op == s.box_of.end() ? none : op->second;
    };
    std::vector<std::pair<std::size_t, op_id>> users;
    for (const auto& [op, at] : s.box_of) users.emplace_back(at, op);
    std::sort(users.begin(), users.end());
    for (const auto& [at, op] : users) {
      for (const tensor_id t : g.operands(op)) {
        if (const std::size_t from = source(t); from != none) edge(from, at);
      }
      for (const op_id before : s.a.waits_for(op)) {
        if (const auto from = s.box_of.find(before); from != s.box_of.end()) edge(from->second, at);
      }
    }
    for (std::size_t i = 0; i < s.a.outputs().size(); ++i) {
      const std::size_t from = source(s.a.outputs()[i]);
      if (outputs_.size() <= i) {
        outputs_.push_back(add("output " + std::to_string(i), "", alone));
        m_.boxes.back().port = true;
      } else {
        m_.boxes[outputs_[i]].is = state::same;
      }
      if (from != none) edge(from, outputs_[i]);
    }
  }

  static constexpr std::size_t none = static_cast<std::size_t>(-1);
  side left_, right_;
  const correspondence& c_;
  std::unordered_map<op_id, std::string> text_left_, text_right_;
  std::vector<std::size_t> outputs_;
  merged m_;
};

// Longest paths from the sources. Two graphs on top of each other may make a circle: then the first box that
// waits is taken as if it did not.
void assign_layers(merged& m) {
  const std::size_t n = m.boxes.size();
  std::vector<std::vector<std::size_t>> users(n);
  std::vector<std::size_t> waiting(n, 0), ready;
  std::vector<bool> taken(n, false);
  for (const auto& [e, s] : m.edges) {
    users[e.first].push_back(e.second);
    ++waiting[e.second];
  }
  const auto take = [&](std::size_t i) {
    taken[i] = true;
    ready.push_back(i);
  };
  for (std::size_t i = 0; i < n; ++i) {
    if (waiting[i] == 0) take(i);
  }
  for (std::size_t at = 0, next = 0;; ++at) {
    if (at == ready.size()) {
      while (next < n && taken[next]) ++next;
      if (next == n) break;
      take(next);
    }
    for (const std::size_t user : users[ready[at]]) {
      if (taken[user]) continue;
      m.boxes[user].layer = std::max(m.boxes[user].layer, m.boxes[ready[at]].layer + 1);
      if (--waiting[user] == 0) take(user);
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    if (!m.boxes[i].variable || users[i].empty()) continue;
    std::size_t first = m.boxes[users[i][0]].layer;
    for (const std::size_t user : users[i]) first = std::min(first, m.boxes[user].layer);
    m.boxes[i].layer = std::max(m.boxes[i].layer, first > 0 ? first - 1 : 0);
  }
}

// @returns width and height
std::pair<double, double> assign_places(merged& m) {
  std::vector<std::vector<std::size_t>> layers, producers(m.boxes.size());
  for (std::size_t i = 0; i < m.boxes.size(); ++i) {
    if (layers.size() <= m.boxes[i].layer) layers.resize(m.boxes[i].layer + 1);
    layers[m.boxes[i].layer].push_back(i);
  }
  for (const auto& [e, s] : m.edges) producers[e.second].push_back(e.first);
  double widest = 0;
  const auto width_of = [&](const std::vector<std::size_t>& layer) {
    double width = 0;
    for (const std::size_t i : layer) width += m.boxes[i].width + box_gap;
    return width;
  };
  for (const auto& layer : layers) widest = std::max(widest, width_of(layer));
  for (std::size_t k = 0; k < layers.size(); ++k) {
    std::vector<std::tuple<double, std::size_t>> order;
    for (const std::size_t i : layers[k]) {
      double total = 0;
      for (const std::size_t p : producers[i]) total += m.boxes[p].x;
      const auto count = static_cast<double>(producers[i].size());
      order.emplace_back(producers[i].empty() ? widest : total / count, i);
    }
    std::sort(order.begin(), order.end());
    double x = margin + (widest - width_of(layers[k])) / 2;
    for (const auto& [wish, i] : order) {
      m.boxes[i].x = x + m.boxes[i].width / 2;
      m.boxes[i].y = margin + static_cast<double>(k) * (box_height + layer_gap);
      x += m.boxes[i].width + box_gap;
    }
  }
  return {std::max(widest, 400.0) + 2 * margin,
          static_cast<double>(layers.size()) * (box_height + layer_gap) + 2 * margin};
}

std::string to_dot(const merged& m) {
  std::string text =
      "digraph diff {\n  rankdir=TB;\n  node [shape=box, style=filled, fontname=\"sans-serif\"];\n";
  for (std::size_t i = 0; i < m.boxes.size(); ++i) {
    const box& b = m.boxes[i];
    const colour& c = colour_of(b.is);
    text += "  n" + std::to_string(i) + " [label=" + quoted(b.label) +
            ", fillcolor=" + quoted(c.fill) + ", color=" + quoted(c.line) +
            (b.port ? ", shape=ellipse" : "") + (b.variable ? ", style=\"filled,rounded\"" : "") +
            ", tooltip=" + quoted(b.tooltip) + "];\n";
  }
  for (const auto& [e, s] : m.edges) {
    text += "  n" + std::to_string(e.first) + " -> n" + std::to_string(e.second) +
            " [color=" + quoted(colour_of(s).line) + "];\n";
  }
  return text + "}\n";
}

std::string to_svg(merged& m) {
  assign_layers(m);
  const auto [width, layers] = assign_places(m);
  const double height = layers + 30;
  std::string text = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + number(width) +
                     " " + number(height) + "\" width=\"" + number(width) + "\" height=\"" +
                     number(height) +
                     "\" font-family=\"sans-serif\" font-size=\"12\">\n"
                     "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n";
  for (const auto& [e, s] : m.edges) {
    const box &from = m.boxes[e.first], &to = m.boxes[e.second];
    const double y = from.y + box_height, bend = (to.y - y) / 2;
    text += "<path d=\"M" + number(from.x) + " " + number(y) + " C" + number(from.x) + " " +
            number(y + bend) + " " + number(to.x) + " " + number(to.y - bend) + " " + number(to.x) +
            " " + number(to.y) + "\" fill=\"none\" stroke=\"" + colour_of(s).line + "\"/>\n";
  }
  for (const box& b : m.boxes) {
    const colour& c = colour_of(b.is);
    text += "<g><title>" + escaped(b.tooltip) + "</title><rect x=\"" + number(b.x - b.width / 2) +
            "\" y=\"" + number(b.y) + "\" width=\"" + number(b.width) + "\" height=\"" +
            number(box_height) + "\" rx=\"" + (b.port || b.variable ? "13" : "4") + "\" fill=\"" +
            c.fill + "\" stroke=\"" + c.line + "\"/><text x=\"" + number(b.x) + "\" y=\"" +
            number(b.y + 17) + "\" text-anchor=\"middle\">" + escaped(b.label) + "</text></g>\n";
  }
  double x = margin;
  for (const colour& c : colours) {
    text += "<rect x=\"" + number(x) + "\" y=\"" + number(layers) +
            "\" width=\"14\" height=\"14\" rx=\"3\" fill=\"" + c.fill + "\" stroke=\"" + c.line +
            "\"/><text x=\"" + number(x + 20) + "\" y=\"" + number(layers + 12) + "\">" + c.title +
            "</text>\n";
    x += 100;
  }
  return text + "</svg>\n";
}

merged merge(const anchored& a, const anchored& b, const correspondence& c) {
  return merger(a, b, c).run();
}

}  // namespace

std::string dot_of_diff(const Region& a, const Region& b, const compare_options& options) {
  return to_dot(merge(anchored(a), anchored(b), correspond_regions(a, b, options)));
}
std::string dot_of_diff(const Graph& a, const Graph& b, const compare_options& options) {
  return to_dot(merge(anchored(a), anchored(b), correspond_graphs(a, b, options)));
}
std::string svg_of_diff(const Region& a, const Region& b, const compare_options& options) {
  merged m = merge(anchored(a), anchored(b), correspond_regions(a, b, options));
  return to_svg(m);
}
std::string svg_of_diff(const Graph& a, const Graph& b, const compare_options& options) {
  merged m = merge(anchored(a), anchored(b), correspond_graphs(a, b, options));
  return to_svg(m);
}

}  // namespace graft
