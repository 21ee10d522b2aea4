// What writing and reading of regions share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "graft/graph/graph.hpp"

namespace graft::io {

// Files say the lowest version that can tell what they hold.
inline constexpr int region_version = 2;
inline constexpr int given_values_version = 2;        // inputs with values
inline constexpr std::size_t max_body_depth = 64;     // of bodies in bodies, as in comparing graphs
inline constexpr std::size_t max_integers = 100'000;  // of one attribute
inline constexpr std::size_t max_dim_name = 1000;     // bytes
inline constexpr const char* region_key = "graft.region";
// A real that is not a number is "nan", or "nan:" and its bits where they are others than these.
inline constexpr std::uint64_t plain_nan = 0x7ff8000000000000ull;
inline constexpr const char* nan_prefix = "nan:";

inline constexpr std::pair<variable_role, const char*> role_names[] = {
    {variable_role::parameter, "parameter"}, {variable_role::statistic, "statistic"},
    {variable_role::slot, "slot"},           {variable_role::counter, "counter"},
    {variable_role::rng_stream, "stream"},   {variable_role::constant, "constant"}};
const char* name_of_role(variable_role role);

/// The schema of an operator by name, nullptr if it is not known. That of `results`, which bodies end with,
/// is; inputs of bodies (`captured`) are no ops of a file.
const operator_schema* find_schema(std::string_view name);

}  // namespace graft::io
