// What operators on floating tensors share: choosing the element type of a kernel, and sample values.
#pragma once

#include <cmath>
#include <string>

#include "graft/graph/operator.hpp"

#include "kernels/kernels.hpp"

namespace graft {

/// The kernel element of operand `i`. @throws unsupported_error unless it is float32 or float64
inline kernels::element floating_element(const bind_args& b, std::size_t i = 0) {
  const dtype type = b.inputs[i].type;
  if (type == dtype::float32) return kernels::element::f32;
  if (type == dtype::float64) return kernels::element::f64;
  throw unsupported_error({"a kernel was looked for to run '" + std::string(b.where) + "'",
                           "its operand is " + std::string(name_of(type)), std::string(b.where),
                           "cast to float32 or float64"});
}

/// A kernel for a result without elements, whatever the extents beside its 0.
inline bound_kernel nothing_to_do() {
  bound_kernel result;
  result.run = [](const kernel_call&) {};
  return result;
}

/// Float64 values in (-1, 1) without repetitions or symmetry, the same for the same arguments.
inline Array sample_array(const dims& shape, int salt) {
  Array result(dtype::float64, shape);
  const auto values = result.mutable_span<double>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] =
        std::sin(1.7 * static_cast<double>(i) + 0.9 * salt + 0.3 * static_cast<double>(i % 7));
  }
  return result;
}

}  // namespace graft
