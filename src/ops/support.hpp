// What the definitions of operators share: kernels with broadcasting, gradients with broadcasting,
// samples.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "graft/graph/operator.hpp"

#include "kernels/kernels.hpp"

namespace graft::support {

// --- Element types
// ----------------------------------------------------------------------------------

/// The kernels' name of an element type; empty for types that only plain loops handle.
std::optional<kernels::element> kernel_element(dtype type);

/// Throws unsupported_error: no kernel of this operator for that element type.
[[noreturn]] void refuse_type(const bind_args& b, std::string_view what, dtype type);

/// Calls f(T{}) for the C++ type of a number type; false for boolean, string, half precision and
/// `any`.
template <class F>
bool with_number_type(dtype type, F&& f) {
  switch (type) {
    case dtype::float32:
      return f(float{}), true;
    case dtype::float64:
      return f(double{}), true;
    case dtype::int8:
      return f(std::int8_t{}), true;
    case dtype::int16:
      return f(std::int16_t{}), true;
    case dtype::int32:
      return f(std::int32_t{}), true;
    case dtype::int64:
      return f(std::int64_t{}), true;
    case dtype::uint8:
      return f(std::uint8_t{}), true;
    case dtype::uint16:
      return f(std::uint16_t{}), true;
    case dtype::uint32:
      return f(std::uint32_t{}), true;
    case dtype::uint64:
      return f(std::uint64_t{}), true;
    default:
      return false;
  }
}

// --- Elementwise kernels
// -----------------------------------------------------------------------------

/// The most operands an elementwise kernel has.
inline constexpr std::size_t max_operands = 4;
/// Elements of one piece of parallel work, and how many there must be before work is shared.
inline constexpr std::int64_t chunk_elements = 16384;
inline constexpr std::int64_t parallel_elements = 4 * chunk_elements;

using tile_function =
    std::function<void(const void* const* in, const bool* scalar, void* out, std::int64_t n)>;
/// Rows of `cols` elements: row r of operand i starts row_stride[i] * r elements after in[i].
using rows_function =
    std::function<void(const void* const* in, const std::int64_t* row_stride, const bool* scalar,
                       void* out, std::int64_t rows, std::int64_t cols)>;

/// Makes a kernel of a tile function: loops over the broadcast result, in parallel where it is
/// large.
/// @param rows optional and faster for many short rows
bound_kernel bind_elementwise(const bind_args& b, tile_function tile, rows_function rows = {});

/// Writes n copies of one element of `bytes` bytes.
void fill(void* out, const void* value, std::int64_t n, std::size_t bytes);

/// Makes a tile function of `f(T...) -> R` in plain C++, for types that the kernels do not have.
template <class R, class... T, class F, std::size_t... I>
tile_function plain_tile(F f, std::index_sequence<I...>) {
  return [f](const void* const* in, const bool* scalar, void* out, std::int64_t n) {
    R* y = static_cast<R*>(out);
    const std::int64_t steps[] = {scalar[I] ? 0 : 1 ...};
    for (std::int64_t i = 0; i < n; ++i) {
      y[i] = static_cast<R>(f(static_cast<const T*>(in[I])[i * steps[I]]...));
    }
  };
}
template <class R, class... T, class F>
tile_function plain_tile(F f) {
  return plain_tile<R, T...>(f, std::index_sequence_for<T...>{});
}

/// Runs f(first, count) over [0, n) in chunks whose bounds depend on n alone.
void run_chunked(const kernel_call& call, std::int64_t n,
                 function_ref<void(std::int64_t first, std::int64_t count)> f);

// --- Oracles
// -------------------------------------------------------------------------------------------

/// Computes f for each element after broadcasting, in float64 unless the operands are of another
/// type.
/// @param type of the result
Array reference_elementwise(std::span<const Array> operands, dtype type,
                            const std::function<double(const double*)>& f);

/// The element at a flat place as a double.
double element_at(const Array& array, std::int64_t i);
void set_element(Array& array, std::int64_t i, double value);

// --- Gradients
// -----------------------------------------------------------------------------------------

value_type type_of(const any_tensor& t);

/// Sums a gradient of a broadcast result back to the shape of one operand.
/// @param others the other operands that took part; where they cannot have changed its shape
/// nothing is added
any_tensor unbroadcast(const any_tensor& gradient, const any_tensor& operand,
                       std::initializer_list<any_tensor> others);

/// The rule of operators that are constant almost everywhere: no gradient, and no error.
operand_gradients no_gradient(const gradient_args& a);

// --- Samples
// ---------------------------------------------------------------------------------------------

/// Float64 values spread over (low, high), no two alike, none at a multiple of a quarter.
Array spread(const dims& shape, double low, double high, int salt = 0);
/// The numbers 0, 1, 2 ... times step plus start, of an integer type.
Array counting(dtype type, const dims& shape, std::int64_t start, std::int64_t step);
/// Alternating truth values.
Array truths(const dims& shape, int salt = 0);

/// Samples of a unary operator: odd sizes, one element, none, rank 0.
std::vector<operator_sample> unary_samples(double low, double high,
                                           const attribute_list& attributes = {},
                                           bool twice = true);
/// Samples of a binary operator: equal shapes, scalars, rows, columns, inner axes, none.
std::vector<operator_sample> binary_samples(double low_a, double high_a, double low_b,
                                            double high_b, bool twice = true);

}  // namespace graft::support
