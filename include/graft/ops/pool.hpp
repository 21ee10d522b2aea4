// Pooling over [N, C, H, W].
#pragma once

#include "graft/schema/apply.hpp"
#include "graft/schema/window.hpp"

namespace graft {

/// The options of a pool, usable as a template argument: `pool{.window = {2, 2}}`. Stride 0 means the window's extent.
struct pool {
  extent2d window{2, 2};
  extent2d stride{0, 0};
  padding2d padding{};
  bool count_padding = false;  ///< averages only: divide by the whole window at the border too

  [[nodiscard]] constexpr attribute_list list() const {
    attribute_list a;
    const extent2d step{stride.height == 0 ? window.height : stride.height,
                        stride.width == 0 ? window.width : stride.width};
    window2d{window, step, {1, 1}, padding}.store(a);
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

template <bool WithIndex>
constexpr inferred infer_pool2d(const infer_args& in) {
  const value_type& x = in.operands[0];
  if (x.type != dtype::any && !is_floating(x.type)) {
    return problem{.clause = "pooling needs floating elements",
                   .needs = value_type::unranked(dtype::float32),
                   .got = x,
                   .about_type = true};
  }
  const window2d window = pool_window(in.attributes);
  if (const char* fault = window.fault()) return problem{.clause = fault, .needs = {}, .got = x};
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
      return problem{
          .clause = "the window must fit into the padded image",
          .needs = value_type::of(x.type, {dyn, dyn, window.size.height, window.size.width}),
          .got = x,
          .hint = "pool less often, or pad with same"};
    }
  }
  inferred result(value_type::of(x.type, out));
  if (WithIndex) result.outputs.push_back(value_type::of(dtype::int64, out));
  return result;
}

constexpr inferred infer_pool_gradient(const infer_args& in) { return in.operands[0]; }

// (x, index) -> the elements of x at index, of the index's shape.
constexpr inferred infer_plane_gather(const infer_args& in) {
  value_type result = in.operands[1];
  result.type = in.operands[0].type;
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
/// (images, only their shape; index; gradient) -> gradient of the images.
inline constexpr operator_schema max_pool2d_gradient{
    "max_pool2d_gradient", 3, 3, detail::infer_pool_gradient, shape_of_first, detail::pool_takes};
/// (images, index) -> images at index, plane by plane. Its attributes are those of the pool that made the index.
inline constexpr operator_schema plane_gather{
    "plane_gather", 2, 2, detail::infer_plane_gather, 0, detail::pool_takes};
/// images -> averages. ONNX AveragePool.
inline constexpr operator_schema avg_pool2d{"avg_pool2d",      1, 1, detail::infer_pool2d<false>, 0,
                                            detail::pool_takes};
/// (images, only their shape; gradient) -> gradient of the images.
inline constexpr operator_schema avg_pool2d_gradient{
    "avg_pool2d_gradient", 2, 2, detail::infer_pool_gradient, shape_of_first, detail::pool_takes};

}  // namespace ops

namespace detail {
template <::graft::pool Options>
struct pool_attributes {
  static constexpr attribute_list list() { return Options.list(); }
};
}  // namespace detail

/// Maximum over windows. @param images [N, C, H, W] floating; NaN wins. @return [N, C, OH, OW]
template <pool Options = pool{}, tensor_like X>
constexpr auto max_pool2d(const X& images, std::string_view name = {},
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
constexpr auto avg_pool2d(const X& images, std::string_view name = {},
                          source_line here = source_line::now()) {
  return apply<ops::avg_pool2d, detail::pool_attributes<Options>>({}, name, here, images);
}

}  // namespace graft
