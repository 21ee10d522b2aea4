// Names as arguments of functions.
#pragma once

#include <string_view>
#include <type_traits>

namespace graft {

/// The name of an op, a scope, a collection: a literal, a std::string, a std::string_view, or {} for none.
///
/// A std::string_view would do, were it not made of 0, and of lists of numbers, too: of `sum(x, 0)` and `relu(x, 0)` no
/// name can be meant. As that it does not own its characters. A null pointer is no name.
class name_view {
 public:
  constexpr name_view() = default;
  /// @param name ends with a zero; a null pointer: no name
  template <class Char>
    requires std::is_same_v<Char, char>
  constexpr name_view(const Char* name)  // NOLINT: a literal is a name
      : text_(name == nullptr ? std::string_view() : std::string_view(name)) {}
  /// @param name must live as long as the view
  template <class String>
    requires(std::is_class_v<String> && std::is_convertible_v<const String&, std::string_view>)
  constexpr name_view(const String& name) : text_(name) {}  // NOLINT: a string is a name

  constexpr operator std::string_view() const { return text_; }  // NOLINT: it is one, too
  /// The characters; empty: no name.
  [[nodiscard]] constexpr std::string_view view() const { return text_; }

 private:
  std::string_view text_;
};

namespace detail {

// A name where a list may stand as well: `{}` is the list, as in `sum(x, {})`.
struct name_beside_list : name_view {
  template <class Name>
    requires std::is_convertible_v<const Name&, name_view>
  constexpr name_beside_list(const Name& name) : name_view(name) {}  // NOLINT: as name_view
};

}  // namespace detail
}  // namespace graft
