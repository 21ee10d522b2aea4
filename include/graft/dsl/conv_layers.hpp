// Layers over images [N, C, H, W]: convolutions and pools.
#pragma once

#include "graft/dsl/shape_layers.hpp"
#include "graft/ops/conv.hpp"
#include "graft/ops/pool.hpp"
#include "graft/ops/reduce.hpp"

namespace graft {

namespace detail {

// What both convolutions share. Groups == 0: as many as channels (depthwise), Filters per channel.
template <std::int64_t Filters, conv Options, std::int64_t Groups, class X>
struct conv_shapes {
  static constexpr bool ranked = X::shape_type::ranked;
  static constexpr extent channels = [] {
    if constexpr (ranked) {
      return extent_at<typename X::shape_type>(1);
    } else {
      return dyn;
    }
  }();
  static constexpr extent groups = Groups == 0 ? channels : Groups;
  static constexpr extent filters = Groups == 0 ? channels * Filters : Filters;
  static constexpr bool divides = !ranked || (channels % groups == 0 && filters % groups == 0);

  static constexpr auto kernel_shape() {
    if constexpr (ranked && divides) {
      return shape<filters, channels / groups, Options.kernel.height, Options.kernel.width>{};
    } else {
      return any_shape{};
    }
  }
  static constexpr auto bias_shape() {
    if constexpr (ranked) {
      return shape<filters>{};
    } else {
      return any_shape{};
    }
  }
};

constexpr conv with_groups(conv options, std::int64_t groups) {
  options.groups = groups;
  return options;
}

inline constexpr operand_rule image_rule{.min_rank = 4, .max_rank = 4, .known_axis = 1};

// What the shape rule of the op says of a convolution in types; only where rank and channels are
// known.
template <std::int64_t Filters, conv Options, std::int64_t Groups, class X>
constexpr const auto& conv_inference() {
  using shapes = conv_shapes<Filters, Options, Groups, X>;
  return static_inference<
      ops::conv2d, conv_attributes<with_groups(Options, shapes::groups)>,
      tensor<typename X::target_type, X::type, typename X::shape_type>,
      tensor<typename X::target_type, X::type, decltype(shapes::kernel_shape())>>;
}

template <std::int64_t Filters, conv Options, std::int64_t Groups, class X>
constexpr bool conv_fits() {
  if constexpr (!operand_fits<image_rule, X>) {
    return false;
  } else if constexpr (!X::shape_type::ranked) {
    return true;
  } else if constexpr (!conv_shapes<Filters, Options, Groups, X>::divides) {
    return false;
  } else {
    return !conv_inference<Filters, Options, Groups, X>().failed;
  }
}

template <auto Label, std::int64_t Filters, conv Options, std::int64_t Groups, class X>
constexpr auto refuse_conv() {
  if constexpr (!operand_fits<image_rule, X>) {
    return refuse_operand<Label, image_rule, X>();
  } else if constexpr (!conv_shapes<Filters, Options, Groups, X>::divides) {
    // The next larger number of channels that the groups divide.
    constexpr extent channels = conv_shapes<Filters, Options, Groups, X>::channels;
    constexpr extent fitting = (channels + Groups - 1) / Groups * Groups;
    refuse_shape<Label, shape<dyn, fitting, dyn, dyn>, typename X::shape_type>();
  } else {
    constexpr const auto& result = conv_inference<Filters, Options, Groups, X>();
    check_static<Label, result>();
  }
  return tensor<typename X::target_type, dtype::any, any_shape>{};
}

}  // namespace detail

/// A convolution; use it through conv2d or depthwise_conv2d.
template <text Kind, std::int64_t Filters, conv Options, std::int64_t Groups, text Name>
struct conv_layer : layer_base {
  static_assert(Filters > 0, "graft: a convolution has at least one filter");
  static_assert(Groups >= 0 && (Groups == 0 || Filters % Groups == 0),
                "graft: the groups of a convolution must divide its filters");
  static constexpr auto label = detail::layer_label<Kind, Name>();

  initializer kernel_initializer = he_normal();
  initializer bias_initializer = zeros();
  detail::layer_key key;
  bool has_bias = true;

  /// The same layer with its variables tied under a key.
  [[nodiscard]] constexpr conv_layer shared(name_view shared_key) const {
    conv_layer copy = *this;
    copy.key = detail::kept_key(shared_key);
    return copy;
  }
  /// The same layer whose kernel starts differently (default: he_normal()).
  [[nodiscard]] constexpr conv_layer init(const initializer& kernel) const {
    conv_layer copy = *this;
    copy.kernel_initializer = kernel;
    return copy;
  }
  /// The same layer whose bias starts differently (default: zeros()).
  [[nodiscard]] constexpr conv_layer bias_init(const initializer& bias) const {
    conv_layer copy = *this;
    copy.bias_initializer = bias;
    return copy;
  }
  /// The same layer with or without a bias (default: with one).
  [[nodiscard]] constexpr conv_layer bias(bool on) const {
    conv_layer copy = *this;
    copy.has_bias = on;
    return copy;
  }

  using layer_base::operator();
  /// @param x floating [N, C, H, W], C known
  /// @return [N, filters, H', W']
  template <tensor_like X>
  constexpr auto operator()(const X& x, source_line here = source_line::now()) const {
    using target_type = typename X::target_type;
    if constexpr (!detail::conv_fits<Filters, Options, Groups, X>()) {
      return detail::refuse_conv<label, Filters, Options, Groups, X>();
    } else {
      using shapes = detail::conv_shapes<Filters, Options, Groups, X>;
      using kernel_shape = decltype(shapes::kernel_shape());
      using bias_shape = decltype(shapes::bias_shape());
      target_type& target = detail::target_of(x);
      const value_type type =
          detail::checked_type<target_type>(x.ref(), label.view(), here, detail::image_rule);
      const extent channels = type.shape[1];
      const extent groups = Groups == 0 ? channels : Groups;
      const extent filters = Groups == 0 ? channels * Filters : Filters;
      if (channels % groups != 0) {
        const extent fitting = (channels + groups - 1) / groups * groups;
        detail::refuse_call<target_type>(
            label.view(), here, x.ref(), [&](const detail::layer_call& call) {
              detail::layer_refuses(call,
                                    {.clause = "the groups must divide the channels",
                                     .needs = value_type::of(type.type, {dyn, fitting, dyn, dyn}),
                                     .got = type});
            });
      }
      detail::layer_frame frame(target, detail::layer_scope_name<Kind, Name>());
      const dims kernel_dims{filters, channels / groups, Options.kernel.height,
                             Options.kernel.width};
      const detail::layer_context<target_type> layer{&target, key, here};
      const tensor<target_type, X::type, kernel_shape> kernel(
          layer.variable("kernel", type.type, kernel_dims, kernel_initializer));
      const auto convolved = convolve(x, kernel, groups, here);
      if (!has_bias) {
        auto result = convolved;
        frame.keep();
        return result;
      }
      const tensor<target_type, X::type, bias_shape> bias_values(
          layer.variable("bias", type.type, {filters}, bias_initializer));
      // One value a channel: [filters] broadcasts over the images as [filters, 1, 1].
      auto result = add(convolved, graft::expand_dims<-2, -1>(bias_values, {}, here), {}, here);
      frame.keep();
      return decltype(convolved)(result.ref());
    }
  }

 private:
  template <class X, class K>
  static constexpr auto convolve(const X& x, const K& kernel, extent groups, source_line here) {
    if constexpr (X::shape_type::ranked) {
      constexpr extent known = detail::conv_shapes<Filters, Options, Groups, X>::groups;
      return convolve2d<detail::with_groups(Options, known)>(x, kernel, {}, here);
    } else {
      detail::check_stated(ops::conv2d.name, here, x);
      const std::array<typename X::reference, 2> operands{x.ref(), kernel.ref()};
      return tensor<typename X::target_type, X::type, any_shape>(
          apply_dynamic<typename X::target_type>(
              ops::conv2d, operands, detail::with_groups(Options, groups).list(), {}, here)[0]);
    }
  }
};

/// A convolution: `conv2d<16, conv{.kernel = {5, 5}, .stride = {2, 2}, .padding = same_padding},
/// "stem">(x)`.
///
/// Variables: `kernel` [Filters, C / groups, KH, KW] and `bias` [Filters].
template <std::int64_t Filters, conv Options = conv{}, text Name = "">
inline constexpr conv_layer<"conv2d", Filters, Options, Options.groups, Name> conv2d{};

/// A convolution of each channel by itself: [N, C, H, W] -> [N, C * Multiplier, H', W'].
template <std::int64_t Multiplier = 1, conv Options = conv{}, text Name = "">
inline constexpr conv_layer<"depthwise_conv2d", Multiplier, Options, 0, Name> depthwise_conv2d{};

/// Pools as layers: `max_pool2d<pool{.window = {2, 2}}>()`; with a tensor they are the operators
/// themselves.
template <pool Options = pool{}>
constexpr auto max_pool2d() {
  return function_layer(
      [](const auto& x, source_line here) { return graft::max_pool2d<Options>(x, {}, here); });
}
/// The layer, for networks without points.
template <pool Options = pool{}>
constexpr auto avg_pool2d() {
  return function_layer(
      [](const auto& x, source_line here) { return graft::avg_pool2d<Options>(x, {}, here); });
}

/// The mean of each channel: [N, C, H, W] -> [N, C].
template <tensor_like X>
constexpr auto global_avg_pool2d(const X& x, source_line here = source_line::now()) {
  if constexpr (!detail::operand_fits<detail::operand_rule{.min_rank = 4, .max_rank = 4}, X>) {
    return detail::refuse_operand<text("global_avg_pool2d"),
                                  detail::operand_rule{.min_rank = 4, .max_rank = 4}, X>();
  } else {
    return mean<axes<2, 3>>(x, name_view(), here);
  }
}
/// The maximum of each channel: [N, C, H, W] -> [N, C].
template <tensor_like X>
constexpr auto global_max_pool2d(const X& x, source_line here = source_line::now()) {
  if constexpr (!detail::operand_fits<detail::operand_rule{.min_rank = 4, .max_rank = 4}, X>) {
    return detail::refuse_operand<text("global_max_pool2d"),
                                  detail::operand_rule{.min_rank = 4, .max_rank = 4}, X>();
  } else {
    return max<axes<2, 3>>(x, name_view(), here);
  }
}
/// A global pool as a layer: `conv2d<8> >> global_avg_pool2d >> dense<10>`.
template <bool Largest>
struct global_pool_layer : named_part<global_pool_layer<Largest>> {
  using named_part<global_pool_layer<Largest>>::operator();
  template <tensor_like X>
  constexpr auto operator()(const X& x, source_line here = source_line::now()) const {
    if constexpr (Largest) {
      return global_max_pool2d(x, here);
    } else {
      return global_avg_pool2d(x, here);
    }
  }
};

/// The layer, for networks without points.
constexpr global_pool_layer<false> global_avg_pool2d(layer_tag = {}) { return {}; }
/// The layer, for networks without points.
constexpr global_pool_layer<true> global_max_pool2d(layer_tag = {}) { return {}; }

}  // namespace graft
