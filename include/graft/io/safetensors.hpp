// Saving and loading values in the safetensors format.
//
// A file is an 8-byte little-endian length, a JSON header that gives name, dtype, shape and place
// of each tensor, and the bytes. Files written here also carry a checksum in the header's metadata,
// which other readers ignore.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "graft/graph/graph.hpp"

namespace graft {

/// Arrays by name, in the order of a file.
using named_arrays = std::vector<std::pair<std::string, Array>>;

/// Writes arrays to a file: whole or not at all. A temporary file beside it is written, synced and
/// renamed.
/// @throws io_error with the system's reason; name_error for a name given twice. A file that was
/// there before is then unchanged.
void write_safetensors(const std::string& path, const named_arrays& arrays);

/// Reads all arrays of a file, in the order of their bytes.
/// @throws io_error for a file that is missing, truncated, altered or malformed; it names what is
/// wrong and where
named_arrays read_safetensors(const std::string& path);

/// What load_variables did.
struct load_report {
  std::vector<std::string> loaded;      ///< paths of the variables that got a value
  std::vector<std::string> missing;     ///< variables without a tensor in the file
  std::vector<std::string> unexpected;  ///< tensors without a variable
  /// Whether nothing is missing and nothing unexpected.
  [[nodiscard]] bool complete() const { return missing.empty() && unexpected.empty(); }
};
/// What was loaded, missing and unexpected, in words.
std::string to_string(const load_report& report);

/// The choices of load_variables().
struct load_options {
  /// Throw name_error, and load nothing, where anything is missing or unexpected.
  bool strict = true;
  /// Which variables, each once; empty: all.
  std::vector<variable_id> variables = {};
  /// Replaced at the front of variable paths, by whole components: {"copy", "net"} finds variable
  /// "copy/w" in tensor "net/w".
  std::pair<std::string, std::string> rename = {};
};

/// Saves the values of variables under their paths. @param variables empty: all that have a value
/// @throws handle_error for a variable of another graph; uninitialized_error for one that is named and has no value
void save_variables(const Graph& graph, const std::string& path,
                    std::span<const variable_id> variables = {});

/// Loads values by path. Nothing changes unless everything fits.
/// @throws io_error, name_error (strict), shape_error or dtype_error where a tensor does not fit
/// its variable, handle_error for a variable of another graph
load_report load_variables(Graph& graph, const std::string& path, const load_options& options = {});

}  // namespace graft
