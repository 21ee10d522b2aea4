// Arithmetic of vectors that is written by means of a few operations: fma, select, is_nan, to_bits and
// from_bits. Included inside a namespace that has those, once for each instruction set.

// c - a * b
template <class T>
GRAFT_INLINE vec<T> fnma(vec<T> a, vec<T> b, vec<T> c) {
  return fma(-a, b, c);
}

// NaN wins whichever side it is on; which operand the machine's max returns then changed between
// versions.
template <class T>
GRAFT_INLINE vec<T> maximum(vec<T> a, vec<T> b) {
  return select((a > b) | is_nan(a), a, b);
}
template <class T>
GRAFT_INLINE vec<T> minimum(vec<T> a, vec<T> b) {
  return select((a < b) | is_nan(a), a, b);
}

// The same for reductions, which have no first and second: of two zeros the positive one is the larger (IEEE 754-2019, maximum
// and minimum), so that neither the order of the elements nor the width of vectors shows.
template <class T>
GRAFT_INLINE vec<T> largest(vec<T> a, vec<T> b) {
  return select(a == b, from_bits<T>(to_bits<T>(a) & to_bits<T>(b)), maximum(a, b));
}
template <class T>
GRAFT_INLINE vec<T> smallest(vec<T> a, vec<T> b) {
  return select(a == b, from_bits<T>(to_bits<T>(a) | to_bits<T>(b)), minimum(a, b));
}
template <class T>
GRAFT_INLINE T largest(T a, T b) {
  if constexpr (T(0.5) == T(0))
    return a > b ? a : b;
  else
    return a > b || a != a || (a == b && __builtin_signbit(b)) ? a : b;
}
template <class T>
GRAFT_INLINE T smallest(T a, T b) {
  if constexpr (T(0.5) == T(0))
    return a < b ? a : b;
  else
    return a < b || a != a || (a == b && __builtin_signbit(a)) ? a : b;
}

template <class T>
GRAFT_INLINE vec<T> absolute(vec<T> x) {
  return from_bits<T>(to_bits<T>(x) & ~to_bits<T>(vec<T>(T(-0.0))));
}
// The magnitude of x with the sign of s.
template <class T>
GRAFT_INLINE vec<T> copy_sign(vec<T> x, vec<T> s) {
  const ivec<T> sign = to_bits<T>(vec<T>(T(-0.0)));
  return from_bits<T>((to_bits<T>(x) & ~sign) | (to_bits<T>(s) & sign));
}

template <class T>
struct traits;
template <>
struct traits<float> {
  static constexpr int mantissa = 23;
  static constexpr std::int32_t bias = 127;
  static constexpr float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  static constexpr float infinity = __builtin_inff();
  static constexpr float nan = __builtin_nanf("");
  static constexpr float highest = 3.40282346638528859812e+38f;
  static constexpr float smallest_normal = 1.17549435082228750797e-38f;
};
template <>
struct traits<double> {
  static constexpr int mantissa = 52;
  static constexpr std::int64_t bias = 1023;
  static constexpr double magic = 6755399441055744.0;  // 1.5 * 2^52
  static constexpr double infinity = __builtin_inf();
  static constexpr double nan = __builtin_nan("");
  static constexpr double highest = 1.79769313486231570815e+308;
  static constexpr double smallest_normal = 2.22507385850720138309e-308;
};

// To the nearest integer, ties to even, for |x| < 2^22 (2^51).
template <class T>
GRAFT_INLINE vec<T> round_small(vec<T> x) {
  const vec<T> magic(traits<T>::magic);
  return (x + magic) - magic;
}

// To the nearest integer, ties to even; any x, sign of zero kept.
template <class T>
GRAFT_INLINE vec<T> round_even(vec<T> x) {
#if defined GRAFT_VECTOR_512
  if constexpr (sizeof(T) == 4) {
    return vec<T>(_mm512_roundscale_ps(x, 8));
  } else {
    return vec<T>(_mm512_roundscale_pd(x, 8));
  }
#else
  const vec<T> a = absolute(x);
  const vec<T> limit(static_cast<T>(int64_t{1} << traits<T>::mantissa));
  return select(a < limit, copy_sign((a + limit) - limit, x), x);
#endif
}
template <class T>
GRAFT_INLINE vec<T> floor(vec<T> x) {
  const vec<T> r = round_even(x);
  return copy_sign(select(r > x, r - vec<T>(T(1)), r), x);
}
template <class T>
GRAFT_INLINE vec<T> ceil(vec<T> x) {
  const vec<T> r = round_even(x);
  return copy_sign(select(r < x, r + vec<T>(T(1)), r), x);
}

// 2^n for an integer n held as floating point, within the exponents of normal numbers.
template <class T>
GRAFT_INLINE vec<T> power_of_two(vec<T> n) {
  // The integer sits in the low bits once the magic number is added; the shift drops all else.
  const vec<T> shifted = n + vec<T>(traits<T>::magic + static_cast<T>(traits<T>::bias));
  return from_bits<T>(to_bits<T>(shifted) << traits<T>::mantissa);
}

// x * 2^n for an integer n within twice the exponent range, right for subnormal results too.
template <class T>
GRAFT_INLINE vec<T> scale_by_power(vec<T> x, vec<T> n) {
#if defined GRAFT_VECTOR_512
  if constexpr (sizeof(T) == 4) {
    return vec<T>(_mm512_scalef_ps(x, n));
  } else {
    return vec<T>(_mm512_scalef_pd(x, n));
  }
#else
  const vec<T> half = round_small(n * vec<T>(T(0.5)));
  return x * power_of_two<T>(half) * power_of_two<T>(n - half);
#endif
}
