// Arithmetic of whole numbers and truth values, one at a time: integers wrap, nothing is undefined.

// The unsigned type to compute in: wide enough that promotion to int cannot overflow.
template <class T>
using wrapping = std::conditional_t<sizeof(T) == 8, std::uint64_t, std::uint32_t>;

template <class T>
inline constexpr T lowest_whole =
    std::is_signed_v<T> ? static_cast<T>(std::uint64_t{1} << (8 * sizeof(T) - 1)) : T(0);
template <class T>
inline constexpr T highest_whole = static_cast<T>(~lowest_whole<T>);

template <class T>
GRAFT_INLINE T wrapping_product(T a, T b) {
  return static_cast<T>(static_cast<wrapping<T>>(a) * static_cast<wrapping<T>>(b));
}
template <class T>
GRAFT_INLINE T wrapping_sum(T a, T b) {
  return static_cast<T>(static_cast<wrapping<T>>(a) + static_cast<wrapping<T>>(b));
}
template <class T>
GRAFT_INLINE T wrapping_difference(T a, T b) {
  return static_cast<T>(static_cast<wrapping<T>>(a) - static_cast<wrapping<T>>(b));
}

template <class T>
T whole_power(T a, T b) {
  if (b < T(0)) {  // the exact value is a fraction but for a = 1 and -1
    if (a == T(1)) return T(1);
    if (std::is_signed_v<T> && a == static_cast<T>(-1)) return (b & T(1)) != 0 ? a : T(1);
    return T(0);
  }
  T result = T(1);
  for (; b > T(0); b = static_cast<T>(b >> 1)) {
    if ((b & T(1)) != 0) result = wrapping_product(result, a);
    a = wrapping_product(a, a);
  }
  return result;
}
template <class T>
GRAFT_INLINE T whole_quotient(T a, T b) {
  if (b == T(0)) return T(0);
  if (std::is_signed_v<T> && b == static_cast<T>(-1)) return wrapping_difference(T(0), a);
  return static_cast<T>(a / b);
}

// Towards zero, within what T holds; NaN gives 0.
template <class T, class F>
GRAFT_INLINE T saturate(F x) {
  // The highest value itself may be no floating-point number; one above it always is.
  constexpr F end =
      static_cast<F>(std::uint64_t{1} << (8 * sizeof(T) - (std::is_signed_v<T> ? 2 : 1))) * F(2);
  if (!(x == x)) return T(0);
  if (x >= end) return highest_whole<T>;
  if (x <= static_cast<F>(lowest_whole<T>)) return lowest_whole<T>;
  return static_cast<T>(x);
}

template <class To, class From>
GRAFT_INLINE To convert(From x) {
  if constexpr (std::is_same_v<To, bool>) {
    return x != From(0);
  } else if constexpr (is_real<From> && !is_real<To>) {
    return saturate<To>(x);
  } else {
    return static_cast<To>(x);
  }
}

// The operators of forms on whole numbers and truth values.
template <form_op Op, class T>
GRAFT_INLINE auto whole(numbers n, T a) {
  if constexpr (Op == form_op::logical_not)
    return !a;
  else if constexpr (Op == form_op::neg)
    return wrapping_difference(T(0), a);
  else if constexpr (Op == form_op::abs)
    return a < T(0) ? wrapping_difference(T(0), a) : a;
  else if constexpr (Op == form_op::sign)
    return static_cast<T>((a > T(0)) - (a < T(0)));
  else if constexpr (Op == form_op::square)
    return wrapping_product(a, a);
  else {
    static_assert(Op == form_op::clip);
    const T low = saturate<T>(__builtin_ceil(n.first)),
            high = saturate<T>(__builtin_floor(n.second));
    return a < low ? low : a > high ? high : a;
  }
}
template <form_op Op, class T>
GRAFT_INLINE auto whole(numbers, T a, T b) {
  if constexpr (Op == form_op::equal)
    return a == b;
  else if constexpr (Op == form_op::not_equal)
    return a != b;
  else if constexpr (Op == form_op::less)
    return a < b;
  else if constexpr (Op == form_op::less_equal)
    return a <= b;
  else if constexpr (Op == form_op::greater)
    return a > b;
  else if constexpr (Op == form_op::greater_equal)
    return a >= b;
  else if constexpr (Op == form_op::logical_and)
    return a && b;
  else if constexpr (Op == form_op::logical_or)
    return a || b;
  else if constexpr (Op == form_op::logical_xor)
    return a != b;
  else if constexpr (Op == form_op::add)
    return wrapping_sum(a, b);
  else if constexpr (Op == form_op::sub)
    return wrapping_difference(a, b);
  else if constexpr (Op == form_op::mul)
    return wrapping_product(a, b);
  else if constexpr (Op == form_op::div)
    return whole_quotient(a, b);
  else if constexpr (Op == form_op::pow)
    return whole_power(a, b);
  else if constexpr (Op == form_op::maximum)
    return a < b ? b : a;
  else if constexpr (Op == form_op::minimum)
    return b < a ? b : a;
  else {
    static_assert(Op == form_op::squared_difference);
    const T d = wrapping_difference(a, b);
    return wrapping_product(d, d);
  }
}
template <form_op Op, class T>
GRAFT_INLINE T whole(numbers, bool condition, T a, T b) {
  static_assert(Op == form_op::select);
  return condition ? a : b;
}
