// How each operator runs for all members of an ensemble at once.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "graft/graph/graph.hpp"

#include "graph/body_view.hpp"

namespace graft::detail {

/// A tensor of an ensemble: with an axis of members before its own, or the same for all members.
struct member_tensor {
  tensor_id tensor;
  bool stacked = false;
};

/// How the bodies of an ensemble differ from those of its source, and those that were made already.
struct body_changes {
  std::optional<mode> as_mode;
  std::string stream;  ///< keys of random ops in bodies are made from it
  /// By source, whether inputs are stacked, and whether results are.
  std::map<std::tuple<const Graph*, std::vector<bool>, std::vector<bool>>,
           std::shared_ptr<const Graph>>
      made;
};

/// Adds ops of one member for all members.
class stacker {
 public:
  stacker(Graph& g, std::int64_t members, std::shared_ptr<body_changes> bodies = nullptr)
      : graph_(g), members_(members), bodies_(std::move(bodies)) {}

  /// Adds one op of a source for all members. An op with bodies runs once for all if what decides on its
  /// steps is the same for all; its bodies are stacked then.
  /// @param from the graph of the source: the target itself, or a body
  /// @param types of its operands in one member
  /// @param operands what these became
  /// @return its outputs, one each
  /// @throws unsupported_error for an op whose bodies draw at random and cannot be stacked
  std::vector<member_tensor> add(const Graph& from, op_id source, const attribute_list& attributes,
                                 std::span<const value_type> types,
                                 std::span<const member_tensor> operands);

  /// With an axis of members, whether or not it had one.
  tensor_id broadcast(const member_tensor& t);
  /// Joins one tensor for each member along a new first axis.
  tensor_id stack(std::span<const tensor_id> parts);
  /// One member's part of a stacked tensor.
  tensor_id part(tensor_id stacked, std::int64_t member);

 private:
  struct call {
    const operator_schema& schema;
    attribute_list attributes;
    std::span<const value_type> types;
    std::span<const member_tensor> operands;
    const Graph& from;
    op_id source;
    std::string name;
    source_line line;
  };
  using outputs = std::vector<member_tensor>;

  /// The operator as it is, with stacked outputs.
  outputs direct(const call& c, std::span<const tensor_id> operands,
                 const attribute_list& attributes);
  outputs member_by_member(const call& c);
  /// What an op that draws at random gives: another draw for each member.
  outputs drawn(const call& c);
  /// The rules; each may answer with nothing: then the op runs member by member.
  std::optional<outputs> together(const call& c);
  std::optional<outputs> elementwise(const call& c);
  std::optional<outputs> product(const call& c);
  std::optional<outputs> shifted_axes(const call& c, std::string_view key, bool all_if_absent);
  std::optional<outputs> shifted_axis(const call& c, std::int64_t otherwise);
  std::optional<outputs> reshaped(const call& c);
  std::optional<outputs> convolution(const call& c);
  std::optional<outputs> folded(const call& c);
  std::optional<outputs> batch_norm(const call& c);
  std::optional<outputs> layer_norm(const call& c);
  std::optional<outputs> looked_up(const call& c);
  std::optional<outputs> squared_norm(const call& c);

  // stacked_bodies.cpp
  outputs add_with_bodies(const call& c);
  /// Makes the bodies of an op, and lets its attributes name them.
  void set_bodies(attribute_list& attributes, const call& c, const struct division& d);
  std::shared_ptr<const Graph> stacked_body(const std::shared_ptr<const Graph>& body,
                                            const std::vector<bool>& inputs,
                                            const std::vector<bool>& results);
  [[nodiscard]] bool changes(const Graph& body) const;
  tensor_id swap_axes(tensor_id t);

  tensor_id make(const operator_schema& schema, std::span<const tensor_id> operands,
                 const attribute_list& attributes = {});
  tensor_id reshape(tensor_id t, const dims& shape);
  /// [members, batch, channels, ...] to [batch, members * channels, ...]; an invalid id where extents
  /// are not known.
  tensor_id fold(tensor_id t);
  tensor_id unfold(tensor_id t, const dims& member_shape);
  /// Inserts `count` axes of extent 1 after that of the members.
  tensor_id widen(tensor_id stacked, std::size_t count);
  [[nodiscard]] value_type type(tensor_id t) const { return graph_.type_of(t); }

  Graph& graph_;
  std::int64_t members_;
  std::shared_ptr<body_changes> bodies_;
  std::unordered_map<tensor_id, std::vector<tensor_id>> parts_;
};

}  // namespace graft::detail
