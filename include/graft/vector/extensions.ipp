// Vectors in the compiler's vector extensions, and the functions of them: for code that is written into
// users' own files. Included once for each instruction set, inside a namespace of its own, inside a region
// in which the compiler may use that set. GRAFT_VECTOR_BYTES tells the bytes of a vector, GRAFT_VECTOR_AVX2
// whether AVX2 and FMA are there.
//
// Vector types are named in full specialisations, never through template arguments, which would
// drop their alignment.

using std::int64_t;

template <class T>
struct vec;

#define GRAFT_VECTOR_COMMON(T)                                                                     \
  typedef T raw __attribute__((vector_size(GRAFT_VECTOR_BYTES)));                                  \
  typedef T loose __attribute__((vector_size(GRAFT_VECTOR_BYTES), aligned(sizeof(T)), may_alias)); \
  raw v;                                                                                           \
  vec() = default;                                                                                 \
  GRAFT_INLINE vec(raw x) : v(x) {}

#define GRAFT_VECTOR_REAL(T)                                                   \
  template <>                                                                  \
  struct vec<T> {                                                              \
    GRAFT_VECTOR_COMMON(T)                                                     \
    GRAFT_INLINE explicit vec(T x) : v(x - raw{}) {}                           \
    friend GRAFT_INLINE vec operator+(vec a, vec b) { return vec(a.v + b.v); } \
    friend GRAFT_INLINE vec operator-(vec a, vec b) { return vec(a.v - b.v); } \
    GRAFT_INLINE vec operator-() const { return vec(-v); }                     \
    friend GRAFT_INLINE vec operator*(vec a, vec b) { return vec(a.v * b.v); } \
    friend GRAFT_INLINE vec operator/(vec a, vec b) { return vec(a.v / b.v); } \
  };
// Sums of integers wrap.
#define GRAFT_VECTOR_WHOLE(T, U)                                               \
  template <>                                                                  \
  struct vec<T> {                                                              \
    GRAFT_VECTOR_COMMON(T)                                                     \
    GRAFT_INLINE explicit vec(T x) : v(x + raw{}) {}                           \
    typedef U wrapping __attribute__((vector_size(GRAFT_VECTOR_BYTES)));       \
    friend GRAFT_INLINE vec operator+(vec a, vec b) {                          \
      return vec((raw)((wrapping)a.v + (wrapping)b.v));                        \
    }                                                                          \
    friend GRAFT_INLINE vec operator-(vec a, vec b) {                          \
      return vec((raw)((wrapping)a.v - (wrapping)b.v));                        \
    }                                                                          \
    GRAFT_INLINE vec operator~() const { return vec(~v); }                     \
    friend GRAFT_INLINE vec operator&(vec a, vec b) { return vec(a.v & b.v); } \
    friend GRAFT_INLINE vec operator|(vec a, vec b) { return vec(a.v | b.v); } \
    friend GRAFT_INLINE vec operator^(vec a, vec b) { return vec(a.v ^ b.v); } \
    friend GRAFT_INLINE vec operator<<(vec a, int n) { return vec(a.v << n); } \
    friend GRAFT_INLINE vec operator>>(vec a, int n) { return vec(a.v >> n); } \
  };
GRAFT_VECTOR_REAL(float)
GRAFT_VECTOR_REAL(double)
GRAFT_VECTOR_WHOLE(std::int32_t, std::uint32_t)
GRAFT_VECTOR_WHOLE(std::int64_t, std::uint64_t)
#undef GRAFT_VECTOR_COMMON
#undef GRAFT_VECTOR_REAL
#undef GRAFT_VECTOR_WHOLE

template <class T>
inline constexpr int64_t width = GRAFT_VECTOR_BYTES / static_cast<int64_t>(sizeof(T));

template <class T>
struct int_of;
template <>
struct int_of<float> {
  using type = std::int32_t;
};
template <>
struct int_of<double> {
  using type = std::int64_t;
};
template <class T>
using ivec = vec<typename int_of<T>::type>;

// All bits of a lane where it holds, none where not.
template <class T>
struct mask {
  ivec<T> m;
  friend GRAFT_INLINE mask operator&(mask a, mask b) { return {a.m & b.m}; }
  friend GRAFT_INLINE mask operator|(mask a, mask b) { return {a.m | b.m}; }
  friend GRAFT_INLINE mask operator^(mask a, mask b) { return {a.m ^ b.m}; }
  GRAFT_INLINE mask operator!() const { return {~m}; }
};

#define GRAFT_VECTOR_FUNCTIONS(T, I)                                                               \
  GRAFT_INLINE mask<T> operator==(vec<T> a, vec<T> b) {                                            \
    return {vec<I>((typename vec<I>::raw)(a.v == b.v))};                                           \
  }                                                                                                \
  GRAFT_INLINE mask<T> operator<(vec<T> a, vec<T> b) {                                             \
    return {vec<I>((typename vec<I>::raw)(a.v < b.v))};                                            \
  }                                                                                                \
  GRAFT_INLINE mask<T> operator<=(vec<T> a, vec<T> b) {                                            \
    return {vec<I>((typename vec<I>::raw)(a.v <= b.v))};                                           \
  }                                                                                                \
  GRAFT_INLINE mask<T> operator>(vec<T> a, vec<T> b) { return b < a; }                             \
  GRAFT_INLINE mask<T> operator>=(vec<T> a, vec<T> b) { return b <= a; }                           \
  GRAFT_INLINE mask<T> not_equal(vec<T> a, vec<T> b) { return !(a == b); }                         \
  GRAFT_INLINE mask<T> is_nan(vec<T> x) { return !(x == x); }                                      \
  GRAFT_INLINE vec<T> select(mask<T> m, vec<T> a, vec<T> b) { return vec<T>(m.m.v ? a.v : b.v); }  \
  GRAFT_INLINE vec<T> load(const T* p) {                                                           \
    return vec<T>(*reinterpret_cast<const typename vec<T>::loose*>(p));                            \
  }                                                                                                \
  GRAFT_INLINE void store(T* p, vec<T> x) { *reinterpret_cast<typename vec<T>::loose*>(p) = x.v; } \
  template <class U>                                                                               \
    requires std::is_same_v<U, T>                                                                  \
  GRAFT_INLINE vec<I> to_bits(vec<U> x) {                                                          \
    return vec<I>((typename vec<I>::raw)x.v);                                                      \
  }                                                                                                \
  template <class U>                                                                               \
    requires std::is_same_v<U, T>                                                                  \
  GRAFT_INLINE vec<U> from_bits(vec<I> x) {                                                        \
    return vec<U>((typename vec<U>::raw)x.v);                                                      \
  }
GRAFT_VECTOR_FUNCTIONS(float, std::int32_t)
GRAFT_VECTOR_FUNCTIONS(double, std::int64_t)
#undef GRAFT_VECTOR_FUNCTIONS

#if defined(GRAFT_VECTOR_AVX2)
GRAFT_INLINE vec<float> fma(vec<float> a, vec<float> b, vec<float> c) {
  return vec<float>(__builtin_ia32_vfmaddps256(a.v, b.v, c.v));
}
GRAFT_INLINE vec<double> fma(vec<double> a, vec<double> b, vec<double> c) {
  return vec<double>(__builtin_ia32_vfmaddpd256(a.v, b.v, c.v));
}
#else
template <class T>
GRAFT_INLINE vec<T> fma(vec<T> a, vec<T> b, vec<T> c) {
  return a * b + c;
}
#endif

template <class T>
GRAFT_INLINE vec<T> sqrt(vec<T> x) {
#if defined(__clang__) && __clang_major__ >= 17
  return vec<T>(__builtin_elementwise_sqrt(x.v));
#else
  for (int64_t i = 0; i < width<T>; ++i) {
    if constexpr (sizeof(T) == 4)
      x.v[i] = __builtin_sqrtf(x.v[i]);
    else
      x.v[i] = __builtin_sqrt(x.v[i]);
  }
  return x;
#endif
}

// x within [low, high], NaN staying NaN.
template <class T>
GRAFT_INLINE vec<T> clamp(vec<T> x, vec<T> low, vec<T> high) {
  const vec<T> bounded = select(low > x, low, x);
  return select(high < bounded, high, bounded);
}

template <class T>
GRAFT_INLINE bool any(mask<T> m) {
  bool result = false;
  for (int64_t i = 0; i < width<T>; ++i) result = result || m.m.v[i] != 0;
  return result;
}

// The first n < width elements; the other lanes are zero. Touches no byte beyond them.
template <class T>
GRAFT_INLINE vec<T> load_partial(const T* p, int64_t n) {
  vec<T> x(T(0));
  for (int64_t i = 0; i < n; ++i) x.v[i] = p[i];
  return x;
}
template <class T>
GRAFT_INLINE void store_partial(T* p, vec<T> x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) p[i] = x.v[i];
}

// Each uses those before it.
// clang-format off
#include "graft/vector/primitives.ipp"
#include "graft/vector/math.ipp"
#include "graft/vector/operators.ipp"
// clang-format on
