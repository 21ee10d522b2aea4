// The target of constant evaluation: builders run on it at compile time and leave a table.
#pragma once

#include "graft/dsl/network_table.hpp"
#include "graft/ops/sources.hpp"
#include "graft/schema/apply.hpp"

namespace graft {

class Recorder;

/// Names one value of a recorder.
struct recorder_reference {
  Recorder* recorder = nullptr;
  std::uint32_t value = 0;
  constexpr bool operator==(const recorder_reference&) const = default;
};

namespace detail {

// Called where a builder does something wrong on a recorder. They are not constexpr, so that in
// constant evaluation the first error names them; outside of it they throw.
[[noreturn]] void recorder_refuses(std::string_view schema, const problem& why);
[[noreturn]] void recorder_refuses_handle(const char* why);
[[noreturn]] void recorder_refuses_name(const char* why);

// Makes names unique in their scope, by the rule of graphs: "dense", "dense_1", ...; a number asked
// for is kept while it is free. Ops and scopes count apart.
class name_counter {
 public:
  struct chosen {
    std::uint32_t base = 0;  // characters of the name without "_<number>"
    std::uint32_t suffix = 0;
  };

  constexpr name_counter() = default;
  name_counter(const name_counter&) = delete;
  name_counter& operator=(const name_counter&) = delete;
  constexpr ~name_counter() {
    delete[] keys_;
    delete[] counts_;
  }

  constexpr chosen take(std::uint32_t scope, bool is_scope, const char* name, std::size_t size) {
    if (size == 0) recorder_refuses_name("a name must not be empty");
    std::uint32_t asked = 0;
    const std::size_t base =
        name[size - 1] >= '0' && name[size - 1] <= '9' ? base_of(name, size, asked) : size;
    if ((used_ + 1) * 2 > capacity_) grow();
    std::uint64_t h =
        0xcbf29ce484222325ull ^ ((scope * 2 + (is_scope ? 1 : 0)) * 0x9e3779b97f4a7c15ull);
    for (std::size_t i = 0; i < base; ++i) {
      if (name[i] == '/') recorder_refuses_name("a name must not hold a '/'");
      h = (h ^ static_cast<unsigned char>(name[i])) * 0x100000001b3ull;
    }
    h |= 1;  // a key of 0 marks an empty slot
    std::uint32_t& next = find(h);
    if (next == 0) ++used_;
    std::uint32_t number = next;
    if (asked > next && !is_apart(h, asked)) {
      apart_.push_back({h, asked});
      return {static_cast<std::uint32_t>(base), asked};
    }
    while (is_apart(h, number)) ++number;
    next = number + 1;
    return {static_cast<std::uint32_t>(base), number};
  }

 private:
  struct taken_apart {
    std::uint64_t key = 0;
    std::uint32_t number = 0;
  };

  // "add_12" is "add" and 12; "add", "add_0" and "add_01" have no number.
  static constexpr std::size_t base_of(const char* name, std::size_t size, std::uint32_t& number) {
    std::size_t first = size;
    while (first > 0 && name[first - 1] >= '0' && name[first - 1] <= '9') --first;
    if (size - first > 9 || name[first] == '0' || first < 2 || name[first - 1] != '_') return size;
    for (std::size_t i = first; i < size; ++i) {
      number = number * 10 + static_cast<std::uint32_t>(name[i] - '0');
    }
    return first - 1;
  }
  [[nodiscard]] constexpr bool is_apart(std::uint64_t key, std::uint32_t number) const {
    for (const taken_apart& t : apart_) {
      if (t.key == key && t.number == number) return true;
    }
    return false;
  }
  constexpr std::uint32_t& find(std::uint64_t key) {
    std::size_t i = (key >> 7) & (capacity_ - 1);
    while (keys_[i] != 0 && keys_[i] != key) i = (i + 1) & (capacity_ - 1);
    keys_[i] = key;
    return counts_[i];
  }
  constexpr void grow() {
    const std::size_t old_capacity = capacity_;
    const std::uint64_t* old_keys = keys_;
    const std::uint32_t* old_counts = counts_;
    capacity_ = capacity_ == 0 ? 64 : capacity_ * 4;
    keys_ = new std::uint64_t[capacity_]();
    counts_ = new std::uint32_t[capacity_]();
    for (std::size_t i = 0; i < old_capacity; ++i) {
      if (old_keys[i] != 0) find(old_keys[i]) = old_counts[i];
    }
    delete[] old_keys;
    delete[] old_counts;
  }

  std::uint64_t* keys_ = nullptr;
  std::uint32_t* counts_ = nullptr;
  std::size_t capacity_ = 0;
  std::size_t used_ = 0;
  growing_list<taken_apart> apart_;
};

}  // namespace detail

/// Records what a builder does, as tables. A literal type: builders run on it in constant
/// evaluation.
///
/// Handles of a recorder are used while it lives and stays where it is. Users rarely name it:
/// `net<builder, in<float, shape<dyn, 4>>>()` makes one, runs the builder and keeps the table.
class Recorder {
 public:
  using reference = recorder_reference;

  constexpr explicit Recorder(mode m = mode::training) : mode_(m) { table_.scopes.push_back({}); }
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  /// Adds an input of the network.
  template <dtype Type, shape_type Shape>
  constexpr tensor<Recorder, Type, Shape> input(std::string_view name = {}) {
    return tensor<Recorder, Type, Shape>(add_input(value_type_of<Type, Shape>(), name));
  }
  constexpr reference add_input(const value_type& type, std::string_view name) {
    attribute_list attributes;
    attributes.set("type", type.type);
    if (type.ranked) attributes.set("shape", type.shape);
    const std::uint32_t value = begin_op(ops::placeholder, nullptr, 0, name, {});
    keep_attributes(attributes);
    add_value(type);
    end_op(table_step::kind::input, static_cast<std::uint32_t>(table_.inputs.size()));
    table_.inputs.push_back(value);
    return {this, value};
  }
  /// Marks a result of the network.
  constexpr void output(const reference& r) { table_.outputs.push_back(value_of(r)); }

  [[nodiscard]] constexpr const basic_table<growing_lists>& table() const { return table_; }
  [[nodiscard]] constexpr table_sizes sizes() const {
    return {table_.ops.size(),        table_.values.size(),  table_.operands.size(),
            table_.attributes.size(), table_.extents.size(), table_.characters.size(),
            table_.variables.size(),  table_.scopes.size(),  table_.steps.size(),
            table_.inputs.size(),     table_.outputs.size()};
  }
  /// Copies the table into arrays of exactly its sizes.
  template <table_sizes Sizes>
  [[nodiscard]] constexpr network_table<Sizes> freeze() const {
    network_table<Sizes> result;
    copy(table_.ops, result.ops);
    copy(table_.values, result.values);
    copy(table_.operands, result.operands);
    copy(table_.attributes, result.attributes);
    copy(table_.extents, result.extents);
    copy(table_.characters, result.characters);
    copy(table_.variables, result.variables);
    copy(table_.scopes, result.scopes);
    copy(table_.steps, result.steps);
    copy(table_.inputs, result.inputs);
    copy(table_.outputs, result.outputs);
    return result;
  }

  // --- What target_traits<Recorder> offers ------------------------------------------------------

  constexpr small_vector<reference, 1> add(const operator_schema& schema,
                                           std::span<const reference> operands,
                                           const attribute_list& attributes, std::string_view name,
                                           source_line line) {
    small_vector<value_type, 3> types;
    for (const reference& r : operands) types.push_back(table_.type_of(value_of(r)));
    const inferred answer = infer(schema, {types, attributes});
    if (answer.error) detail::recorder_refuses(schema.name, answer.error);
    const std::uint32_t first = begin_op(schema, operands.data(), operands.size(), name, line);
    keep_attributes(attributes);
    for (const value_type& v : answer.outputs) add_value(v);
    end_op();
    small_vector<reference, 1> result;
    for (std::uint32_t i = 0; i < answer.outputs.size(); ++i) result.push_back({this, first + i});
    return result;
  }

  /// The same where the types of the outputs are known already.
  /// @return the first output; the others follow it
  constexpr reference add_known(const detail::op_parts& op, const reference* operands,
                                std::size_t operand_count, const detail::static_value* outputs,
                                std::size_t output_count) {
    const std::uint32_t first = begin_op(*op.schema, operands, operand_count, op.name, op.line);
    if (op.has_fixed) keep_attributes(op.fixed());
    if (op.has_more) keep_attributes(*op.more);
    for (std::size_t i = 0; i < output_count; ++i) {
      add_value(outputs[i].type, outputs[i].ranked, outputs[i].extents, outputs[i].rank);
    }
    end_op();
    return {this, first};
  }

  constexpr reference add_variable(const variable_spec& spec, source_line line) {
    if (!spec.shared_key.empty()) {
      for (const table_variable& v : table_.variables) {
        if (table_.characters_of(v.shared_key) != spec.shared_key) continue;
        if (!(table_.type_of(v.value) == spec.type)) {
          detail::recorder_refuses("variable", {.clause = "a shared variable keeps its type",
                                                .needs = table_.type_of(v.value),
                                                .got = spec.type});
        }
        step(table_step::kind::reuse, v.value);
        return {this, v.value};
      }
    }
    const auto index = static_cast<std::uint32_t>(table_.variables.size());
    const std::uint32_t value = begin_op(ops::variable, nullptr, 0, spec.name, line);
    table_.attributes.push_back({"variable", attribute_kind::variable, index, 0, {}, {}});
    add_value(spec.type);
    end_op(table_step::kind::variable, index);
    table_variable v;
    v.name = table_.ops.back().name;
    v.path = keep_path(table_.ops.back());
    v.value = value;
    v.role = spec.role;
    v.trainable = spec.trainable;
    v.initial = spec.initial.schema;
    v.initial_attributes.first = static_cast<std::uint32_t>(table_.attributes.size());
    v.initial_attributes.count = static_cast<std::uint32_t>(spec.initial.attributes.size());
    keep_attributes(spec.initial.attributes);
    if (!spec.shared_key.empty()) v.shared_key = keep(spec.shared_key);
    v.line = line;
    table_.variables.push_back(v);
    return {this, value};
  }

  constexpr void enter_scope(std::string_view name) {
    const auto index = static_cast<std::uint32_t>(table_.scopes.size());
    const auto chosen = names_.take(scope_, true, name.data(), name.size());
    table_.scopes.push_back({scope_, keep(name), chosen.base, chosen.suffix});
    step(table_step::kind::enter_scope, index);
    scope_ = index;
  }
  constexpr void leave_scope() {
    scope_ = table_.scopes[scope_].parent;
    step(table_step::kind::leave_scope, 0);
  }
  [[nodiscard]] constexpr mode current_mode() const { return mode_; }
  constexpr void set_mode(mode m) {
    mode_ = m;
    step(table_step::kind::set_mode, static_cast<std::uint32_t>(m));
  }
  constexpr void own_update(const reference& read, const reference& update) {
    step(table_step::kind::own_update, value_of(read), value_of(update));
  }
  [[nodiscard]] constexpr small_vector<reference, 1> latest_own_update(const reference& read) {
    small_vector<reference, 1> result;
    const std::int64_t variable = variable_number(read);
    for (std::size_t i = table_.steps.size(); i-- > 0 && result.empty();) {
      const table_step& s = table_.steps[i];
      if (s.what != table_step::kind::own_update) continue;
      if (variable_number({this, s.index}) == variable) result.push_back({this, s.second});
    }
    return result;
  }
  [[nodiscard]] constexpr value_type type_of(const reference& r) const {
    return table_.type_of(value_of(r));
  }
  /// The number of the variable that a value reads.
  [[nodiscard]] constexpr std::int64_t variable_number(const reference& read) const {
    const table_op& op = table_.ops[table_.values[value_of(read)].op];
    if (op.schema->name != ops::variable.name) {
      detail::recorder_refuses_handle("the tensor on the left reads no variable");
    }
    return table_.integer_of(op, "variable");
  }

 private:
  constexpr std::uint32_t value_of(const reference& r) const {
    if (r.recorder != this) {
      detail::recorder_refuses_handle("the handle is empty or belongs to another recorder");
    }
    return r.value;
  }
  constexpr void step(table_step::kind what, std::uint32_t index, std::uint32_t second = 0) {
    table_.steps.push_back({what, index, second});
  }

  constexpr table_span keep(std::string_view text) {
    const table_span s{static_cast<std::uint32_t>(table_.characters.size()),
                       static_cast<std::uint32_t>(text.size())};
    const char* const from = text.data();
    for (std::uint32_t i = 0; i < s.count; ++i) table_.characters.push_back(from[i]);
    return s;
  }
  constexpr void copy_characters(table_span s) {
    for (std::uint32_t i = 0; i < s.count; ++i) {
      const char c = table_.characters[s.first + i];
      table_.characters.push_back(c);
    }
  }
  constexpr void keep_suffix(std::uint32_t suffix) {
    if (suffix == 0) return;
    table_.characters.push_back('_');
    std::uint32_t power = 1;
    while (suffix / power >= 10) power *= 10;
    for (; power != 0; power /= 10) {
      table_.characters.push_back(static_cast<char>('0' + suffix / power % 10));
    }
  }
  constexpr void keep_scope_path(std::uint32_t scope) {
    if (scope == 0) return;
    const table_scope s = table_.scopes[scope];
    keep_scope_path(s.parent);
    copy_characters({s.name.first, s.base});
    keep_suffix(s.suffix);
    table_.characters.push_back('/');
  }
  constexpr table_span keep_path(const table_op& op) {
    table_span s{static_cast<std::uint32_t>(table_.characters.size()), 0};
    keep_scope_path(op.scope);
    copy_characters({op.name.first, op.base});
    keep_suffix(op.suffix);
    s.count = static_cast<std::uint32_t>(table_.characters.size()) - s.first;
    return s;
  }
  constexpr void keep_attributes(const attribute_list& attributes) {
    for (const attribute& a : attributes) {
      table_attribute kept{a.key, a.kind, a.integer, a.real, {}, {}};
      if (!a.integers.empty()) kept.extents = keep_extents(a.integers.data(), a.integers.size());
      if (!a.string.empty()) kept.characters = keep(a.string);
      table_.attributes.push_back(kept);
    }
  }
  constexpr table_span keep_extents(const extent* extents, std::size_t count) {
    const table_span s{static_cast<std::uint32_t>(table_.extents.size()),
                       static_cast<std::uint32_t>(count)};
    for (std::size_t i = 0; i < count; ++i) table_.extents.push_back(extents[i]);
    return s;
  }

  // Adding an op: begin_op, its attributes, its values, end_op.
  constexpr std::uint32_t begin_op(const operator_schema& schema, const reference* operands,
                                   std::size_t operand_count, std::string_view name,
                                   source_line line) {
    table_op op;
    op.schema = &schema;
    op.operands = {static_cast<std::uint32_t>(table_.operands.size()),
                   static_cast<std::uint32_t>(operand_count)};
    for (std::size_t i = 0; i < operand_count; ++i) {
      table_.operands.push_back(value_of(operands[i]));
    }
    op.attributes.first = static_cast<std::uint32_t>(table_.attributes.size());
    op.outputs.first = static_cast<std::uint32_t>(table_.values.size());
    op.scope = scope_;
    if (name.empty()) {
      op.suffix = names_.take(scope_, false, schema.name.data(), schema.name.size()).suffix;
    } else {
      const auto chosen = names_.take(scope_, false, name.data(), name.size());
      op.name = keep(name);
      op.base = chosen.base;
      op.suffix = chosen.suffix;
    }
    op.line = line;
    table_.ops.push_back(op);
    return op.outputs.first;
  }
  constexpr void add_value(dtype type, bool ranked, const extent* extents, std::size_t rank) {
    table_op& op = table_.ops.back();
    table_.values.push_back({type, ranked, keep_extents(extents, rank),
                             static_cast<std::uint32_t>(table_.ops.size() - 1), op.outputs.count});
    ++op.outputs.count;
  }
  constexpr void add_value(const value_type& v) {
    add_value(v.type, v.ranked, v.shape.data(), v.shape.size());
  }
  constexpr void end_op(table_step::kind what, std::uint32_t index) {
    table_op& op = table_.ops.back();
    op.attributes.count =
        static_cast<std::uint32_t>(table_.attributes.size()) - op.attributes.first;
    step(what, index);
  }
  constexpr void end_op() {
    end_op(table_step::kind::op, static_cast<std::uint32_t>(table_.ops.size() - 1));
  }

  template <class From, class To>
  static constexpr void copy(const From& from, To& to) {
    for (std::size_t i = 0; i < from.size(); ++i) to[i] = from[i];
  }

  basic_table<growing_lists> table_;
  detail::name_counter names_;
  std::uint32_t scope_ = 0;
  mode mode_;
};

template <>
struct target_traits<Recorder> {
  using reference = recorder_reference;
  using references = small_vector<reference, 1>;
  static constexpr Recorder& target_of(const reference& r) {
    if (r.recorder == nullptr) detail::recorder_refuses_handle("the handle is empty");
    return *r.recorder;
  }
  static constexpr value_type type_of(const reference& r) { return target_of(r).type_of(r); }
  static constexpr references add(Recorder& t, const operator_schema& schema,
                                  std::span<const reference> operands,
                                  const attribute_list& attributes, std::string_view name,
                                  source_line line) {
    return t.add(schema, operands, attributes, name, line);
  }
  static constexpr reference add_known(Recorder& t, const detail::op_parts& op,
                                       const reference* operands, std::size_t operand_count,
                                       const detail::static_value* outputs,
                                       std::size_t output_count) {
    return t.add_known(op, operands, operand_count, outputs, output_count);
  }
  static constexpr reference add_variable(Recorder& t, const variable_spec& spec,
                                          source_line line) {
    return t.add_variable(spec, line);
  }
  static constexpr void enter_scope(Recorder& t, std::string_view name) { t.enter_scope(name); }
  static constexpr void leave_scope(Recorder& t) { t.leave_scope(); }
  static constexpr std::int64_t variable_number(Recorder& t, const reference& read) {
    return t.variable_number(read);
  }
  static constexpr mode mode_of(Recorder& t) { return t.current_mode(); }
  static constexpr void set_mode(Recorder& t, mode m) { t.set_mode(m); }
  static constexpr void own_update(Recorder& t, const reference& variable_read,
                                   const reference& update) {
    t.own_update(variable_read, update);
  }
  static constexpr small_vector<reference, 1> latest_own_update(Recorder& t,
                                                                const reference& variable_read) {
    return t.latest_own_update(variable_read);
  }
};

}  // namespace graft
