// Two-dimensional convolution (cross-correlation, as in all of the field) over [N, C, H, W].
#pragma once

#include "graft/schema/apply.hpp"
#include "graft/schema/window.hpp"

namespace graft {

/// The options of a convolution, usable as a template argument: `conv{.kernel = {3, 3}, .padding = same_padding}`.
struct conv {
  extent2d kernel{3, 3};
  extent2d stride{1, 1};
  padding2d padding{};
  extent2d dilation{1, 1};
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

constexpr inferred infer_conv2d(const infer_args& in) {
  const value_type& x = in.operands[0];
  const value_type& w = in.operands[1];
  if (x.type != dtype::any && w.type != dtype::any && x.type != w.type) {
    return problem{.clause = "images and filters must have one element type",
                   .needs = x,
                   .got = w,
                   .about_type = true};
  }
  const dtype type = x.type != dtype::any ? x.type : w.type;
  if (type != dtype::any && !is_floating(type)) {
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
  if (!x.ranked || !w.ranked) return value_type::of(type, {dyn, dyn, dyn, dyn});
  const std::int64_t groups = in.attributes.integer("groups", 1);
  const window2d window = window2d::of(in.attributes, {w.shape[2], w.shape[3]});
  if (const char* fault = window.fault()) return problem{.clause = fault, .needs = {}, .got = w};
  if (groups < 1 || (w.shape[0] >= 0 && w.shape[0] % groups != 0)) {
    return problem{.clause = "groups must be at least 1 and divide the number of filters",
                   .needs = value_type::of(type, {groups, dyn, dyn, dyn}),
                   .got = w};
  }
  const extent channels = w.shape[1] >= 0 ? w.shape[1] * groups : dyn;
  if (surely_differ(x.shape[1], channels)) {
    return problem{.clause = "the images' channels must be groups times the filters' channels",
                   .needs = value_type::of(type, {dyn, channels, dyn, dyn}),
                   .got = x,
                   .hint = "images are [batch, channels, height, width]"};
  }
  const extent h = window.out_height(x.shape[2]), wd = window.out_width(x.shape[3]);
  if ((h == 0 && x.shape[2] > 0) || (wd == 0 && x.shape[3] > 0)) {
    return problem{.clause = "the kernel must fit into the padded image",
                   .needs = value_type::of(type, {dyn, channels, w.shape[2], w.shape[3]}),
                   .got = x,
                   .hint = "pad with same or use a smaller kernel"};
  }
  return value_type::of(type, {x.shape[0], w.shape[0], h, wd});
}

// A gradient has the type of the operand it belongs to, which is given by the operand `Like`.
template <std::size_t Like>
constexpr inferred infer_like(const infer_args& in) {
  value_type result = in.operands[Like];
  if (result.type == dtype::any) result.type = in.operands[2].type;
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
    "conv2d_input_gradient", 3, 3, detail::infer_like<0>, shape_of_first, detail::conv_takes};
/// (images; filters, only their shape; gradient of the result) -> gradient of the filters.
inline constexpr operator_schema conv2d_filter_gradient{
    "conv2d_filter_gradient", 3, 3, detail::infer_like<1>, shape_of_second, detail::conv_takes};

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
constexpr auto convolve2d(const X& images, const W& filters, std::string_view name = {},
                          source_line here = source_line::now()) {
  return apply<ops::conv2d, detail::conv_attributes<Options>>({}, name, here, images, filters);
}

}  // namespace graft
