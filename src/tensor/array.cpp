#include "graft/tensor/array.hpp"

#include <atomic>
#include <cstring>
#include <new>

#include "graft/core/large_pages.hpp"

#include "tensor/limits.hpp"

namespace graft {

// A header of one cache line, then the elements, so that one allocation serves both and elements
// are aligned to 64 bytes.
struct alignas(64) Array::storage {
  explicit storage(std::align_val_t at) : alignment(at) {}

  std::atomic<std::size_t> owners{1};
  const std::align_val_t alignment;  // of the allocation

  static constexpr std::size_t line = 64;
  void* elements() noexcept { return this + 1; }

  static storage* make(std::size_t bytes) {
    // Rounded up to whole lines, so that kernels may read the last one as a whole.
    const std::size_t room = (bytes + line - 1) / line * line;
    const auto [size, alignment] = detail::shape_of_block(sizeof(storage) + room, line);
    void* memory = ::operator new(size, std::align_val_t{alignment}, std::nothrow);
    if (memory == nullptr) return nullptr;
    if (alignment != line) detail::ask_for_large_pages(memory, size);
    return new (memory) storage(std::align_val_t{alignment});
  }
};

void Array::storage_ref::retain(storage* s) noexcept {
  if (s != nullptr) s->owners.fetch_add(1, std::memory_order_relaxed);
}

void Array::storage_ref::release(storage* s) noexcept {
  if (s == nullptr || s->owners.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  const std::align_val_t alignment = s->alignment;
  s->~storage();
  ::operator delete(static_cast<void*>(s), alignment);
}

namespace {

std::string describe(dtype type, const dims& shape) {
  return std::string(name_of(type)) + " " + to_string(shape);
}

// Of an extent below 0, which may be a wrong number as well as a name: small names are small numbers.
std::string in_words(extent e) {
  constexpr extent least_likely = -10000;
  if (e < least_likely) return "the extent " + dim_name(e) + " is not known";
  if (e == dyn)
    return "the extent -1 is no number of elements: it stands for one that is not known";
  return "the extent " + std::to_string(e) +
         " is negative, and no number of elements; as a name it is '" + dim_name(e) + "'";
}

// Number of elements; refuses what cannot be stored.
std::int64_t checked_count(dtype type, const dims& shape) {
  const std::string asked = "an array of " + describe(type, shape) + " was to be made";
  if (size_of(type) == 0) {
    throw argument_error(
        {.asked = asked,
         .found = "the elements of " + std::string(name_of(type)) + " have no fixed size",
         .where = {},
         .hint = "use a number type or boolean"});
  }
  for (const extent e : shape) {
    if (e < 0) {
      throw argument_error(
          {.asked = asked, .found = in_words(e), .where = {}, .hint = "values need known extents"});
    }
  }
  const extent count = element_count(shape);
  if (!detail::is_addressable(shape, size_of(type))) {
    throw size_error({.asked = asked,
                      .found = "it would take more bytes than a process can address",
                      .where = {},
                      .hint = "check the shape"});
  }
  return count;
}

}  // namespace

Array Array::uninitialized(dtype type, const dims& shape) {
  Array result;
  result.size_ = checked_count(type, shape);
  result.type_ = type;
  result.shape_ = shape;
  result.storage_ = storage_ref(storage::make(result.bytes()));
  if (result.storage_.get() == nullptr) {
    throw size_error(
        {.asked = "an array of " + describe(type, shape) + " was to be made",
         .found = "there is no memory for " + std::to_string(result.bytes()) + " bytes",
         .where = {},
         .hint = "use smaller batches or free other arrays"});
  }
  return result;
}

Array::Array(dtype type, const dims& shape) : Array(uninitialized(type, shape)) {
  std::memset(storage_.get()->elements(), 0, bytes());
}

Array Array::from_bytes(dtype type, const dims& shape, const void* values, std::size_t count) {
  const std::int64_t wanted = checked_count(type, shape);
  if (static_cast<std::uint64_t>(wanted) != count) {
    throw shape_error({.asked = "an array of " + describe(type, shape) + " was to be filled",
                       .found = "it has " + std::to_string(wanted) + " elements and " +
                                std::to_string(count) + " values were given",
                       .where = {},
                       .hint = "give one value an element, in row-major order"});
  }
  Array result = uninitialized(type, shape);
  if (count != 0) std::memcpy(result.storage_.get()->elements(), values, result.bytes());
  return result;
}

const void* Array::data() const noexcept {
  return storage_.get() == nullptr ? nullptr : storage_.get()->elements();
}

void* Array::mutable_data() {
  if (storage_.get() == nullptr) return nullptr;
  if (storage_.get()->owners.load(std::memory_order_acquire) != 1) {
    Array own = uninitialized(type_, shape_);
    if (size_ != 0) std::memcpy(own.storage_.get()->elements(), data(), bytes());
    swap(own);
  }
  return storage_.get()->elements();
}

Array Array::reshaped(const dims& shape) const {
  if (storage_.get() == nullptr || checked_count(type_, shape) != size_) {
    throw shape_error({.asked = describe(type_, shape_) + " was to be seen as " + to_string(shape),
                       .found = storage_.get() == nullptr
                                    ? "the array is empty"
                                    : "they have " + std::to_string(size_) + " and " +
                                          std::to_string(element_count(shape)) + " elements",
                       .where = {},
                       .hint = "reshaping keeps the number of elements"});
  }
  Array result(*this);
  result.shape_ = shape;
  return result;
}

Array Array::rows(std::int64_t first, std::int64_t last) const {
  const std::int64_t count = shape_.empty() ? 0 : shape_[0];
  if (first < 0 || last < first || last > count) {
    throw argument_error(
        {.asked = "rows " + std::to_string(first) + " to " + std::to_string(last) + " of " +
                  describe(type_, shape_) + " were asked for",
         .found = shape_.empty() ? "it has no axis" : "it has " + std::to_string(count) + " rows",
         .where = {},
         .hint = "the range is [first, last) with 0 <= first <= last <= rows"});
  }
  dims shape = shape_;
  shape[0] = last - first;
  Array result = uninitialized(type_, shape);
  if (result.size_ != 0) {
    const std::size_t row = bytes() / static_cast<std::size_t>(count);
    std::memcpy(result.storage_.get()->elements(),
                static_cast<const std::byte*>(data()) + row * static_cast<std::size_t>(first),
                result.bytes());
  }
  return result;
}

bool Array::has_other_owners() const noexcept {
  const storage* const s = storage_.get();
  return s != nullptr && s->owners.load(std::memory_order_acquire) > 1;
}

bool Array::same_bits(const Array& other) const noexcept {
  if (type_ != other.type_ || !(shape_ == other.shape_) || size_ != other.size_) return false;
  return size_ == 0 || data() == other.data() || std::memcmp(data(), other.data(), bytes()) == 0;
}

void Array::check_type(dtype wanted) const {
  if (wanted == type_) return;
  throw dtype_error({.asked = "the elements of " + describe(type_, shape_) + " were asked for as " +
                              std::string(name_of(wanted)),
                     .found = "they are " + std::string(name_of(type_)),
                     .where = {},
                     .hint = "ask for the element type of the array, or convert it with cast()"});
}

void Array::check_single() const {
  if (size_ == 1) return;
  throw shape_error({.asked = "the single element of " + describe(type_, shape_) + " was asked for",
                     .found = "it has " + std::to_string(size_) + " elements",
                     .where = {},
                     .hint = "use at() or span()"});
}

std::size_t Array::offset_of(std::span<const std::int64_t> index) const {
  bool inside = index.size() == shape_.size() && size_ != 0;
  std::int64_t offset = 0;
  for (std::size_t i = 0; inside && i < index.size(); ++i) {
    inside = index[i] >= 0 && index[i] < shape_[i];
    offset = offset * shape_[i] + index[i];
  }
  if (!inside) {
    throw argument_error({.asked = "the element at " + to_string(dims(index)) + " was asked for",
                          .found = "the array is " + describe(type_, shape_),
                          .where = {},
                          .hint = "give one index an axis, from 0 to the extent less 1"});
  }
  return static_cast<std::size_t>(offset);
}

}  // namespace graft
