// Elementwise chains as values: what a user writes once, for tensors and for the compiler.
#pragma once

#include "graft/core/form.hpp"
#include "graft/dsl/network.hpp"
#include "graft/ops/elementwise.hpp"

namespace graft {

/// The chain uses an operator whose results depend on more than the elements of one place, such as
/// softmax, sum or matmul. Use it before or after the chain.
template <text Operator>
struct operator_is_not_elementwise;
/// The chain uses an elementwise operator that compiled chains have not, such as cast. Use it before
/// or after the chain.
template <text Operator>
struct operator_is_not_compiled;
/// A chain has at most 24 operators and 12 operands, constants included. Make two of it.
template <int Operators, int Operands>
struct chain_is_too_long;

/// A chain made by elementwise(). Empty: calling it calls the function.
template <class F>
class elementwise_chain {
  static_assert(std::is_empty_v<F> && std::is_default_constructible_v<F>,
                "graft: elementwise() takes a lambda without captures");

 public:
  /// Adds the chain's ops to the graph of its operands.
  template <class... X>
    requires std::is_invocable_v<const F&, const X&...>
  constexpr auto operator()(const X&... x) const {
    return F{}(x...);
  }
};

/// Names a chain: `inline constexpr auto chain = elementwise([](auto x, auto w) { return relu(x *
/// w); });`. Calling it on tensors adds the ops that it is made of, and nothing else;
/// `register_fused<chain>()` has the compiler make one kernel of it.
/// @tparam F a lambda without captures, of tensors, that uses elementwise operators and numbers
template <class F>
constexpr elementwise_chain<F> elementwise(F) {
  return {};
}

template <class T>
inline constexpr bool is_elementwise_chain = false;
template <class F>
inline constexpr bool is_elementwise_chain<elementwise_chain<F>> = true;

namespace fused {

// The shapes that stand for the classes while a chain is recorded.
using full_shape = shape<dim<"row">, dim<"column">>;
template <operand_class Class>
struct shape_of_class;
template <>
struct shape_of_class<operand_class::full> {
  using type = full_shape;
};
template <>
struct shape_of_class<operand_class::row> {
  using type = shape<dim<"column">>;
};
template <>
struct shape_of_class<operand_class::column> {
  using type = shape<dim<"row">, 1>;
};
template <>
struct shape_of_class<operand_class::scalar> {
  using type = shape<>;
};

template <std::size_t>
using full_handle = tensor<Recorder, dtype::float32, full_shape>;
template <class F, std::size_t... I>
constexpr bool takes(std::index_sequence<I...>) {
  return std::is_invocable_v<const F&, const full_handle<I>&...>;
}
// The number of operands of a generic lambda: that with which it may be called.
template <class Chain, std::size_t N = 1>
constexpr std::size_t arity() {
  static_assert(N <= max_form_operands, "graft: a chain takes from 1 to 12 tensors");
  if constexpr (takes<Chain>(std::make_index_sequence<N>{})) {
    return N;
  } else {
    return arity<Chain, N + 1>();
  }
}

template <class F>
constexpr std::size_t arity(elementwise_chain<F>) {
  return arity<F>();
}

template <auto Chain, operand_class... Classes>
inline constexpr auto chain_table =
    graft::detail::recorded_table<Chain, mode::inference,
                                  in<float, typename shape_of_class<Classes>::type>...>();

inline constexpr std::uint32_t no_op = 0xffffffffu;

/// A chain's form as it was written, or the op that forms do not have.
struct read_chain {
  elementwise_form form;
  int operators = 0, operands = 0;
  std::uint32_t not_elementwise = no_op, not_compiled = no_op;
};

constexpr operand_class class_of(const dims& shape) {
  if (shape.size() == 0) return operand_class::scalar;
  if (shape.size() == 1) return operand_class::row;
  return shape[1] == 1 ? operand_class::column : operand_class::full;
}

/// The form of a recorded chain. What has not an element for each of the results', such as the
/// product of two scalars, is an operand: graphs compute it apart.
template <class Table>
constexpr read_chain read(const Table& t) {
  read_chain result;
  growing_lists::list<std::uint8_t> reference;  // by value
  elementwise_form& form = result.form;
  const auto operand = [&](operand_class what, double number = 0) -> std::uint8_t {
    if (form.operand_count < max_form_operands) return form.add_operand(what, number);
    result.operands = static_cast<int>(max_form_operands) + 1;
    return 0;
  };
  for (std::uint32_t i = 0; i < t.ops.size(); ++i) {
    const table_op& op = t.ops[i];
    const std::string_view name = op.schema->name;
    if (name == ops::scalar.name) {
      const table_attribute value = t.attributes[t.find_attribute(op, "value")];
      reference.push_back(operand(
          operand_class::constant,
          value.kind == attribute_kind::real ? value.real : static_cast<double>(value.integer)));
      continue;
    }
    const operand_class what = class_of(t.shape_of(op.outputs.first));
    if (what != operand_class::full || op.operands.count == 0) {
      reference.push_back(operand(what));
      continue;
    }
    const found_form_op found = form_op_named(name);
    if (!op.schema->has(ops::elementwise)) {
      result.not_elementwise = i;
      return result;
    }
    if (!found.found) {
      result.not_compiled = i;
      return result;
    }
    form_node node;
    node.op = found.op;
    for (std::uint32_t k = 0; k < op.operands.count; ++k) {
      node.operands[k] = reference[t.operand(op, k)];
    }
    for (std::size_t k = 0; k < 2; ++k) {
      const std::string_view key = attribute_of(found.op, k);
      if (key.empty()) continue;
      node.numbers[k] = std::bit_cast<std::uint64_t>(t.real_of(op, key, number_left_out(key)));
    }
    if (++result.operators > static_cast<int>(max_form_nodes)) {
      reference.push_back(node_reference);
      continue;
    }
    reference.push_back(form.add_node(node));
  }
  if (result.operands == 0) result.operands = form.operand_count;
  for (const std::uint32_t out : t.outputs) {
    if (reference[out] >= node_reference) {
      form.nodes[reference[out] - node_reference].stored = true;
    }
  }
  return result;
}

template <const operator_schema* Schema>
constexpr auto label_of() {
  return graft::detail::schema_label<*Schema>();
}

/// The form of a chain for these classes of its operands, as it was written; what forms have not
/// does not compile.
template <auto Chain, operand_class... Classes>
constexpr elementwise_form form_of_chain() {
  constexpr const auto& table = chain_table<Chain, Classes...>;
  constexpr read_chain r = read(table);
  if constexpr (r.not_elementwise != no_op) {
    constexpr const table_op& op = table.ops[r.not_elementwise];
    operator_is_not_elementwise<label_of<op.schema>()> error{};
    (void)error;
  } else if constexpr (r.not_compiled != no_op) {
    constexpr const table_op& op = table.ops[r.not_compiled];
    operator_is_not_compiled<label_of<op.schema>()> error{};
    (void)error;
  } else if constexpr (r.operators > static_cast<int>(max_form_nodes) ||
                       r.operands > static_cast<int>(max_form_operands)) {
    chain_is_too_long<r.operators, r.operands> error{};
    (void)error;
  }
  return r.form;
}

}  // namespace fused
}  // namespace graft
