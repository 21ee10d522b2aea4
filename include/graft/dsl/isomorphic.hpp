// Comparing and cloning networks that the compiler knows.
#pragma once

#include "graft/dsl/extract.hpp"

namespace graft {

/// What makes two compile-time networks different; the first that is found from output 0 backwards.
enum class network_difference : std::uint8_t {
  none,
  inputs,      ///< their number, or one is used as an input on one side only
  outputs,     ///< their number
  operators,   ///< another operator
  operands,    ///< another number of operands, or another output of the producer
  attributes,  ///< another attribute
  types,       ///< another element type or shape
  tie,         ///< one op where the other network has two
  variables,   ///< role, trainable flag, initial value or own updates
};

namespace detail {

struct table_difference {
  network_difference what = network_difference::none;
  std::uint32_t left = 0, right = 0;  // ops
};

template <class A, class B>
class table_matcher {
 public:
  constexpr table_matcher(const A& a, const B& b) : a_(a), b_(b) {
    left_.fill(no_value);
    right_.fill(no_value);
    left_variable_.fill(no_value);
    right_variable_.fill(no_value);
  }

  constexpr table_difference run() {
    if (a_.outputs.size() != b_.outputs.size()) fail(network_difference::outputs, 0, 0);
    if (a_.inputs.size() != b_.inputs.size()) fail(network_difference::inputs, 0, 0);
    if (failed()) return found_;
    for (std::size_t i = 0; i < a_.inputs.size(); ++i) {
      const std::uint32_t x = a_.inputs[i], y = b_.inputs[i];
      const std::uint32_t p = a_.values[x].op, q = b_.values[y].op;
      left_[p] = q;
      right_[q] = p;
      if (!same_type(x, y)) fail(network_difference::types, p, q);
    }
    for (std::size_t i = a_.outputs.size(); i-- > 0;) push(a_.outputs[i], b_.outputs[i]);
    while (!failed() && size_ > 0) {
      const pair next = open_[--size_];
      match(next.left, next.right);
    }
    return found_;
  }

 private:
  struct pair {
    std::uint32_t left = 0, right = 0;
  };

  [[nodiscard]] constexpr bool failed() const { return found_.what != network_difference::none; }
  constexpr void fail(network_difference what, std::uint32_t left, std::uint32_t right) {
    if (!failed()) found_ = {what, left, right};
  }
  constexpr void push(std::uint32_t x, std::uint32_t y) {
    if (size_ < open_.size()) {
      open_[size_] = {x, y};
    } else {
      open_.push_back({x, y});
    }
    ++size_;
  }

  [[nodiscard]] constexpr bool same_type(std::uint32_t x, std::uint32_t y) const {
    const table_value &v = a_.values[x], &w = b_.values[y];
    if (v.type != w.type || v.ranked != w.ranked) return false;
    return same_extents(v.extents, w.extents);
  }
  [[nodiscard]] constexpr bool same_extents(table_span s, table_span t) const {
    if (s.count != t.count) return false;
    for (std::uint32_t i = 0; i < s.count; ++i) {
      if (a_.extents[s.first + i] != b_.extents[t.first + i]) return false;
    }
    return true;
  }

  constexpr void match(std::uint32_t x, std::uint32_t y) {
    const table_value &v = a_.values[x], &w = b_.values[y];
    const std::uint32_t i = v.op, j = w.op;
    if (v.output != w.output) return fail(network_difference::operands, i, j);
    match_ops(i, j);
  }

  constexpr void match_ops(std::uint32_t i, std::uint32_t j) {
    if (left_[i] == j && right_[j] == i) return;
    if (left_[i] != no_value || right_[j] != no_value) {
      return fail(
          is_input(a_, i) || is_input(b_, j) ? network_difference::inputs : network_difference::tie,
          i, j);
    }
    left_[i] = j;
    right_[j] = i;
    const table_op &p = a_.ops[i], &q = b_.ops[j];
    if (p.schema->name != q.schema->name) {
      return fail(network_difference::operators, i, j);
    }
    if (p.operands.count != q.operands.count || p.outputs.count != q.outputs.count) {
      return fail(network_difference::operands, i, j);
    }
    if (!same_attributes(p.attributes, q.attributes)) {
      return fail(network_difference::attributes, i, j);
    }
    for (std::uint32_t k = 0; k < p.outputs.count; ++k) {
      if (!same_type(p.outputs.first + k, q.outputs.first + k)) {
        return fail(network_difference::types, i, j);
      }
    }
    for (std::uint32_t k = p.operands.count; k-- > 0;) push(a_.operand(p, k), b_.operand(q, k));
    match_variables(p, q, i, j);
    if (p.schema->has(ops::bodies)) match_bodies(p, q);
  }
  // From their results backwards to their inputs, which have numbers.
  constexpr void match_bodies(const table_op& p, const table_op& q) {
    for (std::uint32_t k = 0; k < p.attributes.count && !failed(); ++k) {
      const table_attribute& x = a_.attributes[p.attributes.first + k];
      if (x.kind != attribute_kind::body) continue;
      match_ops(results_of(a_, x.integer), results_of(b_, b_.integer_of(q, x.key)));
    }
  }
  template <class Table>
  [[nodiscard]] static constexpr std::uint32_t results_of(const Table& t, std::int64_t body) {
    for (const table_step& s : t.steps) {
      if (s.what == table_step::kind::close_body && s.index == body) return s.second;
    }
    return no_value;
  }

  template <class Table>
  [[nodiscard]] static constexpr bool is_input(const Table& t, std::uint32_t op) {
    for (const std::uint32_t value : t.inputs) {
      if (t.values[value].op == op) return true;
    }
    return false;
  }

  // References to variables and bodies are left to match_variables and match_bodies.
  [[nodiscard]] constexpr bool same_attributes(table_span s, table_span t) const {
    if (s.count != t.count) return false;
    for (std::uint32_t i = 0; i < s.count; ++i) {
      const table_attribute& x = a_.attributes[s.first + i];
      bool found = false;
      for (std::uint32_t k = 0; k < t.count && !found; ++k) {
        const table_attribute& y = b_.attributes[t.first + k];
        if (x.key != y.key) continue;
        if (!same_attribute(x, y)) return false;
        found = true;
      }
      if (!found) return false;
    }
    return true;
  }
  [[nodiscard]] constexpr bool same_attribute(const table_attribute& x,
                                              const table_attribute& y) const {
    if (x.kind != y.kind) return false;
    switch (x.kind) {
      case attribute_kind::variable:
      case attribute_kind::body:
        return true;
      case attribute_kind::real:
        return x.real == y.real;
      case attribute_kind::integers:
        return same_extents(x.extents, y.extents);
      case attribute_kind::string:
        return a_.characters_of(x.characters) == b_.characters_of(y.characters);
      default:
        return x.integer == y.integer;
    }
  }

  constexpr void match_variables(const table_op& p, const table_op& q, std::uint32_t i,
                                 std::uint32_t j) {
    for (std::uint32_t k = 0; k < p.attributes.count; ++k) {
      const table_attribute& x = a_.attributes[p.attributes.first + k];
      if (x.kind != attribute_kind::variable) continue;
      const auto v = static_cast<std::uint32_t>(x.integer);
      const auto w = static_cast<std::uint32_t>(b_.integer_of(q, x.key));
      if (left_variable_[v] == w) continue;
      if (left_variable_[v] != no_value || right_variable_[w] != no_value) {
        return fail(network_difference::tie, i, j);
      }
      left_variable_[v] = w;
      right_variable_[w] = v;
      match_variable(a_.variables[v], b_.variables[w], i, j);
    }
  }
  constexpr void match_variable(const table_variable& v, const table_variable& w, std::uint32_t i,
                                std::uint32_t j) {
    if (v.role != w.role || v.trainable != w.trainable || v.initial->name != w.initial->name ||
        !same_attributes(v.initial_attributes, w.initial_attributes)) {
      return fail(network_difference::variables, i, j);
    }
    push(v.value, w.value);
    std::size_t at = 0;  // in the steps of b
    for (const table_step& s : a_.steps) {
      if (s.what != table_step::kind::own_update || s.index != v.value) continue;
      at = next_update(w.value, at);
      if (at == b_.steps.size()) return fail(network_difference::variables, i, j);
      push(s.second, b_.steps[at].second);
      ++at;
    }
    if (next_update(w.value, at) != b_.steps.size()) fail(network_difference::variables, i, j);
  }
  [[nodiscard]] constexpr std::size_t next_update(std::uint32_t value, std::size_t from) const {
    while (from < b_.steps.size() &&
           (b_.steps[from].what != table_step::kind::own_update || b_.steps[from].index != value)) {
      ++from;
    }
    return from;
  }

  const A& a_;
  const B& b_;
  std::array<std::uint32_t, std::tuple_size_v<decltype(A::ops)>> left_{};
  std::array<std::uint32_t, std::tuple_size_v<decltype(B::ops)>> right_{};
  std::array<std::uint32_t, std::tuple_size_v<decltype(A::variables)>> left_variable_{};
  std::array<std::uint32_t, std::tuple_size_v<decltype(B::variables)>> right_variable_{};
  growing_list<pair> open_;
  std::size_t size_ = 0;
  table_difference found_;
};

template <class A, class B>
inline constexpr table_difference difference_of_networks =
    table_matcher(A::table(), B::table()).run();

// A network of equal table and another type.
template <class Source, class Tag>
struct cloned_network {
  using result = typename Source::result;
  using inputs = typename Source::inputs;
  static constexpr auto make() { return network<Source>::table(); }
};

template <class Net, class Tag>
struct clone_of;
template <class Source, class Tag>
struct clone_of<network<Source>, Tag> {
  using type = network<cloned_network<Source, Tag>>;
};

}  // namespace detail

/// Two networks are not the same: what differs, and the paths of the two ops where it shows.
template <network_difference What, text Left, text Right>
struct networks_differ;

/// True where two compile-time networks are the same: from their outputs backwards to their inputs,
/// both in order, equal operators, attributes, types, ties, variables, own updates and bodies, which are compared in the
/// same way. Names say nothing.
/// @see isomorphic for graphs at run time
template <class A, class B>
inline constexpr bool isomorphic_v =
    detail::difference_of_networks<std::remove_cvref_t<A>, std::remove_cvref_t<B>>.what ==
    network_difference::none;

/// Does not compile where two networks differ; the error, `networks_differ<what, "left/op",
/// "right/op">`, says where: `require_isomorphic(actor, critic);`.
template <class Left, class Right>
constexpr void require_isomorphic(const network<Left>&, const network<Right>&) {
  using A = network<Left>;
  using B = network<Right>;
  if constexpr (!isomorphic_v<A, B>) {
    constexpr detail::table_difference found = detail::difference_of_networks<A, B>;
    networks_differ<found.what, detail::path_text<A, found.left>(),
                    detail::path_text<B, found.right>()>
        error{};
    (void)error;
  }
}

/// A network of the same structure and another type: `using critic = clone_t<decltype(actor), struct
/// critic_tag>;`. Lowered, it makes variables of its own.
///
/// Clones of clones are distinct, and so are clones of different tags.
template <class Net, class Tag = void>
using clone_t = typename detail::clone_of<std::remove_cvref_t<Net>, Tag>::type;

}  // namespace graft
