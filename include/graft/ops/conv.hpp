// Two-dimensional convolution (cross-correlation, as in all of the field) over [N, C, H, W].
#pragma once

#include "graft/schema/apply.hpp"
#include "graft/schema/rules.hpp"
#include "graft/schema/window.hpp"

namespace graft {

/// The options of a convolution, usable as a template argument: `conv{.kernel = {3, 3}, .padding = same_padding}`.
struct conv {
  extent2d kernel{3, 3};  ///< elements of the window, each at least 1
  extent2d stride{1, 1};  ///< from one place of the window to the next, each at least 1
  padding2d padding{};    ///< zeros around the image
  extent2d dilation{
      1, 1};  ///< elements of the image from one element of the window to the next, each at least 1
  std::int64_t groups = 1;  ///< divides input channels and filters

  [[nodiscard]] constexpr attribute_list list() const {
    attribute_list a;
    window2d{kernel, stride, dilation, padding}.store(a);
    a.set("groups", groups);
    return a;
  }
};

namespace ops::detail {

constexpr value_type image_type(const value_type& like) {
  return value_type::of(like.type, {dyn, dyn, dyn, dyn});
}

// The type of what a convolution computes, or the problem.
constexpr inferred infer_convolved(const value_type& x, const value_type& w,
                                   const attribute_list& attributes) {
  if (!rules::types_agree(x.type, w.type)) {
    return rules::type_problem("images and filters must have one element type", x, w);
  }
  const dtype type = rules::join(x.type, w.type);
  if (!rules::may_be_floating(type)) {
    return problem{.clause = "a convolution needs floating elements",
                   .needs = value_type::unranked(dtype::float32),
                   .got = x,
                   .about_type = true};
  }
  if (x.ranked && x.shape.size() != 4) {
    return problem{.clause = "images must be [batch, channels, height, width]",
                   .needs = image_type(x),
                   .got = x,
                   .hint = "reshape the images to four axes"};
  }
  if (w.ranked && w.shape.size() != 4) {
    return problem{.clause = "filters must be [filters, channels / groups, height, width]",
                   .needs = image_type(w),
                   .got = w};
  }
  const dims unknown{dyn, dyn, dyn, dyn};
  const dims &images = x.ranked ? x.shape : unknown, &filters = w.ranked ? w.shape : unknown;
  const std::int64_t groups = attributes.integer("groups", 1);
  const window2d window = window2d::of(attributes, {filters[2], filters[3]});
  if (const char* fault = window.fault()) return problem{.clause = fault, .needs = {}, .got = w};
  if (const char* fault = window2d::image_fault(images[2], images[3])) {
    return problem{.clause = fault, .needs = {}, .got = x};
  }
  if (groups < 1 || (filters[0] >= 0 && filters[0] % groups != 0)) {
    return problem{.clause = "groups must be at least 1 and divide the number of filters",
                   .needs = value_type::of(type, {groups < 1 ? dyn : groups, dyn, dyn, dyn}),
                   .got = w};
  }
  extent channels = filters[1];
  if (channels >= 0 && __builtin_mul_overflow(channels, groups, &channels)) {
    return problem{.clause = "the number of channels must fit in 63 bits", .needs = {}, .got = w};
  }
  if (channels < 0) channels = dyn;
  if (surely_differ(images[1], channels)) {
    return problem{.clause = "the images' channels must be groups times the filters' channels",
                   .needs = value_type::of(type, {dyn, channels, dyn, dyn}),
                   .got = x,
                   .hint = "images are [batch, channels, height, width]"};
  }
  const extent high = window.out_height(images[2]), wide = window.out_width(images[3]);
  if ((high == 0 && images[2] > 0) || (wide == 0 && images[3] > 0)) {
    return problem{.clause = "the kernel must fit into the padded image",
                   .needs = value_type::of(type, {dyn, channels, window.height(), window.width()}),
                   .got = x,
                   .hint = "pad with same or use a smaller kernel"};
  }
  return value_type::of(type, {images[0], filters[0], high, wide});
}

constexpr inferred infer_conv2d(const infer_args& in) {
  return infer_convolved(in.operands[0], in.operands[1], in.attributes);
}

// (images, filters, gradient of what they make) -> the type of the operand `Of`, whose gradient it is.
template <std::size_t Of>
constexpr inferred infer_conv2d_gradient(const infer_args& in) {
  const inferred convolved = infer_convolved(in.operands[0], in.operands[1], in.attributes);
  if (convolved.error) return convolved;
  const value_type &made = convolved.outputs[0], &gradient = in.operands[2];
  if (!rules::types_agree(made.type, gradient.type)) return rules::types_differ(made, gradient);
  if (rules::surely_differ(made, gradient)) {
    return rules::shape_problem("the gradient must have the shape of the convolution's result",
                                made, gradient);
  }
  value_type result = in.operands[Of];
  result.type = rules::join(made.type, gradient.type);
  return result;
}

}  // namespace ops::detail

namespace ops {

namespace detail {
inline constexpr attribute_rule conv_takes[] = {
    declare::integer("groups", 0, declare::size_limit), declare::sizes("strides").of(2),
    declare::sizes("dilations").of(2), declare::sizes("pads").of(4), declare::flag("same")};
}  // namespace detail

/// (images [N, C, H, W], filters [F, C / groups, KH, KW]) -> [N, F, OH, OW]. ONNX Conv.
inline constexpr operator_schema conv2d{"conv2d",          2, 2, detail::infer_conv2d, 0,
                                        detail::conv_takes};
/// (images, only their shape; filters; gradient of the result) -> gradient of the images.
inline constexpr operator_schema conv2d_input_gradient{
    "conv2d_input_gradient", 3, 3, detail::infer_conv2d_gradient<0>, shape_of_first,
    detail::conv_takes};
/// (images; filters, only their shape; gradient of the result) -> gradient of the filters.
inline constexpr operator_schema conv2d_filter_gradient{
    "conv2d_filter_gradient", 3, 3, detail::infer_conv2d_gradient<1>, shape_of_second,
    detail::conv_takes};

}  // namespace ops

namespace detail {
template <conv Options>
struct conv_attributes {
  static constexpr attribute_list list() { return Options.list(); }
};
}  // namespace detail

/// Convolves images with filters.
/// @param images [N, C, H, W] floating
/// @param filters [F, C / groups, KH, KW] of the same type; Options.kernel is not looked at
/// @return [N, F, OH, OW], OH = (H + top + bottom - dilation * (KH - 1) - 1) / stride + 1
template <conv Options = conv{}, tensor_like X, tensor_like W>
constexpr auto convolve2d(const X& images, const W& filters, name_view name = {},
                          source_line here = source_line::now()) {
  return apply<ops::conv2d, detail::conv_attributes<Options>>({}, name, here, images, filters);
}

}  // namespace graft
