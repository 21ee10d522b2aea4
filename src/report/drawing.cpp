#include "graft/report/drawing.hpp"

#include <cstdio>
#include <unordered_set>

#include "report/layout.hpp"

namespace graft {
namespace {

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

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '<': result += "&lt;"; break;
      case '>': result += "&gt;"; break;
      case '&': result += "&amp;"; break;
      case '"': result += "&quot;"; break;
      default: result += c;
    }
  }
  return result;
}

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c == '\n' ? std::string("\\n") : std::string(1, c);
  }
  return result + "\"";
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

drawing without_initial_values(const Graph& g, drawing what) {
  const auto hidden = initial_only(g);
  for (drawing_group& group : what.groups) {
    std::erase_if(group.ops, [&](op_id op) { return hidden.contains(op); });
  }
  return what;
}

void legend(std::string& text, const drawing& what, bool any_shared, double y) {
  double x = report::margin;
  const auto entry = [&](const std::string& title, const palette_entry& colour) {
    text += "<rect x=\"" + number(x) + "\" y=\"" + number(y) + "\" width=\"14\" height=\"14\" rx=\"3\" fill=\"" +
            colour.fill + "\" stroke=\"" + colour.line + "\"/><text x=\"" + number(x + 20) + "\" y=\"" +
            number(y + 12) + "\">" + escaped(title) + "</text>\n";
    x += 40 + 7.2 * static_cast<double>(title.size());
  };
  for (std::size_t i = 0; i < what.groups.size(); ++i) {
    entry(what.groups[i].title, palette[i % std::size(palette)]);
  }
  if (any_shared) entry("shared", shared_colour);
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
  std::string text = "digraph graft {\n  rankdir=TB;\n  node [shape=box, style=filled, fontname=\"sans-serif\"];\n";
  for (std::size_t group = 0; group < what.groups.size(); ++group) {
    text += "  subgraph cluster_" + std::to_string(group) + " {\n    label=" +
            quoted(what.groups[group].title) + ";\n    color=" + quoted(palette[group % std::size(palette)].line) + ";\n";
    for (const report::placed_op& op : l.ops) {
      if (op.group != group || op.shared) continue;
      text += "    n" + std::to_string(op.op.value) + " [label=" + quoted(op.label) + ", fillcolor=" +
              quoted(colour_of(op).fill) + (op.variable ? ", style=\"filled,rounded\"" : "") +
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
    text += in ? "  " + name + " -> " + node + " [style=bold];\n" : "  " + node + " -> " + name + " [style=bold];\n";
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
  const double height = l.height + 30;
  std::string text = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + number(l.width) + " " +
                     number(height) + "\" width=\"" + number(l.width) + "\" height=\"" + number(height) +
                     "\" font-family=\"sans-serif\" font-size=\"12\">\n<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" "
                     "refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0 L8 4 "
                     "L0 8 z\" fill=\"#64748b\"/></marker></defs>\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n";
  for (const report::placed_edge& e : l.edges) {
    const auto &from = l.ops[e.from], &to = l.ops[e.to];
    const double y1 = from.y + report::box_height, bend = (to.y - y1) / 2;
    text += "<path d=\"M" + number(from.x) + " " + number(y1) + " C" + number(from.x) + " " + number(y1 + bend) +
            " " + number(to.x) + " " + number(to.y - bend) + " " + number(to.x) + " " + number(to.y - 1) +
            "\" fill=\"none\" stroke=\"#94a3b8\" marker-end=\"url(#tip)\"/>\n";
  }
  std::unordered_set<op_id> ports;
  for (const tensor_id t : what.inputs) ports.insert(t.op);
  for (const tensor_id t : what.outputs) ports.insert(t.op);
  bool any_shared = false;
  for (const report::placed_op& op : l.ops) {
    const palette_entry& colour = colour_of(op);
    any_shared |= op.shared;
    text += "<g><title>" + escaped(op.tooltip) + "</title><rect x=\"" + number(op.x - op.width / 2) + "\" y=\"" +
            number(op.y) + "\" width=\"" + number(op.width) + "\" height=\"" + number(report::box_height) +
            "\" rx=\"" + (op.variable ? "13" : "4") + "\" fill=\"" + colour.fill + "\" stroke=\"" + colour.line +
            "\" stroke-width=\"" + (ports.contains(op.op) ? "3" : "1") + "\"" +
            (op.variable ? " stroke-dasharray=\"4 2\"" : "") + "/><text x=\"" + number(op.x) + "\" y=\"" +
            number(op.y + 17) + "\" text-anchor=\"middle\">" + escaped(op.label) + "</text></g>\n";
  }
  legend(text, what, any_shared, l.height);
  return text + "</svg>\n";
}

}  // namespace graft
