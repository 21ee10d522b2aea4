// What the static executor decides at compile time: which ops run, when, and where every value
// lives.
#pragma once

#include "graft/dsl/network.hpp"
#include "graft/static/rows.hpp"
#include "graft/static/scan_parts.hpp"

namespace graft::fixed {

/// The network holds an operator that static_network cannot run, or cannot run row by row.
template <text Operator>
struct operator_not_supported;
/// The network holds control flow that static_network does not run: a cond, a while_loop, or a scan that is not along
/// the axis after the batch, like those of recurrent layers, with a known number of steps. Lower the network to a graph
/// and run it in a session. Path and operator say where it is.
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

/// One value. `count` is per row for values that have rows.
struct value_plan {
  bool has_rows = false;
  bool time_first =
      false;  ///< the batch is the second axis; in memory its rows come first all the same
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
    for (const std::uint32_t v : t_.outputs) {
      if (p_.unsupported == nothing && p_.values[v].time_first) refuse(t_.values[v].op);
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
  constexpr kind what(std::uint32_t op) const { return p_.ops[op].what; }
  constexpr std::uint32_t operands_needed(const table_op& op) const {
    if (op.outputs.count == 0) return op.operands.count;  // `results`
    return what(op) == kind::dropout ? 1 : what(op) == kind::fill_like ? 0 : op.operands.count;
  }
  constexpr void find_needed() {
    for (const std::uint32_t v : t_.outputs) {
      needed_[t_.values[v].op] = true;
      if (!is_computed(v)) refuse(t_.values[v].op);
    }
    for (std::size_t i = op_count; i-- > 0;) {
      if (!needed_[i]) continue;
      if (t_.ops[i].schema->has(ops::bodies)) find_needed_of_body(static_cast<std::uint32_t>(i));
      for (std::uint32_t k = 0; k < operands_needed(t_.ops[i]); ++k) {
        needed_[t_.values[t_.operand(t_.ops[i], k)].op] = true;
      }
    }
  }

  // The body of an op comes before it.
  constexpr void find_needed_of_body(std::uint32_t i) {
    if (p_.ops[i].what != kind::scan) return refuse(i);
    const scan_parts s = scan_parts::of(t_, t_.ops[i]);
    if (s.reverse) return refuse(i);
    needed_[s.results] = true;
    for (std::size_t k = 0; k < i; ++k) {
      if (t_.ops[k].body == s.body && p_.ops[k].what == kind::captured) needed_[k] = true;
    }
  }

  // Only first outputs are: batch norm's statistics and the places of a pool's maxima are not. Of a scan, all but
  // the traces.
  constexpr bool is_computed(std::uint32_t value) const {
    const table_value& v = t_.values[value];
    if (v.output == 0 || p_.ops[v.op].what != kind::scan) return v.output == 0;
    const scan_parts s = scan_parts::of(t_, t_.ops[v.op]);
    return v.output < s.states + s.stacked;
  }

  // Decides what an op's outputs are, and whether the op can run row by row.
  constexpr void classify(std::uint32_t i) {
    const table_op& op = t_.ops[i];
    const std::uint32_t out = op.outputs.first;
    for (std::uint32_t k = 0; k < operands_needed(op); ++k) {
      if (!is_computed(t_.operand(op, k))) return refuse(t_.values[t_.operand(op, k)].op);
    }
    if (what(i) == kind::results) return;  // judged with the scan
    p_.ops[i].result = out;
    if (what(i) == kind::captured) return classify_input(i);
    if (what(i) == kind::scan) return classify_scan(i);
    if (turns_time(op)) return view(out, t_.operand(op, 0), true);
    bool rows = what(op) == kind::placeholder ||
                (what(op) == kind::fill_like && !all_known(t_.shape_of(out)));
    for (std::uint32_t k = 0; k < operands_needed(op); ++k) {
      const value_plan& operand = p_.values[t_.operand(op, k)];
      if (operand.time_first) return refuse(i);
      rows = rows || operand.has_rows;
    }
    value_plan& v = p_.values[out];
    v.has_rows = rows;
    v.root = out;
    const dims all = t_.shape_of(out);
    if (!t_.values[out].ranked || (rows && (all.empty() || all[0] >= 0))) return refuse(i);
    const dims inner = row_dims(t_, out, rows);
    if (!all_known(inner)) return refuse(i);
    v.count = static_cast<std::size_t>(element_count(inner));
    if (t_.values[out].type != dtype::float32) return refuse(i);
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

  // A value of the memory of another one.
  constexpr void view(std::uint32_t value, std::uint32_t of, bool turned = false) {
    value_plan& v = p_.values[value];
    const value_plan& o = p_.values[of];
    v.has_rows = o.has_rows;
    v.time_first = o.time_first != turned;
    v.count = o.count;
    v.root = o.root;
  }
  // True for the transpose that makes the axis after the batch the first one, or the second one again: it moves
  // nothing.
  constexpr bool turns_time(const table_op& op) const {
    if (what(op) != kind::transpose || !has_rows(op, 0)) return false;
    const dims perm = t_.integers_of(op, "perm");
    const auto rank = static_cast<extent>(perm.size());
    for (extent i = 0; i < rank; ++i) {
      const extent axis = perm[static_cast<std::size_t>(i)];
      if ((axis < 0 ? axis + rank : axis) != (i < 2 ? 1 - i : i)) return false;
    }
    return rank >= 2;
  }

  // An input of a scan's body. States and elements have memory of their own.
  constexpr void classify_input(std::uint32_t i) {
    const table_op& op = t_.ops[i];
    const std::uint32_t owner = t_.owner_of(op.body).op, out = op.outputs.first;
    const scan_parts s = scan_parts::of(t_, t_.ops[owner]);
    const auto number = static_cast<std::uint32_t>(t_.integer_of(op, "capture"));
    const std::uint32_t from = t_.operand(t_.ops[owner], number);
    if (!is_computed(from)) return refuse(t_.values[from].op);
    const value_plan& outer = p_.values[from];
    if (number >= s.arguments()) return outer.time_first ? refuse(owner) : view(out, from);
    const dims all = t_.shape_of(out);
    const dims inner = all.empty() ? dims{} : row_dims(t_, out, true);
    if (!outer.has_rows || outer.time_first != (number >= s.states) || all.empty() || all[0] >= 0 ||
        !all_known(inner) || t_.values[out].type != dtype::float32) {
      return refuse(owner);
    }
    p_.values[out].has_rows = true;
    p_.values[out].count = static_cast<std::size_t>(element_count(inner));
    p_.values[out].root = out;
    p_.values[out].where = place::scratch;
  }

  // The last states are where the states are; what is stacked has memory of its own.
  constexpr void classify_scan(std::uint32_t i) {
    const table_op& op = t_.ops[i];
    const scan_parts s = scan_parts::of(t_, op);
    const extent steps = t_.shape_of(t_.operand(op, s.states))[0];
    for (std::uint32_t k = 0; k < s.states + s.stacked; ++k) {
      const value_plan& result = p_.values[t_.operand(t_.ops[s.results], k)];
      if (!result.has_rows || result.time_first) return refuse(i);
      const std::uint32_t out = op.outputs.first + k;
      if (k < s.states) {
        const std::uint32_t state = body_input(t_, s.body, k);
        if (result.count != p_.values[state].count) return refuse(i);
        // States change one after another: none may take what another one was.
        for (std::uint32_t other = 0; other < s.states; ++other) {
          if (other != k && result.root == body_input(t_, s.body, other)) return refuse(i);
        }
        view(out, state);
        continue;
      }
      value_plan& v = p_.values[out];
      v.has_rows = v.time_first = true;
      v.count = static_cast<std::size_t>(steps) * result.count;
      v.root = out;
      v.where = use_count(out) > 0 ? place::scratch : place::none;
    }
    p_.ops[i].runs = true;
  }

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
    if (s == kind::scalar || s == kind::fill_like || is_unary(s)) return true;
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
      for (std::uint32_t k = 0; k < operands_needed(t_.ops[i]); ++k) {
        p_.values[p_.values[t_.operand(t_.ops[i], k)].root].last_use = i;
      }
      if (what(i) == kind::scan) keep_through_steps(i);
    }
    for (const std::uint32_t v : t_.outputs) p_.values[p_.values[v].root].last_use = op_count;
  }
  // What a step hands on must not be written over within it.
  constexpr void keep_through_steps(std::uint32_t i) {
    const scan_parts s = scan_parts::of(t_, t_.ops[i]);
    for (std::uint32_t k = 0; k < s.arguments(); ++k) {
      p_.values[body_input(t_, s.body, k)].last_use = i;
    }
    for (std::uint32_t k = 0; k < t_.ops[s.results].operands.count; ++k) {
      p_.values[p_.values[t_.operand(t_.ops[s.results], k)].root].last_use = i;
    }
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
      if (needed_[i] && what(i) == kind::captured) give_room_to_input(i, alive);
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
    // A block fits in the first cache. With the steps of a scan it would hold one row or two, and each step would
    // read its matrices for them alone: then it fits in the second.
    std::size_t room = 8192;
    for (const op_plan& op : p_.ops) {
      if (op.runs && op.what == kind::scan) room = 65536;
    }
    const std::size_t fitting = p_.scratch_per_row == 0 ? 16 : room / p_.scratch_per_row;
    p_.rows = fitting >= 16 ? 16 : fitting >= 4 ? fitting / 4 * 4 : 1;
  }
  // States and elements have their room before the first step, and with the first of them what is stacked.
  constexpr void give_room_to_input(std::uint32_t i, small_vector<std::uint32_t, 16>& alive) {
    const std::uint32_t input = t_.ops[i].outputs.first;
    if (t_.integer_of(t_.ops[i], "capture") == 0) {
      const table_op& owner = t_.ops[t_.owner_of(t_.ops[i].body).op];
      const scan_parts s = scan_parts::of(t_, owner);
      for (std::uint32_t k = s.states; k < s.states + s.stacked; ++k) {
        value_plan& value = p_.values[owner.outputs.first + k];
        if (value.where == place::scratch) give_room(value, owner.outputs.first + k, alive);
      }
    }
    if (p_.values[input].where == place::scratch) give_room(p_.values[input], input, alive);
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
