// Pooling over [N, C, H, W].
#pragma once

#include "graft/schema/apply.hpp"
#include "graft/schema/rules.hpp"
#include "graft/schema/window.hpp"

namespace graft {

/// The options of a pool, usable as a template argument: `pool{.window = {2, 2}}`. Stride 0 means the window's extent.
struct pool {
  extent2d window{2, 2};       ///< elements, each at least 1
  extent2d stride{0, 0};       ///< from one place of the window to the next
  padding2d padding{};         ///< around the image; see count_padding
  extent2d dilation{1, 1};     ///< elements of the image from one element of a window to the next
  bool count_padding = false;  ///< averages only: divide by the whole window at the border too

  [[nodiscard]] constexpr attribute_list list() const {
    attribute_list a;
    const extent2d step{stride.height == 0 ? window.height : stride.height,
                        stride.width == 0 ? window.width : stride.width};
    window2d{window, step, dilation, padding}.store(a);
    a.set("kernel", dims{window.height, window.width});
    a.set("count_padding", count_padding);
    return a;
  }
};

namespace ops::detail {

constexpr window2d pool_window(const attribute_list& a) {
  const dims kernel = a.integers("kernel", {1, 1});
  return window2d::of(a, {kernel[0], kernel[1]});
}

// The type of what a pool computes, or the problem.
constexpr inferred infer_pooled(const value_type& x, const attribute_list& attributes) {
  if (!rules::may_be_floating(x.type)) {
    return problem{.clause = "pooling needs floating elements",
                   .needs = value_type::unranked(dtype::float32),
                   .got = x,
                   .about_type = true};
  }
  const window2d window = pool_window(attributes);
  const char* fault = window.fault();
  if (fault == nullptr && (window.size.height < 0 || window.size.width < 0)) {
    fault = "a window must have at least one element";
  }
  if (fault == nullptr && x.ranked && x.shape.size() == 4) {
    fault = window2d::image_fault(x.shape[2], x.shape[3]);
  }
  if (fault != nullptr) return problem{.clause = fault, .needs = {}, .got = x};
  if (x.ranked && x.shape.size() != 4) {
    return problem{.clause = "images must be [batch, channels, height, width]",
                   .needs = value_type::of(x.type, {dyn, dyn, dyn, dyn}),
                   .got = x,
                   .hint = "reshape the images to four axes"};
  }
  dims out{dyn, dyn, dyn, dyn};
  if (x.ranked) {
    out = {x.shape[0], x.shape[1], window.out_height(x.shape[2]), window.out_width(x.shape[3])};
    if ((out[2] == 0 && x.shape[2] > 0) || (out[3] == 0 && x.shape[3] > 0)) {
      return problem{.clause = "the window must fit into the padded image",
                     .needs = value_type::of(x.type, {dyn, dyn, window.height(), window.width()}),
                     .got = x,
                     .hint = "pool less often, or pad with same"};
    }
  }
  return value_type::of(x.type, out);
}

template <bool WithIndex>
constexpr inferred infer_pool2d(const infer_args& in) {
  inferred result = infer_pooled(in.operands[0], in.attributes);
  if (WithIndex && !result.error) {
    result.outputs.push_back(value_type::of(dtype::int64, result.outputs[0].shape));
  }
  return result;
}

// The operands behind the images are shaped as what the pool of these attributes makes of them: the
// places of maxima where there are any, then the gradient.
template <bool WithIndex, bool WithGradient>
constexpr inferred infer_beside_pool(const infer_args& in) {
  inferred result = infer_pooled(in.operands[0], in.attributes);
  if (result.error) return result;
  const value_type &x = in.operands[0], pooled = result.outputs[0];
  if constexpr (WithIndex) {
    const value_type& index = in.operands[1];
    const value_type needs = value_type::of(dtype::int64, pooled.shape);
    if (!rules::types_agree(index.type, dtype::int64)) {
      return rules::type_problem("the places of maxima must be int64", needs, index);
    }
    if (rules::surely_differ(index, pooled)) {
      return rules::shape_problem("the places of maxima must have the shape of the pool's result",
                                  needs, index);
    }
    if (!WithGradient)
      return rules::refine(pooled, index.ranked ? value_type::of(x.type, index.shape) : pooled);
  }
  if constexpr (WithGradient) {
    const value_type& gradient = in.operands[WithIndex ? 2 : 1];
    if (!rules::types_agree(x.type, gradient.type)) return rules::types_differ(x, gradient);
    if (rules::surely_differ(gradient, pooled)) {
      return rules::shape_problem("the gradient must have the shape of the pool's result", pooled,
                                  gradient);
    }
    result.outputs[0] = x;
    result.outputs[0].type = rules::join(x.type, gradient.type);
  }
  return result;
}

}  // namespace ops::detail

namespace ops {

namespace detail {
inline constexpr attribute_rule pool_takes[] = {declare::sizes("kernel").of(2),
                                                declare::sizes("strides").of(2),
                                                declare::sizes("dilations").of(2),
                                                declare::sizes("pads").of(4),
                                                declare::flag("same"),
                                                declare::flag("count_padding")};
}  // namespace detail

/// images -> (maxima, int64 index of each in its H * W plane; the first wins, -1 for padding alone). ONNX MaxPool.
inline constexpr operator_schema max_pool2d{"max_pool2d",      1, 1, detail::infer_pool2d<true>, 0,
                                            detail::pool_takes};
/// (images, only their shape; index; gradient) -> gradient of the images. An index outside its plane
/// stands for no element.
inline constexpr operator_schema max_pool2d_gradient{
    "max_pool2d_gradient", 3, 3, detail::infer_beside_pool<true, true>, shape_of_first,
    detail::pool_takes};
/// (images, index) -> images at index, plane by plane, 0 where the index is outside the plane. Its attributes are those
/// of the pool that made the index.
inline constexpr operator_schema plane_gather{
    "plane_gather", 2, 2, detail::infer_beside_pool<true, false>, 0, detail::pool_takes};
/// images -> averages. ONNX AveragePool.
inline constexpr operator_schema avg_pool2d{"avg_pool2d",      1, 1, detail::infer_pool2d<false>, 0,
                                            detail::pool_takes};
/// (images, only their shape; gradient) -> gradient of the images.
inline constexpr operator_schema avg_pool2d_gradient{
    "avg_pool2d_gradient", 2, 2, detail::infer_beside_pool<false, true>, shape_of_first,
    detail::pool_takes};

}  // namespace ops

namespace detail {
template <::graft::pool Options>
struct pool_attributes {
  static constexpr attribute_list list() { return Options.list(); }
};
}  // namespace detail

/// Maximum over windows. @param images [N, C, H, W] floating; NaN wins.
/// @return [N, C, OH, OW], OH = (H + top + bottom - dilation * (window - 1) - 1) / stride + 1
template <pool Options = pool{}, tensor_like X>
constexpr auto max_pool2d(const X& images, name_view name = {},
                          source_line here = source_line::now()) {
  const auto outputs =
      apply<ops::max_pool2d, detail::pool_attributes<Options>>({}, name, here, images);
  if constexpr (is_tensor<std::remove_cvref_t<decltype(outputs)>>) {
    return outputs;  // what a failed check returns
  } else {
    return std::get<0>(outputs);
  }
}

/// Mean over windows; padding does not count unless asked. @return [N, C, OH, OW]
template <pool Options = pool{}, tensor_like X>
constexpr auto avg_pool2d(const X& images, name_view name = {},
                          source_line here = source_line::now()) {
  return apply<ops::avg_pool2d, detail::pool_attributes<Options>>({}, name, here, images);
}

}  // namespace graft
