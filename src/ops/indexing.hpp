// What plain reference computations share: indices of elements, and the types that shape rules
// give.
#pragma once

#include <span>

#include "graft/graph/operator.hpp"

namespace graft::support {

/// The index along each axis of the element at a place in row-major order.
inline dims index_of(std::int64_t place, const dims& shape) {
  dims index(shape.size(), 0);
  for (std::size_t k = shape.size(); k-- > 0;) {
    index[k] = place % shape[k];
    place /= shape[k];
  }
  return index;
}

/// The place in row-major order of the element at an index.
inline std::int64_t place_of(const dims& index, const dims& shape) {
  std::int64_t place = 0;
  for (std::size_t k = 0; k < shape.size(); ++k) place = place * shape[k] + index[k];
  return place;
}

/// What an operator's shape rule gives for operands of these types and shapes.
inline inferred infer_for(const operator_schema& schema, std::span<const Array> operands,
                          const attribute_list& attributes) {
  small_vector<value_type, 4> types;
  for (const Array& x : operands) types.push_back(value_type::of(x.type(), x.shape()));
  return infer(schema, {types, attributes});
}

/// The shape of the first output.
inline dims result_shape(const operator_schema& schema, std::span<const Array> operands,
                         const attribute_list& attributes) {
  return infer_for(schema, operands, attributes).outputs[0].shape;
}

}  // namespace graft::support
