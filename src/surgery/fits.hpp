// Whether one tensor can come in the place of another.
#pragma once

#include <optional>
#include <string>

#include "graft/graph/graph.hpp"
#include "graft/surgery/fits.hpp"

namespace graft::detail {

/// Why a type does not do for another.
struct misfit {
  enum class kind { element_type, kind_of_value, open_rank, rank, open_extent, extent } what;
  std::string found;  ///< one clause
};

/// @param wanted what users and handles were told; open ranks and extents take any
std::optional<misfit> misfit_of(const value_type& wanted, const value_type& got, bool any_shape);

/// Refuses what an edit puts in the place of a tensor of the same graph and does not fit there.
/// @param call how the error calls what was asked
/// @throws dtype_error, shape_error
void check_takes_place(const Graph& g, const char* call, tensor_id old, tensor_id by,
                       shape_choice shapes);

}  // namespace graft::detail
