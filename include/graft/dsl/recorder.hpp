// The target of constant evaluation: builders run on it at compile time and leave a table.
#pragma once

#include "graft/dsl/table_writer.hpp"
#include "graft/ops/sources.hpp"
#include "graft/schema/apply.hpp"
#include "graft/schema/body_rules.hpp"

namespace graft {

class Recorder;

/// Names one value of a recorder.
struct recorder_reference {
  Recorder* recorder = nullptr;  ///< nullptr: of an empty handle
  std::uint32_t value = 0;       ///< its place among the values of the table
  constexpr bool operator==(const recorder_reference&) const = default;
};

namespace detail {

// Called where a builder does something wrong on a recorder. They are not constexpr, so that in
// constant evaluation the first error names them; outside of it they throw.
[[noreturn]] void recorder_refuses(std::string_view schema, const problem& why);
[[noreturn]] void recorder_refuses_handle(const char* why);
[[noreturn]] void recorder_refuses_tensor_of_a_closed_body();
[[noreturn]] void recorder_refuses_update_in_a_body();

// A body while and after it is recorded.
struct recorded_body {
  std::uint32_t around = 0;   // the body it is in; 0: none
  std::uint32_t scope = 0;    // of `around`, where it was opened
  mode mode_around{};         // likewise
  std::uint32_t inputs = 0;   // so far
  std::uint32_t results = 0;  // op, once it is closed
};

}  // namespace detail

/// Records what a builder does, as tables. A literal type: builders run on it in constant
/// evaluation.
///
/// Handles of a recorder are used while it lives and stays where it is. Users rarely name it:
/// `net<builder, in<float, shape<dyn, 4>>>()` makes one, runs the builder and keeps the table.
class Recorder : public detail::table_writer {
 public:
  using reference = recorder_reference;  ///< as target_traits want it

  /// An empty table. @param m the mode that layers are built in at first
  constexpr explicit Recorder(mode m = mode::training) : mode_(m) {}
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  /// Adds an input of the network.
  template <dtype Type, shape_type Shape>
  constexpr tensor<Recorder, Type, Shape> input(name_view name = {}) {
    return tensor<Recorder, Type, Shape>(add_input(value_type_of<Type, Shape>(), name));
  }
  /// Adds an input of a type that need not be known to the compiler.
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
  constexpr void output(const reference& r) { table_.outputs.push_back(visible(value_of(r))); }

  // --- What target_traits<Recorder> offers ------------------------------------------------------

  /// Adds an op and returns its outputs. What the shape rule refuses stops constant evaluation.
  constexpr small_vector<reference, 1> add(const operator_schema& schema,
                                           std::span<const reference> operands,
                                           const attribute_list& attributes, std::string_view name,
                                           source_line line) {
    small_vector<value_type, 3> types;
    for (const reference& r : operands) types.push_back(table_.type_of(value_of(r)));
    const inferred answer = infer_op(schema, types, attributes);
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
    if (op.has_more) {  // numbers that the types were worked out without
      keep_attributes(*op.more);
      check_attributes(op, operands, operand_count);
    }
    for (std::size_t i = 0; i < output_count; ++i) {
      add_value(outputs[i].type, outputs[i].ranked, outputs[i].extents, outputs[i].rank);
    }
    end_op();
    return {this, first};
  }

  /// Adds a variable and returns what reads it: of a shared key the one that there is.
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
        return {this, visible(v.value)};
      }
    }
    if (!has_bodies_) return {this, new_variable(spec, line)};
    // Bodies run many times, variables are one: they belong to the network.
    const std::uint32_t body = body_, scope = scope_;
    scope_ = scope_of_variables(body, scope);
    body_ = 0;
    const std::uint32_t value = new_variable(spec, line);
    body_ = body;
    scope_ = scope;
    return {this, visible(value)};
  }

  /// Makes a child of the current scope and goes into it.
  constexpr void enter_scope(std::string_view name) {
    scope_ = add_scope(scope_, name);
    step(table_step::kind::enter_scope, scope_);
  }
  /// Goes back to the scope around.
  constexpr void leave_scope() {
    scope_ = table_.scopes[scope_].parent;
    step(table_step::kind::leave_scope, 0);
  }
  /// The mode that layers are built in.
  [[nodiscard]] constexpr mode current_mode() const { return mode_; }
  /// Sets the mode for what is added from here on.
  constexpr void set_mode(mode m) {
    mode_ = m;
    step(table_step::kind::set_mode, static_cast<std::uint32_t>(m));
  }
  /// Declares an update as belonging to the variable that `read` reads. Not in bodies.
  constexpr void own_update(const reference& read, const reference& update) {
    if (body_ != 0) detail::recorder_refuses_update_in_a_body();
    step(table_step::kind::own_update, value_of(read), value_of(update));
  }
  /// The update that was declared last for the variable that `read` reads, if there is one. In bodies there is none.
  [[nodiscard]] constexpr small_vector<reference, 1> latest_own_update(const reference& read) {
    small_vector<reference, 1> result;
    if (body_ != 0) return result;
    const std::int64_t variable = variable_number(read);
    for (std::size_t i = table_.steps.size(); i-- > 0 && result.empty();) {
      const table_step& s = table_.steps[i];
      if (s.what != table_step::kind::own_update) continue;
      if (variable_number({this, s.index}) == variable) result.push_back({this, s.second});
    }
    return result;
  }
  /// Element type and shape of a value.
  [[nodiscard]] constexpr value_type type_of(const reference& r) const {
    return table_.type_of(value_of(r));
  }
  /// The number of the variable that a value reads.
  [[nodiscard]] constexpr std::int64_t variable_number(const reference& read) const {
    if (body_ != 0) detail::recorder_refuses_update_in_a_body();
    const table_op& op = table_.ops[table_.values[value_of(read)].op];
    if (op.schema->name != ops::variable.name) {
      detail::recorder_refuses_handle("the tensor on the left reads no variable");
    }
    return table_.integer_of(op, "variable");
  }

  // --- Bodies: what is added between opening and closing is in the body ----------------------------

  /// Opens a body: what is added next is in it, in a scope of its own.
  constexpr void open_body() {
    has_bodies_ = true;
    bodies_.push_back({body_, scope_, mode_, 0, 0});
    body_ = static_cast<std::uint32_t>(bodies_.size());
    scope_ = 0;
    step(table_step::kind::open_body, body_);
  }
  /// Adds an input of the open body that the op with the body gives a value.
  constexpr reference add_argument(const value_type& type) {
    return {this, add_body_input(body_, type, table_step::kind::argument, 0)};
  }
  /// The value of the open body that stands for one from outside.
  constexpr reference capture(const reference& outer) { return {this, visible(value_of(outer))}; }
  /// What closing a body gives.
  struct closed_body {
    std::int64_t index = 0;               ///< for an attribute of attribute_kind::body
    small_vector<reference, 2> captures;  ///< operands that the body takes after its arguments
  };
  /// Closes the open body. @param results what it computes
  constexpr closed_body close_body(std::span<const reference> results) {
    begin_op(ops::results, results.data(), results.size(), {}, {});
    const auto op = static_cast<std::uint32_t>(table_.ops.size() - 1);
    step(table_step::kind::close_body, body_, op);
    closed_body closed{body_, {}};
    for (const captured_value& c : captures_) {
      if (c.body == body_) closed.captures.push_back({this, c.outer});
    }
    detail::recorded_body& body = bodies_[body_ - 1];
    body.results = op;
    scope_ = body.scope;
    mode_ = body.mode_around;
    body_ = body.around;
    return closed;
  }

 private:
  // As adding to a graph does: what an operator refuses, a network known to the compiler refuses, too.
  constexpr void check_attributes(const detail::op_parts& op, const reference* operands,
                                  std::size_t count) {
    if (op.schema->has(ops::bodies)) return;  // its types follow from theirs
    // What fixed() returns is only read: g++ 12 gives a second call the list of the first one, whose memory is gone.
    attribute_list all = *op.more;
    if (op.has_fixed) all.set(op.fixed());
    small_vector<value_type, 3> types;
    for (std::size_t i = 0; i < count; ++i) types.push_back(table_.type_of(value_of(operands[i])));
    const inferred answer = infer(*op.schema, {types, all});
    if (answer.error) detail::recorder_refuses(op.schema->name, answer.error);
  }

  struct captured_value {
    std::uint32_t body = 0, outer = 0, inner = 0;
  };
  struct scope_pair {
    std::uint32_t in_body = 0, of_network = 0;
  };

  constexpr std::uint32_t value_of(const reference& r) const {
    if (r.recorder != this) {
      detail::recorder_refuses_handle("the handle is empty or belongs to another recorder");
    }
    return r.value;
  }
  // What stands for a value in the current body. Without bodies that is the value.
  constexpr std::uint32_t visible(std::uint32_t value) {
    return has_bodies_ ? visible_in(body_, value) : value;
  }
  constexpr std::uint32_t visible_in(std::uint32_t body, std::uint32_t value) {
    if (table_.ops[table_.values[value].op].body == body) return value;
    if (body == 0) detail::recorder_refuses_tensor_of_a_closed_body();
    // Every body on the way takes it from the one around it.
    const std::uint32_t outer = visible_in(bodies_[body - 1].around, value);
    for (const captured_value& c : captures_) {
      if (c.body == body && c.outer == outer) return c.inner;
    }
    const std::uint32_t inner =
        add_body_input(body, table_.type_of(outer), table_step::kind::capture, outer);
    captures_.push_back({body, outer, inner});
    return inner;
  }
  // Adds the op of the next input of a body, which may be one around the current body.
  constexpr std::uint32_t add_body_input(std::uint32_t body, const value_type& type,
                                         table_step::kind what, std::uint32_t outer) {
    const std::uint32_t body_now = body_, scope_now = scope_;
    // Bodies around the current one are in the scope where the next one was opened.
    for (std::uint32_t b = body_; b != body; b = bodies_[b - 1].around) {
      scope_ = bodies_[b - 1].scope;
    }
    body_ = body;
    attribute_list attributes;
    attributes.set("capture", std::int64_t{bodies_[body - 1].inputs++}).set("type", type.type);
    if (type.ranked) attributes.set("shape", type.shape);
    const std::uint32_t value = begin_op(ops::captured, nullptr, 0, {}, {});
    keep_attributes(attributes);
    add_value(type);
    end_op(what, value, outer);
    body_ = body_now;
    scope_ = scope_now;
    return value;
  }

  using value_types = small_vector<value_type, 3>;
  constexpr value_types results_of(const attribute_list& attributes, std::string_view key) const {
    const auto body = static_cast<std::size_t>(attributes.integer(key));
    const table_op& results = table_.ops[bodies_[body - 1].results];
    value_types types;
    for (std::uint32_t i = 0; i < results.operands.count; ++i) {
      types.push_back(table_.type_of(table_.operand(results, i)));
    }
    return types;
  }
  constexpr inferred infer_op(const operator_schema& schema, const value_types& operands,
                              const attribute_list& a) const {
    if (!schema.has(ops::bodies)) return infer(schema, {operands, a});
    const std::span<const value_type> all = operands;
    const auto states = static_cast<std::size_t>(a.integer("states"));
    if (schema.name == ops::cond.name) {
      return rules::infer_cond(all[0], results_of(a, "then"), results_of(a, "else"));
    }
    if (schema.name == ops::while_loop.name) {
      return rules::infer_while(all.first(states), results_of(a, "condition")[0],
                                results_of(a, "body"));
    }
    if (schema.name == ops::scan.name) {
      const auto sequences = static_cast<std::size_t>(a.integer("sequences"));
      return rules::infer_scan(all.first(states), all.subspan(states, sequences),
                               results_of(a, "body"));
    }
    return infer(schema, {all, a});
  }

  // The scope of the network for the variables of a scope of a body: of the same name, made when first
  // needed.
  constexpr std::uint32_t scope_of_variables(std::uint32_t body, std::uint32_t scope) {
    if (body == 0) return scope;
    if (scope == 0) {
      const detail::recorded_body& b = bodies_[body - 1];
      return scope_of_variables(b.around, b.scope);
    }
    for (const scope_pair& p : variable_scopes_) {
      if (p.in_body == scope) return p.of_network;
    }
    const table_scope inner = table_.scopes[scope];
    const std::uint32_t parent = scope_of_variables(body, inner.parent);
    const auto name = table_.unique_name(inner);
    const std::uint32_t body_now = body_;
    body_ = 0;
    const std::uint32_t made = add_scope(parent, {name.data(), name.size()});
    body_ = body_now;
    step(table_step::kind::variable_scope, scope, made);
    variable_scopes_.push_back({scope, made});
    return made;
  }
  constexpr std::uint32_t new_variable(const variable_spec& spec, source_line line) {
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
    return value;
  }

  // Adding an op: begin_op, its attributes, its values, end_op.
  constexpr std::uint32_t begin_op(const operator_schema& schema, const reference* operands,
                                   std::size_t operand_count, std::string_view name,
                                   source_line line) {
    std::uint64_t place = scope_;
    if (has_bodies_) {  // inputs of the body come before the op
      for (std::size_t i = 0; i < operand_count; ++i) visible(value_of(operands[i]));
      place = place_of(scope_);
    }
    table_op op;
    op.schema = &schema;
    op.operands = {static_cast<std::uint32_t>(table_.operands.size()),
                   static_cast<std::uint32_t>(operand_count)};
    for (std::size_t i = 0; i < operand_count; ++i) {
      const std::uint32_t value = value_of(operands[i]);
      table_.operands.push_back(has_bodies_ ? visible(value) : value);
    }
    op.attributes.first = static_cast<std::uint32_t>(table_.attributes.size());
    op.outputs.first = static_cast<std::uint32_t>(table_.values.size());
    op.scope = scope_;
    op.body = body_;
    if (name.empty()) {
      op.suffix = names_.take(place, false, schema.name.data(), schema.name.size()).suffix;
    } else {
      const auto chosen = names_.take(place, false, name.data(), name.size());
      op.name = keep(name);
      op.base = chosen.base;
      op.suffix = chosen.suffix;
    }
    op.line = line;
    table_.ops.push_back(op);
    return op.outputs.first;
  }
  constexpr void end_op(table_step::kind what, std::uint32_t index, std::uint32_t second = 0) {
    table_op& op = table_.ops.back();
    op.attributes.count =
        static_cast<std::uint32_t>(table_.attributes.size()) - op.attributes.first;
    step(what, index, second);
  }
  constexpr void end_op() {
    end_op(table_step::kind::op, static_cast<std::uint32_t>(table_.ops.size() - 1));
  }

  mode mode_;
  bool has_bodies_ = false;  // most networks have none, and pay nothing for those that do
  detail::growing_list<detail::recorded_body> bodies_;  // by number, from 1
  detail::growing_list<captured_value> captures_;
  detail::growing_list<scope_pair> variable_scopes_;
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
  /// Opens a body: what is built next goes into it.
  static constexpr Recorder& open_body(Recorder& t) {
    t.open_body();
    return t;
  }
  static constexpr reference add_argument(Recorder& t, const value_type& type) {
    return t.add_argument(type);
  }
  using closed_body = Recorder::closed_body;
  /// Closes the body that is open; `results`, values of it or from outside, are what it computes.
  static constexpr closed_body close_body(Recorder& t, std::span<const reference> results) {
    return t.close_body(results);
  }
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
