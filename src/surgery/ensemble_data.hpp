// What an Ensemble holds.
#pragma once

#include <optional>
#include <unordered_map>
#include <vector>

#include "graft/surgery/ensemble.hpp"

#include "surgery/region_data.hpp"
#include "surgery/stacked.hpp"

namespace graft {

struct ensemble_data {
  explicit ensemble_data(Region r) : region(std::move(r)) {}

  Region region;
  graph_slot* slot = nullptr;
  std::uint32_t generation = 0;
  std::int64_t members = 0;
  scope_id scope;
  std::optional<mode> as_mode;  ///< the one that was asked for
  std::unordered_map<tensor_id, detail::member_tensor> images;
  std::unordered_map<op_id, op_id> updates;  ///< by update of the region: what updates in its place
  std::vector<variable_image> variables;     ///< ascending by source; stacked ones and streams
  std::vector<variable_id> created;
  std::vector<variable_id> unset;
  std::vector<variable_id> stacked;  ///< sources of the stacked ones, ascending
};

namespace detail {

inline Graph& graph_of(const ensemble_data& d) {
  return graph_behind(d.slot, d.generation, "an ensemble");
}

/// What a variable of the region became; nullptr where it is the same for all members.
const variable_image* image_of(const ensemble_data& d, variable_id v);

/// The constant that a frozen variable of the region became; nothing for others, and where nothing needs it.
std::optional<tensor_id> constant_of(const ensemble_data& d, const variable_info& v);

/// The value of a variable that is to be moved. @throws uninitialized_error if it has none
Array require_value(const Graph& g, variable_id v);
/// One member's part of a stacked value.
Array part_of(const Array& all, std::size_t member);

/// @throws argument_error for a member that does not exist
void require_member(const ensemble_data& d, std::size_t i);
/// @throws graph_error if the region is not as it was: members cannot be made any more
void require_origin(const ensemble_data& d);

}  // namespace detail
}  // namespace graft
