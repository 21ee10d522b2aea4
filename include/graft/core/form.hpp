// Canonical forms of elementwise chains: what a compiled kernel computes, as a value.
//
// A form is a postfix list of primitive operators over classes of operands, with a mask of the
// results that are stored. It is of structural type, so kernels are templates over forms; and
// constant evaluation and the planner make it by the same functions.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace graft {

/// The primitive operators of forms, each under the name of an operator of the graph.
enum class form_op : std::uint8_t {
  // of one operand
  neg,
  abs,
  sign,
  square,
  exp,
  expm1,
  log,
  log1p,
  sqrt,
  rsqrt,
  reciprocal,
  sin,
  cos,
  erf,
  floor,
  ceil,
  round,
  relu,
  tanh,
  sigmoid,
  softplus,
  silu,
  gelu,
  gelu_tanh,
  leaky_relu,  // numbers: alpha
  elu,         // numbers: alpha
  clip,        // numbers: low, high
  // of two operands
  add,
  sub,
  mul,
  div,
  pow,
  maximum,
  minimum,
  squared_difference,
  // of the gradient of a result and what the forward operator saved
  relu_gradient,
  tanh_gradient,
  sigmoid_gradient,
  softplus_gradient,
  silu_gradient,
  gelu_gradient,
  gelu_tanh_gradient,
  leaky_relu_gradient,  // numbers: alpha
  elu_gradient,         // numbers: alpha
  // to truth values
  equal,
  not_equal,
  less,
  less_equal,
  greater,
  greater_equal,
  logical_and,
  logical_or,
  logical_xor,
  logical_not,
  // of a truth value and two others
  select,
};

namespace detail {

struct form_op_entry {
  std::string_view name;
  int operands;
  std::string_view first = {}, second = {};  // attributes that are part of the form
};
inline constexpr form_op_entry form_ops[] = {
    {"neg", 1},
    {"abs", 1},
    {"sign", 1},
    {"square", 1},
    {"exp", 1},
    {"expm1", 1},
    {"log", 1},
    {"log1p", 1},
    {"sqrt", 1},
    {"rsqrt", 1},
    {"reciprocal", 1},
    {"sin", 1},
    {"cos", 1},
    {"erf", 1},
    {"floor", 1},
    {"ceil", 1},
    {"round", 1},
    {"relu", 1},
    {"tanh", 1},
    {"sigmoid", 1},
    {"softplus", 1},
    {"silu", 1},
    {"gelu", 1},
    {"gelu_tanh", 1},
    {"leaky_relu", 1, "alpha"},
    {"elu", 1, "alpha"},
    {"clip", 1, "low", "high"},
    {"add", 2},
    {"sub", 2},
    {"mul", 2},
    {"div", 2},
    {"pow", 2},
    {"maximum", 2},
    {"minimum", 2},
    {"squared_difference", 2},
    {"relu_gradient", 2},
    {"tanh_gradient", 2},
    {"sigmoid_gradient", 2},
    {"softplus_gradient", 2},
    {"silu_gradient", 2},
    {"gelu_gradient", 2},
    {"gelu_tanh_gradient", 2},
    {"leaky_relu_gradient", 2, "alpha"},
    {"elu_gradient", 2, "alpha"},
    {"equal", 2},
    {"not_equal", 2},
    {"less", 2},
    {"less_equal", 2},
    {"greater", 2},
    {"greater_equal", 2},
    {"logical_and", 2},
    {"logical_or", 2},
    {"logical_xor", 2},
    {"logical_not", 1},
    {"select", 3},
};
inline constexpr std::size_t form_op_count = sizeof(form_ops) / sizeof(form_ops[0]);
static_assert(form_op_count == static_cast<std::size_t>(form_op::select) + 1);

}  // namespace detail

constexpr const detail::form_op_entry& entry_of(form_op op) {
  return detail::form_ops[static_cast<std::size_t>(op)];
}
constexpr std::string_view name_of(form_op op) { return entry_of(op).name; }
/// The attribute that is number k of an operator, or "".
constexpr std::string_view attribute_of(form_op op, std::size_t k) {
  return k == 0 ? entry_of(op).first : entry_of(op).second;
}

/// A form_op, or none.
struct found_form_op {
  bool found = false;
  form_op op = form_op::neg;
};
/// Returns the form_op of an operator's name.
constexpr found_form_op form_op_named(std::string_view name) {
  for (std::size_t i = 0; i < detail::form_op_count; ++i) {
    if (detail::form_ops[i].name == name) return {true, static_cast<form_op>(i)};
  }
  return {};
}

/// The number of an attribute that an op leaves out.
constexpr double number_left_out(std::string_view key) {
  return key == "low" ? -__builtin_huge_val() : key == "high" ? __builtin_huge_val() : 0.0;
}

/// Whether exchanging the operands leaves every bit as it is. (Not so for maximum and minimum,
/// which tell 0 from -0 by the order.)
constexpr bool may_exchange(form_op op) {
  return op == form_op::add || op == form_op::mul || op == form_op::squared_difference ||
         op == form_op::equal || op == form_op::not_equal || op == form_op::logical_and ||
         op == form_op::logical_or || op == form_op::logical_xor;
}
constexpr bool is_logic(form_op op) {
  return op >= form_op::logical_and && op <= form_op::logical_not;
}
/// Whether the results are truth values, which stay within a form.
constexpr bool gives_truth(form_op op) { return op >= form_op::equal && op < form_op::select; }

/// How an operand is spread over the elements of the results, seen as rows of columns.
enum class operand_class : std::uint8_t {
  full,      ///< an element for each
  row,       ///< an element for each column, the same in all rows
  column,    ///< an element for each row
  scalar,    ///< one element for all
  constant,  ///< a number that is part of the form
};

inline constexpr std::size_t max_form_operands = 12, max_form_nodes = 24;

/// An operand of a form.
struct form_operand {
  operand_class what = operand_class::full;
  std::uint64_t number = 0;  ///< of a constant: the bits of a double
  constexpr bool operator==(const form_operand&) const = default;
};

/// One operator of a form. Its operands are operands of the form, by number, or earlier nodes, as
/// `node_reference` plus the number.
struct form_node {
  form_op op = form_op::neg;
  bool stored = false;
  std::uint8_t operands[3] = {};
  std::uint64_t numbers[2] = {};  ///< attributes: the bits of doubles
  constexpr bool operator==(const form_node&) const = default;
};
inline constexpr std::uint8_t node_reference = 64;

/// An elementwise chain: operators in an order in which each follows its operands. In canonical
/// form (see `canonical`) if it came from there.
struct elementwise_form {
  std::uint8_t operand_count = 0;
  std::uint8_t node_count = 0;
  form_operand operands[max_form_operands] = {};
  form_node nodes[max_form_nodes] = {};

  constexpr bool operator==(const elementwise_form&) const = default;

  /// Results that are stored; a kernel writes them in the order of their nodes.
  [[nodiscard]] constexpr std::size_t output_count() const {
    std::size_t count = 0;
    for (std::size_t i = 0; i < node_count; ++i) count += nodes[i].stored ? 1u : 0u;
    return count;
  }
  /// Whether an operand is read by rows or columns, so that the length of rows matters.
  [[nodiscard]] constexpr bool has_rows() const {
    for (std::size_t k = 0; k < operand_count; ++k) {
      if (operands[k].what == operand_class::row || operands[k].what == operand_class::column)
        return true;
    }
    return false;
  }

  // Building one; both return the reference by which nodes name what was added.
  constexpr std::uint8_t add_operand(operand_class what, double number = 0) {
    const form_operand added{what, std::bit_cast<std::uint64_t>(number)};
    if (what == operand_class::constant) {  // equal constants are one
      for (std::uint8_t k = 0; k < operand_count; ++k) {
        if (operands[k] == added) return k;
      }
    }
    operands[operand_count] = added;
    return operand_count++;
  }
  constexpr std::uint8_t add_node(const form_node& node) {
    nodes[node_count] = node;
    return static_cast<std::uint8_t>(node_reference + node_count++);
  }
};

/// A form in canonical order, and where its operands and nodes stood before.
struct canonical_form {
  elementwise_form form;
  std::uint8_t operand_from[max_form_operands] = {};
  std::uint8_t node_from[max_form_nodes] = {};
};

namespace detail {

constexpr std::uint64_t mixed(std::uint64_t h, std::uint64_t v) {
  h = (h ^ v) * 0x9e3779b97f4a7c15ull;
  return h ^ (h >> 29);
}

// Puts a form in canonical order. Every operand and node gets a label from what it is made of and
// from where it is used, neither of which depends on the order in which a graph holds its ops.
class form_sorter {
 public:
  constexpr explicit form_sorter(const elementwise_form& from) : from_(from) {
    label();
    bool taken[max_form_nodes] = {};
    for (;;) {  // sinks, the least label first
      std::size_t best = max_form_nodes;
      for (std::size_t i = 0; i < from_.node_count; ++i) {
        if (taken[i] || used_[i]) continue;
        if (best == max_form_nodes || node_label_[i] < node_label_[best]) best = i;
      }
      if (best == max_form_nodes) break;
      taken[best] = true;
      place_node(best);
    }
  }
  [[nodiscard]] constexpr const canonical_form& result() const { return result_; }

 private:
  [[nodiscard]] constexpr std::uint64_t label_of(std::uint8_t reference) const {
    return reference >= node_reference ? node_label_[reference - node_reference]
                                       : operand_label_[reference];
  }
  // A node's label from those of its operands.
  [[nodiscard]] constexpr std::uint64_t made_of(std::size_t i) const {
    const form_node& n = from_.nodes[i];
    std::uint64_t h = mixed(static_cast<std::uint64_t>(n.op) + 1, n.stored ? 7 : 3);
    for (const std::uint64_t number : n.numbers) h = mixed(h, number);
    const int count = entry_of(n.op).operands;
    if (may_exchange(n.op)) {
      const std::uint64_t a = label_of(n.operands[0]), b = label_of(n.operands[1]);
      return mixed(mixed(h, a < b ? a : b), a < b ? b : a);
    }
    for (int k = 0; k < count; ++k) h = mixed(h, label_of(n.operands[k]));
    return h;
  }
  constexpr void label() {
    for (std::size_t k = 0; k < from_.operand_count; ++k) {
      const form_operand& o = from_.operands[k];
      operand_label_[k] = mixed(static_cast<std::uint64_t>(o.what) + 101, o.number);
    }
    for (int round = 0; round < 2; ++round) {
      for (std::size_t i = 0; i < from_.node_count; ++i) {
        node_label_[i] = mixed(made_of(i), node_label_[i]);
      }
      // From the results back: what uses a value, and in which place.
      std::uint64_t operand_uses[max_form_operands] = {}, node_uses[max_form_nodes] = {};
      for (std::size_t i = from_.node_count; i-- > 0;) {
        node_label_[i] = mixed(node_label_[i], node_uses[i]);
        const form_node& n = from_.nodes[i];
        for (int k = 0; k < entry_of(n.op).operands; ++k) {
          const std::uint64_t use =
              mixed(node_label_[i], may_exchange(n.op) ? 0 : static_cast<std::uint64_t>(k) + 1);
          if (n.operands[k] >= node_reference) {
            node_uses[n.operands[k] - node_reference] += use;
            used_[n.operands[k] - node_reference] = true;
          } else {
            operand_uses[n.operands[k]] += use;
          }
        }
      }
      for (std::size_t k = 0; k < from_.operand_count; ++k) {
        operand_label_[k] = mixed(operand_label_[k], operand_uses[k]);
      }
    }
  }

  constexpr std::uint8_t place(std::uint8_t reference) {
    if (reference >= node_reference) return place_node(reference - node_reference);
    if (operand_at_[reference] == 0) {
      result_.operand_from[result_.form.operand_count] = reference;
      result_.form.operands[result_.form.operand_count] = from_.operands[reference];
      operand_at_[reference] = ++result_.form.operand_count;
    }
    return static_cast<std::uint8_t>(operand_at_[reference] - 1);
  }
  constexpr std::uint8_t place_node(std::size_t i) {
    if (node_at_[i] == 0) {
      form_node n = from_.nodes[i];
      const int count = entry_of(n.op).operands;
      const bool swapped = may_exchange(n.op) && label_of(n.operands[1]) < label_of(n.operands[0]);
      const std::uint8_t first = n.operands[0];
      if (swapped) {
        n.operands[0] = n.operands[1];
        n.operands[1] = first;
      }
      for (int k = 0; k < count; ++k) n.operands[k] = place(n.operands[k]);
      result_.node_from[result_.form.node_count] = static_cast<std::uint8_t>(i);
      result_.form.nodes[result_.form.node_count] = n;
      node_at_[i] = ++result_.form.node_count;
    }
    return static_cast<std::uint8_t>(node_reference + node_at_[i] - 1);
  }

  const elementwise_form& from_;
  canonical_form result_;
  std::uint64_t operand_label_[max_form_operands] = {}, node_label_[max_form_nodes] = {};
  bool used_[max_form_nodes] = {};
  std::uint8_t operand_at_[max_form_operands] = {}, node_at_[max_form_nodes] = {};  // 0: not placed
};

}  // namespace detail

/// Puts a form in canonical order: the same for every order of its operators and operands, and for
/// either order of the operands of additions and products.
constexpr canonical_form canonical(const elementwise_form& form) {
  return detail::form_sorter(form).result();
}

/// A hash of a form, and one of its operators alone, the same in any order.
constexpr std::uint64_t hash_of(const elementwise_form& form) {
  std::uint64_t h = detail::mixed(form.operand_count, form.node_count);
  for (std::size_t k = 0; k < form.operand_count; ++k) {
    h = detail::mixed(h, static_cast<std::uint64_t>(form.operands[k].what));
    h = detail::mixed(h, form.operands[k].number);
  }
  for (std::size_t i = 0; i < form.node_count; ++i) {
    const form_node& n = form.nodes[i];
    h = detail::mixed(h, static_cast<std::uint64_t>(n.op) * 2 + (n.stored ? 1 : 0));
    for (const std::uint8_t o : n.operands) h = detail::mixed(h, o);
    for (const std::uint64_t number : n.numbers) h = detail::mixed(h, number);
  }
  return h;
}
constexpr std::uint64_t hash_of(form_op op) {
  return detail::mixed(0x51ed2701, static_cast<std::uint64_t>(op) + 1);
}
constexpr std::uint64_t hash_of_operators(const elementwise_form& form) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < form.node_count; ++i) sum += hash_of(form.nodes[i].op);
  return sum;
}

/// The form with its constants rounded to float, as graphs of float32 hold them.
constexpr elementwise_form rounded_to_float(elementwise_form form) {
  for (std::size_t k = 0; k < form.operand_count; ++k) {
    form_operand& o = form.operands[k];
    if (o.what != operand_class::constant) continue;
    const double number = std::bit_cast<double>(o.number);
    if (number > 3.4028234663852886e38 || number < -3.4028234663852886e38) continue;
    o.number = std::bit_cast<std::uint64_t>(static_cast<double>(static_cast<float>(number)));
  }
  return form;
}

namespace detail {

[[noreturn]] inline void form_refuses(const char*) { __builtin_trap(); }

class form_reader {
 public:
  constexpr explicit form_reader(std::string_view text) : text_(text) {}

  constexpr elementwise_form read() {
    while (next_word()) take(word_);
    form_.nodes[form_.node_count - 1].stored = true;
    return canonical(form_).form;
  }

 private:
  constexpr bool next_word() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
    const std::size_t first = at_;
    while (at_ < text_.size() && text_[at_] != ' ') ++at_;
    word_ = text_.substr(first, at_ - first);
    return !word_.empty();
  }
  constexpr void take(std::string_view word) {
    if (word[0] == '#') return push(form_.add_operand(operand_class::constant, number(word)));
    const bool named = word.size() > 1 && word[1] >= '0' && word[1] <= '9';
    if (named) {
      std::size_t place = 0;
      for (const char c : word.substr(1)) place = place * 10 + static_cast<std::size_t>(c - '0');
      if (word[0] == 'n') return push(static_cast<std::uint8_t>(node_reference + place));
      const operand_class what = word[0] == 'f'   ? operand_class::full
                                 : word[0] == 'r' ? operand_class::row
                                 : word[0] == 'c' ? operand_class::column
                                                  : operand_class::scalar;
      if (known_[place] == 0)
        known_[place] = static_cast<std::uint8_t>(form_.add_operand(what) + 1);
      return push(static_cast<std::uint8_t>(known_[place] - 1));
    }
    form_node node;
    node.stored = word.back() == '!';
    if (node.stored) word.remove_suffix(1);
    const found_form_op op = form_op_named(word);
    if (!op.found) form_refuses("no such operator");
    node.op = op.op;
    const int count = entry_of(op.op).operands;
    if (depth_ < static_cast<std::size_t>(count)) form_refuses("an operand is missing");
    for (int k = count; k-- > 0;) node.operands[k] = stack_[--depth_];
    push(form_.add_node(node));
  }
  constexpr void push(std::uint8_t reference) { stack_[depth_++] = reference; }
  static constexpr double number(std::string_view word) {
    std::size_t i = 1;
    const bool negative = i < word.size() && word[i] == '-';
    if (negative) ++i;
    double value = 0, scale = 1;
    bool fraction = false;
    for (; i < word.size(); ++i) {
      if (word[i] == '.') {
        fraction = true;
        continue;
      }
      value = value * 10 + (word[i] - '0');
      if (fraction) scale *= 10;
    }
    return (negative ? -value : value) / scale;
  }

  std::string_view text_, word_;
  std::size_t at_ = 0, depth_ = 0;
  elementwise_form form_;
  std::uint8_t known_[max_form_operands] = {}, stack_[32] = {};
};

}  // namespace detail

/// Reads a form from words in postfix order: `f0` (a full operand), `r1` (a row), `c2` (a column),
/// `s3` (a scalar), `#0.5` (a constant), `n0` (the result of the first operator again), and names
/// of operators, with a `!` where the result is stored; the last one's is. "f0 r1 add relu".
///
/// For constants of a program: it does not check as it would have to check what a user types.
constexpr elementwise_form form_of(std::string_view text) {
  return detail::form_reader(text).read();
}
/// Writes a form in these words.
std::string to_string(const elementwise_form& form);

/// What a compiled kernel of a form works on: rows of columns.
struct fused_block {
  /// The first element that is read: of a row operand the one of the first column, of a column
  /// operand that of the first row. Those of constants are not looked at.
  const void* const* in;
  void* const* out;  ///< one for each stored result, in the order of the nodes
  std::int64_t rows;
  std::int64_t columns;
  std::int64_t stride;  ///< elements from a row to the next, of full operands and of results
};
/// A compiled kernel. A result may be exactly the memory of a full operand; it keeps no state.
using fused_kernel = void (*)(const fused_block&);

}  // namespace graft
