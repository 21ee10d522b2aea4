// Writing tables: texts, types, attributes and names on their way into the pools.
#pragma once

#include "graft/dsl/name_counter.hpp"

namespace graft::detail {

// A table while it is recorded, with the place where the next op goes: its scope and its body.
class table_writer {
 public:
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

 protected:
  constexpr table_writer() { table_.scopes.push_back({}); }

  constexpr void step(table_step::kind what, std::uint32_t index, std::uint32_t second = 0) {
    table_.steps.push_back({what, index, second});
  }

  constexpr std::uint32_t add_scope(std::uint32_t parent, std::string_view name) {
    const auto index = static_cast<std::uint32_t>(table_.scopes.size());
    const auto chosen = names_.take(place_of(parent), true, name.data(), name.size());
    table_.scopes.push_back({parent, keep(name), chosen.base, chosen.suffix});
    return index;
  }
  // Where names are to be unique: all bodies have the root in common, and no other scope.
  [[nodiscard]] constexpr std::uint64_t place_of(std::uint32_t scope) const {
    return scope != 0 ? scope : std::uint64_t{body_} << 32;
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

  constexpr void add_value(dtype type, bool ranked, const extent* extents, std::size_t rank) {
    table_op& op = table_.ops.back();
    table_.values.push_back({type, ranked, keep_extents(extents, rank),
                             static_cast<std::uint32_t>(table_.ops.size() - 1), op.outputs.count});
    ++op.outputs.count;
  }
  constexpr void add_value(const value_type& v) {
    add_value(v.type, v.ranked, v.shape.data(), v.shape.size());
  }
  template <class From, class To>
  static constexpr void copy(const From& from, To& to) {
    for (std::size_t i = 0; i < from.size(); ++i) to[i] = from[i];
  }

  basic_table<growing_lists> table_;
  detail::name_counter names_;
  std::uint32_t scope_ = 0;
  std::uint32_t body_ = 0;
};

}  // namespace graft::detail
