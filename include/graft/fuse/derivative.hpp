// The derivative of a form: what a plan of a gradient computes for a chain, as forms.
//
// The rules are those of the operators' own gradients, op for op, for it is their results that a
// plan looks up. What a gradient reads of the chain's inner results, the chain stores while training.
#pragma once

#include "graft/core/form.hpp"

namespace graft::fused {

/// Forms of one step of training.
struct derivative {
  bool exists = false;        ///< false: no gradient, or more of it than fits in a form
  elementwise_form forward;   ///< the chain, with the results that its gradient reads stored
  elementwise_form backward;  ///< from the gradients of the results to those of the operands
};

namespace detail {

class differentiator {
 public:
  constexpr differentiator(const elementwise_form& f, std::uint32_t wanted) : f_(f) {
    for (std::size_t k = 0; k < f.operand_count; ++k) {
      operands_[k] = f.operands[k];
      operand_leads_[k] = (wanted >> k & 1u) != 0 && f.operands[k].what != operand_class::constant;
    }
    operand_count_ = f.operand_count;
    node_count_ = f.node_count;
    for (std::size_t i = 0; i < f.node_count; ++i) {
      nodes_[i] = f.nodes[i];
      for (int k = 0; k < entry_of(nodes_[i].op).operands; ++k) {
        leads_[i] = leads_[i] || leads(nodes_[i].operands[k]);
      }
    }
    run();
  }
  [[nodiscard]] constexpr const derivative& result() const { return result_; }

 private:
  using reference = std::uint8_t;
  static constexpr reference none = 255;
  static constexpr std::size_t room = 120, operand_room = 40;

  [[nodiscard]] constexpr bool leads(reference r) const {
    return r >= node_reference ? leads_[r - node_reference] : operand_leads_[r];
  }
  [[nodiscard]] constexpr bool is_full(reference r) const {
    return r >= node_reference || operands_[r].what == operand_class::full;
  }

  // --- Building: the operators that gradient rules use -------------------------------------------

  constexpr reference node(form_op op, reference a, reference b = 0, reference c = 0,
                           const std::uint64_t* numbers = nullptr) {
    if (node_count_ == room) {
      failed_ = true;
      return a;
    }
    form_node n;
    n.op = op;
    n.operands[0] = a;
    n.operands[1] = b;
    n.operands[2] = c;
    if (numbers != nullptr) {
      n.numbers[0] = numbers[0];
      n.numbers[1] = numbers[1];
    }
    nodes_[node_count_] = n;
    return static_cast<reference>(node_reference + node_count_++);
  }
  constexpr reference operand(operand_class what, double value) {
    if (operand_count_ == operand_room) {
      failed_ = true;
      return 0;
    }
    operands_[operand_count_] = {what, std::bit_cast<std::uint64_t>(value)};
    return static_cast<reference>(operand_count_++);
  }
  constexpr reference number(double value) { return operand(operand_class::constant, value); }
  constexpr reference times(reference a, reference b) { return node(form_op::mul, a, b); }
  constexpr reference times(reference a, double b) { return times(a, number(b)); }
  constexpr reference plus(reference a, double b) { return node(form_op::add, a, number(b)); }
  constexpr reference minus(reference a) { return node(form_op::neg, a); }
  constexpr reference over(reference a, reference b) { return node(form_op::div, a, b); }
  constexpr reference squared(reference a) { return node(form_op::square, a); }

  constexpr void arrive(reference at, reference gradient) {
    if (at < node_reference && !is_full(at)) {  // it is summed first, by itself
      keep(gradient);
      return;
    }
    reference& place = at >= node_reference ? at_node_[at - node_reference] : at_operand_[at];
    place = place == none ? gradient : node(form_op::add, place, gradient);
  }
  constexpr void keep(reference gradient) {
    if (gradient >= node_reference + f_.node_count) {
      nodes_[gradient - node_reference].stored = true;
      result_.exists = true;
    }
  }

  // --- Rules -------------------------------------------------------------------------------------

  // The gradient of operand k of node i, or none where it is zero.
  constexpr reference rule(std::size_t i, int k, reference g) {
    const form_node n = nodes_[i];
    const reference x = n.operands[0], y = n.operands[1];
    const auto out = static_cast<reference>(node_reference + i);
    const auto derivative_op = [&](form_op op, reference saved) {
      return node(op, g, saved, 0, n.numbers);
    };
    switch (n.op) {
      case form_op::add:
        return g;
      case form_op::sub:
        return k == 0 ? g : minus(g);
      case form_op::mul:
        return times(g, k == 0 ? y : x);
      case form_op::div:
        return k == 0 ? over(g, y) : over(minus(times(g, out)), y);
      case form_op::pow:
        return power_rule(n, k, g, out);
      case form_op::maximum:
      case form_op::minimum: {
        const reference first =
            node(n.op == form_op::maximum ? form_op::greater_equal : form_op::less_equal, x, y);
        return k == 0 ? node(form_op::select, first, g, number(0))
                      : node(form_op::select, first, number(0), g);
      }
      case form_op::squared_difference:
        return times(times(g, node(form_op::sub, x, y)), k == 0 ? 2.0 : -2.0);
      case form_op::neg:
        return minus(g);
      case form_op::abs:
        return times(g, node(form_op::sign, x));
      case form_op::square:
        return times(times(g, x), 2.0);
      case form_op::exp:
        return times(g, out);
      case form_op::expm1:
        return times(g, plus(out, 1));
      case form_op::log:
        return over(g, x);
      case form_op::log1p:
        return over(g, plus(x, 1));
      case form_op::sqrt:
        return over(g, times(out, 2.0));
      case form_op::rsqrt:
        return times(times(g, times(out, squared(out))), -0.5);
      case form_op::reciprocal:
        return minus(times(g, squared(out)));
      case form_op::sin:
        return times(g, node(form_op::cos, x));
      case form_op::cos:
        return minus(times(g, node(form_op::sin, x)));
      case form_op::erf:
        return times(times(g, node(form_op::exp, minus(squared(x)))), 1.1283791670955126);
      case form_op::clip: {
        const reference low =
            node(form_op::greater_equal, x, number(std::bit_cast<double>(n.numbers[0])));
        const reference high =
            node(form_op::less_equal, x, number(std::bit_cast<double>(n.numbers[1])));
        return node(form_op::select, node(form_op::logical_and, low, high), g, number(0));
      }
      case form_op::relu:
        return derivative_op(form_op::relu_gradient, out);
      case form_op::tanh:
        return derivative_op(form_op::tanh_gradient, out);
      case form_op::sigmoid:
        return derivative_op(form_op::sigmoid_gradient, out);
      case form_op::leaky_relu:
        return derivative_op(form_op::leaky_relu_gradient, out);
      case form_op::elu:
        return derivative_op(form_op::elu_gradient, out);
      case form_op::softplus:
        return derivative_op(form_op::softplus_gradient, x);
      case form_op::silu:
        return derivative_op(form_op::silu_gradient, x);
      case form_op::gelu:
        return derivative_op(form_op::gelu_gradient, x);
      case form_op::gelu_tanh:
        return derivative_op(form_op::gelu_tanh_gradient, x);
      case form_op::select:
        if (k == 0) return none;
        return k == 1 ? node(form_op::select, x, g, number(0))
                      : node(form_op::select, x, number(0), g);
      case form_op::sign:
      case form_op::floor:
      case form_op::ceil:
      case form_op::round:
        return none;
      default:
        if (!gives_truth(n.op)) failed_ = true;  // the gradient of a gradient
        return none;
    }
  }
  constexpr reference power_rule(const form_node& n, int k, reference g, reference out) {
    const reference x = n.operands[0], y = n.operands[1];
    if (k == 1) {
      const reference positive = node(form_op::greater, x, number(0));
      const reference inside = node(form_op::select, positive, x, number(1));
      return node(form_op::select, positive, times(times(g, out), node(form_op::log, inside)),
                  number(0));
    }
    if (y < node_reference && operands_[y].what == operand_class::constant) {
      const double exponent = std::bit_cast<double>(operands_[y].number);
      if (exponent == 0) return times(g, 0.0);
      if (exponent == 1) failed_ = true;
      if (exponent == 2) return times(times(g, x), 2.0);
      return times(times(g, node(form_op::pow, x, number(exponent - 1))), exponent);
    }
    failed_ = true;
    return none;
  }

  constexpr void run() {
    for (std::size_t i = 0; i < room; ++i) at_node_[i] = none;
    for (std::size_t k = 0; k < operand_room; ++k) at_operand_[k] = none;
    for (std::size_t i = 0; i < f_.node_count; ++i) {
      if (f_.nodes[i].stored) at_node_[i] = operand(operand_class::full, 0);
    }
    for (std::size_t i = f_.node_count; i-- > 0;) {
      if (!leads_[i] || at_node_[i] == none) continue;
      for (int k = 0; k < entry_of(nodes_[i].op).operands; ++k) {
        if (!leads(nodes_[i].operands[k])) continue;
        const reference gradient = rule(i, k, at_node_[i]);
        if (gradient != none) arrive(nodes_[i].operands[k], gradient);
      }
    }
    for (std::size_t k = 0; k < f_.operand_count; ++k) {
      if (operand_leads_[k] && at_operand_[k] != none) keep(at_operand_[k]);
    }
    if (failed_) result_.exists = false;
    if (result_.exists) write();
  }

  // Keeps of the gradient's operators those that lead to a stored one.
  constexpr void write() {
    bool used[room] = {};
    for (std::size_t i = node_count_; i-- > f_.node_count;) {
      used[i] = used[i] || nodes_[i].stored;
      if (!used[i]) continue;
      for (int k = 0; k < entry_of(nodes_[i].op).operands; ++k) {
        const reference r = nodes_[i].operands[k];
        if (r >= node_reference) used[r - node_reference] = true;
      }
    }
    result_.forward = f_;
    reference operand_now[operand_room] = {}, node_now[room] = {};  // 0: not there yet
    elementwise_form& form = result_.backward;
    for (std::size_t i = f_.node_count; i < node_count_; ++i) {
      if (!used[i]) continue;
      form_node n = nodes_[i];
      for (int k = 0; k < entry_of(n.op).operands; ++k) {
        const reference r = n.operands[k];
        reference& now = r >= node_reference ? node_now[r - node_reference] : operand_now[r];
        if (now == 0) {  // an operand, or one of the chain's own results
          if (form.operand_count == max_form_operands) {
            result_.exists = false;
            return;
          }
          if (r >= node_reference) {
            result_.forward.nodes[r - node_reference].stored = true;
            if (gives_truth(nodes_[r - node_reference].op)) {
              result_.exists = false;
              return;
            }
            now = static_cast<reference>(form.add_operand(operand_class::full) + 1);
          } else {
            now = static_cast<reference>(
                form.add_operand(operands_[r].what, std::bit_cast<double>(operands_[r].number)) +
                1);
          }
        }
        n.operands[k] = static_cast<reference>(now - 1);
      }
      if (form.node_count == max_form_nodes) {
        result_.exists = false;
        return;
      }
      node_now[i] = static_cast<reference>(form.add_node(n) + 1);
    }
  }

  const elementwise_form& f_;
  derivative result_;
  form_operand operands_[operand_room] = {};
  form_node nodes_[room] = {};
  std::size_t operand_count_ = 0, node_count_ = 0;
  bool operand_leads_[operand_room] = {}, leads_[room] = {};
  reference at_node_[room] = {}, at_operand_[operand_room] = {};
  bool failed_ = false;
};

}  // namespace detail

/// Differentiates a form.
/// @param wanted bit k: the gradient of operand k is wanted
constexpr derivative differentiate(const elementwise_form& form, std::uint32_t wanted) {
  return detail::differentiator(form, wanted).result();
}

}  // namespace graft::fused
