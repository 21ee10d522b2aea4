// How each operator runs for all members of an ensemble at once.
#pragma once

#include <span>
#include <unordered_map>
#include <vector>

#include "graft/graph/graph.hpp"

namespace graft::detail {

/// A tensor of an ensemble: with an axis of members before its own, or the same for all members.
struct member_tensor {
  tensor_id tensor;
  bool stacked = false;
};

/// Adds ops of one member for all members.
class stacker {
 public:
  stacker(Graph& g, std::int64_t members) : graph_(g), members_(members) {}

  /// Adds one op of the source for all members.
  /// @param types of its operands in one member
  /// @param operands what these became
  /// @return its outputs, one each
  /// @throws unsupported_error for an op that owns a nested graph
  std::vector<member_tensor> add(op_id source, const attribute_list& attributes,
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
    std::string name;
    source_line line;
  };
  using outputs = std::vector<member_tensor>;

  /// The operator as it is, with stacked outputs.
  outputs direct(const call& c, std::span<const tensor_id> operands,
                 const attribute_list& attributes);
  outputs member_by_member(const call& c);
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
  std::unordered_map<tensor_id, std::vector<tensor_id>> parts_;
};

}  // namespace graft::detail
