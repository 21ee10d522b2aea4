// Making ops that a file describes: their attributes, and the bodies these refer to.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "io/region_decoder.hpp"

namespace graft::io {

/// What the ops of a file refer to.
struct file_references {
  const std::string& path;
  std::unordered_map<std::string, Array> arrays;  ///< constants and values that are not taken yet
  std::vector<std::shared_ptr<const Graph>> bodies;
};

/// The attributes of an op for a graph that becomes the owner of its constants and bodies.
/// @param variables by number
/// @throws io_error for a constant that is not there
attribute_list make_attributes(Graph& to, const file_op& op, file_references& refers,
                               std::span<const variable_id> variables);

/// Checks that a constant has the value it says.
/// @throws io_error
void check_constant(const Graph& g, const file_op& op, op_id made, const std::string& path);

/// Makes a body. @throws io_error, and what adding its ops does
std::shared_ptr<const Graph> make_body(const file_body& body, file_references& refers);

}  // namespace graft::io
