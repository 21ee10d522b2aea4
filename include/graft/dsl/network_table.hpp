// A recorded network as plain tables: what constant evaluation leaves behind.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "graft/schema/target.hpp"

namespace graft {

/// A run of elements in one of a table's pools.
struct table_span {
  std::uint32_t first = 0;
  std::uint32_t count = 0;
};

/// The type of one output of one op; its extents are in the pool of extents.
struct table_value {
  dtype type = dtype::any;
  bool ranked = false;
  table_span extents;
  std::uint32_t op = 0;      ///< the op that makes it
  std::uint32_t output = 0;  ///< which of that op's outputs
};

/// An attribute; integers and string values are in the pools.
struct table_attribute {
  std::string_view key;
  attribute_kind kind = attribute_kind::integer;
  std::int64_t integer = 0;
  double real = 0;
  table_span extents;
  table_span characters;
};

/// An op. Its operands are places in the table of values, its outputs consecutive values.
///
/// A body is the ops that have its number: `captured` ops for its inputs in their order, what it computes, and
/// `results`, whose operands are its results. All operands are values of the same body. The op that owns the body
/// has the number in an attribute and comes after it.
struct table_op {
  const operator_schema* schema = nullptr;
  table_span operands;
  table_span attributes;
  table_span outputs;
  std::uint32_t scope = 0;
  table_span name;         ///< as asked for; empty: the operator's name
  std::uint32_t base = 0;  ///< length of the name without a number at its end
  std::uint32_t suffix =
      0;  ///< the number that makes the base unique in its scope, "_<suffix>"; 0: none
  std::uint32_t body = 0;  ///< the body that the op is in; 0: none, it is the network's own
  source_line line;
};

/// A variable, identified by its place. A shared one is one entry, read by several ops' operands.
struct table_variable {
  table_span name;          ///< as asked for
  table_span path;          ///< "encoder/dense_1/kernel"
  std::uint32_t value = 0;  ///< place of the tensor that reads it
  variable_role role = variable_role::parameter;
  bool trainable = true;
  const operator_schema* initial = nullptr;
  table_span initial_attributes;
  table_span shared_key;
  source_line line;
};

/// A scope; the first is the root, also of every body.
struct table_scope {
  std::uint32_t parent = 0;
  table_span name;  ///< as asked for
  std::uint32_t base = 0;
  std::uint32_t suffix = 0;
};

/// What the builder did, in order, so that lowering can do the same.
struct table_step {
  enum class kind : std::uint8_t {
    enter_scope,
    leave_scope,
    input,
    op,
    variable,
    reuse,
    set_mode,
    own_update,
    open_body,       ///< what follows is in the body, up to its close_body
    argument,        ///< an input that the op with the body gives a value
    capture,         ///< an input that stands for a value from outside
    close_body,      ///< of the body that was opened last
    variable_scope,  ///< the network got a scope for the variables of a scope of a body
  };
  kind what = kind::op;
  std::uint32_t index = 0;   ///< of the scope, op, variable or body; the mode; the value read
  std::uint32_t second = 0;  ///< own_update: value of the update; capture: the value from outside;
                             ///< close_body: the op `results`; variable_scope: the network's scope
};

/// How long each list of a table is.
struct table_sizes {
  std::size_t ops = 0, values = 0, operands = 0, attributes = 0, extents = 0, characters = 0;
  std::size_t variables = 0, scopes = 0, steps = 0, inputs = 0, outputs = 0;
};

namespace detail {

// A growing list for constant evaluation, where every call counts: std::vector makes some ten per
// element.
template <class T>
class growing_list {
 public:
  constexpr growing_list() = default;
  growing_list(const growing_list&) = delete;
  growing_list& operator=(const growing_list&) = delete;
  constexpr ~growing_list() { delete[] data_; }

  constexpr void push_back(const T& value) {
    if (size_ == capacity_) grow();
    data_[size_++] = value;
  }
  constexpr T& operator[](std::size_t i) { return data_[i]; }
  constexpr const T& operator[](std::size_t i) const { return data_[i]; }
  [[nodiscard]] constexpr std::size_t size() const { return size_; }
  [[nodiscard]] constexpr const T* data() const { return data_; }
  [[nodiscard]] constexpr const T* begin() const { return data_; }
  [[nodiscard]] constexpr const T* end() const { return data_ + size_; }
  constexpr T& back() { return data_[size_ - 1]; }
  [[nodiscard]] constexpr const T& back() const { return data_[size_ - 1]; }

 private:
  constexpr void grow() {
    capacity_ = capacity_ == 0 ? 64 : capacity_ * 4;
    T* bigger = new T[capacity_]();
    for (std::size_t i = 0; i < size_; ++i) bigger[i] = data_[i];
    delete[] data_;
    data_ = bigger;
  }

  T* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace detail

/// The lists themselves while recording.
struct growing_lists {
  template <class T>
  using list = detail::growing_list<T>;
  list<table_op> ops;
  list<table_value> values;
  list<std::uint32_t> operands;
  list<table_attribute> attributes;
  list<extent> extents;
  list<char> characters;
  list<table_variable> variables;
  list<table_scope> scopes;
  list<table_step> steps;
  list<std::uint32_t> inputs;   ///< values of the placeholders
  list<std::uint32_t> outputs;  ///< values of the results
};

/// The same as arrays, for a constant that the program keeps.
template <table_sizes Sizes>
struct fixed_lists {
  std::array<table_op, Sizes.ops> ops{};
  std::array<table_value, Sizes.values> values{};
  std::array<std::uint32_t, Sizes.operands> operands{};
  std::array<table_attribute, Sizes.attributes> attributes{};
  std::array<extent, Sizes.extents> extents{};
  std::array<char, Sizes.characters> characters{};
  std::array<table_variable, Sizes.variables> variables{};
  std::array<table_scope, Sizes.scopes> scopes{};
  std::array<table_step, Sizes.steps> steps{};
  std::array<std::uint32_t, Sizes.inputs> inputs{};
  std::array<std::uint32_t, Sizes.outputs> outputs{};
};

/// A network as a value: ops, operands, attributes, shapes, names, variables.
///
/// It is a literal: everything here may be asked in a `static_assert`. All places are indices into
/// its lists, so a table may be copied and moved about freely.
template <class Lists>
struct basic_table : Lists {
  /// Ops, those in bodies among them.
  [[nodiscard]] constexpr std::size_t op_count() const { return this->ops.size(); }
  [[nodiscard]] constexpr std::size_t variable_count() const { return this->variables.size(); }

  [[nodiscard]] constexpr std::string_view characters_of(table_span s) const {
    return s.count == 0 ? std::string_view{}
                        : std::string_view(this->characters.data() + s.first, s.count);
  }
  [[nodiscard]] constexpr dims extents_of(table_span s) const {
    dims result;
    for (std::uint32_t i = 0; i < s.count; ++i) result.push_back(this->extents[s.first + i]);
    return result;
  }
  [[nodiscard]] constexpr value_type type_of(std::uint32_t value) const {
    const table_value& v = this->values[value];
    return {v.type, value_kind::tensor, v.ranked, extents_of(v.extents)};
  }
  [[nodiscard]] constexpr dims shape_of(std::uint32_t value) const {
    return extents_of(this->values[value].extents);
  }
  [[nodiscard]] constexpr std::uint32_t operand(const table_op& op, std::uint32_t i) const {
    return this->operands[op.operands.first + i];
  }

  /// Returns an op's attributes; their strings belong to the table.
  [[nodiscard]] constexpr attribute_list attributes_of(table_span s) const {
    attribute_list result;
    for (std::uint32_t i = 0; i < s.count; ++i) {
      const table_attribute& a = this->attributes[s.first + i];
      switch (a.kind) {
        case attribute_kind::real:
          result.set(a.key, a.real);
          break;
        case attribute_kind::integers:
          result.set(a.key, extents_of(a.extents));
          break;
        case attribute_kind::string:
          result.set_string(a.key, characters_of(a.characters));
          break;
        default:
          result.set(a.key, a.integer, a.kind);
          break;
      }
    }
    return result;
  }
  [[nodiscard]] constexpr std::int64_t integer_of(const table_op& op, std::string_view key,
                                                  std::int64_t otherwise = 0) const {
    const std::uint32_t at = find_attribute(op, key);
    return at != not_found ? this->attributes[at].integer : otherwise;
  }
  [[nodiscard]] constexpr double real_of(const table_op& op, std::string_view key,
                                         double otherwise = 0) const {
    const std::uint32_t at = find_attribute(op, key);
    return at != not_found ? this->attributes[at].real : otherwise;
  }
  [[nodiscard]] constexpr dims integers_of(const table_op& op, std::string_view key,
                                           const dims& otherwise = {}) const {
    const std::uint32_t at = find_attribute(op, key);
    return at != not_found ? extents_of(this->attributes[at].extents) : otherwise;
  }
  static constexpr std::uint32_t not_found = 0xffffffffu;
  /// Returns the place of an op's attribute in `attributes`, or not_found.
  [[nodiscard]] constexpr std::uint32_t find_attribute(const table_op& op,
                                                       std::string_view key) const {
    for (std::uint32_t i = 0; i < op.attributes.count; ++i) {
      if (this->attributes[op.attributes.first + i].key == key) return op.attributes.first + i;
    }
    return not_found;
  }

  [[nodiscard]] constexpr std::string_view variable_path(std::size_t i) const {
    return characters_of(this->variables[i].path);
  }
  [[nodiscard]] constexpr dims variable_shape(std::size_t i) const {
    return shape_of(this->variables[i].value);
  }
  /// Elements of all trainable variables.
  [[nodiscard]] constexpr extent parameter_count() const {
    extent count = 0;
    for (const table_variable& v : this->variables) {
      if (v.trainable) count += element_count(shape_of(v.value));
    }
    return count;
  }

  /// Returns the name of a scope or an op, unique in its scope: "dense_1".
  [[nodiscard]] constexpr small_vector<char, 64> unique_name(const table_scope& s) const {
    small_vector<char, 64> name;
    append_name(name, characters_of({s.name.first, s.base}), s.suffix);
    return name;
  }
  [[nodiscard]] constexpr small_vector<char, 64> unique_name(const table_op& op) const {
    small_vector<char, 64> name;
    append_name(name,
                op.name.count == 0 ? op.schema->name : characters_of({op.name.first, op.base}),
                op.suffix);
    return name;
  }
  /// Returns the path of a scope or of an op: "encoder/dense_1/matmul".
  [[nodiscard]] constexpr small_vector<char, 64> scope_path(std::uint32_t scope) const {
    small_vector<std::uint32_t, 8> chain;
    for (; scope != 0; scope = this->scopes[scope].parent) chain.push_back(scope);
    small_vector<char, 64> path;
    for (std::size_t i = chain.size(); i-- > 0;)
      append_part(path, unique_name(this->scopes[chain[i]]));
    return path;
  }
  /// An op in a body has its place in the body after the owner's path and the body's name:
  /// "encoder/scan/body/tanh".
  [[nodiscard]] constexpr small_vector<char, 64> op_path(std::size_t i) const {
    const table_op& op = this->ops[i];
    small_vector<char, 64> path;
    if (op.body == 0) {
      path = scope_path(op.scope);
    } else {
      const body_owner owner = owner_of(op.body);
      path = op_path(owner.op);
      append_part(path, owner.key);
      append_part(path, scope_path(op.scope));
    }
    append_part(path, unique_name(op));
    return path;
  }

  /// The op that a body belongs to, and the attribute that says so.
  struct body_owner {
    std::uint32_t op = 0;
    std::string_view key;
  };
  [[nodiscard]] constexpr body_owner owner_of(std::uint32_t body) const {
    for (std::uint32_t i = 0; i < this->ops.size(); ++i) {
      const table_op& op = this->ops[i];
      if (!op.schema->has(ops::bodies)) continue;
      for (std::uint32_t k = 0; k < op.attributes.count; ++k) {
        const table_attribute& a = this->attributes[op.attributes.first + k];
        if (a.kind == attribute_kind::body && a.integer == body) return {i, a.key};
      }
    }
    return {not_found, {}};
  }

 private:
  template <class Part>
  static constexpr void append_part(small_vector<char, 64>& path, const Part& part) {
    if (part.empty()) return;
    if (!path.empty()) path.push_back('/');
    path.append(part.begin(), part.end());
  }
  static constexpr void append_name(small_vector<char, 64>& path, std::string_view name,
                                    std::uint32_t suffix) {
    path.append(name.begin(), name.end());
    if (suffix == 0) return;
    path.push_back('_');
    std::uint32_t power = 1;
    while (suffix / power >= 10) power *= 10;
    for (; power != 0; power /= 10) {
      path.push_back(static_cast<char>('0' + suffix / power % 10));
    }
  }
};

template <table_sizes Sizes>
using network_table = basic_table<fixed_lists<Sizes>>;

}  // namespace graft
