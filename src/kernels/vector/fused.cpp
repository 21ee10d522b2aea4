// Kernels of the forms that the library ships.
#include "../forms.hpp"
#include "lookups.hpp"
#include "vector_math.hpp"

namespace graft::kernels::GRAFT_KERNEL_ISA {

#include "graft/vector/fused.ipp"

namespace {

template <class T, std::size_t... I>
fused_kernel kernel(std::size_t form, std::index_sequence<I...>) {
  static constexpr fused_kernel all[] = {run_fused<T, shipped_forms[I]>...};
  return all[form];
}

}  // namespace

fused_kernel fused(std::size_t form, element e) {
  if (form >= shipped_form_count) return nullptr;
  constexpr std::make_index_sequence<shipped_form_count> all{};
  return with_float<fused_kernel>(e, [=]<class T>() { return kernel<T>(form, all); });
}

}  // namespace graft::kernels::GRAFT_KERNEL_ISA
