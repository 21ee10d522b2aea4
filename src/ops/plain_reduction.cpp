#include "ops/plain_reduction.hpp"

#include <algorithm>
#include <limits>
#include <type_traits>

#include "core/half.hpp"
#include "ops/support.hpp"

namespace graft::support {
namespace {

using kernels::reduce_op;

template <reduce_op Op, class T>
T combined(T a, T b) {
  if constexpr (Op == reduce_op::max) return std::max(a, b);
  if constexpr (Op == reduce_op::min) return std::min(a, b);
  // As unsigned 64-bit numbers: these wrap, and narrowing keeps the low bits.
  const auto x = static_cast<std::uint64_t>(a), y = static_cast<std::uint64_t>(b);
  return static_cast<T>(Op == reduce_op::prod ? x * y : x + y);
}

template <reduce_op Op, class T>
constexpr T start() {
  if constexpr (Op == reduce_op::max) return std::numeric_limits<T>::lowest();
  if constexpr (Op == reduce_op::min) return std::numeric_limits<T>::max();
  return Op == reduce_op::prod ? 1 : 0;
}

template <reduce_op Op, class T>
void columns(const void* x, void* y, std::int64_t outer, std::int64_t rows, std::int64_t inner,
             std::int64_t row_stride) {
  const T* from = static_cast<const T*>(x);
  T* to = static_cast<T*>(y);
  for (std::int64_t o = 0; o < outer; ++o, to += inner) {
    std::fill(to, to + inner, start<Op, T>());
    for (std::int64_t r = 0; r < rows; ++r, from += row_stride) {
      for (std::int64_t i = 0; i < inner; ++i) to[i] = combined<Op>(to[i], from[i]);
    }
  }
}

template <reduce_op Op, class T>
void rows(const void* x, void* y, std::int64_t count, std::int64_t cols) {
  columns<Op, T>(x, y, count, cols, 1, 1);
}

template <class T>
void argmax(const void* x, std::int64_t* y, std::int64_t count, std::int64_t cols) {
  const T* from = static_cast<const T*>(x);
  for (std::int64_t r = 0; r < count; ++r, from += cols)
    y[r] = std::max_element(from, from + cols) - from;
}

// Calls f(std::integral_constant of the operation) for those that integers have.
template <class F>
void with_operation(reduce_op op, F f) {
  switch (op) {
    case reduce_op::sum:
      return f(std::integral_constant<reduce_op, reduce_op::sum>());
    case reduce_op::prod:
      return f(std::integral_constant<reduce_op, reduce_op::prod>());
    case reduce_op::max:
      return f(std::integral_constant<reduce_op, reduce_op::max>());
    case reduce_op::min:
      return f(std::integral_constant<reduce_op, reduce_op::min>());
    default:
      return;
  }
}

template <class F>
void with_integer(dtype type, F f) {
  with_number_type(type, [&](auto zero) {
    if constexpr (std::is_integral_v<decltype(zero)>) f(zero);
  });
}

void widen(dtype type, const void* from, float* to, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    to[i] = type == dtype::float16 ? detail::to_float(static_cast<const float16*>(from)[i])
                                   : detail::to_float(static_cast<const bfloat16*>(from)[i]);
  }
}

void narrow(dtype type, const float* from, void* to, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    if (type == dtype::float16) {
      static_cast<float16*>(to)[i] = detail::to_float16(from[i]);
    } else {
      static_cast<bfloat16*>(to)[i] = detail::to_bfloat16(from[i]);
    }
  }
}

}  // namespace

kernels::reduce_rows_kernel plain_reduce_rows(reduce_op op, dtype type) {
  kernels::reduce_rows_kernel found = nullptr;
  with_integer(type, [&](auto zero) {
    with_operation(op, [&](auto o) { found = rows<decltype(o)::value, decltype(zero)>; });
  });
  return found;
}

kernels::reduce_columns_kernel plain_reduce_columns(reduce_op op, dtype type) {
  kernels::reduce_columns_kernel found = nullptr;
  with_integer(type, [&](auto zero) {
    with_operation(op, [&](auto o) { found = columns<decltype(o)::value, decltype(zero)>; });
  });
  return found;
}

kernels::arg_rows_kernel plain_argmax_rows(dtype type) {
  kernels::arg_rows_kernel found = nullptr;
  with_integer(type, [&](auto zero) { found = argmax<decltype(zero)>; });
  return found;
}

tensor_info widened(const tensor_info& info) {
  return {is_half(info.type) ? dtype::float32 : info.type, info.shape, info.size};
}

bound_kernel widen_halves(const bind_args& b, bound_kernel inner) {
  const auto aligned = [](std::int64_t count) {
    return (static_cast<std::size_t>(count) * sizeof(float) + 63) / 64 * 64;
  };
  const tensor_info &x = b.inputs[0], &y = b.outputs[0];
  const std::size_t operand = aligned(x.size), result = is_half(y.type) ? aligned(y.size) : 0;
  bound_kernel kernel;
  kernel.scratch_bytes = operand + result + inner.scratch_bytes;
  kernel.run = [=, run = std::move(inner.run), from = x.type, to = y.type, n = x.size,
                m = y.size](const kernel_call& call) {
    auto* wide = reinterpret_cast<float*>(call.scratch);
    auto* wide_result = reinterpret_cast<float*>(call.scratch + operand);
    run_chunked(call, n, [&](std::int64_t first, std::int64_t count) {
      widen(from, static_cast<const std::uint16_t*>(call.in[0]) + first, wide + first, count);
    });
    const void* const in[] = {wide};
    void* const out[] = {result > 0 ? wide_result : call.out[0]};
    run({in, out, call.scratch + operand + result, call.parallel, call.seed});
    if (result > 0) narrow(to, wide_result, call.out[0], m);
  };
  return kernel;
}

}  // namespace graft::support
