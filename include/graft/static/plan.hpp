// What the static executor decides at compile time: which ops run, when, and where every value
// lives.
#pragma once

#include "graft/dsl/network.hpp"
#include "graft/ops/conv.hpp"
#include "graft/ops/dropout.hpp"
#include "graft/ops/elementwise.hpp"
#include "graft/ops/matmul.hpp"
#include "graft/ops/normalize.hpp"
#include "graft/ops/pool.hpp"
#include "graft/ops/reduce.hpp"
#include "graft/ops/shape_ops.hpp"
#include "graft/ops/slicing.hpp"
#include "graft/ops/softmax.hpp"

namespace graft::fixed {

/// The network holds an operator that static_network cannot run, or cannot run row by row.
template <text Operator>
struct operator_not_supported;
/// The network holds control flow: a cond, a while_loop, a scan, or a recurrent layer, which is a scan. static_network
/// runs straight-line code; lower the network to a graph and run it in a session. Path and operator say where.
template <text Path, text Operator>
struct control_flow_not_supported;
/// Every input and output of a static network is float32 and has the batch, dyn or named, as its
/// first axis only.
template <int Place>
struct input_needs_a_batch_axis;

enum class place : std::uint8_t {
  none,       ///< never computed
  input,      ///< where the caller keeps it
  output,     ///< where the caller wants it
  scratch,    ///< rewritten by every block of rows
  persistent  ///< variables, constants and what follows from them alone
};

inline constexpr std::uint32_t nothing = 0xffffffffu;

/// The operators that static networks run.
enum class kind : std::uint8_t {
  other,
  placeholder,
  variable,
  scalar,
  reshape,
  flatten,
  expand_dims,
  squeeze,
  identity,
  stop_gradient,
  dropout,
  relu,
  tanh,
  sigmoid,
  leaky_relu,
  elu,
  softplus,
  silu,
  gelu,
  neg,
  abs,
  square,
  exp,
  log,
  sqrt,
  reciprocal,
  clip,
  add,
  sub,
  mul,
  div,
  maximum,
  minimum,
  squared_difference,
  sum,
  mean,
  max,
  softmax,
  log_softmax,
  matmul,
  transpose,
  concat,
  slice,
  conv2d,
  layer_norm,
  batch_norm,
  max_pool2d,
  avg_pool2d,
};

/// Compares names, since addresses cannot always be compared in constant evaluation.
constexpr kind kind_of(const operator_schema& schema) {
  constexpr std::string_view names[] = {
      ops::placeholder.name, ops::variable.name,    ops::scalar.name,
      ops::reshape.name,     ops::flatten.name,     ops::expand_dims.name,
      ops::squeeze.name,     ops::identity.name,    ops::stop_gradient.name,
      ops::dropout.name,     ops::relu.name,        ops::tanh.name,
      ops::sigmoid.name,     ops::leaky_relu.name,  ops::elu.name,
      ops::softplus.name,    ops::silu.name,        ops::gelu.name,
      ops::neg.name,         ops::abs.name,         ops::square.name,
      ops::exp.name,         ops::log.name,         ops::sqrt.name,
      ops::reciprocal.name,  ops::clip.name,        ops::add.name,
      ops::sub.name,         ops::mul.name,         ops::div.name,
      ops::maximum.name,     ops::minimum.name,     ops::squared_difference.name,
      ops::sum.name,         ops::mean.name,        ops::max.name,
      ops::softmax.name,     ops::log_softmax.name, ops::matmul.name,
      ops::transpose.name,   ops::concat.name,      ops::slice.name,
      ops::conv2d.name,      ops::layer_norm.name,  ops::batch_norm.name,
      ops::max_pool2d.name,  ops::avg_pool2d.name,
  };
  const std::string_view name = schema.name;
  for (std::size_t i = 0; i < std::size(names); ++i) {
    if (name == names[i]) return static_cast<kind>(i + 1);
  }
  return kind::other;
}

/// One value. `count` is per row for values that have rows.
struct value_plan {
  bool has_rows = false;
  place where = place::none;
  std::size_t count = 0;
  std::size_t offset = 0;        ///< in floats; for inputs and outputs their number
  std::uint32_t root = nothing;  ///< the value whose memory this one views, or itself
  std::uint32_t last_use = 0;    ///< op; of roots
};

/// How an op runs.
struct op_plan {
  kind what = kind::other;
  bool runs = false;               ///< for every block of rows
  bool prepares = false;           ///< once after loading: nothing in it depends on an input
  std::uint32_t bias = nothing;    ///< matmul: value added to every row of the result
  bool relu = false;               ///< matmul: negative results become 0
  std::uint32_t result = nothing;  ///< value that the op writes, after what was merged into it
  std::size_t packed = 0;          ///< matmul: offset of the repacked matrix
};

template <std::size_t Ops, std::size_t Values>
struct plan {
  std::array<op_plan, Ops> ops{};
  std::array<value_plan, Values> values{};
  std::size_t persistent = 0;           ///< floats
  std::size_t scratch_per_row = 0;      ///< floats
  std::uint32_t unsupported = nothing;  ///< an op
  std::size_t rows = 1;                 ///< of a block
};

inline constexpr std::size_t lanes = 8;  // of the widest vectors; matrices are packed to a multiple
constexpr std::size_t padded(std::size_t n) { return (n + lanes - 1) / lanes * lanes; }

/// True for operators whose result has the elements of their first operand.
constexpr bool is_view(kind s) {
  return s == kind::reshape || s == kind::flatten || s == kind::expand_dims || s == kind::squeeze ||
         s == kind::identity || s == kind::stop_gradient || s == kind::dropout;
}
constexpr bool is_unary(kind s) {
  return s == kind::relu || s == kind::tanh || s == kind::sigmoid || s == kind::leaky_relu ||
         s == kind::elu || s == kind::softplus || s == kind::silu || s == kind::gelu ||
         s == kind::neg || s == kind::abs || s == kind::square || s == kind::exp ||
         s == kind::log || s == kind::sqrt || s == kind::reciprocal || s == kind::clip;
}
constexpr bool is_binary(kind s) {
  return s == kind::add || s == kind::sub || s == kind::mul || s == kind::div ||
         s == kind::maximum || s == kind::minimum || s == kind::squared_difference;
}
constexpr bool is_reduction(kind s) { return s == kind::sum || s == kind::mean || s == kind::max; }
constexpr bool is_softmax(kind s) { return s == kind::softmax || s == kind::log_softmax; }

/// The extents of a value within one row: without the batch axis, where it has one.
template <class Table>
constexpr dims row_dims(const Table& t, std::uint32_t value, bool has_rows) {
  const dims all = t.shape_of(value);
  return has_rows ? dims(all.begin() + 1, all.end()) : all;
}

/// Strides of an operand over the row extents of a result it broadcasts to, and `fits` = false
/// where it cannot row by row.
struct broadcast_plan {
  bool fits = true;
  dims strides;
};
template <class Table>
constexpr broadcast_plan broadcast_strides(const Table& t, std::uint32_t from, bool from_rows,
                                           std::uint32_t to, bool to_rows) {
  broadcast_plan result;
  const dims out = row_dims(t, to, to_rows);
  dims in = row_dims(t, from, from_rows);
  if (from_rows && in.size() != out.size()) result.fits = false;
  if (!from_rows && to_rows && in.size() == out.size() + 1 && in[0] == 1) in.erase(0);
  if (in.size() > out.size()) result.fits = false;
  if (!result.fits) return result;
  result.strides.resize(out.size(), 0);
  extent step = 1;
  for (std::size_t i = in.size(); i-- > 0;) {
    const std::size_t at = out.size() - in.size() + i;
    result.strides[at] = in[i] == 1 ? 0 : step;
    step *= in[i];
  }
  return result;
}

/// Axes of a reduction or other op as places within a row; `fits` = false where the batch axis is
/// among them.
template <class Table>
constexpr broadcast_plan row_axes(const Table& t, std::uint32_t value, bool has_rows,
                                  const dims& axes) {
  broadcast_plan result;
  const std::size_t rank = t.shape_of(value).size();
  for (const extent a : axes) {
    const extent place = (a < 0 ? a + static_cast<extent>(rank) : a) - (has_rows ? 1 : 0);
    if (place < 0) result.fits = false;
    result.strides.push_back(place);
  }
  return result;
}

template <class Table>
constexpr dims reduced_axes(const Table& t, const table_op& op) {
  dims axes = t.integers_of(op, "axes");
  if (t.find_attribute(op, "axes") == t.not_found) {
    for (std::size_t i = 0; i < t.shape_of(t.operand(op, 0)).size(); ++i)
      axes.push_back(static_cast<extent>(i));
  }
  return axes;
}

template <class Table>
class planner {
 public:
  static constexpr std::size_t op_count = std::tuple_size_v<decltype(Table::ops)>;
  static constexpr std::size_t value_count = std::tuple_size_v<decltype(Table::values)>;
  using plan_type = plan<op_count, value_count>;

  constexpr explicit planner(const Table& t) : t_(t) {}

  constexpr plan_type make() {
    for (std::size_t i = 0; i < op_count; ++i) p_.ops[i].what = kind_of(*t_.ops[i].schema);
    find_needed();
    for (std::uint32_t i = 0; i < op_count && p_.unsupported == nothing; ++i) {
      if (needed_[i]) classify(i);
    }
    if (p_.unsupported != nothing) return p_;
    merge();
    find_last_uses();
    place_outputs();
    allocate();
    return p_;
  }

 private:
  constexpr kind what(const table_op& op) const {
    return p_.ops[t_.values[op.outputs.first].op].what;
  }
  constexpr std::uint32_t operands_needed(const table_op& op) const {
    return what(op) == kind::dropout ? 1 : op.operands.count;
  }
  constexpr void find_needed() {
    for (const std::uint32_t v : t_.outputs) {
      needed_[t_.values[v].op] = true;
      if (t_.values[v].output != 0) refuse(t_.values[v].op);
    }
    for (std::size_t i = op_count; i-- > 0;) {
      if (!needed_[i]) continue;
      // Before all else: the ops that prepare a loop are of no interest.
      if (t_.ops[i].schema->has(ops::bodies)) refuse(i);
      for (std::uint32_t k = 0; k < operands_needed(t_.ops[i]); ++k) {
        needed_[t_.values[t_.operand(t_.ops[i], k)].op] = true;
      }
    }
  }

  // Decides what an op's outputs are, and whether the op can run row by row.
  constexpr void classify(std::uint32_t i) {
    const table_op& op = t_.ops[i];
    bool rows = what(op) == kind::placeholder;
    for (std::uint32_t k = 0; k < operands_needed(op); ++k) {
      rows = rows || p_.values[t_.operand(op, k)].has_rows;
    }
    // Only first outputs are computed: batch norm's statistics and the places of a pool's maxima
    // are not.
    for (std::uint32_t k = 0; k < operands_needed(op); ++k) {
      if (t_.values[t_.operand(op, k)].output != 0) return refuse(t_.values[t_.operand(op, k)].op);
    }
    const std::uint32_t out = op.outputs.first;
    value_plan& v = p_.values[out];
    v.has_rows = rows;
    v.root = out;
    const dims all = t_.shape_of(out);
    if (!t_.values[out].ranked || (rows && (all.empty() || all[0] >= 0))) return refuse(i);
    const dims inner = row_dims(t_, out, rows);
    if (!all_known(inner)) return refuse(i);
    v.count = static_cast<std::size_t>(element_count(inner));
    if (t_.values[out].type != dtype::float32) return refuse(i);
    p_.ops[i].result = out;
    if (what(op) == kind::placeholder) {
      p_.values[out].where = place::input;
      for (std::size_t k = 0; k < t_.inputs.size(); ++k) {
        if (t_.inputs[k] == out) p_.values[out].offset = k;
      }
      return;
    }
    if (what(op) == kind::variable) {
      p_.values[out].where = place::persistent;
      return;
    }
    if (is_view(what(op))) {
      p_.values[out].root = p_.values[t_.operand(op, 0)].root;
      return;
    }
    if (!supported(op, rows)) return refuse(i);
    (rows ? p_.ops[i].runs : p_.ops[i].prepares) = true;
    p_.values[out].where = rows ? place::scratch : place::persistent;
  }
  constexpr void refuse(std::uint32_t i) { p_.unsupported = i; }

  constexpr bool has_rows(const table_op& op, std::uint32_t operand) const {
    return p_.values[t_.operand(op, operand)].has_rows;
  }
  constexpr bool all_operands_have(const table_op& op, bool rows) const {
    for (std::uint32_t k = 0; k < op.operands.count; ++k) {
      if (has_rows(op, k) != rows) return false;
    }
    return true;
  }
  constexpr bool only_first_has_rows(const table_op& op) const {
    for (std::uint32_t k = 1; k < op.operands.count; ++k) {
      if (has_rows(op, k)) return false;
    }
    return has_rows(op, 0);
  }

  constexpr bool supported(const table_op& op, bool rows) const {
    const kind s = what(op);
    if (s == kind::scalar || is_unary(s)) return true;
    if (is_binary(s)) {
      for (std::uint32_t k = 0; k < 2; ++k) {
        if (!broadcast_strides(t_, t_.operand(op, k), has_rows(op, k), op.outputs.first, rows)
                 .fits) {
          return false;
        }
      }
      return true;
    }
    const std::size_t rank = t_.shape_of(t_.operand(op, 0)).size();
    if (s == kind::matmul) {
      return only_first_has_rows(op) && t_.integer_of(op, "transpose_a") == 0 &&
             t_.shape_of(t_.operand(op, 1)).size() == 2;
    }
    if (is_softmax(s)) {
      const extent axis = t_.integer_of(op, "axis", -1);
      return (axis == -1 || axis + 1 == static_cast<extent>(rank)) && rank > (rows ? 1u : 0u);
    }
    if (is_reduction(s)) return row_axes(t_, t_.operand(op, 0), rows, reduced_axes(t_, op)).fits;
    if (s == kind::transpose) {
      const dims perm = t_.integers_of(op, "perm");
      return !rows || (!perm.empty() && (perm[0] == 0 || perm[0] == -static_cast<extent>(rank)));
    }
    if (s == kind::concat) {
      return all_operands_have(op, rows) &&
             row_axes(t_, t_.operand(op, 0), rows, {t_.integer_of(op, "axis")}).fits;
    }
    if (s == kind::slice)
      return row_axes(t_, t_.operand(op, 0), rows, t_.integers_of(op, "axes")).fits;
    if (s == kind::conv2d || s == kind::layer_norm || s == kind::batch_norm)
      return only_first_has_rows(op);
    return s == kind::max_pool2d || s == kind::avg_pool2d ? rows : false;
  }

  constexpr std::uint32_t use_count(std::uint32_t value) const {
    std::uint32_t count = 0;
    for (std::uint32_t i = 0; i < op_count; ++i) {
      if (!needed_[i]) continue;
      for (std::uint32_t k = 0; k < operands_needed(t_.ops[i]); ++k) {
        count += t_.operand(t_.ops[i], k) == value ? 1 : 0;
      }
    }
    for (const std::uint32_t v : t_.outputs) count += v == value ? 1 : 0;
    return count;
  }
  // The op after i that is the only one to read a value, or nothing.
  constexpr std::uint32_t only_user(std::uint32_t value, std::uint32_t i) const {
    if (use_count(value) != 1) return nothing;
    for (std::uint32_t j = i + 1; j < op_count; ++j) {
      if (!needed_[j]) continue;
      for (std::uint32_t k = 0; k < t_.ops[j].operands.count; ++k) {
        if (t_.operand(t_.ops[j], k) == value) return j;
      }
    }
    return nothing;
  }
  // Lets a product add its bias and cut off negative results while it stores them.
  constexpr void merge() {
    for (std::uint32_t i = 0; i < op_count; ++i) {
      op_plan& op = p_.ops[i];
      if (!op.runs || p_.ops[i].what != kind::matmul) continue;
      std::uint32_t next = only_user(op.result, i);
      if (next != nothing && p_.ops[next].what == kind::add) {
        const std::uint32_t a = t_.operand(t_.ops[next], 0), b = t_.operand(t_.ops[next], 1);
        const std::uint32_t other = a == op.result ? b : a;
        const dims bias = t_.shape_of(other);
        if (!p_.values[other].has_rows && bias.size() == 1 &&
            bias[0] == t_.shape_of(op.result).back() &&
            p_.values[p_.values[other].root].where == place::persistent) {
          op.bias = other;
          take_over(op, next);
          next = only_user(op.result, next);
        }
      }
      if (next != nothing && p_.ops[next].what == kind::relu) {
        op.relu = true;
        take_over(op, next);
      }
    }
  }
  constexpr void take_over(op_plan& op, std::uint32_t next) {
    p_.values[op.result].where = place::none;
    p_.ops[next].runs = false;
    op.result = t_.ops[next].outputs.first;
  }

  constexpr void find_last_uses() {
    for (std::uint32_t i = 0; i < op_count; ++i) {
      if (!p_.ops[i].runs) continue;
      for (std::uint32_t k = 0; k < t_.ops[i].operands.count; ++k) {
        p_.values[p_.values[t_.operand(t_.ops[i], k)].root].last_use = i;
      }
    }
    for (const std::uint32_t v : t_.outputs) p_.values[p_.values[v].root].last_use = op_count;
  }
  constexpr void place_outputs() {
    for (std::size_t k = 0; k < t_.outputs.size(); ++k) {
      value_plan& root = p_.values[p_.values[t_.outputs[k]].root];
      if (root.where == place::scratch) {
        root.where = place::output;
        root.offset = k;
      }
    }
  }

  // Scratch memory of values that are not alive together is shared: first fit, in order of the ops.
  constexpr void allocate() {
    for (std::uint32_t v = 0; v < value_count; ++v) {
      value_plan& value = p_.values[v];
      if (value.where != place::persistent || value.root != v) continue;
      value.offset = p_.persistent;
      p_.persistent += padded(value.count);
    }
    small_vector<std::uint32_t, 16> alive;
    for (std::uint32_t i = 0; i < op_count; ++i) {
      if (!p_.ops[i].runs) continue;
      if (p_.ops[i].what == kind::matmul) {
        p_.ops[i].packed = p_.persistent;
        p_.persistent += static_cast<std::size_t>(t_.shape_of(t_.operand(t_.ops[i], 0)).back()) *
                         padded(static_cast<std::size_t>(t_.shape_of(p_.ops[i].result).back()));
      }
      value_plan& value = p_.values[p_.ops[i].result];
      if (value.where == place::scratch) give_room(value, p_.ops[i].result, alive);
      for (std::size_t k = alive.size(); k-- > 0;) {
        if (p_.values[alive[k]].last_use <= i) alive.erase(k);
      }
    }
    const std::size_t fitting = p_.scratch_per_row == 0 ? 16 : 8192 / p_.scratch_per_row;
    p_.rows = fitting >= 16 ? 16 : fitting >= 4 ? fitting / 4 * 4 : 1;
  }
  constexpr void give_room(value_plan& value, std::uint32_t id,
                           small_vector<std::uint32_t, 16>& alive) {
    std::size_t at = 0;
    for (bool moved = true; moved;) {
      moved = false;
      for (const std::uint32_t other : alive) {
        const value_plan& o = p_.values[other];
        if (at < o.offset + padded(o.count) && o.offset < at + padded(value.count)) {
          at = o.offset + padded(o.count);
          moved = true;
        }
      }
    }
    value.offset = at;
    alive.push_back(id);
    if (at + padded(value.count) > p_.scratch_per_row)
      p_.scratch_per_row = at + padded(value.count);
  }

  const Table& t_;
  plan_type p_;
  std::array<bool, op_count> needed_{};
};

/// The plan of a network, a constant of its type.
template <auto Net>
inline constexpr auto plan_of =
    planner<std::remove_cvref_t<decltype(Net.table())>>(Net.table()).make();

}  // namespace graft::fixed
