// Elementwise functions of two operands.
#include "integer.hpp"
#include "lookups.hpp"
#include "map.hpp"
#include "vector_math.hpp"

namespace graft::kernels::GRAFT_KERNEL_ISA {
namespace {

GRAFT_INLINE float remainder_of(float a, float b) { return __builtin_fmodf(a, b); }
GRAFT_INLINE double remainder_of(double a, double b) { return __builtin_fmod(a, b); }

template <class T>
T power(T a, T b) {
  if (b < T(0)) {  // the exact value is a fraction but for a = 1 and -1
    if (a == T(1)) return T(1);
    if constexpr (T(-1) < T(0)) {
      if (a == T(-1)) return (b & T(1)) != 0 ? T(-1) : T(1);
    }
    return T(0);
  }
  T result = T(1);
  while (b > T(0)) {
    if ((b & T(1)) != 0) result = wrapping_mul(result, a);
    a = wrapping_mul(a, a);
    b = static_cast<T>(b >> 1);
  }
  return result;
}

template <class T, binary_op Op>
inline constexpr bool is_scalar_op = Op == binary_op::pow || Op == binary_op::mod;

template <class T, binary_op Op>
T apply_scalar(T a, T b) {
  if constexpr (Op == binary_op::pow) {
    if constexpr (T(0.5) != T(0)) {
      if (b == T(2)) return a * a;  // the common case, and exact like the library's
    }
    if constexpr (T(0.5) != T(0))
      return library_power(a, b);
    else
      return power(a, b);
  } else if constexpr (T(0.5) != T(0)) {
    const T r = remainder_of(a, b);
    if (r != T(0)) return (r < T(0)) != (b < T(0)) ? r + b : r;
    return r == r ? (b < T(0) ? -T(0) : T(0)) : r;
  } else {
    if (b == T(0)) return T(0);
    if constexpr (T(-1) < T(0)) {
      if (b == T(-1)) return T(0);  // the one quotient that would overflow
    }
    const T r = static_cast<T>(a % b);
    return r != 0 && (r < T(0)) != (b < T(0)) ? static_cast<T>(r + b) : r;
  }
}

// The name in forms of an operation on vectors.
constexpr form_op form_op_of(binary_op op) {
  switch (op) {
    case binary_op::add:
      return form_op::add;
    case binary_op::sub:
      return form_op::sub;
    case binary_op::mul:
      return form_op::mul;
    case binary_op::div:
      return form_op::div;
    case binary_op::min:
      return form_op::minimum;
    case binary_op::max:
      return form_op::maximum;
    default:
      return form_op::squared_difference;
  }
}

template <class T, binary_op Op>
GRAFT_INLINE T apply_integer(T a, T b) {
  if constexpr (Op == binary_op::add)
    return wrapping_add(a, b);
  else if constexpr (Op == binary_op::sub)
    return wrapping_sub(a, b);
  else if constexpr (Op == binary_op::mul)
    return wrapping_mul(a, b);
  else if constexpr (Op == binary_op::min)
    return b < a ? b : a;
  else if constexpr (Op == binary_op::max)
    return a < b ? b : a;
  else if constexpr (Op == binary_op::squared_difference) {
    const T d = wrapping_sub(a, b);
    return wrapping_mul(d, d);
  } else if constexpr (Op == binary_op::div) {
    if (b == T(0)) return T(0);
    if constexpr (T(-1) < T(0)) {
      if (b == T(-1)) return wrapping_sub(T(0), a);
    }
    return static_cast<T>(a / b);
  } else if constexpr (Op == binary_op::logical_and)
    return (a != 0) & (b != 0);
  else if constexpr (Op == binary_op::logical_or)
    return (a != 0) | (b != 0);
  else if constexpr (Op == binary_op::logical_xor)
    return (a != 0) ^ (b != 0);
  else
    return apply_scalar<T, Op>(a, b);
}

template <class T, binary_op Op, operands Mode>
GRAFT_INLINE void row(const T* a, const T* b, T* y, int64_t n) {
  if constexpr (T(0.5) != T(0) && !is_scalar_op<T, Op>) {
    if constexpr (Mode == operands::vv) {
      map2<T>(a, b, y, n, [](vec<T> p, vec<T> q) __attribute__((always_inline)) {
        return apply_binary<T, form_op_of(Op)>(p, q);
      });
    } else if constexpr (Mode == operands::vs) {
      const vec<T> s(n > 0 ? *b : T(0));
      map1<T>(a, y, n, [s](vec<T> p) __attribute__((always_inline)) {
        return apply_binary<T, form_op_of(Op)>(p, s);
      });
    } else {
      const vec<T> s(n > 0 ? *a : T(0));
      map1<T>(b, y, n, [s](vec<T> p) __attribute__((always_inline)) {
        return apply_binary<T, form_op_of(Op)>(s, p);
      });
    }
  } else {
    if (n <= 0) return;
    const T sa = *a, sb = *b;  // copies: y may be the very same memory
    for (int64_t i = 0; i < n; ++i) {
      const T p = Mode == operands::sv ? sa : a[i], q = Mode == operands::vs ? sb : b[i];
      if constexpr (T(0.5) != T(0))
        y[i] = apply_scalar<T, Op>(p, q);
      else
        y[i] = apply_integer<T, Op>(p, q);
    }
  }
}

template <class T, binary_op Op, operands Mode>
void run(const void* a, const void* b, void* y, int64_t n) {
  row<T, Op, Mode>(static_cast<const T*>(a), static_cast<const T*>(b), static_cast<T*>(y), n);
}

template <class T, binary_op Op, operands Mode>
void run_rows(const void* a, int64_t a_stride, const void* b, int64_t b_stride, void* y,
              int64_t rows, int64_t cols) {
  const T* p = static_cast<const T*>(a);
  const T* q = static_cast<const T*>(b);
  T* out = static_cast<T*>(y);
  for (int64_t r = 0; r < rows; ++r) {
    row<T, Op, Mode>(p + r * a_stride, q + r * b_stride, out + r * cols, cols);
  }
}

struct kernels {
  binary_kernel flat = nullptr;
  binary_rows_kernel rows = nullptr;
};

template <class T, binary_op Op>
kernels by_mode(operands mode) {
  switch (mode) {
    case operands::vv:
      return {run<T, Op, operands::vv>, run_rows<T, Op, operands::vv>};
    case operands::vs:
      return {run<T, Op, operands::vs>, run_rows<T, Op, operands::vs>};
    case operands::sv:
      return {run<T, Op, operands::sv>, run_rows<T, Op, operands::sv>};
    default:
      return {};
  }
}

template <class T>
kernels arithmetic(binary_op op, operands mode) {
#define GRAFT_CASE(name) \
  case binary_op::name:  \
    return by_mode<T, binary_op::name>(mode)
  switch (op) {
    GRAFT_CASE(add);
    GRAFT_CASE(sub);
    GRAFT_CASE(mul);
    GRAFT_CASE(div);
    GRAFT_CASE(min);
    GRAFT_CASE(max);
    GRAFT_CASE(pow);
    GRAFT_CASE(mod);
    GRAFT_CASE(squared_difference);
    default:
      return {};
  }
}

kernels logical(binary_op op, operands mode) {
  using T = std::uint8_t;
  switch (op) {
    GRAFT_CASE(logical_and);
    GRAFT_CASE(logical_or);
    GRAFT_CASE(logical_xor);
    default:
      return {};
  }
#undef GRAFT_CASE
}

kernels find(binary_op op, element e, operands mode) {
  switch (e) {
    case element::f32:
      return arithmetic<float>(op, mode);
    case element::f64:
      return arithmetic<double>(op, mode);
    case element::b8:
      return logical(op, mode);
    default:
      return with_integer<kernels>(e, [=]<class T>() { return arithmetic<T>(op, mode); });
  }
}

}  // namespace

binary_kernel binary(binary_op op, element e, operands mode) { return find(op, e, mode).flat; }
binary_rows_kernel binary_rows(binary_op op, element e, operands mode) {
  return find(op, e, mode).rows;
}

}  // namespace graft::kernels::GRAFT_KERNEL_ISA
