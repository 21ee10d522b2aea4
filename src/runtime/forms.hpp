// Looking forms up: those that the library ships and those that were registered.
#pragma once

#include "graft/runtime/fused.hpp"

namespace graft::detail {

/// Counts the chains that programs have registered: what a plan is made of may change with it.
std::uint64_t forms_registered();
/// The operators of the longest form that has a kernel.
std::size_t longest_form(dtype type);
/// Whether some form has these operators: a quick no.
bool any_form_of(std::uint64_t operators, dtype type);
/// @param form in canonical order, constants as elements of the type hold them
/// @return nullptr: there is none
fused_kernel find_fused_kernel(const elementwise_form& form, dtype type);

}  // namespace graft::detail
