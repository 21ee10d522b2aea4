// A growing list whose elements stay where they are.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <iterator>
#include <memory>
#include <utility>

#include "graft/core/large_pages.hpp"

namespace graft::detail {

/// What a std::deque with push_back is, but in pieces of 16, 32, 64, ... elements: room can be reserved, so that
/// adding does not fail, and an element is found by two shifts.
template <class T>
class steady_list {
  template <class Of, class Element>
  class cursor {
   public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using pointer = Element*;
    using reference = Element&;

    cursor() = default;
    cursor(Of* list, std::size_t at) : list_(list), at_(at) {}
    reference operator*() const { return (*list_)[at_]; }
    pointer operator->() const { return &(*list_)[at_]; }
    cursor& operator++() {
      ++at_;
      return *this;
    }
    cursor operator++(int) { return {list_, at_++}; }
    bool operator==(const cursor&) const = default;

   private:
    Of* list_ = nullptr;
    std::size_t at_ = 0;
  };

 public:
  using iterator = cursor<steady_list, T>;
  using const_iterator = cursor<const steady_list, const T>;

  steady_list() = default;
  ~steady_list() {
    while (size_ > 0) pop_back();
    for (std::size_t k = 0; k < pieces_; ++k) std::allocator<T>().deallocate(piece_[k], length(k));
  }
  steady_list(const steady_list&) = delete;
  steady_list& operator=(const steady_list&) = delete;

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  T& operator[](std::size_t i) { return *place(i); }
  const T& operator[](std::size_t i) const { return *place(i); }
  T& back() { return *place(size_ - 1); }
  [[nodiscard]] const T& back() const { return *place(size_ - 1); }
  iterator begin() { return {this, 0}; }
  iterator end() { return {this, size_}; }
  [[nodiscard]] const_iterator begin() const { return {this, 0}; }
  [[nodiscard]] const_iterator end() const { return {this, size_}; }

  void reserve(std::size_t more) {
    while (capacity_ - size_ < more) {
      const std::size_t count = length(pieces_);
      piece_[pieces_] = std::allocator<T>().allocate(count);
      use_large_pages(piece_[pieces_], count * sizeof(T));
      capacity_ += count;
      ++pieces_;
    }
  }
  T& push_back(T&& value) {
    reserve(1);
    T* const made = std::construct_at(place(size_), std::move(value));
    ++size_;
    return *made;
  }
  T& push_back(const T& value) {
    reserve(1);
    T* const made = std::construct_at(place(size_), value);
    ++size_;
    return *made;
  }
  void pop_back() { std::destroy_at(place(--size_)); }

 private:
  static constexpr std::size_t shortest = 16;
  static constexpr std::size_t length(std::size_t piece) { return shortest << piece; }

  [[nodiscard]] T* place(std::size_t i) const {
    const std::size_t n = i / shortest + 1;
    const auto piece = static_cast<std::size_t>(std::bit_width(n)) - 1;
    return piece_[piece] + (i - (length(piece) - shortest));
  }

  std::array<T*, 32> piece_{};
  std::size_t pieces_ = 0, size_ = 0, capacity_ = 0;
};

}  // namespace graft::detail
