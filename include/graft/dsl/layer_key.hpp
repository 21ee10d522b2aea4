// The keys by which layers share their variables.
#pragma once

#include <cstddef>
#include <string_view>
#include <type_traits>

namespace graft::detail {

// A key that lives as long as the program, so that layers may be made with the key of a temporary string.
[[nodiscard]] std::string_view interned_key(std::string_view key);
// The key of a layer; empty: it shares nothing. A std::string_view may not be part of a template argument, and layers may
// then not be what net<...> builds.
struct layer_key {
  const char* characters = nullptr;
  std::size_t count = 0;

  constexpr layer_key() = default;
  constexpr layer_key(std::string_view key)
      : characters(key.data()), count(key.size()) {}                           // NOLINT
  constexpr operator std::string_view() const { return {characters, count}; }  // NOLINT: it is one
};

// Throws argument_error. Not constexpr: in constant evaluation the compiler names this function.
[[noreturn]] void refuse_empty_key();

constexpr layer_key kept_key(std::string_view key) {
  if (key.empty()) refuse_empty_key();
  return std::is_constant_evaluated() ? key : interned_key(key);
}

}  // namespace graft::detail
