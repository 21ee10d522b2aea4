#include "io/values.hpp"

#include <mutex>
#include <shared_mutex>

namespace graft::io {

std::vector<variable_value> values_of(const Graph& graph, std::span<const variable_id> variables) {
  std::vector<variable_value> values;
  values.reserve(variables.size());
  const VariableStore& store = graph.store();
  const std::shared_lock lock(store.mutex());
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
  const std::lock_guard updating(store.update_mutex());
  const std::unique_lock lock(store.mutex());
  std::vector<variable_cell*> cells;
  for (const auto& [v, value] : values) cells.push_back(store.cell(v).get());
  for (std::size_t i = 0; i < values.size(); ++i) {  // nothing here can fail
    std::optional<Array>& value = values[i].second;
    if (cells[i]->initialized != value.has_value()) store.touch();
    cells[i]->initialized = value.has_value();
    cells[i]->value = value ? std::move(*value) : Array();
  }
}

}  // namespace graft::io
