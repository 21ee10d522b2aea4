// A table of a network: what it is made of and how large it is.
#pragma once

#include <string>

#include "graft/graph/graph.hpp"

namespace graft {

/// The choices of summary().
struct summary_options {
  std::size_t width = 100;  ///< of the table, in characters; long names are cut in the middle
};

/// Returns a table of the ops that a tensor depends on, one line a scope or op without variables:
/// name, operators, output type, parameters; then totals of trainable and other elements, and
/// bytes; a variable that is used twice counts once.
std::string summary(const any_tensor& y, const summary_options& options = {});

}  // namespace graft
