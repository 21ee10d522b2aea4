// Whole files: read at once, replaced atomically.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace graft::io {

/// @throws io_error
std::vector<std::byte> read_file(const std::string& path);

/// Replaces a file by the concatenation of parts: written to a temporary file in the same folder, synced, renamed, and the
/// folder synced, so that a crash leaves the old file or the new one.
/// @throws io_error; the old file is then there unchanged
void replace_file(const std::string& path, std::span<const std::span<const std::byte>> parts);

}  // namespace graft::io
