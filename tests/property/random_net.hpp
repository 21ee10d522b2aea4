// Random networks on tensors of one type, with variables, ties, updates, checks and scopes.
#pragma once

#include <set>
#include <vector>

#include "graft/ops/elementwise.hpp"
#include "graft/ops/initializers.hpp"
#include "graft/ops/slicing.hpp"
#include "graft/ops/sources.hpp"
#include "graft/surgery/clone.hpp"

#include "catch.hpp"
#include "dice.hpp"

namespace graft_test {

using namespace graft;

constexpr inferred infer_no_output(const infer_args&) { return inferred(); }
inline constexpr operator_schema check_op{"test_check", 1, 1, infer_no_output, ops::effect};

using row = tensor<Graph, dtype::float32, shape<4>>;

/// A random graph of float32 [4]. Variables have values.
struct random_net {
  Graph g;
  std::vector<row> tensors, placeholders;
  bool checks = true;

  random_net(dice& d, std::size_t ops, bool with_checks = true) : checks(with_checks) {
    std::size_t depth = 0;
    while (tensors.size() < 2 || g.op_count() < ops) {
      if (depth < 3 && d.one_in(8)) {
        g.enter_scope("scope");
        ++depth;
      } else if (depth > 0 && d.one_in(6)) {
        g.leave_scope();
        --depth;
      }
      step(d);
    }
    for (; depth > 0; --depth) g.leave_scope();
    for (const variable_id v : g.variables()) {
      Array value(dtype::float32, {4});
      for (float& e : value.mutable_span<float>()) e = static_cast<float>(d.below(9)) - 4;
      g.store().set(v, value);
    }
  }

  std::vector<tensor_id> pick(dice& d, std::size_t count) const {
    std::set<tensor_id> chosen;
    for (std::size_t i = 0; i < count; ++i) chosen.insert(d.of(tensors).ref().id);
    return {chosen.begin(), chosen.end()};
  }

 private:
  void step(dice& d) {
    if (tensors.empty() || d.one_in(12)) {
      tensors.push_back(placeholder<float, shape<4>>(g, "input"));
      placeholders.push_back(tensors.back());
      return;
    }
    const row a = d.of(tensors), b = d.of(tensors);
    switch (d.below(14)) {
      case 0:
        tensors.push_back(make_variable<float, shape<4>>(g, "w", normal(0, 1)));
        break;
      case 1:
        if (d.one_in(2)) {
          tensors.push_back(
              make_variable<float, shape<4>>(g, "s", zeros(), false, variable_role::statistic));
        } else if (const auto all = g.variables(); !all.empty()) {
          // An initial value that reads another variable.
          const row other(g.handle(g.variable_of(d.of(all)).read).ref());
          const auto start = mul(other, 0.5);
          const variable_id v =
              g.add_variable("derived", start.ref().id, variable_role::slot, false);
          tensors.push_back(row(g.handle(g.variable_of(v).read).ref()));
        }
        break;
      case 2:
        if (const auto all = g.variables(); !all.empty()) {
          const variable_id v = d.of(all);
          const row read(g.handle(g.variable_of(v).read).ref());
          if (!g.variable_of(v).own_updates.empty()) break;
          const auto assigned = assign(read, a);
          if (d.one_in(2)) g.own_update(v, assigned.ref().id.op);
        }
        break;
      case 3: {
        const auto [left, right] = split<2, 0>(a);
        tensors.push_back(d.one_in(2) ? concat<0>(right, left) : concat<0>(left, left));
        break;
      }
      case 4:
        if (checks) {
          const std::vector<tensor_id> operand{a.ref().id};
          const op_id check = g.add(check_op, operand);
          const row later = relu(b);
          g.add_control_edge(check, later.ref().id.op);
          tensors.push_back(later);
        }
        break;
      case 5:
        tensors.push_back(
            row(constant(g, Array::full<float>({4}, static_cast<float>(d.below(3)) * 0.5f)).ref()));
        break;
      case 6:
      case 7:
        tensors.push_back(leaky_relu(a, 0.25));
        break;
      case 8:
      case 9:
        tensors.push_back(sub(a, b));
        break;
      case 10:
        tensors.push_back(mul(a, b));
        break;
      case 11:
        tensors.push_back(add(a, b));
        break;
      default:
        tensors.push_back(tanh(a));
        break;
    }
  }
};

/// inputs(...) or outputs(...) of any number of tensors.
template <class List>
List as_list(const Graph& g, const std::vector<tensor_id>& tensors) {
  List list;
  for (const tensor_id t : tensors) list.tensors.push_back(g.handle(t).ref());
  return list;
}

}  // namespace graft_test
