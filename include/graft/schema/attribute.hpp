// Attributes of an op: constants that are part of what it computes.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include "graft/core/dims.hpp"
#include "graft/core/dtype.hpp"

namespace graft {

/// What an attribute holds.
enum class attribute_kind : std::uint8_t {
  integer,   ///< axis, flags
  real,      ///< rates, epsilons
  integers,  ///< axes, strides, a target shape
  string,
  type,      ///< a dtype
  constant,  ///< index of a tensor in the graph's constant pool
  variable,  ///< id of a variable of the graph
  body,      ///< index of a nested graph
};

/// A named constant of an op. The views belong to the schema or to the graph that holds the op.
struct attribute {
  std::string_view key;                           ///< "axes"
  attribute_kind kind = attribute_kind::integer;  ///< which member holds the value
  std::int64_t integer = 0;                       ///< also: bool, dtype, constant, variable, body
  double real = 0;                                ///< of a real
  dims integers;                                  ///< of a list of integers
  std::string_view string;                        ///< of a string

  constexpr bool operator==(const attribute&) const = default;
};

/// The attributes of one op, at most one of each key.
class attribute_list {
 public:
  constexpr attribute_list() = default;

  /// Sets the attribute of a key: adds it, or replaces the one that is there, whatever its kind.
  constexpr attribute_list& set(std::string_view key, std::int64_t value,
                                attribute_kind kind = attribute_kind::integer) {
    attribute& a = slot(key, kind);
    a.integer = value;
    return *this;
  }
  /// Sets the attribute of a key: adds it, or replaces the one that is there, whatever its kind.
  constexpr attribute_list& set(std::string_view key, int value) {
    return set(key, std::int64_t{value});
  }
  /// Sets the attribute of a key: adds it, or replaces the one that is there, whatever its kind.
  constexpr attribute_list& set(std::string_view key, bool value) {
    return set(key, std::int64_t{value});
  }
  /// Sets the attribute of a key: adds it, or replaces the one that is there, whatever its kind.
  constexpr attribute_list& set(std::string_view key, dtype value) {
    return set(key, static_cast<std::int64_t>(value), attribute_kind::type);
  }
  /// Sets the attribute of a key: adds it, or replaces the one that is there, whatever its kind.
  constexpr attribute_list& set(std::string_view key, double value) {
    slot(key, attribute_kind::real).real = value;
    return *this;
  }
  /// Sets the attribute of a key: adds it, or replaces the one that is there, whatever its kind.
  constexpr attribute_list& set(std::string_view key, const dims& value) {
    slot(key, attribute_kind::integers).integers = value;
    return *this;
  }
  /// Sets the attribute of a key: adds it, or replaces the one that is there, whatever its kind.
  constexpr attribute_list& set(std::string_view key, std::string_view value) {
    return set_string(key, value);
  }
  /// The same of a literal, which would be a truth value else.
  constexpr attribute_list& set(std::string_view key, const char* value) {
    return set_string(key, value);
  }
  /// Sets a string, in the same way.
  constexpr attribute_list& set_string(std::string_view key, std::string_view value) {
    slot(key, attribute_kind::string).string = value;
    return *this;
  }
  /// Sets all of another list's attributes.
  constexpr attribute_list& set(const attribute_list& other) {
    for (const attribute& a : other) slot(a.key, a.kind) = a;
    return *this;
  }
  /// Adds an attribute whose key is not there yet.
  constexpr void add(attribute a) { items_.push_back(std::move(a)); }

  /// Returns the attribute of that key, or nullptr.
  [[nodiscard]] constexpr const attribute* find(std::string_view key) const {
    for (const attribute& a : items_) {
      if (a.key == key) return &a;
    }
    return nullptr;
  }
  /// The number of the attribute of a key, or `otherwise` if there is none.
  [[nodiscard]] constexpr std::int64_t integer(std::string_view key,
                                               std::int64_t otherwise = 0) const {
    const attribute* a = find(key);
    return a != nullptr ? a->integer : otherwise;
  }
  /// The real number of a key, or `otherwise` if there is none.
  [[nodiscard]] constexpr double real(std::string_view key, double otherwise = 0) const {
    const attribute* a = find(key);
    return a != nullptr ? a->real : otherwise;
  }
  /// The integers of a key, or `otherwise` if there is none.
  [[nodiscard]] constexpr dims integers(std::string_view key, const dims& otherwise = {}) const {
    const attribute* a = find(key);
    return a != nullptr ? a->integers : otherwise;
  }
  /// The string of a key, or an empty one.
  [[nodiscard]] constexpr std::string_view string(std::string_view key) const {
    const attribute* a = find(key);
    return a != nullptr ? a->string : std::string_view{};
  }
  /// The dtype of a key, or `otherwise` if there is none.
  [[nodiscard]] constexpr dtype type(std::string_view key, dtype otherwise = dtype::any) const {
    const attribute* a = find(key);
    return a != nullptr ? static_cast<dtype>(a->integer) : otherwise;
  }

  /// Whether there are none.
  [[nodiscard]] constexpr bool empty() const { return items_.empty(); }
  /// How many there are.
  [[nodiscard]] constexpr std::size_t size() const { return items_.size(); }
  [[nodiscard]] constexpr attribute* begin() { return items_.begin(); }
  [[nodiscard]] constexpr attribute* end() { return items_.end(); }
  [[nodiscard]] constexpr const attribute* begin() const { return items_.begin(); }
  [[nodiscard]] constexpr const attribute* end() const { return items_.end(); }
  constexpr bool operator==(const attribute_list&) const = default;

 private:
  constexpr attribute& slot(std::string_view key, attribute_kind kind) {
    for (attribute& a : items_) {
      if (a.key == key) {
        a.kind = kind;
        return a;
      }
    }
    items_.push_back(attribute{.key = key, .kind = kind, .integers = {}, .string = {}});
    return items_.back();
  }

  small_vector<attribute, 1> items_;
};

}  // namespace graft
