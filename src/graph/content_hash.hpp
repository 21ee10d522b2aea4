// A hash of contents that is the same in every process: of numbers, texts, types and values, in the order given.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "graft/core/dims.hpp"
#include "graft/graph/graph.hpp"
#include "graft/graph/tables.hpp"
#include "graft/schema/value_type.hpp"
#include "graft/tensor/array.hpp"

namespace graft::detail {

class content_hash {
 public:
  void word(std::uint64_t w) {
    h_ = (h_ ^ w) * 0x9fb21c651e98df25ull;
    h_ ^= h_ >> 35;
  }
  void bytes(const void* data, std::size_t size) {
    const auto* at = static_cast<const unsigned char*>(data);
    for (; size >= 8; size -= 8, at += 8) {
      std::uint64_t w;
      std::memcpy(&w, at, 8);
      word(w);
    }
    std::uint64_t rest = 0;
    if (size != 0) std::memcpy(&rest, at, size);
    word(rest ^ std::uint64_t{size} << 56);
  }
  void text(std::string_view s) {
    word(s.size());
    bytes(s.data(), s.size());
  }
  // Names of dimensions too: their numbers follow from them.
  void shape(std::span<const extent> extents) {
    word(extents.size());
    for (const extent e : extents) word(static_cast<std::uint64_t>(e));
  }
  void type(dtype element, value_kind kind, bool ranked, std::span<const extent> extents) {
    word(static_cast<std::uint64_t>(element) | static_cast<std::uint64_t>(kind) << 8 |
         std::uint64_t{ranked} << 16);
    shape(extents);
  }
  void type(const value_type& t) { type(t.type, t.kind, t.ranked, t.shape); }
  void array(const Array& a) {
    word(static_cast<std::uint64_t>(a.type()));
    shape(a.shape());
    bytes(a.data(), a.bytes());
  }
  [[nodiscard]] std::uint64_t value() const { return h_ ^ h_ >> 28; }

 private:
  std::uint64_t h_ = 0x2545f4914f6cdd1dull;
};

/// Of an attribute of an op of g, with its key.
/// @param number of a variable id: which it is, whatever its id
/// @param body_hash of the graph that is a body
template <class Number, class BodyHash>
std::uint64_t hash_of(const Graph& g, const attribute& a, Number&& number, BodyHash&& body_hash) {
  content_hash h;
  h.text(a.key);
  h.word(static_cast<std::uint64_t>(a.kind));
  switch (a.kind) {
    case attribute_kind::integer:
    case attribute_kind::type:
      h.word(static_cast<std::uint64_t>(a.integer));
      break;
    case attribute_kind::real:
      h.word(std::bit_cast<std::uint64_t>(a.real));
      break;
    case attribute_kind::integers:
      h.shape(a.integers);
      break;
    case attribute_kind::string:
      h.text(a.string);
      break;
    case attribute_kind::constant:
      h.array(g.constant(a.integer));
      break;
    case attribute_kind::variable:
      h.word(number(g.data().variable(a.integer)));
      break;
    case attribute_kind::body:
      h.word(body_hash(g.body(a.integer)));
      break;
  }
  return h.value();
}

}  // namespace graft::detail
