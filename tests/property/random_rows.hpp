// Random graphs of rows (float32 [4]) for property tests of surgery.
#pragma once

#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "graft/core/error.hpp"
#include "graft/ops/elementwise.hpp"
#include "graft/ops/initializers.hpp"
#include "graft/ops/slicing.hpp"
#include "graft/ops/sources.hpp"

#include "dice.hpp"

namespace random_rows {

using namespace graft;

constexpr inferred infer_nothing(const infer_args&) { return inferred(); }
inline constexpr operator_schema check_op{"test_check", 1, 1, infer_nothing, ops::effect};

using graft_test::dice;

using row = tensor<Graph, dtype::float32, shape<4>>;

struct shape_of_graph {
  std::size_t ops = 30;
  bool splits = true;    // ops with two outputs
  bool disorder = true;  // operands that are stored after their users
};

/// Rows of a random graph, in the order they were added.
inline std::vector<tensor_id> fill(Graph& g, dice& d, const shape_of_graph& s) {
  std::vector<tensor_id> rows;
  const auto handle = [&](tensor_id t) { return row(g.handle(t).ref()); };
  const auto put = [&](const row& t) { rows.push_back(t.ref().id); };
  std::size_t depth = 0;
  while (g.op_count() < s.ops || rows.size() < 3) {
    if (depth < 3 && d.one_in(8)) {
      g.enter_scope("scope");
      ++depth;
    } else if (depth > 0 && d.one_in(6)) {
      g.leave_scope();
      --depth;
    }
    if (rows.empty() || d.one_in(9)) {
      put(placeholder<float, shape<4>>(g, "input"));
      continue;
    }
    const row a = handle(d.of(rows)), b = handle(d.of(rows));
    switch (d.below(s.splits ? 10 : 9)) {
      case 0:
        put(make_variable<float, shape<4>>(g, "w", uniform()));
        break;
      case 1: {
        const tensor_id operand = a.ref().id;
        const op_id check = g.add(check_op, {&operand, 1});
        const row later = relu(b);
        g.add_control_edge(check, later.ref().id.op);
        put(later);
        break;
      }
      case 2: {
        const row later = tanh(a);
        g.add_control_edge(b.ref().id.op, later.ref().id.op);
        put(later);
        break;
      }
      case 3:
        put(add(a, a));
        break;
      case 4:
      case 5:
        put(sub(a, b));
        break;
      case 6:
        put(mul(a, b));
        break;
      case 9: {
        const auto [left, right] = split<2, 0>(a);
        put(d.one_in(2) ? concat<0>(right, left) : concat<0>(left, left));
        break;
      }
      default:
        put(relu(a));
        break;
    }
  }
  for (; depth > 0; --depth) g.leave_scope();
  if (!s.disorder || d.one_in(2)) return rows;
  for (int i = 0; i < 8; ++i) {
    try {
      const op_id op = d.of(rows).op;
      const std::string name(g.schema_of(op).name);
      if (g.operand_count(op) > 0 && name != "concat" && name != "split")
        g.set_operand(op, 0, d.of(rows));
    } catch (const graph_error&) {  // a cycle
    }
    try {
      const std::vector<op_id> gone{d.of(rows).op};
      if (rows.size() > 4) g.erase_ops(gone);
    } catch (const graph_error&) {  // in use
    }
    std::erase_if(rows, [&](tensor_id t) { return !g.contains(t.op); });
  }
  return rows;
}

/// What a graph says of its ops below an id, without the order of uses.
inline std::string account_of(const Graph& g, std::uint32_t bound) {
  std::string text;
  for (std::size_t i = 0; i < g.op_count(); ++i) {
    const op_id op = g.op_at(i);
    if (op.value >= bound) continue;
    text += std::to_string(op.value) + " " + g.path_of(op) + " " +
            std::string(g.schema_of(op).name) + " (";
    for (const tensor_id t : g.operands(op)) {
      text += std::to_string(t.op.value) + ":" + std::to_string(t.output) + " ";
    }
    text += ") after";
    for (const op_id before : g.control_predecessors(op))
      text += " " + std::to_string(before.value);
    for (std::uint32_t o = 0; o < g.output_count(op); ++o)
      text += " " + to_string(g.type_of({op, o}));
    text += "\n";
  }
  for (const variable_id v : g.variables()) text += g.path_of(v) + "\n";
  return text;
}

}  // namespace random_rows
