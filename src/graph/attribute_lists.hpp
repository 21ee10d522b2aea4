// Lists of integers in attributes: plain numbers, or extents, some of which are names of dimensions.
#pragma once

#include <string>

#include "graft/schema/operator_schema.hpp"

namespace graft::detail {

/// What an operator says of an attribute, or nullptr.
const attribute_rule* rule_of(const operator_schema& schema, std::string_view key);

/// Whether an integer of an attribute is a name that does not pack. What an operator declares holds extents or it does
/// not; of the integers of a tag those that were given out as names are names.
bool is_long_name_in(const operator_schema& schema, std::string_view key, extent e);

/// "[1, -3]" where integers are numbers, "[3, ?, batch]" where they are extents.
std::string integers_text(const operator_schema& schema, const attribute& a);

}  // namespace graft::detail
