// The keys by which layers share their variables.
#pragma once

#include <string_view>
#include <type_traits>

namespace graft::detail {

// A key that lives as long as the program, so that layers may be made with the key of a temporary string.
[[nodiscard]] std::string_view interned_key(std::string_view key);
// Throws argument_error. Not constexpr: in constant evaluation the compiler names this function.
[[noreturn]] void refuse_empty_key();

constexpr std::string_view kept_key(std::string_view key) {
  if (key.empty()) refuse_empty_key();
  return std::is_constant_evaluated() ? key : interned_key(key);
}

}  // namespace graft::detail
