// What the text of a region file says, checked as far as that needs no graph.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "graft/graph/graph.hpp"

namespace graft::io {

struct file_tensor {
  bool input = false;
  std::uint32_t number = 0;  // of the input or the op
  std::uint32_t output = 0;
};
struct file_input {
  std::string name;
  value_type type;
  std::string value;  // the name of an array, or empty
};
struct file_attribute {
  std::string key, text;  // text: a string, the name of a constant
  attribute_kind kind = attribute_kind::integer;
  std::int64_t integer = 0;
  double real = 0;
  dims integers;
};
struct file_op {
  const operator_schema* schema = nullptr;
  std::string name;
  std::vector<file_tensor> operands;
  std::vector<file_attribute> attributes;
  std::vector<std::uint32_t> after;
};
struct file_variable {
  std::uint32_t read = 0;
  file_tensor initial;
  variable_role role = variable_role::parameter;
  bool trainable = true;
  std::vector<std::uint32_t> updates;
  std::uint64_t stream = 0;
  bool value = false;
};
struct file_member {
  member::kind what = member::kind::variable;
  std::uint32_t number = 0;  // of the variable or the op
  file_tensor tensor;
};
/// A nested graph. Its last op is `results`, and attributes refer to bodies before it.
struct file_body {
  std::vector<file_input> inputs;
  std::vector<file_op> ops;
};
struct file_region {
  std::vector<file_body> bodies;
  std::vector<file_input> inputs;
  std::size_t kept = 0;
  std::vector<file_op> ops;
  std::vector<file_tensor> outputs;
  std::vector<file_variable> variables;
  std::vector<std::pair<std::string, std::vector<file_member>>> collections;
};

/// Throws the io_error of a file that cannot be loaded.
[[noreturn]] void refuse_region(const std::string& path, const std::string& found,
                                const std::string& where = {});
/// What a message shows of a text from a file: its beginning, without control characters, in quotes.
std::string shown(const std::string& text);

/// Decodes the structure of a region: every number is in range, ops take earlier ops only, each variable has
/// one read, names are paths and unique, each body is owned by an op.
/// @throws io_error naming the place
file_region decode_region(const std::string& path, const std::string& text);

}  // namespace graft::io
