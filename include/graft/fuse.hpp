// Elementwise chains as compiled kernels: a user's own chain becomes one pass over memory in every
// plan that holds it.
//
// Opt-in: this header makes the compiler write the code of the chain into the file that includes it,
// once for the processor's baseline and once for AVX2 with FMA; the better one is chosen when a chain
// is registered. With GRAFT_BASELINE_ONLY defined, in all sources of a program or in none, there is only the
// first, which takes the compiler half the time.
#pragma once

#include <array>
#include <bit>
#include <type_traits>
#include <utility>

#include "graft/fuse/chain.hpp"
#include "graft/fuse/derivative.hpp"
#include "graft/lower/lower.hpp"
#include "graft/runtime/fused.hpp"

// A product and a sum stay two roundings, as in the library's kernels: the bits are the same then.
// (g++ joins them where a target has the joint instruction; clang does not across these functions.)
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC push_options
#pragma GCC optimize("fp-contract=off")
#endif
#pragma push_macro("GRAFT_INLINE")
#undef GRAFT_INLINE
#define GRAFT_INLINE inline __attribute__((always_inline))

namespace graft::fused::baseline {
#define GRAFT_VECTOR_BYTES 16
#include "graft/vector/extensions.ipp"
#include "graft/vector/fused.ipp"
#undef GRAFT_VECTOR_BYTES
}  // namespace graft::fused::baseline

#if defined(__x86_64__) && !defined(GRAFT_BASELINE_ONLY)
#define GRAFT_FUSE_WIDE 1
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
namespace graft::fused::avx2 {
#define GRAFT_VECTOR_BYTES 32
#define GRAFT_VECTOR_AVX2 1
#include "graft/vector/extensions.ipp"
#include "graft/vector/fused.ipp"
#undef GRAFT_VECTOR_BYTES
#undef GRAFT_VECTOR_AVX2
}  // namespace graft::fused::avx2
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif

#pragma pop_macro("GRAFT_INLINE")
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif

namespace graft {

namespace fused {

/// The forms that a chain is found in: itself, and what training computes of it.
struct chain_forms {
  std::size_t count = 0;
  std::array<elementwise_form, 7> forms{};

  constexpr void add(const elementwise_form& form, dtype type) {
    const elementwise_form sorted = form_for(form, type);
    for (std::size_t i = 0; i < count; ++i) {
      if (forms[i] == sorted) return;
    }
    forms[count++] = sorted;
  }
};

template <dtype Type, auto Chain, operand_class... Classes>
constexpr chain_forms forms_of_chain() {
  constexpr elementwise_form form = form_of_chain<Chain, Classes...>();
  chain_forms result;
  result.add(form, Type);
  // Gradients of all operands; of all but the first, which is often data; and of those that are not
  // full, which are often all the parameters.
  std::uint32_t broadcast = 0;
  for (std::uint32_t k = 0; k < form.operand_count; ++k) {
    if (form.operands[k].what != operand_class::full) broadcast |= 1u << k;
  }
  for (const std::uint32_t wanted : {~0u, ~1u, broadcast}) {
    const derivative d = differentiate(form, wanted);
    if (!d.exists) continue;
    result.add(d.forward, Type);
    result.add(d.backward, Type);
  }
  return result;
}

template <dtype Type, auto Chain, operand_class... Classes>
inline constexpr chain_forms forms_of = forms_of_chain<Type, Chain, Classes...>();

/// The kernel of a form for this processor.
template <class T, elementwise_form F>
fused_kernel kernel_of() {
#ifdef GRAFT_FUSE_WIDE
  if (runs_wide_chains()) return &avx2::run_fused<T, F>;
#endif
  return &baseline::run_fused<T, F>;
}

template <class T, const chain_forms& Forms, std::size_t... I>
void register_all(std::index_sequence<I...>) {
  (register_fused_kernel(Forms.forms[I], dtype_of<T>, kernel_of<T, Forms.forms[I]>()), ...);
}
template <class T, auto Chain, operand_class... Classes>
void register_type() {
  register_all<T, forms_of<dtype_of<T>, Chain, Classes...>>(
      std::make_index_sequence<forms_of<dtype_of<T>, Chain, Classes...>.count>{});
}

template <auto Chain, std::size_t... I>
void register_full(std::index_sequence<I...>);

}  // namespace fused

/// Compiles a chain: from now on every plan uses the kernel where it finds the chain's form, in any
/// graph, whether the chain was called there, or the same ops were written out, cloned or loaded.
/// Beside it the kernels of its derivative are registered, for gradients with respect to all operands,
/// to all but the first, and to those that are not full. For float32 and float64. Thread-safe; plans made before stay as they are.
///
/// Results are the same bits for every number of threads. They are those of the operators one after
/// the other, within 2 units in the last place for each operator; the functions are the library's own,
/// so that only options of the compiler make a difference.
/// @tparam Chain made by elementwise()
/// @tparam Classes how each operand is spread over the results; none: all are full. One is full at
/// least. Register a chain once for each list of classes that it is used with.
template <auto Chain, operand_class... Classes>
void register_fused() {
  static_assert(is_elementwise_chain<std::remove_cv_t<decltype(Chain)>>,
                "graft: register_fused takes what elementwise() returned");
  if constexpr (sizeof...(Classes) == 0) {
    fused::register_full<Chain>(std::make_index_sequence<fused::arity(Chain)>{});
  } else {
    static_assert(sizeof...(Classes) == fused::arity(Chain),
                  "graft: register_fused takes one class for each operand of the chain");
    static_assert(((Classes != operand_class::constant) && ...),
                  "graft: constants are numbers in the chain, not operands");
    static_assert(((Classes == operand_class::full) || ...),
                  "graft: an operand of a chain must be full, with the shape of the results");
    fused::register_type<float, Chain, Classes...>();
    fused::register_type<double, Chain, Classes...>();
  }
}

namespace fused {

template <auto Chain, std::size_t... I>
void register_full(std::index_sequence<I...>) {
  register_fused<Chain, (static_cast<void>(I), operand_class::full)...>();
}

}  // namespace fused

}  // namespace graft

#undef GRAFT_FUSE_WIDE
