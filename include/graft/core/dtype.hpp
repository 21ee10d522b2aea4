// Element types of tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace graft {

/// The element type of a tensor. `any` stands for a type that is not known yet.
enum class dtype : std::uint8_t {
  any,
  float32,
  float64,
  float16,
  bfloat16,
  int8,
  int16,
  int32,
  int64,
  uint8,
  uint16,
  uint32,
  uint64,
  boolean,
  string,
};

/// How many element types there are.
inline constexpr int dtype_count = 15;

/// Storage of the half-precision types; arithmetic converts.
struct float16 {
  std::uint16_t bits = 0;  ///< as in memory: sign, exponent, fraction
};
/// The upper half of a float32, as bits.
struct bfloat16 {
  std::uint16_t bits = 0;  ///< as in memory: sign, exponent, fraction
};

/// Returns the name users read and write: "float32".
constexpr std::string_view name_of(dtype type) {
  constexpr std::string_view names[dtype_count] = {
      "any",   "float32", "float64", "float16", "bfloat16", "int8",    "int16", "int32",
      "int64", "uint8",   "uint16",  "uint32",  "uint64",   "boolean", "string"};
  return names[static_cast<int>(type)];
}

/// Returns the size of one element in bytes; 0 for `any` and `string`, whose elements have no fixed size.
constexpr std::size_t size_of(dtype type) {
  constexpr std::size_t sizes[dtype_count] = {0, 4, 8, 2, 2, 1, 2, 4, 8, 1, 2, 4, 8, 1, 0};
  return sizes[static_cast<int>(type)];
}

/// True for float16, bfloat16, float32 and float64.
constexpr bool is_floating(dtype type) { return type >= dtype::float32 && type <= dtype::bfloat16; }
/// True for signed and unsigned integers; bool is none.
constexpr bool is_integer(dtype type) { return type >= dtype::int8 && type <= dtype::uint64; }

/// Maps a C++ element type to its dtype: `dtype_of<float> == dtype::float32`.
template <class T>
inline constexpr dtype dtype_of = dtype::any;
template <>
inline constexpr dtype dtype_of<float> = dtype::float32;
template <>
inline constexpr dtype dtype_of<double> = dtype::float64;
template <>
inline constexpr dtype dtype_of<float16> = dtype::float16;
template <>
inline constexpr dtype dtype_of<bfloat16> = dtype::bfloat16;
template <>
inline constexpr dtype dtype_of<std::int8_t> = dtype::int8;
template <>
inline constexpr dtype dtype_of<std::int16_t> = dtype::int16;
template <>
inline constexpr dtype dtype_of<std::int32_t> = dtype::int32;
template <>
inline constexpr dtype dtype_of<std::int64_t> = dtype::int64;
template <>
inline constexpr dtype dtype_of<std::uint8_t> = dtype::uint8;
template <>
inline constexpr dtype dtype_of<std::uint16_t> = dtype::uint16;
template <>
inline constexpr dtype dtype_of<std::uint32_t> = dtype::uint32;
template <>
inline constexpr dtype dtype_of<std::uint64_t> = dtype::uint64;
template <>
inline constexpr dtype dtype_of<bool> = dtype::boolean;
template <>
inline constexpr dtype dtype_of<std::string> = dtype::string;

/// A C++ type that can be the element of a tensor.
template <class T>
concept element = dtype_of<T> != dtype::any;

}  // namespace graft
