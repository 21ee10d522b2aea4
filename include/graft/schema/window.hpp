// Sliding windows: kernels and pools over the last two axes of [N, C, H, W].
#pragma once

#include "graft/schema/operator_schema.hpp"

namespace graft {

/// Padding of the two spatial axes, in elements; or `same_padding`: out = ceil(in / stride), the odd element after.
struct padding2d {
  std::int64_t top = 0;     ///< none is negative
  std::int64_t left = 0;    ///< before the columns
  std::int64_t bottom = 0;  ///< below the rows
  std::int64_t right = 0;   ///< behind the columns
  bool same = false;        ///< true: the four numbers do not count
  constexpr bool operator==(const padding2d&) const = default;
};
/// Padding that keeps the extent where the stride is 1.
inline constexpr padding2d same_padding{.same = true};
/// No padding.
inline constexpr padding2d valid{};

/// Height and width of something.
struct extent2d {
  std::int64_t height = 1;  ///< in elements
  std::int64_t width = 1;   ///< in elements
  constexpr bool operator==(const extent2d&) const = default;
};

/// A window as attributes hold it ("strides", "dilations", "pads", "same").
struct window2d {
  /// The largest extents of windows and images. The other numbers are attributes, below 2^31 as well,
  /// so that no size computed here overflows.
  static constexpr extent largest = (extent{1} << 31) - 1;
  /// The largest extents of images.
  static constexpr extent largest_image = extent{1} << 62;

  extent2d size;            ///< elements of the window; dyn: not known
  extent2d stride{1, 1};    ///< from one place of the window to the next
  extent2d dilation{1, 1};  ///< elements of the image from one element of the window to the next
  padding2d padding;        ///< around the image

  /// The window of an op. @param size what the attributes do not hold
  static constexpr window2d of(const attribute_list& a, extent2d size) {
    window2d w;
    w.size = size;
    const dims stride = a.integers("strides"), dilation = a.integers("dilations"),
               pads = a.integers("pads");
    if (stride.size() == 2) w.stride = {stride[0], stride[1]};
    if (dilation.size() == 2) w.dilation = {dilation[0], dilation[1]};
    if (pads.size() == 4) w.padding = {pads[0], pads[1], pads[2], pads[3]};
    w.padding.same = a.integer("same") != 0;
    return w;
  }
  /// Sets the attributes.
  constexpr void store(attribute_list& a) const {
    a.set("strides", dims{stride.height, stride.width});
    a.set("dilations", dims{dilation.height, dilation.width});
    a.set("pads", dims{padding.top, padding.left, padding.bottom, padding.right});
    a.set("same", padding.same);
  }
  /// What is wrong with the numbers themselves, or nullptr. A size that is not known is none.
  [[nodiscard]] constexpr const char* fault() const {
    if (size.height == 0 || size.width == 0) return "a window must have at least one element";
    if (size.height > largest || size.width > largest) {
      return "a window must be less than 2^31 elements high and wide";
    }
    if (stride.height < 1 || stride.width < 1) return "strides must be at least 1";
    if (dilation.height < 1 || dilation.width < 1) return "dilations must be at least 1";
    if (padding.top < 0 || padding.left < 0 || padding.bottom < 0 || padding.right < 0) {
      return "padding must not be negative";
    }
    return nullptr;
  }
  /// What is wrong with the extents of an image, or nullptr.
  [[nodiscard]] static constexpr const char* image_fault(extent in_h, extent in_w) {
    return in_h > largest_image || in_w > largest_image
               ? "the height and width of images must be at most 2^62"
               : nullptr;
  }
  /// Elements of the image from the first to the last under the window; dyn where its size is.
  [[nodiscard]] constexpr extent height() const { return reach(size.height, dilation.height); }
  /// The same across.
  [[nodiscard]] constexpr extent width() const { return reach(size.width, dilation.width); }
  /// The padding with `same_padding` worked out for an input of known size.
  [[nodiscard]] constexpr padding2d resolved(std::int64_t in_h, std::int64_t in_w) const {
    if (!padding.same) return padding;
    const std::int64_t h = total(in_h, height(), stride.height);
    const std::int64_t w = total(in_w, width(), stride.width);
    return {h / 2, w / 2, h - h / 2, w - w / 2, false};
  }
  /// The height of the result for an image of that height: dyn where it is not known, 0 where the window does not
  /// fit.
  [[nodiscard]] constexpr extent out_height(extent in) const {
    return out(in, height(), stride.height, padding.top + padding.bottom);
  }
  /// The width of the result, in the same way.
  [[nodiscard]] constexpr extent out_width(extent in) const {
    return out(in, width(), stride.width, padding.left + padding.right);
  }

 private:
  static constexpr extent reach(extent elements, std::int64_t dilate) {
    return elements < 0 ? dyn : dilate * (elements - 1) + 1;
  }
  static constexpr std::int64_t total(std::int64_t in, std::int64_t window, std::int64_t step) {
    const std::int64_t wanted = (in + step - 1) / step;
    const std::int64_t pad = (wanted - 1) * step + window - in;
    return pad > 0 ? pad : 0;
  }
  // Returns dyn for an unknown size and 0 where the window does not fit.
  [[nodiscard]] constexpr extent out(extent in, extent window, std::int64_t step,
                                     std::int64_t pad) const {
    if (in < 0) return dyn;
    if (padding.same) return (in + step - 1) / step;
    if (window < 0) return dyn;
    const std::int64_t room = in + pad - window;
    return room < 0 ? 0 : room / step + 1;
  }
};

}  // namespace graft
