// A vector with room for N elements inside itself, usable in constant evaluation.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <span>
#include <type_traits>
#include <utility>

namespace graft {

/// A growing sequence whose first N elements need no allocation.
///
/// Shapes, operand lists and attribute lists are short almost always and unbounded by contract: this
/// type serves both, at run time and in constant evaluation.
/// @tparam T default-constructible, movable
template <class T, std::size_t N>
class small_vector {
 public:
  using value_type = T;
  using iterator = T*;
  using const_iterator = const T*;

  constexpr small_vector() = default;
  constexpr explicit small_vector(std::size_t count, const T& value = T()) { resize(count, value); }
  constexpr small_vector(std::initializer_list<T> values) { append(values.begin(), values.end()); }
  template <class Iterator>
    requires requires(Iterator i) {
      *i;
      ++i;
    }
  constexpr small_vector(Iterator first, Iterator last) {
    append(first, last);
  }
  constexpr explicit small_vector(std::span<const T> values) {
    append(values.begin(), values.end());
  }
  constexpr small_vector(const small_vector& other) { append(other.begin(), other.end()); }
  constexpr small_vector(small_vector&& other) noexcept { take(other); }
  constexpr small_vector& operator=(const small_vector& other) {
    if (this != &other) {
      small_vector copy(other);
      release();
      take(copy);
    }
    return *this;
  }
  constexpr small_vector& operator=(small_vector&& other) noexcept {
    if (this != &other) {
      release();
      take(other);
    }
    return *this;
  }
  constexpr ~small_vector() { delete[] heap_; }

  [[nodiscard]] constexpr std::size_t size() const { return size_; }
  [[nodiscard]] constexpr bool empty() const { return size_ == 0; }
  [[nodiscard]] constexpr T* data() { return heap_ != nullptr ? heap_ : inside_; }
  [[nodiscard]] constexpr const T* data() const { return heap_ != nullptr ? heap_ : inside_; }
  [[nodiscard]] constexpr T* begin() { return data(); }
  [[nodiscard]] constexpr T* end() { return data() + size_; }
  [[nodiscard]] constexpr const T* begin() const { return data(); }
  [[nodiscard]] constexpr const T* end() const { return data() + size_; }
  constexpr T& operator[](std::size_t i) { return data()[i]; }
  constexpr const T& operator[](std::size_t i) const { return data()[i]; }
  [[nodiscard]] constexpr T& back() { return data()[size_ - 1]; }
  [[nodiscard]] constexpr const T& back() const { return data()[size_ - 1]; }
  [[nodiscard]] constexpr T& front() { return data()[0]; }
  [[nodiscard]] constexpr const T& front() const { return data()[0]; }

  constexpr void push_back(T value) {
    if (size_ == capacity_) grow(size_ + 1);
    data()[size_++] = std::move(value);
  }
  constexpr void pop_back() { data()[--size_] = T(); }
  constexpr void clear() {
    for (std::size_t i = 0; i < size_; ++i) data()[i] = T();
    size_ = 0;
  }
  constexpr void resize(std::size_t count, T value = T()) {  // by value: it may be an element
    if (count > capacity_) grow(count);
    for (std::size_t i = size_; i < count; ++i) data()[i] = value;
    for (std::size_t i = count; i < size_; ++i) data()[i] = T();
    size_ = count;
  }
  template <class Iterator>
  constexpr void append(Iterator first, Iterator last) {
    if constexpr (std::is_pointer_v<Iterator>) {
      const std::size_t wanted = size_ + static_cast<std::size_t>(last - first);
      if (wanted > capacity_) grow(wanted);
      for (T* to = data(); first != last; ++first) to[size_++] = T(*first);
      return;
    }
    for (; first != last; ++first) push_back(T(*first));
  }
  /// Inserts a value before place i.
  constexpr void insert(std::size_t i, T value) {
    push_back(std::move(value));
    for (std::size_t k = size_ - 1; k > i; --k) std::swap(data()[k], data()[k - 1]);
  }
  /// Removes the element at place i.
  constexpr void erase(std::size_t i) {
    for (; i + 1 < size_; ++i) data()[i] = std::move(data()[i + 1]);
    pop_back();
  }

  constexpr operator std::span<const T>() const {  // NOLINT: a view of itself
    return {data(), size_};
  }

  constexpr bool operator==(const small_vector& other) const {
    if (size_ != other.size_) return false;
    for (std::size_t i = 0; i < size_; ++i) {
      if (!(data()[i] == other.data()[i])) return false;
    }
    return true;
  }

 private:
  constexpr void grow(std::size_t wanted) {
    std::size_t capacity = capacity_ * 2 > wanted ? capacity_ * 2 : wanted;
    T* bigger = new T[capacity]();
    for (std::size_t i = 0; i < size_; ++i) bigger[i] = std::move(data()[i]);
    delete[] heap_;
    heap_ = bigger;
    capacity_ = capacity;
  }
  constexpr void release() {
    delete[] heap_;
    heap_ = nullptr;
    size_ = 0;
    capacity_ = N;
  }
  constexpr void take(small_vector& other) noexcept {
    heap_ = std::exchange(other.heap_, nullptr);
    if (heap_ == nullptr) {
      for (std::size_t i = 0; i < other.size_; ++i) inside_[i] = std::move(other.inside_[i]);
    }
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, N);
  }

  T* heap_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = N;
  T inside_[N]{};
};

}  // namespace graft
