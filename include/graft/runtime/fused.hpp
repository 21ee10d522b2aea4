// Compiled kernels of elementwise chains: the table that plans look forms up in.
#pragma once

#include "graft/core/dtype.hpp"
#include "graft/core/form.hpp"

namespace graft {

/// The form under which a chain of this element type is looked up: in canonical order, its constants
/// as elements of the type hold them.
constexpr elementwise_form form_for(const elementwise_form& form, dtype type) {
  return canonical(type == dtype::float32 ? rounded_to_float(form) : form).form;
}

/// Makes a kernel known: from now on every plan uses it where it finds the form. Plans made before
/// keep what they have: a call that a session, or a prepared call, has planned stays with its plan until
/// one of its ops is edited. Thread-safe. `graft/fuse.hpp` makes kernels from chains and calls this.
///
/// A form that the library has a kernel of its own for keeps that one; a form registered again
/// takes the new kernel.
/// @param form as form_for() returns it; at least one operand is full
/// @param type float32 or float64: the elements that the kernel works on
/// @throws argument_error if the form is in another order, has no full operand or no stored result,
/// or stores a truth value; dtype_error for other element types
void register_fused_kernel(const elementwise_form& form, dtype type, fused_kernel kernel);

/// Whether kernels for AVX2 with FMA may run here: the processor has both, and GRAFT_ISA does not ask
/// for sse2.
[[nodiscard]] bool runs_wide_chains();

/// Whether plans find a kernel for a form: the library's own, or a registered one.
[[nodiscard]] bool has_fused_kernel(const elementwise_form& form, dtype type);

}  // namespace graft
