// What a Region holds.
#pragma once

#include <algorithm>
#include <vector>

#include "graft/graph/tables.hpp"
#include "graft/surgery/region.hpp"

#include "graph/copy.hpp"

namespace graft {

struct region_data {
  graph_slot* slot = nullptr;
  std::uint32_t generation = 0;
  std::uint32_t graph = 0;        ///< its number
  std::uint64_t version = 0;      ///< of the graph when the region was cut
  std::uint64_t fingerprint = 0;  ///< of what edits would change; see edits_of

  std::vector<tensor_id> inputs;  ///< as given, then those lifted
  std::vector<tensor_id> outputs;
  std::vector<tensor_id> kept;                      ///< hidden inputs, ascending
  std::vector<std::pair<tensor_id, Array>> values;  ///< of kept tensors, ascending
  std::vector<tensor_id> cuts;                      ///< inputs and kept, ascending
  std::vector<tensor_id> passthroughs;
  std::vector<bool> input_used;        ///< one an input
  std::vector<op_id> nodes;            ///< ascending
  std::vector<variable_id> variables;  ///< ascending
  std::vector<scope_id> scopes;        ///< of nodes, ascending
  detail::place_map places;            ///< of nodes, by id
};

namespace detail {

/// The value that a kept tensor was given, or nullptr.
const Array* value_of(const region_data& r, tensor_id t);

/// The graph behind a slot. @throws handle_error if it is gone
Graph& graph_behind(graph_slot* slot, std::uint32_t generation, const char* what);

/// A number that changes when ops of a region are edited or get an own update: of edit stamps, not
/// of contents. The ops and variables must be there.
/// @param edited false: no op was ever edited
/// @param owning false: no variable owns an update
std::uint64_t edits_of(const Graph& g, const region_data& r, bool edited = true,
                       bool owning = true);

/// @throws handle_error if the graph is gone, graph_error if the region is stale
Graph& require_current(const region_data& r);

/// The region with another boundary, cut out of the graph as it is now: what cut it cuts it still.
/// @param r may be stale
/// @param hidden where to cut besides the inputs; tensors that had values keep them
Region cut_again(const Graph& g, const region_data& r, const std::vector<tensor_id>& inputs,
                 const std::vector<tensor_id>& outputs, const std::vector<tensor_id>& hidden);

/// Calls f(variable) for each variable that an op's attributes or bodies refer to.
/// @param attributes as a list, as a view, or as they are stored
template <class Attributes, class F>
void for_each_variable(const Graph& g, const Attributes& attributes, F&& f) {
  std::vector<const Graph*> bodies;  // each once, however many ops own it
  const auto look = [&](const Graph& owner, const auto& list) {
    for (const auto& a : list) {
      if (a.kind == attribute_kind::variable) {
        f(g.data().variable(a.integer));
      } else if (a.kind == attribute_kind::body) {
        const Graph* body = &owner.body(a.integer);
        if (std::find(bodies.begin(), bodies.end(), body) == bodies.end()) bodies.push_back(body);
      }
    }
  };
  look(g, attributes);
  for (std::size_t next = 0; next < bodies.size(); ++next) {
    const Graph& body = *bodies[next];
    const Graph::tables& t = body.data();
    for (const Graph::tables::op_record& r : t.ops) {
      if (t.marked(r)) look(body, t.stored(r));
    }
  }
}

/// True for an op whose value comes from outside the graph: a placeholder, but not a variable's
/// read.
inline bool is_open_source(const Graph::tables& t, std::uint32_t index) {
  const Graph::tables::op_record& r = t.ops[index];
  if (!r.schema->has(ops::source) || r.operand_count != 0) return false;
  if (!t.marked(r)) return true;
  for (const stored_attribute& a : t.stored(r)) {
    if (a.kind == attribute_kind::variable || a.kind == attribute_kind::constant) return false;
  }
  return true;
}

}  // namespace detail
}  // namespace graft
