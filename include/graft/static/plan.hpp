// What the static executor decides at compile time: which ops run, when, and where every value
// lives.
#pragma once

#include "graft/dsl/network.hpp"
#include "graft/static/row_rules.hpp"

namespace graft::fixed {

/// The network holds an operator that static_network cannot run, or takes an output of it that is not computed. Which
/// run says the page docs/how-to/static-networks.md.
template <text Operator>
struct operator_not_supported;
/// An operator of the network does not keep the rows of the batch apart, as a sum over the batch would not, or its
/// result has no batch as its first axis. Path and operator say where it is.
template <text Path, text Operator>
struct rows_not_apart;
/// An operator of the network makes elements of a type that static_network does not compute with: float16, bfloat16 or
/// text.
template <text Operator, text Type>
struct element_type_not_supported;
/// The network holds control flow that static_network does not run: a cond, a while_loop, or a scan that is not along
/// the axis after the batch, like those of recurrent layers, with a known number of steps. Lower the network to a graph
/// and run it in a session. Path and operator say where it is.
template <text Path, text Operator>
struct control_flow_not_supported;
/// Every input and output of a static network has the batch, dyn or named, as its first axis only.
template <int Place>
struct input_needs_a_batch_axis;

template <class Table>
class planner {
 public:
  static constexpr std::size_t op_count = std::tuple_size_v<decltype(Table::ops)>;
  static constexpr std::size_t value_count = std::tuple_size_v<decltype(Table::values)>;
  using plan_type = plan<op_count, value_count>;

  constexpr explicit planner(const Table& t) : t_(t) {}

  constexpr plan_type make() {
    for (std::size_t i = 0; i < op_count; ++i) {
      p_.ops[i].what = kind_of(*t_.ops[i].schema);
      if (p_.ops[i].what == kind::elementwise) {
        p_.ops[i].form = form_op_named(t_.ops[i].schema->name).op;
      }
    }
    find_needed();
    for (current_ = 0; current_ < op_count && p_.unsupported == nothing; ++current_) {
      if (known_[current_]) classify(current_);
    }
    for (const std::uint32_t v : t_.outputs) {
      if (p_.unsupported == nothing && p_.values[v].time_first) refuse_output(t_.values[v].op);
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
  constexpr std::uint32_t read_by(std::uint32_t i) const {
    return operands_read(t_.ops[i], p_.ops[i].what);
  }

  // Ops are needed for their elements, or known for their rows alone.
  constexpr void find_needed() {
    for (const std::uint32_t v : t_.inputs) need(v);
    for (const std::uint32_t v : t_.outputs) need(v);
    for (std::uint32_t i = op_count; i-- > 0;) {
      if (!known_[i]) continue;
      if (t_.ops[i].schema->has(ops::bodies)) find_needed_of_body(i);
      for (std::uint32_t k = 0; k < read_by(i); ++k) {
        known_[t_.values[t_.operand(t_.ops[i], k)].op] = true;
        if (needed_[i]) needed_[t_.values[t_.operand(t_.ops[i], k)].op] = true;
      }
      if (const int like = like_operand(what(i)); like >= 0) {
        known_[t_.values[t_.operand(t_.ops[i], static_cast<std::uint32_t>(like))].op] = true;
      }
    }
  }
  constexpr void need(std::uint32_t value) {
    known_[t_.values[value].op] = needed_[t_.values[value].op] = true;
    if (!is_computed(value)) refuse_output(t_.values[value].op);
  }

  // The body of an op comes before it.
  constexpr void find_needed_of_body(std::uint32_t i) {
    const bool scans = p_.ops[i].what == kind::scan;
    const scan_parts s = scans ? scan_parts::of(t_, t_.ops[i]) : scan_parts{};
    if (!scans || s.reverse) {
      if (needed_[i]) refuse_output(i);
      return;
    }
    known_[s.results] = true;
    if (needed_[i]) needed_[s.results] = true;
    for (std::size_t k = 0; k < i; ++k) {
      if (t_.ops[k].body != s.body || p_.ops[k].what != kind::captured) continue;
      known_[k] = true;
      if (needed_[i]) needed_[k] = true;
    }
  }

  // Only first outputs are, but for split: batch norm's statistics and the places of a pool's maxima are not. Of a scan,
  // all but the traces.
  constexpr bool is_computed(std::uint32_t value) const {
    const table_value& v = t_.values[value];
    const kind made_by = p_.ops[v.op].what;
    if (v.output == 0 || is_split(made_by)) return true;
    if (made_by != kind::scan) return false;
    const scan_parts s = scan_parts::of(t_, t_.ops[v.op]);
    return v.output < s.states + s.stacked;
  }

  // Decides what an op's outputs are, and whether the op can run row by row.
  constexpr void classify(std::uint32_t i) {
    const table_op& op = t_.ops[i];
    const std::uint32_t out = op.outputs.first;
    for (std::uint32_t k = 0; k < read_by(i); ++k) {
      const std::uint32_t from = t_.operand(op, k);
      if (!is_computed(from)) return refuse(t_.values[from].op, refusal::unknown);
      if (p_.values[from].root == nothing) return refuse(i, refusal::rows);
    }
    if (what(i) == kind::results) return;  // judged with the scan
    if (what(i) == kind::other) return refuse(i, refusal::unknown);
    p_.ops[i].result = out;
    if (what(i) == kind::captured) return classify_input(i);
    if (what(i) == kind::scan) return classify_scan(i);
    if (turns_time(op)) return view(out, t_.operand(op, 0), true);
    bool rows = what(op) == kind::placeholder;
    for (std::uint32_t k = 0; k < read_by(i); ++k) {
      const value_plan& operand = p_.values[t_.operand(op, k)];
      if (operand.time_first) return refuse(i, refusal::rows);
      rows = rows || operand.has_rows;
    }
    if (const int like = like_operand(what(i)); like >= 0 && !all_known(t_.shape_of(out))) {
      const value_plan& l = p_.values[t_.operand(op, static_cast<std::uint32_t>(like))];
      if (l.root == nothing || !l.has_rows || l.time_first) return refuse(i, refusal::rows);
      rows = true;
    }
    for (std::uint32_t k = 0; k < (is_split(what(i)) ? op.outputs.count : 1); ++k) {
      if (!set_size(out + k, rows)) return;
    }
    value_plan& v = p_.values[out];
    if (what(op) == kind::placeholder) {
      v.where = place::input;
      for (std::size_t k = 0; k < t_.inputs.size(); ++k) {
        if (t_.inputs[k] == out) v.offset = k;
      }
      return;
    }
    if (what(op) == kind::variable) {
      v.where = place::persistent;
      return;
    }
    if (is_view(what(op))) {
      const value_plan& of = p_.values[t_.operand(op, 0)];
      if (of.count != v.count) return refuse(i, refusal::rows);
      v.root = of.root;
      return;
    }
    const row_rules rules(t_, p_, op, what(op), rows);
    if (!rules.keep_rows()) return refuse(i, refusal::rows);
    if (!needed_[i]) return;
    (rows ? p_.ops[i].runs : p_.ops[i].prepares) = true;
    p_.ops[i].flat = rules.is_flat();
    p_.ops[i].packs = rules.packs();
    for (std::uint32_t k = 0; k < (is_split(what(i)) ? op.outputs.count : 1); ++k) {
      if (use_count(out + k) == 0) continue;
      p_.values[out + k].where = rows ? place::scratch : place::persistent;
    }
  }
  // Tells how many elements a value has, in a row if it has rows; false if that is no number.
  constexpr bool set_size(std::uint32_t value, bool rows) {
    const std::uint32_t op = t_.values[value].op;
    const dims all = t_.shape_of(value);
    value_plan& v = p_.values[value];
    v.has_rows = rows;
    const bool fits = t_.values[value].ranked && (!rows || (!all.empty() && all[0] < 0));
    const dims inner = fits ? row_dims(t_, value, rows) : dims{-1};
    if (!all_known(inner)) {
      refuse(op, refusal::rows);
      return false;
    }
    v.count = static_cast<std::size_t>(element_count(inner));
    if (!is_computed_type(t_.values[value].type)) {
      refuse(op, refusal::type);
      return false;
    }
    v.root = value;
    return true;
  }
  // An op that is known for its rows alone may well be none that runs.
  constexpr void refuse(std::uint32_t i, refusal why) {
    const table_span outputs = t_.ops[current_].outputs;
    for (std::uint32_t k = 0; k < outputs.count; ++k) p_.values[outputs.first + k].root = nothing;
    if (!needed_[current_] || p_.unsupported != nothing) return;
    p_.unsupported = i;
    p_.why = why;
  }
  constexpr void refuse_output(std::uint32_t i) {
    if (p_.unsupported != nothing) return;
    p_.unsupported = i;
    p_.why = refusal::unknown;
  }

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
    if (what(op) != kind::transpose || !p_.values[t_.operand(op, 0)].has_rows) return false;
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
    if (!is_computed(from)) return refuse(t_.values[from].op, refusal::unknown);
    const value_plan& outer = p_.values[from];
    if (outer.root == nothing) return refuse(owner, refusal::rows);
    if (number >= s.arguments()) {
      return outer.time_first ? refuse(owner, refusal::rows) : view(out, from);
    }
    const dims all = t_.shape_of(out);
    const dims inner = all.empty() ? dims{} : row_dims(t_, out, true);
    if (!outer.has_rows || outer.time_first != (number >= s.states) || all.empty() || all[0] >= 0 ||
        !all_known(inner)) {
      return refuse(owner, refusal::rows);
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
      if (!result.has_rows || result.time_first) return refuse(i, refusal::rows);
      const std::uint32_t out = op.outputs.first + k;
      if (k < s.states) {
        const std::uint32_t state = body_input(t_, s.body, k);
        if (result.count != p_.values[state].count) return refuse(i, refusal::rows);
        // States change one after another: none may take what another one was.
        for (std::uint32_t other = 0; other < s.states; ++other) {
          if (other != k && result.root == body_input(t_, s.body, other)) {
            return refuse(i, refusal::rows);
          }
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

  constexpr std::uint32_t use_count(std::uint32_t value) const {
    std::uint32_t count = 0;
    for (std::uint32_t i = 0; i < op_count; ++i) {
      if (!needed_[i]) continue;
      for (std::uint32_t k = 0; k < read_by(i); ++k) {
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
  // Lets a product by a packed matrix start from what is added to it, and cut off negative results while it stores them.
  constexpr void merge() {
    for (std::uint32_t i = 0; i < op_count; ++i) {
      op_plan& op = p_.ops[i];
      if (!op.runs || !op.packs) continue;
      std::uint32_t next = only_user(op.result, i);
      if (is_form(next, form_op::add)) {
        const std::uint32_t a = t_.operand(t_.ops[next], 0), b = t_.operand(t_.ops[next], 1);
        const std::uint32_t other = a == op.result ? b : a;
        if (may_start(other, op.result, i)) {
          op.start = other;
          take_over(op, next);
          next = only_user(op.result, next);
        }
      }
      if (is_form(next, form_op::relu)) {
        op.relu = true;
        take_over(op, next);
      }
    }
  }
  constexpr bool is_form(std::uint32_t op, form_op form) const {
    return op != nothing && what(op) == kind::elementwise && p_.ops[op].form == form;
  }
  // A bias, or a tensor like the result that is there before the product.
  constexpr bool may_start(std::uint32_t start, std::uint32_t result, std::uint32_t product) const {
    const value_plan& v = p_.values[start];
    if (v.has_rows) return v.count == p_.values[result].count && t_.values[start].op < product;
    const dims bias = t_.shape_of(start);
    return bias.size() == 1 && bias[0] == t_.shape_of(result).back() &&
           p_.values[v.root].where == place::persistent;
  }
  constexpr void take_over(op_plan& op, std::uint32_t next) {
    p_.values[op.result].where = place::none;
    p_.ops[next].runs = false;
    op.result = t_.ops[next].outputs.first;
  }

  constexpr void find_last_uses() {
    for (std::uint32_t i = 0; i < op_count; ++i) {
      if (!p_.ops[i].runs) continue;
      for (std::uint32_t k = 0; k < read_by(i); ++k) {
        p_.values[p_.values[t_.operand(t_.ops[i], k)].root].last_use = i;
      }
      if (p_.ops[i].start != nothing) p_.values[p_.values[p_.ops[i].start].root].last_use = i;
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

  constexpr std::size_t size_of_element(std::uint32_t value) const {
    return size_of(t_.values[value].type);
  }
  constexpr std::size_t room_for(std::uint32_t value) const {
    return padded_bytes(p_.values[value].count * size_of_element(value));
  }

  // Scratch memory of values that are not alive together is shared: first fit, in order of the ops.
  constexpr void allocate() {
    for (std::uint32_t v = 0; v < value_count; ++v) {
      value_plan& value = p_.values[v];
      if (value.where != place::persistent || value.root != v) continue;
      value.offset = p_.persistent;
      p_.persistent += room_for(v);
    }
    small_vector<std::uint32_t, 16> alive;
    for (std::uint32_t i = 0; i < op_count; ++i) {
      if (needed_[i] && what(i) == kind::captured) give_room_to_input(i, alive);
      if (what(i) == kind::matmul && needed_[i] && !p_.ops[i].flat) keep_workspace(i);
      if (!p_.ops[i].runs) continue;
      if (p_.ops[i].packs) {
        p_.ops[i].packed = p_.persistent;
        p_.persistent += packed_bytes(i);
      }
      for (std::uint32_t k = 0; k < (is_split(what(i)) ? t_.ops[i].outputs.count : 1); ++k) {
        const std::uint32_t v = p_.ops[i].result + k;
        if (p_.values[v].where == place::scratch && what(i) != kind::scan) give_room(v, alive);
      }
      for (std::size_t k = alive.size(); k-- > 0;) {
        if (p_.values[alive[k]].last_use <= i) alive.erase(k);
      }
    }
    // A block fits in the first cache. With the steps of a scan it would hold one row or two, and each step would
    // read its matrices for them alone: then it fits in the second.
    std::size_t room = std::size_t{1} << 15;
    for (const op_plan& op : p_.ops) {
      if (op.runs && op.what == kind::scan) room = std::size_t{1} << 18;
    }
    const std::size_t fitting = p_.scratch_per_row == 0 ? 16 : room / p_.scratch_per_row;
    p_.rows = fitting >= 16 ? 16 : fitting >= 4 ? fitting / 4 * 4 : 1;
  }
  // Bytes of the packed matrix of a product.
  constexpr std::size_t packed_bytes(std::uint32_t i) const {
    const std::uint32_t a = t_.operand(t_.ops[i], 0), y = p_.ops[i].result;
    return static_cast<std::size_t>(t_.shape_of(a).back()) *
           padded_bytes(static_cast<std::size_t>(t_.shape_of(y).back()) * size_of_element(y));
  }
  // Other products pack each matrix when they come to it.
  constexpr void keep_workspace(std::uint32_t i) {
    const std::uint32_t a = t_.operand(t_.ops[i], 0), y = t_.ops[i].outputs.first;
    const dims from = t_.shape_of(a), to = t_.shape_of(y);
    const auto m = static_cast<std::size_t>(to[to.size() - 2]);
    const auto n = static_cast<std::size_t>(to.back());
    const bool transposed = t_.integer_of(t_.ops[i], "transpose_a") != 0;
    const auto k = static_cast<std::size_t>(from[from.size() - (transposed ? 2 : 1)]);
    const std::size_t size = size_of_element(y);
    const std::size_t bytes =
        k * padded_bytes(n * size) + padded_bytes(transposed ? m * k * size : 0);
    if (bytes > p_.workspace) p_.workspace = bytes;
  }
  // States and elements have their room before the first step, and with the first of them what is stacked.
  constexpr void give_room_to_input(std::uint32_t i, small_vector<std::uint32_t, 16>& alive) {
    const std::uint32_t input = t_.ops[i].outputs.first;
    if (t_.integer_of(t_.ops[i], "capture") == 0) {
      const table_op& owner = t_.ops[t_.owner_of(t_.ops[i].body).op];
      const scan_parts s = scan_parts::of(t_, owner);
      for (std::uint32_t k = s.states; k < s.states + s.stacked; ++k) {
        const std::uint32_t value = owner.outputs.first + k;
        if (p_.values[value].where == place::scratch) give_room(value, alive);
      }
    }
    if (p_.values[input].where == place::scratch) give_room(input, alive);
  }
  constexpr void give_room(std::uint32_t value, small_vector<std::uint32_t, 16>& alive) {
    const std::size_t room = room_for(value);
    std::size_t at = 0;
    for (bool moved = true; moved;) {
      moved = false;
      for (const std::uint32_t other : alive) {
        const std::size_t begin = p_.values[other].offset, end = begin + room_for(other);
        if (at < end && begin < at + room) {
          at = end;
          moved = true;
        }
      }
    }
    p_.values[value].offset = at;
    alive.push_back(value);
    if (at + room > p_.scratch_per_row) p_.scratch_per_row = at + room;
  }

  const Table& t_;
  plan_type p_;
  std::array<bool, op_count> needed_{}, known_{};
  std::uint32_t current_ = 0;
};

/// The plan of a network, a constant of its type.
template <auto Net>
inline constexpr auto plan_of =
    planner<std::remove_cvref_t<decltype(Net.table())>>(Net.table()).make();

}  // namespace graft::fixed
