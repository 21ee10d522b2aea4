// What is at a path, and what a clone did, in words.
#pragma once

#include <string>

#include "graft/core/name_view.hpp"
#include "graft/surgery/clone.hpp"

namespace graft {

/// "fresh", "copied", "shared", "frozen", "linked", "replaced".
std::string to_string(variable_policy policy);

/// Says what an op, a variable, a tensor ("split:1") or a scope is: operator, types, what it takes and who
/// takes it; of a variable its role, whether it has a value, what it starts as, what updates it and which
/// variables it was cloned from. Lines in an order that depends on the graph alone.
/// @param path "encoder/dense/matmul"; of what is in a body, after the path of the op that has it the body's name and
/// the path within: "gru/scan/body/tanh", "cond/then/add"
/// @throws name_error with the names there are, if nothing has that path
std::string explain(const Graph& g, name_view path);

/// The same of a path of a clone or of what was cloned, and first what the clone has to do with it: what
/// it is a copy of, what its copy is, the policy of a variable, what replaces an input, or nothing.
/// @throws as above; handle_error if a graph is gone
std::string explain(const Clone& clone, name_view path);

/// An account of a clone: its size and scope, what inputs became, for each variable of the region its policy and its
/// image, and what became of control edges from outside. Stable: equal clones of equal graphs have equal accounts.
/// @throws handle_error if a graph is gone
std::string to_string(const Clone& clone);

}  // namespace graft
