// Cutting a compile-time network: `extract<"hidden", "logits">(net)`.
#pragma once

#include "graft/dsl/network.hpp"
#include "graft/dsl/table_paths.hpp"

namespace graft {

/// The paths where a cut begins: `inputs_at<"hidden", "mask">`. A path names an op's first output;
/// ":1" after it means the second one. That of a scope, such as a layer's, names the one tensor of the scope
/// that is read outside of it.
template <text... Paths>
struct inputs_at {};
/// The paths where it ends, in the order of the results.
template <text... Paths>
struct outputs_at {};

/// The network has no op of that path, or the op has no such output. Paths are those of Recorder tables:
/// "encoder/dense_1/matmul", "split:1".
template <text Path>
struct no_op_of_path;
/// The path is that of a scope of which no tensor is read outside, or of which several are. The paths of the first
/// two follow: cut at one of these.
template <text Path, text... Results>
struct no_single_result_of_scope;
/// The region needs an input of the network that the cut does not replace: it is reached without
/// passing the first path. Its name stands second.
template <text From, text Source>
struct source_not_cut;
/// No result depends on what the path names, so it cannot be an input.
template <text Path>
struct input_not_reached;
/// The first path depends on the second one: the two ends of the cut have changed places.
template <text From, text To>
struct cut_runs_backwards;
/// The path is an input twice.
template <text Path>
struct input_given_twice;
/// The path names an op in a body of a cond, a while_loop, a scan or a recurrent layer. A body runs as often as
/// its owner says, so no cut goes through it: cut at the owner, whose path stands second, or at its operands.
template <text Path, text Owner>
struct op_in_a_body;

namespace detail {

// Which ops compute some values from others, which of the others they need, and the op of an input of
// the network that would be left open.
template <std::size_t Ops, std::size_t Inputs>
struct cut_result {
  std::array<bool, Ops> inside{};
  std::array<bool, Inputs> used{};
  std::uint32_t open = no_value;
};

template <class Table, std::size_t Inputs, std::size_t Outputs>
constexpr auto find_inside(const Table& t, const std::array<std::uint32_t, Inputs>& from,
                           const std::array<std::uint32_t, Outputs>& to) {
  cut_result<std::tuple_size_v<decltype(Table::ops)>, Inputs> cut;
  std::array<bool, std::tuple_size_v<decltype(Table::values)>> needed{};
  const auto need = [&](std::uint32_t value) {
    for (std::size_t i = 0; i < Inputs; ++i) {
      if (from[i] != value) continue;
      cut.used[i] = true;
      return;
    }
    needed[value] = true;
  };
  for (const std::uint32_t value : to) need(value);
  for (bool grew = true; grew;) {
    grew = false;
    for (std::size_t i = t.op_count(); i-- > 0;) {
      if (cut.inside[i]) continue;
      const table_op& op = t.ops[i];
      for (std::uint32_t k = 0; k < op.outputs.count; ++k) {
        if (needed[op.outputs.first + k]) cut.inside[i] = true;
      }
      if (!cut.inside[i]) continue;
      for (std::uint32_t k = 0; k < op.operands.count; ++k) need(t.operand(op, k));
    }
    // The updates that a variable's layer declared belong to the variable.
    for (const table_step& s : t.steps) {
      if (s.what != table_step::kind::own_update || !cut.inside[t.values[s.index].op]) continue;
      if (needed[s.second]) continue;
      needed[s.second] = true;
      grew = true;
    }
  }
  for (const std::uint32_t input : t.inputs) {
    if (cut.inside[t.values[input].op] && cut.open == no_value) cut.open = t.values[input].op;
  }
  return cut;
}

// Records again what lies inside, under the names that it had. Bodies of ops inside come along whole; of others
// only the variables do that somebody else uses.
template <class Table, class Cut>
class part_recorder {
 public:
  constexpr part_recorder(const Table& t, const Cut& cut, Recorder& r) : t_(t), cut_(cut), r_(r) {}

  template <std::size_t Inputs, std::size_t Outputs>
  constexpr std::array<recorder_reference, Outputs> record(
      const std::array<std::uint32_t, Inputs>& from, const std::array<std::uint32_t, Outputs>& to) {
    std::array<recorder_reference, Inputs> inputs;
    for (std::size_t i = 0; i < Inputs; ++i) {
      const auto name = own_name(t_.ops[t_.values[from[i]].op]);
      inputs[i] = r_.add_input(t_.type_of(from[i]), view(name));
      now_[from[i]] = inputs[i];
    }
    const auto place_inputs = [&] {
      for (std::size_t i = 0; i < Inputs; ++i) now_[from[i]] = inputs[i];
    };
    for (const table_step& s : t_.steps) {
      step(s);
      place_inputs();  // an op inside may have another output that is an input
    }
    std::array<recorder_reference, Outputs> results;
    for (std::size_t i = 0; i < Outputs; ++i) r_.output(results[i] = now_[to[i]]);
    return results;
  }

 private:
  using name_type = small_vector<char, 64>;

  constexpr name_type own_name(const table_op& op) const { return t_.unique_name(op); }
  static constexpr std::string_view view(const name_type& n) { return {n.data(), n.size()}; }

  constexpr bool is_inside(std::uint32_t op) const {
    while (t_.ops[op].body != 0) op = t_.owner_of(t_.ops[op].body).op;
    return cut_.inside[op];
  }
  [[nodiscard]] constexpr bool skips() const { return !open_.empty() && !open_.back().recorded; }

  constexpr void step(const table_step& s) {
    switch (s.what) {
      case table_step::kind::enter_scope:
        enter_scope(s.index);
        break;
      case table_step::kind::leave_scope:
        if (entered_.back()) r_.leave_scope();
        entered_.pop_back();
        break;
      case table_step::kind::variable: {
        const table_variable& v = t_.variables[s.index];
        if (cut_.inside[t_.values[v.value].op]) variable(v);
        break;
      }
      case table_step::kind::op:
        if (is_inside(s.index)) op(t_.ops[s.index]);
        break;
      case table_step::kind::own_update:
        if (cut_.inside[t_.values[s.index].op]) r_.own_update(now_[s.index], now_[s.second]);
        break;
      case table_step::kind::set_mode:
        if (!skips()) r_.set_mode(static_cast<mode>(s.index));
        break;
      case table_step::kind::open_body:
        open_.push_back({s.index, is_inside(t_.owner_of(s.index).op)});
        if (!skips()) r_.open_body();
        break;
      case table_step::kind::argument:
        if (!skips()) now_[s.index] = r_.add_argument(t_.type_of(s.index));
        break;
      case table_step::kind::capture:
        capture(s.index, s.second);
        break;
      case table_step::kind::close_body:
        close_body(s.index, t_.ops[s.second]);
        break;
      default:
        break;
    }
  }
  // A scope of a body that has variables takes the name of their scope, so that the part gives them the same one.
  constexpr void enter_scope(std::uint32_t scope) {
    std::uint32_t named_by = scope;
    if (!open_.empty()) {
      for (const table_step& s : t_.steps) {
        if (s.what == table_step::kind::variable_scope && s.index == scope) named_by = s.second;
      }
    }
    entered_.push_back(!skips() || named_by != scope);
    if (entered_.back()) r_.enter_scope(view(t_.unique_name(t_.scopes[named_by])));
  }
  // Inputs of bodies are taken in the order in which they were, and where bodies nest by all of them at once.
  constexpr void capture(std::uint32_t inner, std::uint32_t outer) {
    if (skips()) return;
    now_[inner] = now_[outer];
    if (t_.ops[t_.values[inner].op].body == open_.back().number) (void)r_.capture(now_[outer]);
  }
  constexpr void close_body(std::uint32_t number, const table_op& results) {
    if (!skips()) {
      small_vector<recorder_reference, 4> values;
      for (std::uint32_t k = 0; k < results.operands.count; ++k) {
        values.push_back(now_[t_.operand(results, k)]);
      }
      if (bodies_.size() <= number) bodies_.resize(number + 1);
      bodies_[number] = r_.close_body(values).index;
    }
    open_.pop_back();
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
    (void)r_.add_variable(spec, v.line);
    now_[v.value] = {&r_, r_.table().variables.back().value};  // in a body, too
  }
  constexpr void op(const table_op& o) {
    small_vector<recorder_reference, 4> operands;
    for (std::uint32_t k = 0; k < o.operands.count; ++k) operands.push_back(now_[t_.operand(o, k)]);
    attribute_list attributes = t_.attributes_of(o.attributes);
    for (attribute& a : attributes) {
      if (a.kind == attribute_kind::body) a.integer = bodies_[static_cast<std::size_t>(a.integer)];
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
  struct open_body {
    std::uint32_t number = 0;
    bool recorded = false;
  };
  small_vector<open_body, 2> open_;  // the innermost is the last
  small_vector<bool, 8> entered_;    // of the scopes that are open: whether the part has them
  small_vector<std::int64_t, 2> bodies_{};  // by number in the whole
};

template <class Net, class From, class To>
struct part_of_network;
template <class Net, text... From, text... To>
struct part_of_network<Net, inputs_at<From...>, outputs_at<To...>> {
  static constexpr const auto& table = Net::table();
  static constexpr std::array<std::uint32_t, sizeof...(From)> from{
      value_of_path(table, From.view())...};
  static constexpr std::array<std::uint32_t, sizeof...(To)> to{value_of_path(table, To.view())...};
  static constexpr auto cut = find_inside(table, from, to);
  template <std::uint32_t Value>
  static constexpr static_value value{table.type_of(Value)};

  template <std::uint32_t Value>
  struct input {
    using shape_type = decltype(shape_type_of<value<Value>>());
    static constexpr dtype type = value<Value>.type;
  };
  template <std::uint32_t Value>
  using handle = tensor<Recorder, value<Value>.type, decltype(shape_type_of<value<Value>>())>;

  template <std::size_t... I>
  static std::tuple<input<from[I]>...> inputs_of(std::index_sequence<I...>);
  template <std::size_t... I>
  static auto result_of(std::index_sequence<I...>) {
    if constexpr (sizeof...(I) == 1) {
      return handle<to[0]>();
    } else {
      return std::tuple<handle<to[I]>...>();
    }
  }
  using inputs = decltype(inputs_of(std::make_index_sequence<sizeof...(From)>()));
  using result = decltype(result_of(std::make_index_sequence<sizeof...(To)>()));

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

// What is wrong with a cut, first things first; `which` counts the paths at fault.
struct cut_fault {
  enum class kind : std::uint8_t {
    none,
    no_input,
    no_output,
    twice,
    open,
    backwards,
    not_reached
  } what = kind::none;
  std::size_t which = 0, other = 0;
};

// Faults of the paths alone come before those of what lies between them.
template <class Table, std::size_t Inputs, std::size_t Outputs>
constexpr cut_fault fault_of(const Table& t, const std::array<std::uint32_t, Inputs>& from,
                             const std::array<std::uint32_t, Outputs>& to) {
  using enum cut_fault::kind;
  for (std::size_t i = 0; i < Inputs; ++i) {
    if (from[i] == no_value) return {no_input, i};
  }
  for (std::size_t i = 0; i < Outputs; ++i) {
    if (to[i] == no_value) return {no_output, i};
  }
  for (std::size_t i = 0; i < Inputs; ++i) {
    for (std::size_t k = 0; k < i; ++k) {
      if (from[i] == from[k]) return {twice, i};
    }
  }
  const auto cut = find_inside(t, from, to);
  for (std::size_t i = 0; i < Inputs; ++i) {
    if (cut.used[i]) continue;
    for (std::size_t k = 0; k < Outputs; ++k) {
      const auto back = find_inside(t, std::array{to[k]}, std::array{from[i]});
      if (back.used[0]) return {backwards, i, k};
    }
  }
  if (cut.open != no_value) return {open, cut.open};
  for (std::size_t i = 0; i < Inputs; ++i) {
    if (!cut.used[i]) return {not_reached, i};
  }
  return {};
}

template <std::size_t I, text First, text... Rest>
constexpr auto path_at() {
  if constexpr (I == 0) {
    return First;
  } else {
    return path_at<I - 1, Rest...>();
  }
}

template <class Net, auto Path>
constexpr void refuse_path() {
  constexpr const auto& table = Net::table();
  constexpr std::uint32_t owner = owner_of_path(table, Path.view());
  constexpr scope_results results = results_of_scope(table, Path.view());
  if constexpr (owner != no_value) {
    op_in_a_body<Path, path_text<Net, owner>()> error{};
    (void)error;
  } else if constexpr (!results.is_scope) {
    no_op_of_path<Path> error{};
    (void)error;
  } else if constexpr (results.count == 0) {
    no_single_result_of_scope<Path> error{};
    (void)error;
  } else {
    no_single_result_of_scope<Path, path_text<Net, table.values[results.values[0]].op>(),
                              path_text<Net, table.values[results.values[1]].op>()>
        error{};
    (void)error;
  }
}

template <class Net, text... From, text... To>
constexpr auto extract_part(inputs_at<From...>, outputs_at<To...>) {
  static_assert(sizeof...(From) > 0 && sizeof...(To) > 0,
                "graft: extract takes at least one path to begin at and one to end at");
  using enum cut_fault::kind;
  constexpr const auto& table = Net::table();
  constexpr std::array from{value_of_path(table, From.view())...};
  constexpr std::array to{value_of_path(table, To.view())...};
  constexpr cut_fault fault = fault_of(table, from, to);
  if constexpr (fault.what == none) {
    return network<part_of_network<Net, inputs_at<From...>, outputs_at<To...>>>{};
  } else {
    if constexpr (fault.what == no_input) {
      refuse_path<Net, path_at<fault.which, From...>()>();
    } else if constexpr (fault.what == no_output) {
      refuse_path<Net, path_at<fault.which, To...>()>();
    } else if constexpr (fault.what == twice) {
      input_given_twice<path_at<fault.which, From...>()> error{};
      (void)error;
    } else if constexpr (fault.what == backwards) {
      cut_runs_backwards<path_at<fault.which, From...>(), path_at<fault.other, To...>()> error{};
      (void)error;
    } else if constexpr (fault.what == open) {
      source_not_cut<path_at<0, From...>(), path_text<Net, fault.which>()> error{};
      (void)error;
    } else {
      input_not_reached<path_at<fault.which, From...>()> error{};
      (void)error;
    }
    return Net{};
  }
}

}  // namespace detail

/// Cuts out what computes some results from others: `constexpr auto part = extract<inputs_at<"relu", "mask">,
/// outputs_at<"logits", "split:1">>(whole);`.
///
/// The part keeps its names, so that it loads the values of the whole; updates declared by its
/// variables' layers come along. Its results are a tuple where they are several. What has no right meaning does
/// not compile: a path that does not exist (no_op_of_path), a scope that is left by no tensor or by several
/// (no_single_result_of_scope), an input of the network that the cut leaves open
/// (source_not_cut), a path to begin at that no result depends on (input_not_reached), that depends on a result
/// (cut_runs_backwards) or stands twice (input_given_twice), a path in a body (op_in_a_body).
/// @tparam From inputs_at<...>, @tparam To outputs_at<...>
template <class From, class To, class Source>
constexpr auto extract(const network<Source>&) {
  return detail::extract_part<network<Source>>(From(), To());
}
/// The same with one input and one result: `constexpr auto head = extract<"relu", "logits">(mlp);`.
template <text From, text To, class Source>
constexpr auto extract(const network<Source>&) {
  return detail::extract_part<network<Source>>(inputs_at<From>(), outputs_at<To>());
}

}  // namespace graft
