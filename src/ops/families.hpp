// The families of operators that the registry is built from, one function each.
#pragma once

#include <vector>

#include "graft/graph/operator.hpp"

namespace graft {

void add_elementwise_operators(std::vector<operator_definition>& all);
void add_activation_operators(std::vector<operator_definition>& all);
void add_logic_operators(std::vector<operator_definition>& all);
void add_source_operators(std::vector<operator_definition>& all);
void add_random_operators(std::vector<operator_definition>& all);
void add_matmul_operators(std::vector<operator_definition>& all);
void add_reduce_operators(std::vector<operator_definition>& all);
void add_shape_operators(std::vector<operator_definition>& all);
void add_slicing_operators(std::vector<operator_definition>& all);
void add_gather_operators(std::vector<operator_definition>& all);
void add_softmax_operators(std::vector<operator_definition>& all);
void add_conv_operators(std::vector<operator_definition>& all);
void add_pool_operators(std::vector<operator_definition>& all);
void add_normalize_operators(std::vector<operator_definition>& all);
void add_dropout_operators(std::vector<operator_definition>& all);
void add_control_operators(std::vector<operator_definition>& all);
void add_optimizer_operators(std::vector<operator_definition>& all);
void add_squared_norm(std::vector<operator_definition>& all);

}  // namespace graft
