// Where in the user's program an op was declared.
#pragma once

#include <cstdint>

namespace graft {

/// A place in the user's source. Take it as a default argument: `source_line here = source_line::now()`.
struct source_line {
  const char* file = "";   ///< as the compiler was given it; "": not known
  std::uint32_t line = 0;  ///< the first is 1; 0: not known

  /// The place of the call that it is a default argument of.
  static constexpr source_line now(const char* file = __builtin_FILE(),
                                   unsigned line = __builtin_LINE()) {
    return {file, line};
  }
};

}  // namespace graft
