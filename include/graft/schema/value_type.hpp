// What is known of a value before it exists.
#pragma once

#include <cstdint>

#include "graft/core/dtype.hpp"
#include "graft/core/shape.hpp"

namespace graft {

/// What an output is. Optionals and sequences come with imported graphs; ops of Graft make tensors.
enum class value_kind : std::uint8_t { tensor, sequence, optional };

/// The type of an op's output: element type and what is known of the shape.
struct value_type {
  dtype type = dtype::any;               ///< any: not known
  value_kind kind = value_kind::tensor;  ///< a tensor unless a graph was imported
  bool ranked = false;                   ///< false: not even the rank is known, and shape is empty
  dims shape;                            ///< extents known, `dyn` or named

  constexpr bool operator==(const value_type&) const = default;

  /// A tensor of known rank.
  static constexpr value_type of(dtype type, const dims& shape) {
    return {type, value_kind::tensor, true, shape};
  }
  /// A tensor of which not even the rank is known.
  static constexpr value_type unranked(dtype type) { return {type, value_kind::tensor, false, {}}; }
};

/// The type of a handle as a value.
template <dtype Type, shape_type Shape>
constexpr value_type value_type_of() {
  return {Type, value_kind::tensor, Shape::ranked, Shape::list()};
}

/// Returns "float32 [64, 784]", "float32 of unknown rank".
std::string to_string(const value_type& type);

}  // namespace graft
