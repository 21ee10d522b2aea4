// The rules that leave every value equal.
#include <algorithm>

#include "graft/ops/dropout.hpp"
#include "graft/ops/elementwise.hpp"
#include "graft/ops/matmul.hpp"
#include "graft/ops/shape_ops.hpp"
#include "graft/ops/sources.hpp"
#include "graft/surgery/rewrite.hpp"

namespace graft {
namespace {

using patterns::any;
using patterns::any_of;
using patterns::number;
using patterns::op;

// True where two tensors have one shape in every run.
bool same_shape(const Graph& g, tensor_id a, tensor_id b) {
  const value_type x = g.type_of(a), y = g.type_of(b);
  if (x.type != y.type || !x.ranked || !y.ranked || x.shape.size() != y.shape.size()) return false;
  for (std::size_t i = 0; i < x.shape.size(); ++i) {
    if (x.shape[i] != y.shape[i] || x.shape[i] == dyn) return false;
  }
  return true;
}

// Whether the other operand of an elementwise op with a number leaves x's shape as it is: a number of
// rank 0, or a result that has the shape.
bool number_keeps_shape(const rule_args& r) {
  const Graph& g = r.graph;
  const value_type x = g.type_of(r.match["x"]), root = g.type_of(r.match.root);
  if (x.type != root.type) return false;
  for (const tensor_id operand : g.operands(r.match.root.op)) {
    const value_type t = g.type_of(operand);
    if (operand != r.match["x"] && t.ranked && t.shape.empty()) return true;
  }
  return same_shape(g, r.match["x"], r.match.root);
}

rewrite_rule neutral(const char* name, const operator_schema& schema, double value) {
  return {name, op(schema, any("x"), number(value)),
          [](const rule_args& r) -> std::optional<any_tensor> {
            if (!number_keeps_shape(r)) return std::nullopt;
            return r["x"];
          }};
}

// The order of axes of a transpose, each at least 0; empty where the rank is not known.
dims order_of(const Graph& g, tensor_id t) {
  const auto perm = g.attributes_of(t.op).find("perm");
  const value_type type = g.type_of(t);
  dims order;
  if (!perm) {
    if (!type.ranked) return order;
    for (std::size_t i = type.shape.size(); i-- > 0;) order.push_back(static_cast<extent>(i));
    return order;
  }
  const auto rank = static_cast<extent>(perm->integers.size());
  for (const extent axis : perm->integers) order.push_back(axis < 0 ? axis + rank : axis);
  return order;
}

bool is_unchanged(const dims& order) {
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (order[i] != static_cast<extent>(i)) return false;
  }
  return true;
}

// True where a transpose exchanges the last two axes and nothing else.
bool swaps_last_two(const Graph& g, tensor_id t) {
  dims order = order_of(g, t);
  if (order.size() < 2) return false;
  std::swap(order[order.size() - 1], order[order.size() - 2]);
  return is_unchanged(order);
}

// An op in the root's place, unless less would be known of its result.
std::optional<any_tensor> add_op(const rule_args& r, const operator_schema& schema,
                                 std::initializer_list<tensor_id> operands,
                                 const attribute_list& attributes) {
  small_vector<value_type, 2> types;
  for (const tensor_id t : operands) types.push_back(r.graph.type_of(t));
  const inferred answer = infer(schema, {types, attributes});
  if (answer.error || !(answer.outputs[0] == r.graph.type_of(r.match.root))) return std::nullopt;
  const op_id made =
      r.graph.add(schema, std::span<const tensor_id>(operands.begin(), operands.size()), attributes,
                  {}, r.graph.line_of(r.match.root.op));
  return r.graph.handle({made, 0});
}

std::optional<any_tensor> join_transposes(const rule_args& r) {
  const Graph& g = r.graph;
  const dims inner = order_of(g, r.match["inner"]), outer = order_of(g, r.match.root);
  if (inner.empty() || inner.size() != outer.size()) return std::nullopt;
  dims order;
  for (const extent axis : outer) order.push_back(inner[static_cast<std::size_t>(axis)]);
  if (is_unchanged(order)) return r["x"];
  attribute_list attributes;
  attributes.set("perm", order);
  return add_op(r, ops::transpose, {r.match["x"]}, attributes);
}

rewrite_rule transpose_into_matmul(bool first) {
  const pattern turned =
      op(ops::transpose, any("x")).as("turned").where([](const Graph& g, tensor_id t) {
        return swaps_last_two(g, t);
      });
  const pattern find =
      first ? op(ops::matmul, turned, any("other")) : op(ops::matmul, any("other"), turned);
  return {first ? "transpose on the left of matmul" : "transpose on the right of matmul", find,
          [first](const rule_args& r) -> std::optional<any_tensor> {
            const char* key = first ? "transpose_a" : "transpose_b";
            attribute_list attributes;
            for (const attribute& a : r.graph.attributes_of(r.match.root.op)) {
              if (a.key != key) attributes.set(a.key, a.integer, a.kind);
            }
            if (r.graph.attributes_of(r.match.root.op).integer(key) == 0) attributes.set(key, true);
            const tensor_id x = r.match["x"], other = r.match["other"];
            return first ? add_op(r, ops::matmul, {x, other}, attributes)
                         : add_op(r, ops::matmul, {other, x}, attributes);
          }};
}

rewrite_rule join_reshapes() {
  const pattern inner = any_of({op(ops::reshape, any("x")), op(ops::flatten, any("x")),
                                op(ops::expand_dims, any("x")), op(ops::squeeze, any("x"))});
  return {"reshape of a reshape", op(ops::reshape, inner),
          [](const rule_args& r) -> std::optional<any_tensor> {
            return add_op(r, ops::reshape, {r.match["x"]}, r.graph.attributes_of(r.match.root.op));
          }};
}

bool is_own_shape(const rule_args& r) {
  const value_type x = r.graph.type_of(r.match["x"]), y = r.graph.type_of(r.match.root);
  if (!x.ranked || !y.ranked || x.shape.size() != y.shape.size()) return false;
  std::size_t open = 0;
  bool empty = false;
  for (std::size_t i = 0; i < x.shape.size(); ++i) {
    if (x.shape[i] != y.shape[i]) return false;
    open += x.shape[i] == dyn;
    empty = empty || x.shape[i] == 0 || x.shape[i] < dyn;
  }
  // One extent that is not known is settled by the number of elements, unless that may be 0.
  return open == 0 || (open == 1 && !empty);
}

std::vector<rewrite_rule> make_rules() {
  const auto take_x = [](const rule_args& r) -> std::optional<any_tensor> { return r["x"]; };
  std::vector<rewrite_rule> rules;
  rules.push_back({"identity", op(ops::identity, any("x")), take_x});
  rules.push_back(neutral("x + 0", ops::add, 0));
  rules.push_back(neutral("x - 0", ops::sub, 0));
  rules.push_back(neutral("x * 1", ops::mul, 1));
  rules.push_back(neutral("x / 1", ops::div, 1));
  rules.push_back(neutral("x ^ 1", ops::pow, 1));
  rules.push_back({"double negation", op(ops::neg, op(ops::neg, any("x"))), take_x});
  rules.push_back({"cast to its own type", op(ops::cast, any("x")),
                   [](const rule_args& r) -> std::optional<any_tensor> {
                     const dtype from = r.graph.type_of(r.match["x"]).type;
                     if (from == dtype::any || from != r.graph.type_of(r.match.root).type) {
                       return std::nullopt;
                     }
                     return r["x"];
                   }});
  rules.push_back(
      {"dropout in inference mode", op(ops::dropout, any("x"), any()).with("training", 0), take_x});
  rules.push_back(
      {"dropout of rate 0", op(ops::dropout, any("x"), any()).with("rate", 0.0), take_x});
  rules.push_back({"transpose of a transpose",
                   op(ops::transpose, op(ops::transpose, any("x")).as("inner")), join_transposes});
  rules.push_back({"transpose that changes nothing", op(ops::transpose, any("x")),
                   [](const rule_args& r) -> std::optional<any_tensor> {
                     const dims order = order_of(r.graph, r.match.root);
                     if (order.empty() || !is_unchanged(order)) return std::nullopt;
                     return r["x"];
                   }});
  rules.push_back(transpose_into_matmul(true));
  rules.push_back(transpose_into_matmul(false));
  rules.push_back(join_reshapes());
  rules.push_back({"reshape to its own shape", op(ops::reshape, any("x")),
                   [](const rule_args& r) -> std::optional<any_tensor> {
                     if (!is_own_shape(r)) return std::nullopt;
                     return r["x"];
                   }});
  return rules;
}

}  // namespace

const std::vector<rewrite_rule>& simplification_rules() {
  static const std::vector<rewrite_rule> rules = make_rules();
  return rules;
}

}  // namespace graft
