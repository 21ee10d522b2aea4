// Saving all that training needs to go on, and going on from it.
//
// A checkpoint is a safetensors file: the values of all variables under their paths (parameters,
// statistics, optimiser slots, counters and random streams), and beside them their roles, the
// session's seed and notes of the user's own. load_variables reads single values from it as from
// any such file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "graft/core/name_view.hpp"
#include "graft/graph/graph.hpp"
#include "graft/runtime/session.hpp"

namespace graft {

/// Texts by name that a program keeps beside the values: the epoch, its settings.
using checkpoint_notes = std::vector<std::pair<std::string, std::string>>;

/// What a checkpoint tells beside the values.
struct checkpoint_info {
  std::optional<std::uint64_t> seed;  ///< of the session that saved it
  checkpoint_notes notes;             ///< in the order they were given
  /// A note, or `fallback` where there is none of that name.
  [[nodiscard]] std::string note(name_view name, name_view fallback = {}) const;
};

/// Saves the state of training: whole or not at all, a file that was there is replaced in one step.
///
/// All values are those of one moment, also beside threads that train. Variables without a value
/// are recorded as such.
/// @throws io_error; name_error for a note named twice or not in UTF-8
void save_checkpoint(const Session& session, const std::string& path,
                     const checkpoint_notes& notes = {});
/// The same of a graph, without the seed of a session.
void save_checkpoint(const Graph& graph, const std::string& path,
                     const checkpoint_notes& notes = {});

/// Puts the state back into a graph that was built as the one that was saved, training step
/// included. What follows is bit by bit what would have followed there. Nothing changes unless
/// everything fits.
/// @throws io_error for a file that is missing, damaged or no checkpoint; name_error where
/// variables are missing, unexpected or of another role; shape_error, dtype_error; argument_error
/// where the session has another seed than the one that saved it (its random numbers would be
/// others)
checkpoint_info load_checkpoint(Session& session, const std::string& path);
/// The same for a graph: the seed is left to the sessions that will run it.
checkpoint_info load_checkpoint(Graph& graph, const std::string& path);

/// Reads what stands beside the values, for example the seed to make a session with. @throws
/// io_error
checkpoint_info read_checkpoint_info(const std::string& path);

}  // namespace graft
