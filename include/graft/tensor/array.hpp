// Values: an n-dimensional array in row-major order whose storage is shared until it is written.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <iosfwd>
#include <span>
#include <string>
#include <utility>

#include "graft/core/dims.hpp"
#include "graft/core/dtype.hpp"
#include "graft/core/error.hpp"

namespace graft {

template <element T>
class held_span;

/// A tensor's value: element type, extents, and elements in row-major order.
///
/// Copying shares the storage; the first write to a copy makes it its own (copy on write), so that
/// passing and snapshotting arrays costs no elements. Storage is aligned to 64 bytes. One array may
/// be read from several threads at once; writing needs exclusive access, as for a std::vector.
class Array {
  // Counted by hand rather than by std::shared_ptr: whether storage has one owner must be asked
  // with acquire order before it is written, which use_count() does not promise.
  struct storage;
  class storage_ref {
   public:
    storage_ref() = default;
    explicit storage_ref(storage* owned) noexcept : to_(owned) {}
    storage_ref(const storage_ref& other) noexcept : to_(other.to_) { retain(to_); }
    storage_ref(storage_ref&& other) noexcept : to_(std::exchange(other.to_, nullptr)) {}
    storage_ref& operator=(storage_ref other) noexcept {
      std::swap(to_, other.to_);
      return *this;
    }
    ~storage_ref() { release(to_); }
    [[nodiscard]] storage* get() const noexcept { return to_; }

   private:
    static void retain(storage* s) noexcept;
    static void release(storage* s) noexcept;
    storage* to_ = nullptr;
  };

 public:
  /// An empty array: type `any`, no elements. An array that was moved from is one, too.
  Array() = default;
  Array(const Array&) = default;
  Array(Array&& other) noexcept { swap(other); }
  Array& operator=(const Array& other) {
    Array copy(other);
    swap(copy);
    return *this;
  }
  Array& operator=(Array&& other) noexcept {
    Array old(std::move(other));
    swap(old);
    return *this;
  }
  ~Array() = default;
  /// Exchanges the contents; copies no elements.
  void swap(Array& other) noexcept {
    std::swap(type_, other.type_);
    std::swap(shape_, other.shape_);
    std::swap(size_, other.size_);
    std::swap(storage_, other.storage_);
  }

  /// An array of zeros.
  /// @throws size_error if the size in bytes overflows or memory is short; argument_error for an
  /// unknown extent or an element type without fixed size
  Array(dtype type, const dims& shape);

  /// An array without initialised elements, for writing all of them.
  static Array uninitialized(dtype type, const dims& shape);

  /// Copies elements, in row-major order.
  /// @throws shape_error if the count differs from the shape's
  template <element T>
  static Array from(const dims& shape, std::span<const T> values) {
    return from_bytes(dtype_of<T>, shape, values.data(), values.size());
  }
  /// The same of a list in braces: `Array::from<float>({2, 2}, {1, 2, 3, 4})`.
  template <element T>
  static Array from(const dims& shape, std::initializer_list<T> values) {
    return from_bytes(dtype_of<T>, shape, values.begin(), values.size());
  }
  /// An array of rank 0.
  template <element T>
  static Array scalar(T value) {
    return from_bytes(dtype_of<T>, {}, &value, 1);
  }
  /// An array filled with one value.
  template <element T>
  static Array full(const dims& shape, T value) {
    Array result = uninitialized(dtype_of<T>, shape);
    for (T& e : result.mutable_span<T>()) e = value;
    return result;
  }

  /// The element type; `any` for an empty array without one.
  [[nodiscard]] dtype type() const noexcept { return type_; }
  /// The extents, all known.
  [[nodiscard]] const dims& shape() const noexcept { return shape_; }
  /// The number of axes.
  [[nodiscard]] std::size_t rank() const noexcept { return shape_.size(); }
  /// Number of elements.
  [[nodiscard]] std::int64_t size() const noexcept { return size_; }
  /// Bytes of all elements.
  [[nodiscard]] std::size_t bytes() const noexcept {
    return static_cast<std::size_t>(size_) * size_of(type_);
  }
  /// Whether there are no elements.
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

  /// The elements, read-only. @throws dtype_error if T is not the element type
  template <element T>
  [[nodiscard]] std::span<const T> span() const& {
    check_type(dtype_of<T>);
    return {static_cast<const T*>(data()), static_cast<std::size_t>(size_)};
  }
  /// The elements of a temporary, which live as long as the result: `for (float v : f().span<float>())`.
  template <element T>
  [[nodiscard]] held_span<T> span() &&;
  /// The elements, writable; makes the storage this array's own first.
  template <element T>
  [[nodiscard]] std::span<T> mutable_span() & {
    check_type(dtype_of<T>);
    return {static_cast<T*>(mutable_data()), static_cast<std::size_t>(size_)};
  }
  /// The single element. @throws shape_error unless size() == 1, dtype_error if T is not the
  /// element type
  template <element T>
  [[nodiscard]] T item() const {
    check_single();
    return span<T>()[0];
  }
  /// The element at an index; bounds are checked.
  template <element T>
  [[nodiscard]] T at(std::initializer_list<std::int64_t> index) const {
    return span<T>()[offset_of(index)];
  }

  /// The first element, read-only; aligned to 64 bytes. nullptr for `Array()`.
  [[nodiscard]] const void* data() const noexcept;
  /// The first element, writable; makes the storage this array's own first.
  [[nodiscard]] void* mutable_data();
  /// True where both arrays read the same bytes.
  [[nodiscard]] bool shares_storage_with(const Array& other) const noexcept {
    return storage_.get() != nullptr && storage_.get() == other.storage_.get();
  }

  /// True while another array reads the same bytes: the next write here copies them first.
  [[nodiscard]] bool has_other_owners() const noexcept;

  /// The same elements under another shape; shares the storage.
  /// @throws shape_error if the element counts differ
  [[nodiscard]] Array reshaped(const dims& shape) const;
  /// Converts elements; floating to integer truncates and saturates, NaN becomes 0.
  [[nodiscard]] Array cast(dtype type) const;
  /// Rows [first, last) along axis 0, copied.
  [[nodiscard]] Array rows(std::int64_t first, std::int64_t last) const;

  /// Equal type, shape and bytes (so NaN equals the same NaN).
  [[nodiscard]] bool same_bits(const Array& other) const noexcept;

 private:
  static Array from_bytes(dtype type, const dims& shape, const void* values, std::size_t count);
  void check_type(dtype wanted) const;
  void check_single() const;
  [[nodiscard]] std::size_t offset_of(std::span<const std::int64_t> index) const;
  [[nodiscard]] std::size_t offset_of(std::initializer_list<std::int64_t> index) const {
    return offset_of(std::span<const std::int64_t>(index.begin(), index.size()));
  }

  dtype type_ = dtype::any;
  dims shape_;
  std::int64_t size_ = 0;
  storage_ref storage_;
};

/// The elements of an array with a share of its storage, so that they stay: what span() of a temporary gives. A
/// contiguous range; taken for std::span<const T> wherever that is wanted.
template <element T>
class held_span {
 public:
  using value_type = T;             ///< the element type
  using const_iterator = const T*;  ///< elements are contiguous
  using iterator = const_iterator;  ///< elements are read-only

  /// @throws dtype_error if T is not the element type
  explicit held_span(Array array) : from_(std::move(array)) {
    const std::span<const T> elements = from_.span<T>();
    first_ = elements.data();
    size_ = elements.size();
  }
  [[nodiscard]] const T* begin() const noexcept { return first_; }
  [[nodiscard]] const T* end() const noexcept { return first_ + size_; }
  /// The first element.
  [[nodiscard]] const T* data() const noexcept { return first_; }
  /// The number of elements.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// Whether there are no elements.
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  /// Element i. @param i < size(), not checked
  [[nodiscard]] const T& operator[](std::size_t i) const noexcept { return first_[i]; }
  /// The first element of a span that has one.
  [[nodiscard]] const T& front() const noexcept { return first_[0]; }
  /// The last element of a span that has one.
  [[nodiscard]] const T& back() const noexcept { return first_[size_ - 1]; }

 private:
  Array from_;
  const T* first_ = nullptr;  // storage is shared, so copies may point to it too
  std::size_t size_ = 0;
};

/// As declared above.
template <element T>
held_span<T> Array::span() && {
  return held_span<T>(std::move(*this));
}

/// Prints like NumPy, with "..." for long axes: "float32 [2, 3]\n[[1, 2, 3],\n [4, 5, 6]]".
std::ostream& operator<<(std::ostream& out, const Array& array);
/// Type, shape and elements; the middle of large arrays is left out.
std::string to_string(const Array& array);

}  // namespace graft
