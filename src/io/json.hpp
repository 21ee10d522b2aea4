// JSON texts: what a file says in its header and of a region's structure. In the order of the text, with a
// bounded depth; destroying a document allocates nothing, so it is safe where memory has run out.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace graft::io {

/// A JSON value. Whole numbers of at least 0 are std::uint64_t, negative ones std::int64_t.
class json {
 public:
  struct member;
  using list = std::vector<json>;
  using object = std::vector<member>;

  json();
  json(const json& other);
  json(json&& other) noexcept;
  json& operator=(const json& other);
  json& operator=(json&& other) noexcept;
  ~json();
  json(bool value);  // NOLINT: a value is one
  template <std::integral T>
  json(T value);                 // NOLINT
  json(double value);            // NOLINT
  json(std::string value);       // NOLINT
  json(std::string_view value);  // NOLINT
  json(const char* value);       // NOLINT
  json(list items);              // NOLINT
  json(object members);          // NOLINT
  /// An object of one member.
  json(std::string key, json value);

  /// The value if it is a T: bool, std::uint64_t, std::int64_t, double, std::string, list or object.
  template <class T>
  [[nodiscard]] const T* as() const {
    return std::get_if<T>(&value_);
  }
  [[nodiscard]] bool is_null() const { return as<std::monostate>() != nullptr; }
  /// A whole number that fits.
  [[nodiscard]] std::optional<std::int64_t> integer() const;
  /// The member of that key, or nullptr; also for what is no object. Complexity: O(members)
  [[nodiscard]] const json* find(std::string_view key) const;

  /// Adds to a list. @returns what was added
  json& add(json value);
  /// Adds a member, whose key must be new, to an object. @returns its value
  json& add(std::string key, json value);

  /// The text without spaces, or nothing where a string is not valid UTF-8.
  [[nodiscard]] std::optional<std::string> dump() const;

 private:
  std::variant<std::monostate, bool, std::uint64_t, std::int64_t, double, std::string, list, object>
      value_;
};

struct json::member {
  std::string key;
  json value;
};

template <std::integral T>
json::json(T value) {
  if (std::cmp_less(value, 0)) {
    value_ = static_cast<std::int64_t>(value);
  } else {
    value_ = static_cast<std::uint64_t>(value);
  }
}

/// How deep lists and objects of a text may nest.
inline constexpr std::size_t max_json_depth = 100;

/// A text's document, or what is wrong with it as a clause: "is not JSON: ...".
struct parsed_json {
  json document;
  std::string fault;
};

/// Complexity: O(text)
parsed_json parse_json(const std::string& text);

}  // namespace graft::io
