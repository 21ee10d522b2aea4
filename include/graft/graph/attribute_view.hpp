// The attributes of an op as a graph stores them, to read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string_view>

#include "graft/core/name_view.hpp"
#include "graft/schema/attribute.hpp"

namespace graft {

namespace detail {
struct attribute_store;
}

/// The attributes of one op, with the questions of an attribute_list. Graphs store attributes packed, so that
/// copying many ops is cheap; what is read is put together when it is asked for.
///
/// A view may be used for as long as its graph is there and has the attributes. Texts in what it
/// gives live as long as the graph.
class attribute_view {
 public:
  class iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = attribute;
    using difference_type = std::ptrdiff_t;
    using pointer = void;
    using reference = attribute;

    iterator() = default;
    iterator(const detail::attribute_store* store, std::uint32_t at) : store_(store), at_(at) {}
    attribute operator*() const;
    iterator& operator++() {
      ++at_;
      return *this;
    }
    iterator operator++(int) { return {store_, at_++}; }
    bool operator==(const iterator&) const = default;

   private:
    const detail::attribute_store* store_ = nullptr;
    std::uint32_t at_ = 0;
  };

  attribute_view(const detail::attribute_store& store, std::uint32_t list)
      : store_(&store), list_(list) {}

  /// Returns the attribute of that key, or nothing.
  [[nodiscard]] std::optional<attribute> find(name_view key) const;
  [[nodiscard]] std::int64_t integer(name_view key, std::int64_t otherwise = 0) const;
  [[nodiscard]] double real(name_view key, double otherwise = 0) const;
  [[nodiscard]] dims integers(name_view key, const dims& otherwise = {}) const;
  [[nodiscard]] std::string_view string(name_view key) const;
  [[nodiscard]] dtype type(name_view key, dtype otherwise = dtype::any) const;

  [[nodiscard]] bool empty() const { return size() == 0; }
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] iterator begin() const;
  [[nodiscard]] iterator end() const;

  /// The same as a list of its own.
  [[nodiscard]] attribute_list list() const;
  operator attribute_list() const { return list(); }  // NOLINT: the same, in another form

  /// True if both hold the same attributes in the same order, whatever graphs they are of.
  bool operator==(const attribute_view& other) const;
  bool operator==(const attribute_list& other) const { return list() == other; }

 private:
  const detail::attribute_store* store_;
  std::uint32_t list_;
};

}  // namespace graft
