// Elementwise functions of one operand.
#include "integer.hpp"
#include "lookups.hpp"
#include "map.hpp"
#include "vector_math.hpp"

namespace graft::kernels::GRAFT_KERNEL_ISA {
namespace {

template <class T, form_op Op>
void run_float(const void* x, void* y, int64_t n, const double* params) {
  vec<T> p(T(0)), q(T(0));
  if constexpr (Op == form_op::leaky_relu || Op == form_op::elu)
    p = vec<T>(static_cast<T>(params[0]));
  if constexpr (Op == form_op::clip) {
    p = vec<T>(static_cast<T>(params[0]));
    q = vec<T>(static_cast<T>(params[1]));
  }
  map1<T>(static_cast<const T*>(x), static_cast<T*>(y), n,
          [p, q](vec<T> v) __attribute__((always_inline)) { return apply_unary<T, Op>(v, p, q); });
}

template <class T>
void run_is_nan(const void* x, void* y, int64_t n, const double*) {
  const T* in = static_cast<const T*>(x);
  std::uint8_t* out = static_cast<std::uint8_t*>(y);
  for (int64_t i = 0; i < n; ++i) out[i] = in[i] != in[i];
}

template <class T, unary_op Op>
void run_integer(const void* x, void* y, int64_t n, const double* params) {
  using U = wrapping_t<T>;  // integers wrap
  const T* in = static_cast<const T*>(x);
  T* out = static_cast<T*>(y);
  T low = 0, high = 0;
  if constexpr (Op == unary_op::clip) {
    low = saturate<T>(__builtin_ceil(params[0]));
    high = saturate<T>(__builtin_floor(params[1]));
  }
  for (int64_t i = 0; i < n; ++i) {
    const T v = in[i];
    const U u = static_cast<U>(v);
    if constexpr (Op == unary_op::neg)
      out[i] = static_cast<T>(U(0) - u);
    else if constexpr (Op == unary_op::abs)
      out[i] = static_cast<T>(v < T(0) ? U(0) - u : u);
    else if constexpr (Op == unary_op::sign)
      out[i] = static_cast<T>((v > T(0)) - (v < T(0)));
    else if constexpr (Op == unary_op::square)
      out[i] = static_cast<T>(u * u);
    else if constexpr (Op == unary_op::relu)
      out[i] = v < T(0) ? T(0) : v;
    else
      out[i] = v < low ? low : v > high ? high : v;
  }
}

void run_not(const void* x, void* y, int64_t n, const double*) {
  const std::uint8_t* in = static_cast<const std::uint8_t*>(x);
  std::uint8_t* out = static_cast<std::uint8_t*>(y);
  for (int64_t i = 0; i < n; ++i) out[i] = in[i] == 0;
}

void run_not_nan(const void*, void* y, int64_t n, const double*) {
  if (n > 0) std::memset(y, 0, static_cast<std::size_t>(n));
}

template <class T>
unary_kernel float_kernel(unary_op op) {
#define GRAFT_CASE(name) \
  case unary_op::name:   \
    return run_float<T, form_op::name>
  switch (op) {
    GRAFT_CASE(neg);
    GRAFT_CASE(abs);
    GRAFT_CASE(sign);
    GRAFT_CASE(exp);
    GRAFT_CASE(log);
    GRAFT_CASE(log1p);
    GRAFT_CASE(expm1);
    GRAFT_CASE(sqrt);
    GRAFT_CASE(rsqrt);
    GRAFT_CASE(reciprocal);
    GRAFT_CASE(square);
    GRAFT_CASE(sin);
    GRAFT_CASE(cos);
    GRAFT_CASE(tanh);
    GRAFT_CASE(sigmoid);
    GRAFT_CASE(relu);
    GRAFT_CASE(softplus);
    GRAFT_CASE(erf);
    GRAFT_CASE(gelu);
    GRAFT_CASE(gelu_tanh);
    GRAFT_CASE(silu);
    GRAFT_CASE(floor);
    GRAFT_CASE(ceil);
    GRAFT_CASE(round);
    GRAFT_CASE(leaky_relu);
    GRAFT_CASE(elu);
    GRAFT_CASE(clip);
    case unary_op::is_nan:
      return run_is_nan<T>;
    default:
      return nullptr;
  }
#undef GRAFT_CASE
}

template <class T>
unary_kernel integer_kernel(unary_op op) {
#define GRAFT_CASE(name) \
  case unary_op::name:   \
    return run_integer<T, unary_op::name>
  switch (op) {
    GRAFT_CASE(neg);
    GRAFT_CASE(abs);
    GRAFT_CASE(sign);
    GRAFT_CASE(square);
    GRAFT_CASE(relu);
    GRAFT_CASE(clip);
    case unary_op::is_nan:
      return run_not_nan;
    default:
      return nullptr;
  }
#undef GRAFT_CASE
}

}  // namespace

unary_kernel unary(unary_op op, element e) {
  switch (e) {
    case element::f32:
      return float_kernel<float>(op);
    case element::f64:
      return float_kernel<double>(op);
    case element::b8:
      return op == unary_op::logical_not ? run_not : op == unary_op::is_nan ? run_not_nan : nullptr;
    default:
      return with_integer<unary_kernel>(e, [op]<class T>() { return integer_kernel<T>(op); });
  }
}

}  // namespace graft::kernels::GRAFT_KERNEL_ISA
