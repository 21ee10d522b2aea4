// Dimensions: lists of extents, with unknown and named ones, and checked size arithmetic.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "graft/core/small_vector.hpp"
#include "graft/core/text.hpp"

namespace graft {

/// One extent. Values >= 0 are known; `dyn` is unknown; values below `dyn` are names ("batch").
using extent = std::int64_t;

/// An extent that is known only when a graph runs.
inline constexpr extent dyn = -1;

/// A list of extents, outermost first. Any rank.
using dims = small_vector<extent, 6>;

/// True for an extent that is a number.
constexpr bool is_known(extent e) { return e >= 0; }
/// True for an extent with a name, such as dim<"batch">.
constexpr bool is_named(extent e) { return e < dyn; }

/// True where both extents are known and differ, so that no run can make them equal.
constexpr bool surely_differ(extent a, extent b) { return a >= 0 && b >= 0 && a != b; }

/// Returns the more precise of two extents that must be equal: a known one, else a named one.
constexpr extent refine(extent a, extent b) { return a >= 0 ? a : b >= 0 ? b : a < dyn ? a : b; }

namespace detail {

// A name of up to ten letters, digits and underscores packs into 60 bits, six a character, so that a
// named extent is an integer in types, tables and graphs alike. Longer names are interned at run time
// and take the values from `interned_names` on.
inline constexpr extent interned_names = extent{1} << 60;

constexpr extent character_code(char c) {
  if (c >= 'a' && c <= 'z') return c - 'a' + 1;
  if (c >= 'A' && c <= 'Z') return c - 'A' + 27;
  if (c >= '0' && c <= '9') return c - '0' + 53;
  if (c == '_') return 63;
  return 0;
}

constexpr char code_character(extent code) {
  constexpr std::string_view alphabet =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
  return alphabet[static_cast<std::size_t>(code - 1)];
}

/// Returns the packed extent, or dyn where the name does not fit.
constexpr extent pack_name(std::string_view name) {
  if (name.empty() || name.size() > 10) return dyn;
  extent packed = 0;
  for (std::size_t i = name.size(); i-- > 0;) {
    const extent code = character_code(name[i]);
    if (code == 0) return dyn;
    packed = (packed << 6) | code;
  }
  return -2 - packed;
}

template <text Name>
struct named_extent {
  static constexpr extent value = pack_name(Name.view());
  static_assert(value != dyn,
                "graft: the name of a dimension has 1 to 10 letters, digits or underscores");
};

}  // namespace detail

/// A named extent in a type: `shape<dim<"batch">, 784>`. Equal names mean equal extents in a run.
template <text Name>
inline constexpr extent dim = detail::named_extent<Name>::value;

/// Returns the extent that stands for a name of any length and any characters; thread-safe.
extent named_dim(std::string_view name);

/// Returns the name of a named extent.
std::string dim_name(extent e);

/// Returns "[64, 784]", with "?" for unknown extents and the name for named ones.
std::string to_string(const dims& shape);

/// Returns the number of elements; dyn where an extent is not known.
/// @throws size_error if the product does not fit in 63 bits
constexpr extent element_count(std::span<const extent> shape);

namespace detail {
[[noreturn]] void throw_size_overflow(std::span<const extent> shape);
}

constexpr extent element_count(std::span<const extent> shape) {
  for (const extent e : shape) {
    if (e == 0) return 0;  // first, so that the extents before it cannot overflow
  }
  extent count = 1;
  bool known = true;
  for (const extent e : shape) {
    if (e < 0) {
      known = false;
      continue;
    }
    if (__builtin_mul_overflow(count, e, &count)) detail::throw_size_overflow(shape);
  }
  return known ? count : dyn;
}

/// True where every extent is a number.
constexpr bool all_known(std::span<const extent> shape) {
  for (const extent e : shape) {
    if (e < 0) return false;
  }
  return true;
}

}  // namespace graft
