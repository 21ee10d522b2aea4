// Text as a template argument: text<N>.
#pragma once

#include <cstddef>
#include <string_view>

namespace graft {

/// A string literal that may stand as a template argument: `dense<10, "logits">`.
///
/// @tparam N number of characters including the terminating zero
template <std::size_t N>
struct text {
  char data[N]{};  ///< with the terminating zero

  constexpr text() = default;
  /// Copies a literal.
  constexpr text(const char (&literal)[N]) {  // NOLINT: implicit, so that literals convert
    for (std::size_t i = 0; i < N; ++i) data[i] = literal[i];
  }

  /// The characters without the terminating zero.
  [[nodiscard]] constexpr std::string_view view() const { return {data, N - 1}; }
  /// Whether there are no characters.
  [[nodiscard]] constexpr bool empty() const { return N == 1; }

  /// Character by character, whatever the lengths.
  template <std::size_t M>
  constexpr bool operator==(const text<M>& other) const {
    return view() == other.view();
  }
};

template <std::size_t N>
text(const char (&)[N]) -> text<N>;

/// Returns the concatenation of two texts.
template <std::size_t A, std::size_t B>
constexpr text<A + B - 1> operator+(const text<A>& a, const text<B>& b) {
  text<A + B - 1> result;
  for (std::size_t i = 0; i + 1 < A; ++i) result.data[i] = a.data[i];
  for (std::size_t i = 0; i < B; ++i) result.data[A - 1 + i] = b.data[i];
  return result;
}

}  // namespace graft
