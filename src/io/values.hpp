// Values of many variables, read and written as of one moment.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "graft/graph/graph.hpp"

namespace graft::io {

/// A variable and its value, empty where it has none.
using variable_value = std::pair<variable_id, std::optional<Array>>;

/// No run commits between the first value and the last.
std::vector<variable_value> values_of(const Graph& graph, std::span<const variable_id> variables);

/// Refuses a tensor of a file that does not fit a variable. @throws dtype_error, shape_error
void require_fit(const Graph& graph, variable_id variable, const std::string& name,
                 const Array& array, const std::string& path);

/// Sets values, or takes them away, between two runs. They must fit.
void set_values(Graph& graph, std::vector<variable_value> values);

}  // namespace graft::io
