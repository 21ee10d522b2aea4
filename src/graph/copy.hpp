// Copying a set of ops in bulk: the primitive under clone, splice and import.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "graft/graph/graph.hpp"
#include "graft/graph/tables.hpp"

#include "graph/function_view.hpp"
#include "graph/index_map.hpp"
#include "graph/place_map.hpp"

namespace graft::detail {

/// What append_copy is asked to do. Ops are named by their dense index in `from` (Graph::index_of).
struct copy_request {
  const Graph* from = nullptr;
  Graph* to = nullptr;  ///< may be the same graph

  /// What to copy: dense indices in `from`, ascending, without repetition.
  op_indices ops;
  /// Places of `ops`; made by append_copy if nullptr.
  const place_map* places = nullptr;

  /// Outputs of copied ops that count as outside, so that `outside` is asked for them too (a
  /// boundary tensor whose op is copied for another output). Sorted; usually empty.
  std::span<const tensor_id> cut;

  /// The tensor of `to` that an operand whose producer is not copied (or is in `cut`) becomes.
  /// Asked once for each such operand, so it should be cheap; may be empty if there is none. All
  /// callbacks are called before ops are appended, so they may make scopes and constants in `to`, but add no ops:
  /// names are taken from then on as if there were none.
  function_view<tensor_id(tensor_id)> outside;

  /// The scope of `to` that the ops of a scope of `from` go to. Asked once for each scope met (the
  /// answers are kept in a table of the region's size). Usually made by the caller before, by
  /// `to.enter_scope`. Names are copied as they are into scopes that held no op before; elsewhere
  /// they are made unique.
  function_view<scope_id(scope_id)> scope;

  /// Scopes of `to` from this one on were made for this copy, and hold no ops but those of `named`. Few names there do
  /// not keep those of the copies from going along unchanged, unless they are alike.
  std::uint32_t first_new_scope = 0xffffffffu;
  std::span<const op_id> named;

  /// What a reference to a variable, constant or body becomes: the number of its image. Without it and
  /// `attributes` references are kept, which is right within one graph only.
  function_view<std::int64_t(attribute_kind, std::int64_t)> reference;
  /// Ops whose schema has one of these traits get lists of their own, which may be changed once the ops are there, and
  /// `owned` is called for each that has attributes.
  unsigned own_traits = 0;
  function_view<void(op_id old_op)> owned;

  /// Called for the ops whose schema has a trait in `ask_traits`, and, unless `reference` is given, for
  /// those whose attributes refer to something, with a copy of the attributes to change in place
  /// (references are as `reference` left them). Strings must live until append_copy returns.
  function_view<void(op_id old_op, attribute_list&)> attributes;
  unsigned ask_traits = 0;  ///< e.g. ops::modal | ops::random

  /// The op of `to` that takes the place of one outside the region (the first) which an op of the region (the second)
  /// waits for by a control edge; an invalid id drops the edge. It must not name one op twice for another. Without it
  /// such edges are dropped.
  function_view<op_id(op_id, op_id)> control_outside;

  /// True: types are worked out anew once the ops are there, with the errors of Graph::add.
  /// Variables that are not registered yet are taken to have the type that their read op has.
  bool infer_again = false;
};

/// Where the copies are: `ops[i]` of the request is the op of dense index `first + i`.
struct copied_ops {
  std::uint32_t first = 0;
  std::uint32_t count = 0;
  /// Id of the copy of `ops[i]`: ids of appended ops are consecutive.
  std::uint32_t first_id = 0;
  std::uint32_t graph = 0;  ///< the number of the graph that they are in
  [[nodiscard]] op_id id(std::uint32_t i) const { return op_id{first_id + i, graph}; }
};

/// Appends copies of ops, their operands, attributes and types, in the order of the request.
///
/// Types are copied as they are unless `infer_again` is set, as it must be where outside operands
/// or changed attributes may lead to other types.
///
/// Variables are not made: see append_variable. On an exception `to` is as before.
/// Complexity: linear in the region, about 15 ns an op, independent of the size of both graphs.
copied_ops append_copy(const copy_request& request);

/// Variables belong to the outermost graph: a body that runs has no place for values of its own.
/// @throws graph_error if the graph is an open body
void refuse_in_body(const Graph& g, std::string_view variable);

/// Registers a variable whose read op was copied already. Its id is the next one,
/// `next_variable(g)`, which the read op's attribute "variable" must name.
/// @param info read, initial, role, trainable, origin, stream_key, own_updates; `id` is set here
/// @param cell shared with another variable; empty: a new one without a value
/// @throws graph_error for an open body
variable_id append_variable(Graph& g, variable_info info,
                            std::shared_ptr<variable_cell> cell = nullptr);

/// The id that the next variable will get.
variable_id next_variable(const Graph& g);

/// Makes a new scope under a parent without entering it; the name is made unique there.
scope_id append_scope(Graph& g, scope_id parent, std::string_view name);
/// The same for a parent that was made for one copy, where all names come along and differ: the name is not looked at
/// until somebody else makes a scope there.
/// @param base of the name, a number in t.strings
std::uint32_t append_inner_scope(Graph::tables& t, std::uint32_t parent, std::uint32_t base,
                                 std::uint32_t ordinal);
/// Last component of a scope's name: "dense_1".
std::string scope_name(const Graph& g, scope_id scope);
/// True if an op of that name may be added to the scope as it is.
bool name_is_free(const Graph& g, scope_id scope, std::string_view name);
/// True if a scope of that name may be made under the parent as it is.
bool scope_name_is_free(const Graph& g, scope_id parent, std::string_view name);

/// Adds a value as a constant of the graph without an op, for attributes of
/// attribute_kind::constant.
std::int64_t append_constant(Graph& g, Array value);

/// The stream key of a path: a hash that is the same on every machine.
std::uint64_t stream_key_of(std::string_view path);
/// Those of the paths of ops, without making the paths: scopes that were met are remembered.
class path_keys {
 public:
  /// @param scopes about as many are expected
  path_keys(const Graph::tables& t, std::size_t scopes);
  std::uint64_t of(std::uint32_t op);

 private:
  const Graph::tables& t_;
  [[nodiscard]] std::uint64_t hash_of_scope(std::uint32_t scope);

  index_map<std::uint64_t> scopes_;  // hashes of "a/b/"
  std::uint32_t last_scope_ = 0xffffffffu;
  std::uint64_t hash_of_last_ = 0;
};
/// Another key for each number.
std::uint64_t mixed_key(std::uint64_t key, std::uint64_t number);

}  // namespace graft::detail
