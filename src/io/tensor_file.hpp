// Files of named arrays with texts beside them, in the safetensors format.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "graft/io/safetensors.hpp"

namespace graft::io {

struct tensor_file {
  named_arrays arrays;
  std::vector<std::pair<std::string, std::string>> metadata;  ///< UTF-8; part of the checksum
};

/// As write_safetensors.
void write_tensor_file(const std::string& path, const tensor_file& file);
/// As read_safetensors.
tensor_file read_tensor_file(const std::string& path);

}  // namespace graft::io
