// Where in a graph an op of a body is.
#pragma once

#include <string>
#include <string_view>

#include "graft/graph/graph.hpp"

namespace graft::detail {

/// The op that owns a body.
struct body_owner {
  const Graph& graph;
  op_id op;
  std::string_view key;      ///< of the body
  const body_owner* around;  ///< where the op is in a body itself
};

/// "'add'", "'add' in body 'then' of 'net/cond'".
inline std::string place_in_words(const std::string& path, const body_owner* in) {
  std::string text = "'" + path + "'";
  for (; in != nullptr; in = in->around) {
    text += " in body '" + std::string(in->key) + "' of '" + in->graph.path_of(in->op) + "'";
  }
  return text;
}

}  // namespace graft::detail
