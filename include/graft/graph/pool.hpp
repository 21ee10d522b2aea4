// A growing array of plain records that is extended without initialising and cut back without cost.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

#include "graft/core/growing_memory.hpp"

namespace graft::detail {

/// What a std::vector of records would be, but growth leaves new records unwritten: copying a
/// region in bulk writes each record once, and large pools grow without being copied where the system can move pages.
template <class T>
class pool {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

 public:
  pool() = default;
  pool(const pool& other) {
    reserve(other.size_);
    if (other.size_ != 0) std::memcpy(data_, other.data_, other.size_ * sizeof(T));
    size_ = other.size_;
  }
  pool(pool&& other) noexcept { swap(other); }
  pool& operator=(pool other) noexcept {
    swap(other);
    return *this;
  }
  ~pool() { free_memory(data_, capacity_ * sizeof(T)); }

  [[nodiscard]] std::uint32_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }
  T& back() { return data_[size_ - 1]; }
  [[nodiscard]] T* begin() { return data_; }
  [[nodiscard]] T* end() { return data_ + size_; }
  [[nodiscard]] const T* begin() const { return data_; }
  [[nodiscard]] const T* end() const { return data_ + size_; }

  /// Makes room for `more` records; what follows up to that many cannot fail.
  /// @throws std::bad_alloc, also where indices would not fit in 32 bits
  void reserve(std::size_t more) {
    if (more <= capacity_ - size_) return;
    grow(more);
  }
  void push_back(const T& value) {  // the room must have been reserved
    data_[size_++] = value;
  }
  /// Extends by records that are not written yet; the room must have been reserved.
  T* extend(std::size_t count) {
    T* first = data_ + size_;
    size_ += static_cast<std::uint32_t>(count);
    return first;
  }
  void truncate(std::size_t size) { size_ = static_cast<std::uint32_t>(size); }
  void swap(pool& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }

 private:
  void grow(std::size_t more) {
    const std::size_t wanted = size_ + more;
    if (wanted >= 0xffffffffu) throw std::bad_alloc();
    std::size_t capacity = std::size_t{capacity_} + capacity_ / 2;
    if (capacity < wanted) capacity = wanted;
    if (capacity < 16) capacity = 16;
    if (capacity >= 0xffffffffu) capacity = 0xfffffffeu;
    void* const bigger =
        grow_memory(data_, capacity_ * sizeof(T), size_ * sizeof(T), capacity * sizeof(T));
    if (bigger == nullptr) throw std::bad_alloc();
    data_ = static_cast<T*>(bigger);
    capacity_ = static_cast<std::uint32_t>(capacity);
  }

  T* data_ = nullptr;
  std::uint32_t size_ = 0;
  std::uint32_t capacity_ = 0;
};

}  // namespace graft::detail
