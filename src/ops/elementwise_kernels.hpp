// Binding the elementwise kernels, with plain loops for the integer types that they leave out.
#pragma once

#include <array>
#include <cstring>

#include "ops/support.hpp"

namespace graft::support {

/// Repeats the first of n elements of `width` bytes.
inline void repeat_first(void* out, std::int64_t n, std::size_t width) {
  std::array<std::byte, 8> first;
  std::memcpy(first.data(), out, width);
  fill(out, first.data(), n, width);
}

/// Binds a kernel of one operand of `width` bytes an output element: `kernel(x, y, n)`.
template <class Kernel>
bound_kernel bind_unary_kernel(const bind_args& b, Kernel kernel) {
  const std::size_t width = size_of(b.outputs[0].type);
  return bind_elementwise(
      b, [kernel, width](const void* const* in, const bool* scalar, void* out, std::int64_t n) {
        if (n == 0) return;
        kernel(in[0], out, scalar[0] ? 1 : n);
        if (scalar[0]) repeat_first(out, n, width);
      });
}

/// Binds three forms of a kernel of two operands: vector-vector, vector-scalar, scalar-vector.
template <class Kernel>
tile_function binary_tile(Kernel vv, Kernel vs, Kernel sv, std::size_t width) {
  return [vv, vs, sv, width](const void* const* in, const bool* scalar, void* out, std::int64_t n) {
    if (n == 0) return;
    const auto run = [&](Kernel kernel, std::int64_t count) {
      if constexpr (std::is_same_v<Kernel, kernels::compare_kernel>) {
        kernel(in[0], in[1], static_cast<std::uint8_t*>(out), count);
      } else {
        kernel(in[0], in[1], out, count);
      }
    };
    if (scalar[0] && scalar[1]) {
      run(vv, 1);
      repeat_first(out, n, width);
    } else {
      run(scalar[0] ? sv : scalar[1] ? vs : vv, n);
    }
  };
}

/// Arithmetic with C++ results for the types int16, uint16, uint32 and uint64; wraps as the kernels
/// do.
template <class T>
constexpr T wrapped(std::uint64_t v) {
  return static_cast<T>(v);
}

/// Binds a binary kernel that keeps the element type.
/// @param plain called as `plain(T a, T b) -> T` for the types without kernel
template <class Plain>
bound_kernel bind_binary(const bind_args& b, kernels::binary_op op, const char* what, Plain plain) {
  using kernels::operands;
  const dtype type = b.inputs[0].type;
  if (const auto element = kernel_element(type)) {
    const auto& table = kernels::active();
    const auto vv = table.binary(op, *element, operands::vv);
    if (vv != nullptr) {
      const auto vs = table.binary(op, *element, operands::vs);
      const auto sv = table.binary(op, *element, operands::sv);
      const std::array<kernels::binary_rows_kernel, 3> rows{
          table.binary_rows(op, *element, operands::vv),
          table.binary_rows(op, *element, operands::vs),
          table.binary_rows(op, *element, operands::sv)};
      rows_function by_rows;
      if (rows[0] != nullptr && rows[1] != nullptr && rows[2] != nullptr) {
        by_rows = [rows](const void* const* in, const std::int64_t* step, const bool* scalar,
                         void* out, std::int64_t count, std::int64_t cols) {
          // Along the last axis at least one operand advances, or there is only one element a row.
          rows[scalar[0] ? 2 : scalar[1] ? 1 : 0](in[0], step[0], in[1], step[1], out, count, cols);
        };
      }
      return bind_elementwise(b, binary_tile(vv, vs, sv, size_of(type)), std::move(by_rows));
    }
  }
  tile_function tile;
  with_number_type(type, [&](auto zero) {
    using T = decltype(zero);
    if constexpr (std::is_integral_v<T>) tile = plain_tile<T, T, T>(plain);
  });
  if (!tile) refuse_type(b, what, type);
  return bind_elementwise(b, std::move(tile));
}

/// Binds a unary kernel that keeps the element type.
template <class Plain>
bound_kernel bind_unary(const bind_args& b, kernels::unary_op op, const char* what, Plain plain,
                        std::array<double, 2> parameters = {}) {
  const dtype type = b.inputs[0].type;
  if (const auto element = kernel_element(type)) {
    if (const auto kernel = kernels::active().unary(op, *element)) {
      return bind_unary_kernel(b, [kernel, parameters](const void* x, void* y, std::int64_t n) {
        kernel(x, y, n, parameters.data());
      });
    }
  }
  tile_function tile;
  with_number_type(type, [&](auto zero) {
    using T = decltype(zero);
    if constexpr (std::is_integral_v<T> && std::is_invocable_v<Plain, T>) {
      tile = plain_tile<T, T>(plain);
    }
  });
  if (!tile) refuse_type(b, what, type);
  return bind_elementwise(b, std::move(tile));
}

/// Stands for the plain loop of operators that only floating elements have.
struct floating_only {};

}  // namespace graft::support
