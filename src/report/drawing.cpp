#include "graft/report/drawing.hpp"

#include <unordered_set>

#include "report/layout.hpp"
#include "report/markup.hpp"

namespace graft {
namespace {

using report::escaped;
using report::number;
using report::quoted;

struct palette_entry {
  const char* fill;
  const char* line;
};
constexpr palette_entry palette[] = {{"#dbeafe", "#1d4ed8"}, {"#dcfce7", "#15803d"},
                                     {"#fef3c7", "#b45309"}, {"#fce7f3", "#be185d"},
                                     {"#e0e7ff", "#4338ca"}, {"#f1f5f9", "#334155"}};
constexpr palette_entry shared_colour{"#ede9fe", "#6d28d9"};

const palette_entry& colour_of(const report::placed_op& op) {
  return op.shared ? shared_colour : palette[op.group % std::size(palette)];
}

// Ops that only initial values need.
std::unordered_set<op_id> initial_only(const Graph& g) {
  std::unordered_set<op_id> hidden;
  std::vector<op_id> open;
  for (const variable_id v : g.variables()) {
    const tensor_id initial = g.variable_of(v).initial;
    if (initial.valid()) open.push_back(initial.op);
  }
  while (!open.empty()) {
    const op_id op = open.back();
    open.pop_back();
    if (g.variable_read_by({op, 0}) || !hidden.insert(op).second) continue;
    for (const tensor_id t : g.operands(op)) open.push_back(t.op);
  }
  return hidden;
}

// Refuses ops that are not the graph's.
void require_own(const Graph& g, const drawing& what) {
  for (const drawing_group& group : what.groups) {
    for (const op_id op : group.ops) (void)g.index_of(op);
  }
  for (const auto* ports : {&what.inputs, &what.outputs}) {
    for (const tensor_id t : *ports) (void)g.index_of(t.op);
  }
  for (const auto& [copy, original] : what.copies) {
    (void)g.index_of(copy);
    (void)g.index_of(original);
  }
}

drawing without_initial_values(const Graph& g, drawing what) {
  require_own(g, what);
  const auto hidden = initial_only(g);
  for (drawing_group& group : what.groups) {
    std::erase_if(group.ops, [&](op_id op) { return hidden.contains(op); });
  }
  return what;
}

// A box with its text in the middle.
void box(std::string& text, double left, double top, double width, double height,
         const std::string& label, const palette_entry& colour, bool variable, bool port) {
  text += "<rect x=\"" + number(left) + "\" y=\"" + number(top) + "\" width=\"" + number(width) +
          "\" height=\"" + number(height) + "\" rx=\"" + number(variable ? height / 2 : 4) +
          "\" fill=\"" + colour.fill + "\" stroke=\"" + colour.line + "\" stroke-width=\"" +
          (port ? "3" : "1") + "\"" + (variable ? " stroke-dasharray=\"4 2\"" : "") +
          "/><text x=\"" + number(left + width / 2) + "\" y=\"" + number(top + height / 2 + 4) +
          "\" text-anchor=\"middle\">" + escaped(label) + "</text>";
}

// A line from a place down to another, upright at both ends.
void curve(std::string& text, double x, double y, double to_x, double to_y) {
  if (x == to_x) {
    text += " V" + number(to_y);
    return;
  }
  const double bend = (to_y - y) / 2;
  text += " C" + number(x) + " " + number(y + bend) + " " + number(to_x) + " " +
          number(to_y - bend) + " " + number(to_x) + " " + number(to_y);
}

// What goes far down is drawn once, with a branch to each user.
void draw_edges(std::string& text, const report::layout& l) {
  const auto open = [&](double x, double y) {
    text += "<path d=\"M" + number(x) + " " + number(y);
  };
  const auto close = [&](bool tip) {
    text += std::string("\" fill=\"none\" stroke=\"#94a3b8\"") +
            (tip ? " marker-end=\"url(#tip)\"" : "") + "/>\n";
  };
  for (const report::placed_lane& lane : l.lanes) {
    double x = l.ops[lane.from].x, y = l.ops[lane.from].y + report::box_height;
    open(x, y);
    for (std::size_t k = 0; k < lane.points.size(); ++k) {
      const auto [next_x, next_y] = lane.points[k];
      if (next_x != x) curve(text, x, y, next_x, next_y);
      x = next_x, y = next_y + report::box_height;
      // A straight way is one line, however long.
      if (k + 1 == lane.points.size() || lane.points[k + 1].first != x) text += " V" + number(y);
    }
    close(false);
  }
  for (const report::placed_edge& e : l.edges) {
    double x = l.ops[e.from].x, y = l.ops[e.from].y + report::box_height;
    if (e.lane != report::placed_edge::none) {
      const auto& [lane_x, lane_y] = l.lanes[e.lane].points[e.lane_end - 1];
      x = lane_x, y = lane_y + report::box_height;
    }
    open(x, y);
    curve(text, x, y, l.ops[e.to].x, l.ops[e.to].y - 1);
    close(true);
  }
}

void legend(std::string& text, bool ports, double y) {
  constexpr palette_entry plain{"#ffffff", "#475569"};
  double x = report::margin;
  const auto entry = [&](const std::string& label, bool variable, bool port) {
    const double width = 18 + report::text_width(label);
    box(text, x, y, width, 22, label, plain, variable, port);
    text += "\n";
    x += width + report::box_gap;
  };
  entry("operator", false, false);
  entry("variable", true, false);
  if (ports) entry("input, output", false, true);
}

}  // namespace

drawing draw_all(const Graph& graph) {
  drawing what;
  what.groups.push_back({"graph", {}});
  for (std::size_t i = 0; i < graph.op_count(); ++i) what.groups[0].ops.push_back(graph.op_at(i));
  return without_initial_values(graph, std::move(what));
}

std::string dot(const Graph& graph) { return dot(graph, draw_all(graph)); }
std::string svg(const Graph& graph) { return svg(graph, draw_all(graph)); }

std::string dot(const Graph& graph, const drawing& asked) {
  const drawing what = without_initial_values(graph, asked);
  const report::layout l = report::place(graph, what);
  std::string text =
      "digraph graft {\n  rankdir=TB;\n  node [shape=box, style=filled, "
      "fontname=\"sans-serif\"];\n";
  for (std::size_t group = 0; group < what.groups.size(); ++group) {
    text += "  subgraph cluster_" + std::to_string(group) +
            " {\n    label=" + quoted(what.groups[group].title) +
            ";\n    color=" + quoted(palette[group % std::size(palette)].line) + ";\n";
    for (const report::placed_op& op : l.ops) {
      if (op.group != group || op.shared) continue;
      text += "    n" + std::to_string(op.op.value) + " [label=" + quoted(op.label) +
              ", fillcolor=" + quoted(colour_of(op).fill) +
              (op.variable ? ", style=\"filled,rounded\"" : "") +
              ", tooltip=" + quoted(op.tooltip) + "];\n";
    }
    text += "  }\n";
  }
  for (const report::placed_op& op : l.ops) {
    if (!op.shared) continue;
    text += "  n" + std::to_string(op.op.value) + " [label=" + quoted(op.label + " (shared)") +
            ", fillcolor=" + quoted(shared_colour.fill) + ", style=\"filled,rounded\"];\n";
  }
  for (const report::placed_edge& e : l.edges) {
    text += "  n" + std::to_string(l.ops[e.from].op.value) + " -> n" +
            std::to_string(l.ops[e.to].op.value) + ";\n";
  }
  const auto port = [&](const char* kind, std::size_t i, tensor_id t, bool in) {
    const std::string name = std::string(kind) + std::to_string(i);
    text += "  " + name + " [label=" + quoted(std::string(kind) + " " + std::to_string(i)) +
            ", shape=ellipse, fillcolor=\"#fde68a\"];\n";
    if (!l.place.contains(t.op)) return;
    const std::string node = "n" + std::to_string(t.op.value);
    text += in ? "  " + name + " -> " + node + " [style=bold];\n"
               : "  " + node + " -> " + name + " [style=bold];\n";
  };
  for (std::size_t i = 0; i < what.inputs.size(); ++i) port("input", i, what.inputs[i], true);
  for (std::size_t i = 0; i < what.outputs.size(); ++i) port("output", i, what.outputs[i], false);
  for (const auto& [copy, original] : what.copies) {
    if (!l.place.contains(copy) || !l.place.contains(original)) continue;
    text += "  n" + std::to_string(copy.value) + " -> n" + std::to_string(original.value) +
            " [style=dashed, color=gray, constraint=false, arrowhead=none];\n";
  }
  return text + "}\n";
}

std::string svg(const Graph& graph, const drawing& asked) {
  const drawing what = without_initial_values(graph, asked);
  const report::layout l = report::place(graph, what);
  const double height = l.height + 56;
  std::string text = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + number(l.width) +
                     " " + number(height) + "\" width=\"" + number(l.width) + "\" height=\"" +
                     number(height) +
                     "\" font-family=\"sans-serif\" font-size=\"12\">\n<defs><marker id=\"tip\" "
                     "viewBox=\"0 0 8 8\" "
                     "refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" "
                     "orient=\"auto\"><path d=\"M0 0 L8 4 "
                     "L0 8 z\" fill=\"#64748b\"/></marker></defs>\n<rect width=\"100%\" "
                     "height=\"100%\" fill=\"white\"/>\n";
  for (const report::placed_column& c : l.columns) {
    const palette_entry& colour = c.shared ? shared_colour : palette[c.group % std::size(palette)];
    text += "<rect x=\"" + number(c.left) + "\" y=\"" + number(report::margin / 2) + "\" width=\"" +
            number(c.right - c.left) + "\" height=\"" + number(l.height - report::margin / 2) +
            "\" rx=\"10\" fill=\"#f8fafc\" stroke=\"#e2e8f0\"/><text x=\"" +
            number(c.left + report::panel_padding) + "\" y=\"" + number(report::margin / 2 + 24) +
            "\" font-size=\"13\" font-weight=\"bold\" fill=\"" + colour.line + "\">" +
            escaped(c.title) + "</text>\n";
  }
  draw_edges(text, l);
  std::unordered_set<op_id> ports;
  for (const tensor_id t : what.inputs) ports.insert(t.op);
  for (const tensor_id t : what.outputs) ports.insert(t.op);
  for (const report::placed_op& op : l.ops) {
    text += "<g><title>" + escaped(op.tooltip) + "</title>";
    box(text, op.x - op.width / 2, op.y, op.width, report::box_height, op.label, colour_of(op),
        op.variable, ports.contains(op.op));
    text += "</g>\n";
  }
  legend(text, !ports.empty(), l.height + 20);
  return text + "</svg>\n";
}

}  // namespace graft
