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
  /// Reads one attribute after another.
  class iterator {
   public:
    using iterator_category = std::input_iterator_tag;  ///< each is read once
    using value_type = attribute;                       ///< made when it is read
    using difference_type = std::ptrdiff_t;             ///< as iterators have it
    using pointer = void;                               ///< there is nothing to point to
    using reference = attribute;                        ///< a value

    iterator() = default;
    /// Made by begin() and end().
    iterator(const detail::attribute_store* store, std::uint32_t at) : store_(store), at_(at) {}
    /// The attribute, by value.
    attribute operator*() const;
    /// Goes to the next one.
    iterator& operator++() {
      ++at_;
      return *this;
    }
    /// Goes to the next one and returns where it was.
    iterator operator++(int) { return {store_, at_++}; }
    bool operator==(const iterator&) const = default;

   private:
    const detail::attribute_store* store_ = nullptr;
    std::uint32_t at_ = 0;
  };

  /// Made by Graph::attributes_of().
  attribute_view(const detail::attribute_store& store, std::uint32_t list)
      : store_(&store), list_(list) {}

  /// Returns the attribute of that key, or nothing.
  [[nodiscard]] std::optional<attribute> find(name_view key) const;
  /// The number of an integer, truth value, dtype or index; `otherwise` if there is no attribute of that key, 0 if it
  /// is of another kind.
  [[nodiscard]] std::int64_t integer(name_view key, std::int64_t otherwise = 0) const;
  /// The number of a real attribute, in the same way.
  [[nodiscard]] double real(name_view key, double otherwise = 0) const;
  /// The numbers of a list, in the same way: empty for one of another kind.
  [[nodiscard]] dims integers(name_view key, const dims& otherwise = {}) const;
  /// The characters of a string; empty if there is none. Valid as long as the graph and not edited.
  [[nodiscard]] std::string_view string(name_view key) const;
  /// The dtype of an attribute, `otherwise` if there is none of that key.
  [[nodiscard]] dtype type(name_view key, dtype otherwise = dtype::any) const;

  /// Whether the op has no attributes.
  [[nodiscard]] bool empty() const { return size() == 0; }
  /// How many attributes there are.
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] iterator begin() const;
  [[nodiscard]] iterator end() const;

  /// The same as a list of its own.
  [[nodiscard]] attribute_list list() const;
  /// A copy, as list() gives it.
  operator attribute_list() const { return list(); }  // NOLINT: the same, in another form

  /// True if both hold the same attributes in the same order, whatever graphs they are of.
  bool operator==(const attribute_view& other) const;
  /// Whether the attributes are the same, in the same order.
  bool operator==(const attribute_list& other) const { return list() == other; }

 private:
  const detail::attribute_store* store_;
  std::uint32_t list_;
};

}  // namespace graft
