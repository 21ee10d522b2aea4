// Saving a region with the values of its variables, and loading it into a graph.
//
// The file is in the safetensors format: any of its readers finds the values of the variables under
// their paths. The metadata entry "graft.region" is a JSON text that tells the structure:
//
//   version      the lowest that can tell what the file holds: 2 where an input has a value, else 1
//   bodies       [{inputs, ops}]: nested graphs, each before those that own it, with inputs by number;
//                the last op is `results`; left out if there are none
//   inputs       [{name, type, shape, value}], shape without a known rank left out; extents are numbers,
//                names, or null; the value is that of a kept tensor that was given() one: the name of an array
//   kept         how many of the last inputs are no inputs of the region: sources that it left uncut, and tensors
//                with given values
//   ops          [{op, name, in, attributes, after}] in canonical order, producers first; `in` and
//                all other tensors are "3" (output 0 of op 3), "3:1" (its output 1) or "in0" (input
//                0); an attribute is {its kind: value}, a body's value being its number; `after` are ops
//                that it waits for; what is empty is left out
//   outputs      tensors
//   variables    [{read, initial, role, trainable, updates, stream, value}]: the op that reads it, a
//                tensor, ops; whether its value is in the file
//   collections  {name: [{variable | tensor | op}]}
//
// Constants are arrays named "/0", "/1", ... in the order of the ops, those of a body where the first op
// that owns it comes; then given values. A body that several ops own is there once. Names are paths as in the graph
// that was saved. Equal graphs give equal bytes: nothing depends on ids, addresses, order of
// building, source lines or time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "graft/surgery/policy.hpp"
#include "graft/surgery/region.hpp"

namespace graft {

/// What save_region() writes.
enum class saving : std::uint8_t {
  as_is,
  simplified,  ///< the region as simplify() leaves it: fewer ops, equal values of the outputs
};

/// Writes a region to a file: whole or not at all (written beside it, synced, renamed).
///
/// Structure, names, constants, given values, values of variables that have one, roles, own updates, random
/// streams, control edges inside, memberships in collections, bodies and which ops share them. Sharing of storage with variables
/// outside is not kept, nor are layers' keys for sharing variables.
/// @throws io_error with the system's reason; unsupported_error for an op whose operator is not
/// registered, so that the file could not be loaded, or for bodies nested deeper than 64; name_error for a
/// name that is not UTF-8;
/// handle_error, graph_error for a lost graph or a stale region; graph_error for initial values that need one
/// another in a circle
/// @param how saving::simplified writes a simplified copy, in which given values are constants; region and graph stay
/// as they are
void save_region(const std::string& path, const Region& region, saving how = saving::as_is);

/// What load_region() added to the graph.
struct loaded_region {
  Region region;                       ///< of the graph that it was loaded into
  std::vector<any_tensor> inputs;      ///< as saved; given ones or new placeholders
  std::vector<any_tensor> outputs;     ///< as saved, repetitions included
  std::vector<variable_id> variables;  ///< in the order of the file
};

/// The choices of load_region().
struct load_region_options {
  destination where;                   ///< @see into
  names naming = names::unique;        ///< @see names
  std::vector<graph_reference> given;  ///< tensors that stand for the inputs, in order
  bool inputs_given = false;           ///< whether they do
  std::string strip;                   ///< @see from

  void set(const destination& d);
  void set(names n) { naming = n; }
  void set(const source_scope& s);
  void set(const input_list& list);
};

/// load_region() with its choices gathered.
loaded_region load_region_from(Graph& graph, const std::string& path,
                               const load_region_options& options);

/// Adds a saved region to a graph.
///
/// @param choices in any order:
///   - `into("copy")`: a new scope for its ops; without it they go under the current scope, with the
///     names they had
///   - `from("actor")`: the front of the names to leave out; name_error where none has it
///   - `inputs(x2)`: tensors of the graph in place of the saved inputs, in order and all of them;
///     without it inputs become placeholders of their saved name, type and shape
///   - `names::exact`: name_error where a name is taken; else it gets a number
///
/// The region is isomorphic to the one saved, with the values, random streams (so the same draws),
/// roles, own updates, collections and names it had. Ops that shared a body share it again; names in bodies
/// are as they were. A tensor with a given value is a constant, where the region is cut as it was; shapes that follow
/// from the constant's may be known better than they were.
/// @throws io_error for a file that is missing, truncated, altered, malformed, written by a newer
/// version, or that uses an operator that is not known, saying which; boundary_error for another
/// number of inputs than saved; dtype_error, shape_error for one that does not fit; name_error under
/// names::exact; graph_error for variables into an open body. The graph is then as before.
/// Complexity: O(file)
template <class... Choices>
loaded_region load_region(Graph& graph, const std::string& path, const Choices&... choices) {
  load_region_options options;
  (options.set(choices), ...);
  return load_region_from(graph, path, options);
}

}  // namespace graft
