// Operators that change shapes, as parts of networks: `reshape<shape<dyn, 8, 8>>()`, `concat<1>()`.
//
// Called with a tensor these names are the operators themselves; called without one they make a
// layer.
#pragma once

#include "graft/dsl/compose.hpp"
#include "graft/ops/shape_ops.hpp"
#include "graft/ops/slicing.hpp"

namespace graft {

/// A function from handles to handles as a layer.
template <class F>
struct function_layer : layer_base {
  F function;
  constexpr explicit function_layer(const F& f) : function(f) {}

  template <class X>
  constexpr auto operator()(const X& x, source_line here = source_line::now()) const {
    return function(x, here);
  }
};

/// Makes one axis of all but the first, as a layer: `conv >> flatten >> dense<10>`.
struct flatten_layer : named_part<flatten_layer> {
  using named_part<flatten_layer>::operator();
  template <tensor_like X>
  constexpr auto operator()(const X& x, source_line here = source_line::now()) const {
    return graft::flatten(x, {}, here);
  }
};

/// The layer, for networks without points.
constexpr flatten_layer flatten(layer_tag = {}) { return {}; }
/// reshape as a layer: `dense<64> >> reshape<shape<dyn, 1, 8, 8>>() >> ...`.
template <shape_type Shape>
constexpr auto reshape() {
  return function_layer(
      [](const auto& x, source_line here) { return graft::reshape<Shape>(x, {}, here); });
}
/// transpose as a layer.
template <extent... Axes>
constexpr auto transpose() {
  return function_layer([](const auto& x, source_line here) {
    return graft::transpose<Axes...>(x, name_view(), here);
  });
}
/// concat as a layer, of the tuple that `parallel` or `split` returns.
template <std::int64_t Axis>
constexpr auto concat() {
  return function_layer([](const auto& parts, source_line here) {
    return std::apply(
        [here](const auto&... part) { return detail::concat_at<Axis>(here, part...); }, parts);
  });
}
/// split as a layer; what follows it takes a tuple, or that many handles.
template <std::int64_t Count, std::int64_t Axis = 0>
constexpr auto split() {
  return function_layer(
      [](const auto& x, source_line here) { return graft::split<Count, Axis>(x, {}, here); });
}
/// slice as a layer.
template <class... Along>
  requires(sizeof...(Along) > 0 && (detail::is_along<Along> && ...))
constexpr auto slice() {
  return function_layer(
      [](const auto& x, source_line here) { return graft::slice<Along...>(x, {}, here); });
}
/// pad as a layer.
template <class... Border>
  requires(sizeof...(Border) > 0 && (detail::is_border<Border> && ...))
constexpr auto pad(double value = 0) {
  return function_layer([value](const auto& x, source_line here) {
    return graft::pad<Border...>(x, value, {}, here);
  });
}

}  // namespace graft
