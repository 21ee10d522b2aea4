// Places in a program's source in words, for errors.
#pragma once

#include <string>

#include "graft/core/source_line.hpp"

namespace graft::detail {

/// "net.cpp:12"; empty for a place that is not known.
inline std::string where(source_line line) {
  if (line.file == nullptr || *line.file == 0) return {};
  return std::string(line.file) + ":" + std::to_string(line.line);
}

}  // namespace graft::detail
