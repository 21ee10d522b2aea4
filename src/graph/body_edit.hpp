// Changing bodies. A body does not change, as many ops may share it; what changes is a copy, which takes its place.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "graft/graph/graph.hpp"
#include "graft/graph/tables.hpp"

#include "graph/function_view.hpp"

namespace graft::detail {

/// The graph that has the variables: of an open body the one around all bodies, otherwise itself.
Graph& outermost_of(Graph& g);
/// The scope of that graph for the variables of a scope of a body: of the same name, below the scope that the body's op
/// is built in, made when first needed. Inside a transaction of both.
scope_id scope_of_variables(Graph& g, scope_id scope);

/// While it lives, no body of a graph is open: what is built through the graph's handles goes into the graph.
class body_aside {
 public:
  explicit body_aside(Graph& g) : graph_(g), body_(std::move(g.data().open_body)) {}
  ~body_aside() { graph_.data().open_body = std::move(body_); }
  body_aside(const body_aside&) = delete;
  body_aside& operator=(const body_aside&) = delete;

 private:
  Graph& graph_;
  std::unique_ptr<Graph> body_;
};

/// Adds copies of all ops of a graph to an empty one: each in the place that it had, in scopes of the same names.
/// @param attributes is asked as copy_request::attributes is; what they refer to must be of `to` afterwards
/// @param ask_traits ops with one of these traits are asked about though they refer to nothing
void copy_whole(const Graph& from, Graph& to,
                function_view<void(op_id old_op, attribute_list&)> attributes,
                unsigned ask_traits = 0);

/// What takes a body's place.
struct other_body {
  std::shared_ptr<const Graph> body;
  /// Tensors of the graph around it that it takes besides those that the body took: its last inputs.
  std::vector<tensor_id> captures;
};

/// A copy of a body, open in the graph of the op that owns the body. What is built in it may take tensors of the
/// graphs around it. Inside a transaction, which closes it where something fails.
class body_copy {
 public:
  /// @throws graph_error if a body is open in that graph
  body_copy(Graph& around, const std::shared_ptr<const Graph>& body);
  ~body_copy();
  body_copy(const body_copy&) = delete;
  body_copy& operator=(const body_copy&) = delete;

  [[nodiscard]] Graph& graph() { return copy_; }
  /// The body itself if nothing was changed.
  other_body close();

 private:
  Graph& around_;
  const std::shared_ptr<const Graph> body_;
  Graph& copy_;
  std::uint64_t version_ = 0;
  std::size_t inputs_ = 0;
};

/// What a body captures, among the operands of its op and among its own inputs.
struct body_captures {
  std::size_t first_operand, first_input, count;
};
/// @param key of the body among the attributes `a` of the op
/// @returns nothing for an operator that is not the library's own
std::optional<body_captures> captures_of(const operator_schema& schema, std::string_view key,
                                         const attribute_list& a, std::size_t operands);

/// Puts another body in the place of one that an op owns; types are not worked out anew. Inside a transaction.
/// @param key of the body among the op's attributes
/// @returns where the first of its further captures is among the op's operands
/// @throws graph_error where a capture depends on the op; unsupported_error for captures of an operator that is not
/// the library's own
std::uint32_t replace_body(Graph& g, op_id op, std::string_view key, const other_body& by);

}  // namespace graft::detail
