// Ids that another graph gave.
#pragma once

#include <string>
#include <utility>

#include "graft/core/error.hpp"
#include "graft/graph/ids.hpp"

namespace graft::detail {

/// How errors call an id: "op 3".
inline std::string in_words(op_id op) { return "op " + std::to_string(op.value); }
inline std::string in_words(variable_id v) { return "variable " + std::to_string(v.value); }
inline std::string in_words(scope_id s) { return "scope " + std::to_string(s.value); }
inline std::string in_words(tensor_id t) {
  return "tensor " + std::to_string(t.op.value) + ":" + std::to_string(t.output);
}

/// @param asked what was asked for, with the id in words
[[noreturn]] inline void refuse_foreign(std::string asked) {
  throw handle_error({.asked = std::move(asked),
                      .found = "the id is of another graph",
                      .where = {},
                      .hint = "use the ids that this graph gave; those of what was cloned are "
                              "found by the clone: clone(id)"});
}

}  // namespace graft::detail
