// Strided views of arrays: slices and transpositions without copying.
#pragma once

#include <concepts>
#include <span>
#include <string>

#include "graft/tensor/array.hpp"

namespace graft {

namespace detail {
[[noreturn]] void refuse_view(const std::string& asked, const std::string& found);
}

/// Reads the elements of an array under other extents and strides.
///
/// A view keeps the array's storage alive and, as arrays copy on write, never sees later changes of
/// the array.
/// @tparam T the element type of the array
template <element T>
class array_view {
 public:
  /// Views all of an array. @throws dtype_error if T is not its element type
  explicit array_view(Array array) : array_(std::move(array)), shape_(array_.shape()) {
    first_ = array_.span<T>().data();
    strides_.resize(shape_.size());
    extent step = 1;
    for (std::size_t i = shape_.size(); i-- > 0; step *= shape_[i]) strides_[i] = step;
  }

  /// The extents.
  [[nodiscard]] const dims& shape() const noexcept { return shape_; }
  /// The number of axes.
  [[nodiscard]] std::size_t rank() const noexcept { return shape_.size(); }
  /// Number of elements.
  [[nodiscard]] std::int64_t size() const { return element_count(shape_); }
  /// Distance between neighbours along an axis, in elements.
  [[nodiscard]] extent stride(std::size_t axis) const { return strides_[checked(axis)]; }

  /// The element at an index; bounds are checked.
  template <std::integral... Index>
  [[nodiscard]] const T& operator()(Index... index) const {
    const extent places[] = {static_cast<extent>(index)..., 0};
    if (sizeof...(index) != rank()) refuse(sizeof...(index));
    extent offset = 0;
    for (std::size_t i = 0; i < sizeof...(index); ++i) {
      if (places[i] < 0 || places[i] >= shape_[i]) refuse_index(i, places[i]);
      offset += places[i] * strides_[i];
    }
    return first_[offset];
  }

  /// The part at one place along an axis; the axis goes.
  [[nodiscard]] array_view at(std::size_t axis, extent place) const {
    if (place < 0 || place >= shape_[checked(axis)]) refuse_index(axis, place);
    array_view part = *this;
    part.first_ += place * strides_[axis];
    part.shape_.erase(axis);
    part.strides_.erase(axis);
    return part;
  }
  /// Places first, first + step, ... below last along an axis.
  [[nodiscard]] array_view slice(std::size_t axis, extent first, extent last,
                                 extent step = 1) const {
    if (first < 0 || last < first || last > shape_[checked(axis)] || step < 1) {
      detail::refuse_view("places " + std::to_string(first) + " to " + std::to_string(last) +
                              " by " + std::to_string(step) + " along axis " + std::to_string(axis),
                          to_string(shape_));
    }
    array_view part = *this;
    part.shape_[axis] = (last - first + step - 1) / step;
    if (part.shape_[axis] != 0)
      part.first_ += first * strides_[axis];  // else it may be past the end
    part.strides_[axis] *= step;
    return part;
  }
  /// The axes in reverse order.
  [[nodiscard]] array_view transposed() const {
    array_view other = *this;
    for (std::size_t i = 0; i < rank(); ++i) {
      other.shape_[i] = shape_[rank() - 1 - i];
      other.strides_[i] = strides_[rank() - 1 - i];
    }
    return other;
  }

  /// True if the elements follow each other in row-major order.
  [[nodiscard]] bool contiguous() const {
    extent step = 1;
    for (std::size_t i = rank(); i-- > 0; step *= shape_[i]) {
      if (shape_[i] != 1 && strides_[i] != step) return size() == 0;
    }
    return true;
  }
  /// The elements as a span, valid as long as the view is. @throws argument_error unless contiguous()
  [[nodiscard]] std::span<const T> span() const& {
    if (!contiguous()) detail::refuse_view("a span", to_string(shape_) + " with gaps");
    return {first_, static_cast<std::size_t>(size())};
  }
  /// A span of a temporary would dangle: give the view a name.
  std::span<const T> span() const&& = delete;
  /// Copies the elements to an array of their own.
  [[nodiscard]] Array copy() const {
    Array result = Array::uninitialized(dtype_of<T>, shape_);
    const std::span<T> out = result.mutable_span<T>();
    dims place(rank(), extent{0});
    extent offset = 0;
    for (T& e : out) {
      e = first_[offset];
      for (std::size_t i = rank(); i-- > 0;) {
        offset += strides_[i];
        if (++place[i] < shape_[i]) break;
        offset -= shape_[i] * strides_[i];
        place[i] = 0;
      }
    }
    return result;
  }

 private:
  [[nodiscard]] std::size_t checked(std::size_t axis) const {
    if (axis >= rank()) detail::refuse_view("axis " + std::to_string(axis), to_string(shape_));
    return axis;
  }
  [[noreturn]] void refuse(std::size_t count) const {
    detail::refuse_view("an element at " + std::to_string(count) + " indices", to_string(shape_));
  }
  [[noreturn]] void refuse_index(std::size_t axis, extent place) const {
    detail::refuse_view("place " + std::to_string(place) + " along axis " + std::to_string(axis),
                        to_string(shape_));
  }

  Array array_;
  const T* first_ = nullptr;
  dims shape_;
  dims strides_;
};

}  // namespace graft
