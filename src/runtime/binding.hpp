// What a kernel is bound with.
#pragma once

#include "graft/graph/tables.hpp"

#include "runtime/call_graph.hpp"

namespace graft::detail {

/// The arguments of a binding of one op at the shapes of a plan. Stays where it is.
class op_binding {
 public:
  op_binding(const Graph& g, const call_graph& call, const call_op& op,
             std::span<const plan_value> values)
      : attributes_(g.data().attributes_of(g.data().ops[op.index])),
        where_{g, g.data().id(op.index), {}} {
    for (const std::uint32_t value : call.operands_of(op)) inputs_.push_back(values[value].info);
    for (std::uint32_t o = 0; o < g.data().ops[op.index].output_count; ++o) {
      outputs_.push_back(values[op.first_value + o].info);
    }
  }
  op_binding(const op_binding&) = delete;
  op_binding& operator=(const op_binding&) = delete;

  [[nodiscard]] bind_args arguments() {
    return {inputs_, outputs_, attributes_, where_.graph, op_place(where_)};
  }
  [[nodiscard]] std::span<const tensor_info> outputs() const { return outputs_; }
  [[nodiscard]] const attribute_list& attributes() const { return attributes_; }
  /// Whether the kernel may hold the path of this op.
  [[nodiscard]] bool told_path() const { return where_.asked; }

 private:
  std::vector<tensor_info> inputs_, outputs_;
  attribute_list attributes_;
  op_place::question where_;
};

}  // namespace graft::detail
