#include "io/values.hpp"

#include <shared_mutex>

#include "graph/store_lock.hpp"
#include "graph/value_change.hpp"

namespace graft::io {

std::vector<variable_value> values_of(const Graph& graph, std::span<const variable_id> variables) {
  std::vector<variable_value> values;
  values.reserve(variables.size());
  const VariableStore& store = graph.store();
  const std::shared_lock lock(detail::values_mutex(store));
  for (const variable_id v : variables) {
    const variable_cell& cell = *store.cell(v);
    values.emplace_back(v, cell.initialized ? std::optional(cell.value) : std::nullopt);
  }
  return values;
}

void require_fit(const Graph& graph, variable_id variable, const std::string& name,
                 const Array& array, const std::string& path) {
  const value_type& type = graph.variable_of(variable).type;
  const value_type got = value_type::of(array.type(), array.shape());
  if (got == type) return;
  error_parts parts{"tensor '" + name + "' of '" + path + "' was to become variable '" +
                        graph.path_of(variable) + "'",
                    "the tensor is " + to_string(got) + " and the variable " + to_string(type),
                    graph.path_of(variable), "nothing was loaded"};
  if (got.type != type.type) throw dtype_error(std::move(parts));
  throw shape_error(std::move(parts));
}

void set_values(Graph& graph, std::vector<variable_value> values) {
  VariableStore& store = graph.store();
  detail::value_change change({&store});
  for (auto& [v, value] : values) {
    if (value) {
      change.set(store, v, std::move(*value));
    } else {
      change.reset(store, v);
    }
  }
  change.write();
}

}  // namespace graft::io
