// The compile-time diagnostics. Each is a template without a definition, so that its name and its
// arguments stand in the first error of every compiler.
#pragma once

#include "graft/core/dtype.hpp"
#include "graft/core/misuse.hpp"
#include "graft/core/shape.hpp"

namespace graft {

/// A shape as diagnostics show it where extents have names: `named_shape<text{"batch"}, 784>`.
template <auto... Extents>
struct named_shape;

template <class Shape>
struct needs;
template <dtype Type>
struct needs_type;
template <dtype Type>
struct got_type;

/// The operand of the layer or operator named first has a shape that does not fit.
///
/// `needs` has -1 where any extent would do. Change the layer's units, or insert flatten, reshape or
/// transpose before it.
template <text Layer, class Needs, class Got>
struct shape_mismatch;

/// The operands of the layer or operator have element types that do not fit. Insert cast<T>(x).
template <text Layer, class Needs, class Got>
struct dtype_mismatch;

/// A sentence, in parts that compilers do not cut.
template <text... Words>
struct why;

/// What the layer or operator was told, in its template arguments or by the extents of its operands,
/// cannot be: `why` says the rule that it breaks, `got` is the shape that it was told for.
template <text Layer, class Why, class Got>
struct bad_attribute;

namespace detail {

constexpr std::size_t length_of_name(extent e) {
  std::size_t length = 0;
  for (extent packed = -2 - e; packed != 0; packed >>= 6) ++length;
  return length;
}

// An extent, or its name: named extents of types are packed.
template <extent E>
constexpr auto shown_extent() {
  if constexpr (is_named(E)) {
    constexpr std::size_t length = length_of_name(E);
    text<length + 1> name;
    extent packed = -2 - E;
    for (std::size_t i = 0; i < length; ++i, packed >>= 6) {
      name.data[i] = code_character(packed & 63);
    }
    name.data[length] = 0;
    return name;
  } else {
    return E;
  }
}

template <class Shape>
struct shown_shape {
  using type = Shape;
};
template <extent... Extents>
  requires(is_named(Extents) || ...)
struct shown_shape<shape<Extents...>> {
  using type = named_shape<shown_extent<Extents>()...>;
};
template <class Shape>
using shown = typename shown_shape<Shape>::type;

template <auto Label, class Needs, class Got>
constexpr void refuse_shape() {
  shape_mismatch<Label, needs<shown<Needs>>, got<shown<Got>>> error{};
  (void)error;
}
template <auto Label, dtype Needs, dtype Got>
constexpr void refuse_type() {
  dtype_mismatch<Label, needs_type<Needs>, got_type<Got>> error{};
  (void)error;
}

// True where no run can make two shapes equal.
template <shape_type A, shape_type B>
constexpr bool shapes_surely_differ() {
  if constexpr (A::ranked && B::ranked) {
    const dims a = A::list(), b = B::list();
    if (a.size() != b.size()) return true;
    for (std::size_t i = 0; i < a.size(); ++i) {
      if (surely_differ(a[i], b[i])) return true;
    }
  }
  return false;
}

// Clang shows this many characters of a text.
inline constexpr std::size_t shown_characters = 31;

struct words {
  std::size_t first = 0, last = 0;
};
// Where a part of a sentence that begins at `first` ends: before a blank, if there is one.
constexpr words words_from(std::string_view sentence, std::size_t first) {
  if (sentence.size() - first <= shown_characters) return {first, sentence.size()};
  std::size_t last = first + shown_characters;
  while (last > first && sentence[last] != ' ') --last;
  return {first, last > first ? last : first + shown_characters};
}
constexpr words words_at(std::string_view sentence, std::size_t number) {
  words part = words_from(sentence, 0);
  while (number-- > 0) {
    part = words_from(sentence, part.last + (sentence[part.last] == ' ' ? 1 : 0));
  }
  return part;
}
constexpr std::size_t count_of_words(std::string_view sentence) {
  std::size_t count = 1;
  while (words_at(sentence, count - 1).last < sentence.size()) ++count;
  return count;
}

// Sentence has `static constexpr std::string_view value()`.
template <class Sentence, std::size_t Number>
constexpr auto shown_words() {
  constexpr words part = words_at(Sentence::value(), Number);
  constexpr std::size_t length = part.last - part.first;
  text<length + 1> shown;
  for (std::size_t i = 0; i < length; ++i) shown.data[i] = Sentence::value()[part.first + i];
  shown.data[length] = 0;  // or Clang shows some lengths as numbers
  return shown;
}
template <class Sentence, std::size_t... I>
constexpr auto sentence_of(std::index_sequence<I...>) -> why<shown_words<Sentence, I>()...>;
template <class Sentence>
using why_of =
    decltype(sentence_of<Sentence>(std::make_index_sequence<count_of_words(Sentence::value())>{}));

}  // namespace detail
}  // namespace graft
