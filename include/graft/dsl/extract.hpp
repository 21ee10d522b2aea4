// Cutting a compile-time network: `extract<"hidden", "logits/add">(net)`.
#pragma once

#include "graft/dsl/network.hpp"

namespace graft {

/// The network has no op of that path. Paths are those of Recorder tables:
/// "encoder/dense_1/matmul".
template <text Path>
struct no_op_of_path;
/// The region needs an input of the network that the cut does not replace: it is reached without
/// passing the first path. Its name stands second.
template <text From, text Source>
struct source_not_cut;

namespace detail {

inline constexpr std::uint32_t no_value = 0xffffffffu;

template <class Table>
constexpr std::uint32_t value_of_path(const Table& t, std::string_view path) {
  for (std::size_t i = 0; i < t.op_count(); ++i) {
    const auto name = t.op_path(i);
    if (std::string_view(name.data(), name.size()) == path) return t.ops[i].outputs.first;
  }
  return no_value;
}

// Which ops lie between two values, and the op of an input of the network that would be left open.
template <std::size_t Ops>
struct cut_result {
  std::array<bool, Ops> inside{};
  std::uint32_t open = no_value;
};

template <class Table>
constexpr auto find_inside(const Table& t, std::uint32_t from, std::uint32_t to) {
  cut_result<std::tuple_size_v<decltype(Table::ops)>> cut;
  cut.inside[t.values[to].op] = true;
  for (std::size_t i = t.op_count(); i-- > 0;) {
    if (!cut.inside[i]) continue;
    const table_op& op = t.ops[i];
    if (op.outputs.first <= from && from < op.outputs.first + op.outputs.count) {
      cut.inside[i] = false;
      continue;
    }
    for (const std::uint32_t input : t.inputs) {
      if (t.values[input].op == i) cut.open = static_cast<std::uint32_t>(i);
    }
    for (std::uint32_t k = 0; k < op.operands.count; ++k) {
      cut.inside[t.values[t.operand(op, k)].op] = true;
    }
  }
  // The updates that a variable's layer declared belong to the variable.
  for (const table_step& s : t.steps) {
    if (s.what != table_step::kind::own_update || !cut.inside[t.values[s.index].op]) continue;
    for (std::size_t i = t.values[s.second].op + 1; i-- > 0;) {
      if (i == t.values[s.second].op) cut.inside[i] = true;
      if (!cut.inside[i] || t.ops[i].outputs.first > s.second) continue;
      for (std::uint32_t k = 0; k < t.ops[i].operands.count; ++k) {
        const std::uint32_t o = t.operand(t.ops[i], k);
        if (o != from) cut.inside[t.values[o].op] = true;
      }
    }
  }
  return cut;
}

// Records again what lies inside, under the names that it had.
template <class Table, class Cut>
class part_recorder {
 public:
  constexpr part_recorder(const Table& t, const Cut& cut, Recorder& r) : t_(t), cut_(cut), r_(r) {}

  constexpr void record(std::uint32_t from, std::uint32_t to) {
    const value_type type = t_.type_of(from);
    const auto name = own_name(t_.ops[t_.values[from].op]);
    now_[from] = r_.add_input(type, std::string_view(name.data(), name.size()));
    for (const table_step& s : t_.steps) step(s);
    r_.output(now_[to]);
  }

 private:
  using name_type = small_vector<char, 64>;

  constexpr name_type own_name(const table_op& op) const { return t_.unique_name(op); }
  static constexpr std::string_view view(const name_type& n) { return {n.data(), n.size()}; }

  constexpr void step(const table_step& s) {
    switch (s.what) {
      case table_step::kind::enter_scope:
        r_.enter_scope(view(t_.unique_name(t_.scopes[s.index])));
        break;
      case table_step::kind::leave_scope:
        r_.leave_scope();
        break;
      case table_step::kind::variable: {
        const table_variable& v = t_.variables[s.index];
        if (cut_.inside[t_.values[v.value].op]) variable(v);
        break;
      }
      case table_step::kind::op:
        if (cut_.inside[s.index]) op(t_.ops[s.index]);
        break;
      case table_step::kind::own_update:
        if (cut_.inside[t_.values[s.index].op]) r_.own_update(now_[s.index], now_[s.second]);
        break;
      case table_step::kind::set_mode:
        r_.set_mode(static_cast<mode>(s.index));
        break;
      default:
        break;
    }
  }
  constexpr void variable(const table_variable& v) {
    variable_spec spec;
    const auto name = own_name(t_.ops[t_.values[v.value].op]);
    spec.name = view(name);
    spec.type = t_.type_of(v.value);
    spec.initial.schema = v.initial;
    spec.initial.attributes = t_.attributes_of(v.initial_attributes);
    spec.role = v.role;
    spec.trainable = v.trainable;
    spec.shared_key = t_.characters_of(v.shared_key);
    now_[v.value] = r_.add_variable(spec, v.line);
  }
  constexpr void op(const table_op& o) {
    small_vector<recorder_reference, 4> operands;
    for (std::uint32_t k = 0; k < o.operands.count; ++k) operands.push_back(now_[t_.operand(o, k)]);
    attribute_list attributes = t_.attributes_of(o.attributes);
    for (attribute& a : attributes) {
      if (a.kind != attribute_kind::variable) continue;
      a.integer = r_.variable_number(now_[t_.variables[static_cast<std::size_t>(a.integer)].value]);
    }
    const auto name = own_name(o);
    const auto outputs = r_.add(*o.schema, operands, attributes, view(name), o.line);
    for (std::uint32_t k = 0; k < o.outputs.count; ++k) now_[o.outputs.first + k] = outputs[k];
  }

  const Table& t_;
  const Cut& cut_;
  Recorder& r_;
  std::array<recorder_reference, std::tuple_size_v<decltype(Table::values)>> now_{};
};

template <class Net, text From, text To>
struct part_of_network {
  static constexpr const auto& table = Net::table();
  static constexpr std::uint32_t from = value_of_path(table, From.view());
  static constexpr std::uint32_t to = value_of_path(table, To.view());
  static constexpr auto cut = find_inside(table, from, to);
  static constexpr static_value from_value{table.type_of(from)};
  static constexpr static_value to_value{table.type_of(to)};

  struct input {
    using shape_type = decltype(shape_type_of<from_value>());
    static constexpr dtype type = from_value.type;
  };
  using inputs = std::tuple<input>;
  using result = tensor<Recorder, to_value.type, decltype(shape_type_of<to_value>())>;

  static constexpr void record(Recorder& r) { part_recorder(table, cut, r).record(from, to); }
  static constexpr table_sizes sizes = [] {
    Recorder r;
    record(r);
    return r.sizes();
  }();
  static constexpr auto make() {
    Recorder r;
    record(r);
    return r.template freeze<sizes>();
  }
};

// The path of an op as a text.
template <class Net, std::size_t Op>
constexpr auto path_text() {
  constexpr std::size_t size = Net::table().op_path(Op).size();
  text<size + 1> result;
  const auto path = Net::table().op_path(Op);
  for (std::size_t i = 0; i < size; ++i) result.data[i] = path[i];
  return result;
}

template <class Net, text From, text To>
constexpr bool cut_is_valid() {
  const auto& table = Net::table();
  const std::uint32_t from = value_of_path(table, From.view()),
                      to = value_of_path(table, To.view());
  return from != no_value && to != no_value && find_inside(table, from, to).open == no_value;
}
template <class Net, text From, text To>
constexpr void refuse_cut() {
  constexpr const auto& table = Net::table();
  constexpr std::uint32_t from = value_of_path(table, From.view());
  constexpr std::uint32_t to = value_of_path(table, To.view());
  if constexpr (from == no_value) {
    no_op_of_path<From> error{};
    (void)error;
  } else if constexpr (to == no_value) {
    no_op_of_path<To> error{};
    (void)error;
  } else {
    source_not_cut<From, path_text<Net, find_inside(table, from, to).open>()> error{};
    (void)error;
  }
}

}  // namespace detail

/// Cuts out what computes one op's result from another's: `constexpr auto head = extract<"relu",
/// "logits/add">(mlp);`.
///
/// The part keeps its names, so that it loads the values of the whole; updates declared by its
/// variables' layers come along. A path that does not exist, or an input of the network that the
/// cut leaves open, does not compile.
/// @tparam From path of the op whose first output becomes the input
/// @tparam To path of the op whose first output becomes the result
template <text From, text To, class Source>
constexpr auto extract(const network<Source>&) {
  if constexpr (detail::cut_is_valid<network<Source>, From, To>()) {
    return network<detail::part_of_network<network<Source>, From, To>>{};
  } else {
    detail::refuse_cut<network<Source>, From, To>();
    return network<Source>{};
  }
}

}  // namespace graft
