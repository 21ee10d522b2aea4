// From compile-time networks to graphs.
#pragma once

#include "graft/dsl/compose.hpp"
#include "graft/dsl/network.hpp"
#include "graft/graph/graph.hpp"

namespace graft {

/// The lists of some table, seen through spans: what code that is no template works on.
struct viewed_lists {
  std::span<const table_op> ops;
  std::span<const table_value> values;
  std::span<const std::uint32_t> operands;
  std::span<const table_attribute> attributes;
  std::span<const extent> extents;
  std::span<const char> characters;
  std::span<const table_variable> variables;
  std::span<const table_scope> scopes;
  std::span<const table_step> steps;
  std::span<const std::uint32_t> inputs;
  std::span<const std::uint32_t> outputs;
};
/// A table seen through spans.
using table_view = basic_table<viewed_lists>;

/// Views a table, which must outlive the view.
template <class Lists>
table_view view_of(const basic_table<Lists>& t) {
  table_view v;
  v.ops = {t.ops.data(), t.ops.size()};
  v.values = {t.values.data(), t.values.size()};
  v.operands = {t.operands.data(), t.operands.size()};
  v.attributes = {t.attributes.data(), t.attributes.size()};
  v.extents = {t.extents.data(), t.extents.size()};
  v.characters = {t.characters.data(), t.characters.size()};
  v.variables = {t.variables.data(), t.variables.size()};
  v.scopes = {t.scopes.data(), t.scopes.size()};
  v.steps = {t.steps.data(), t.steps.size()};
  v.inputs = {t.inputs.data(), t.inputs.size()};
  v.outputs = {t.outputs.data(), t.outputs.size()};
  return v;
}

/// Adds a recorded network to a graph: ops, scopes and variables as its builder would have added
/// them.
///
/// While a body of the graph is open, into that body, as what a builder builds: inputs may be the body's tensors or
/// those around it, and the variables belong to the outermost graph.
/// @param inputs one tensor of the graph for each input of the table
/// @return the results
/// @throws shape_error, dtype_error where an input does not fit; handle_error; graph_error for a network that updates
/// variables (batch norm, dropout) in a body; then the graph is unchanged
std::vector<any_tensor> lower(const table_view& table, Graph& g,
                              std::span<const any_tensor> inputs);

namespace detail {
template <class In, class Given>
constexpr void check_network_input() {
  constexpr text label("the network's input");
  if constexpr (Given::type != dtype::any && Given::type != In::type) {
    refuse_type<label, In::type, Given::type>();
  } else if constexpr (shapes_surely_differ<typename In::shape_type,
                                            typename Given::shape_type>()) {
    refuse_shape<label, typename In::shape_type, typename Given::shape_type>();
  }
}
template <class... Given, class... In>
constexpr void check_network_inputs(const std::tuple<In...>*) {
  (check_network_input<In, Given>(), ...);
}
}  // namespace detail

/// Adds a compile-time network to a graph: `auto y = lower(mlp, g, x);`. Equals calling the builder
/// on x.
///
/// @param inputs a handle of g for each of the inputs of the network, which net() made
/// @return what the builder returns, with handles of the graph; a struct becomes a tuple of its
/// members
/// @throws as above; inputs whose types tell that they do not fit do not compile
template <class Source, tensor_like... X>
auto lower(const network<Source>&, Graph& g, const X&... inputs) {
  using inputs_of_network = typename network<Source>::input_types;
  static_assert(sizeof...(X) == std::tuple_size_v<inputs_of_network>,
                "graft: lower takes one tensor for each input of the network");
  detail::check_network_inputs<X...>(static_cast<const inputs_of_network*>(nullptr));
  detail::check_stated("a network", {}, inputs...);
  const std::array<any_tensor, sizeof...(X)> operands{any_tensor(inputs)...};
  const std::vector<any_tensor> outputs = lower(view_of(network<Source>::table()), g, operands);
  std::size_t next = 0;
  return transform_handles(typename network<Source>::result_type{}, [&]<class H>(const H&) {
    return tensor<Graph, H::type, typename H::shape_type>(outputs[next++].ref());
  });
}

}  // namespace graft
