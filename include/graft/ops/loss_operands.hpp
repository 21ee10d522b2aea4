// What losses of two tensors ask of them, told in the name of the loss that was called.
#pragma once

#include "graft/schema/mismatch.hpp"
#include "graft/schema/rules.hpp"
#include "graft/schema/target.hpp"

namespace graft::detail {

// Of a prediction and its target: one floating type, one shape.
constexpr problem loss_problem(const value_type& prediction, const value_type& target) {
  if (!rules::may_be_floating(prediction.type)) {
    return rules::type_problem("the first must have floating elements",
                               value_type::unranked(dtype::float32), prediction,
                               "insert cast<float>(x)");
  }
  if (!rules::types_agree(prediction.type, target.type)) {
    return rules::type_problem("both must have one element type", prediction, target);
  }
  if (rules::surely_differ(prediction, target)) {
    return rules::shape_problem("both must have one shape", prediction, target,
                                "nothing is broadcast here: reshape one of them");
  }
  return {};
}

// Throws shape_error or dtype_error. Not constexpr: in constant evaluation the compiler names this function and
// prints its arguments.
[[noreturn]] void loss_refuses(std::string_view loss, std::string_view prediction,
                               std::string_view target, const problem& why, source_line here);

template <tensor_like P, tensor_like T>
inline constexpr bool loss_fits = !loss_problem(value_type_of<P::type, typename P::shape_type>(),
                                                value_type_of<T::type, typename T::shape_type>());

// The compile-time error for a pair that does not fit.
// @return a handle that later functions accept silently, so that there is one error
template <auto Label, tensor_like P, tensor_like T>
constexpr auto refuse_loss() {
  if constexpr (!rules::may_be_floating(P::type)) {
    refuse_type<Label, dtype::float32, P::type>();
  } else if constexpr (!rules::types_agree(P::type, T::type)) {
    refuse_type<Label, P::type, T::type>();
  } else {
    refuse_shape<Label, typename P::shape_type, typename T::shape_type>();
  }
  return tensor<typename P::target_type, dtype::any, any_shape>{};
}

// The same check of what only the target knows. One copy of code, however many shapes.
template <class Target>
[[gnu::noinline]] constexpr void check_loss(
    std::string_view loss, const typename target_traits<Target>::reference& prediction,
    const typename target_traits<Target>::reference& target, source_line here) {
  using traits = target_traits<Target>;
  const problem why = loss_problem(traits::type_of(prediction), traits::type_of(target));
  if (!why) return;
  if constexpr (requires { traits::in_words(prediction); }) {
    const auto first = traits::in_words(prediction), second = traits::in_words(target);
    loss_refuses(loss, first, second, why, here);
  } else {
    loss_refuses(loss, {}, {}, why, here);
  }
}

// Builds a loss of two tensors: all of its ops, in a scope of its name, or none.
template <auto Label, tensor_like P, tensor_like T, class F>
constexpr auto build_loss(const P& prediction, const T& target, source_line here, F&& build) {
  using target_type = typename P::target_type;
  check_loss<target_type>(Label.view(), prediction.ref(), target.ref(), here);
  return all_or_nothing(prediction, Label.view(), build);
}

}  // namespace graft::detail
