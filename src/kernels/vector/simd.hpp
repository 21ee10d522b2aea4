// The bridge to xsimd, and the only file that names it.
//
// Everything in this folder is compiled once per instruction set, inside a namespace named after
// the set (GRAFT_KERNEL_ISA, given by the build). Nothing outside such a namespace may be defined
// here, and no function of the standard library may be called from a kernel unless it is a plain
// external one: an inline function compiled with wide instructions could become the copy the linker
// keeps for everybody.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include <immintrin.h>
#include <xsimd/xsimd.hpp>

#ifndef GRAFT_KERNEL_ISA
#error "the build names the instruction set: sse2, avx2 or avx512"
#endif

#define GRAFT_INLINE inline __attribute__((always_inline))
#if defined __AVX512F__
#define GRAFT_VECTOR_512 1
#endif

namespace graft::kernels::GRAFT_KERNEL_ISA {

using std::int64_t;

#if defined __AVX512F__
using arch = xsimd::avx512bw;
#elif defined __AVX2__
using arch = xsimd::fma3<xsimd::avx2>;
#else
using arch = xsimd::sse2;
#endif

template <class T>
using vec = xsimd::batch<T, arch>;
template <class T>
using mask = xsimd::batch_bool<T, arch>;
template <class T>
inline constexpr int64_t width = static_cast<int64_t>(vec<T>::size);

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

template <class T>
constexpr T smaller(T a, T b) {
  return b < a ? b : a;
}
template <class T>
constexpr T larger(T a, T b) {
  return a < b ? b : a;
}

// ---- memory ----------------------------------------------------------------------------------

template <class T>
GRAFT_INLINE vec<T> load(const T* p) {
  return vec<T>::load_unaligned(p);
}
template <class T>
GRAFT_INLINE void store(T* p, vec<T> v) {
  v.store_unaligned(p);
}
template <class T>
GRAFT_INLINE vec<T> broadcast(T x) {
  return vec<T>(x);
}

#if defined __AVX2__ && !defined __AVX512F__
template <class T>
GRAFT_INLINE __m256i lane_mask(int64_t n) {
  if constexpr (sizeof(T) == 4) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)),
                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  } else {
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3));
  }
}
#endif

// The first n < width elements; the other lanes are zero. Touches no byte beyond them.
template <class T>
GRAFT_INLINE vec<T> load_partial(const T* p, int64_t n) {
#if defined __AVX512F__
  if constexpr (sizeof(T) == 4) {
    return vec<T>(_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1u), p));
  } else {
    return vec<T>(_mm512_maskz_loadu_pd(static_cast<__mmask8>((1u << n) - 1u), p));
  }
#elif defined __AVX2__
  if constexpr (sizeof(T) == 4) {
    return vec<T>(_mm256_maskload_ps(p, lane_mask<T>(n)));
  } else {
    return vec<T>(_mm256_maskload_pd(p, lane_mask<T>(n)));
  }
#else
  T lanes[width<T>] = {};
  for (int64_t i = 0; i < n; ++i) lanes[i] = p[i];
  return load(lanes);
#endif
}

template <class T>
GRAFT_INLINE void store_partial(T* p, vec<T> v, int64_t n) {
#if defined __AVX512F__
  if constexpr (sizeof(T) == 4) {
    _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1u), v);
  } else {
    _mm512_mask_storeu_pd(p, static_cast<__mmask8>((1u << n) - 1u), v);
  }
#elif defined __AVX2__
  if constexpr (sizeof(T) == 4) {
    _mm256_maskstore_ps(p, lane_mask<T>(n), v);
  } else {
    _mm256_maskstore_pd(p, lane_mask<T>(n), v);
  }
#else
  T lanes[width<T>];
  store(lanes, v);
  for (int64_t i = 0; i < n; ++i) p[i] = lanes[i];
#endif
}

// Lane i is set when i < n.
template <class T>
GRAFT_INLINE mask<T> lanes_below(int64_t n) {
  alignas(64) static constexpr T index[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return load<T>(index) < vec<T>(static_cast<T>(n));
}

// ---- arithmetic the operators do not give
// ---------------------------------------------------------

// a * b + c. The kernels are compiled without contraction, so a fused product is used exactly where
// this is called; sse2 has none and rounds twice. xsimd 8 has no fused form for AVX-512.
GRAFT_INLINE vec<float> fma(vec<float> a, vec<float> b, vec<float> c) {
#if defined __AVX512F__
  return vec<float>(_mm512_fmadd_ps(a, b, c));
#else
  return xsimd::fma(a, b, c);
#endif
}
GRAFT_INLINE vec<double> fma(vec<double> a, vec<double> b, vec<double> c) {
#if defined __AVX512F__
  return vec<double>(_mm512_fmadd_pd(a, b, c));
#else
  return xsimd::fma(a, b, c);
#endif
}
template <class T>
GRAFT_INLINE vec<T> select(mask<T> m, vec<T> a, vec<T> b) {
  return xsimd::select(m, a, b);
}
template <class T>
GRAFT_INLINE vec<T> sqrt(vec<T> x) {
  return xsimd::sqrt(x);
}
template <class T>
GRAFT_INLINE mask<T> is_nan(vec<T> x) {
  return xsimd::isnan(x);
}
template <class T>
GRAFT_INLINE bool any(mask<T> m) {
  return xsimd::any(m);
}

// xsimd's operator!= is false for NaN on AVX, true on SSE.
template <class T>
GRAFT_INLINE mask<T> not_equal(vec<T> a, vec<T> b) {
  return !(a == b);
}

// x within [low, high], NaN staying NaN: the machine's max and min return their second operand
// then.
GRAFT_INLINE vec<float> clamp(vec<float> x, vec<float> low, vec<float> high) {
#if defined __AVX512F__
  return vec<float>(_mm512_min_ps(high, _mm512_max_ps(low, x)));
#elif defined __AVX2__
  return vec<float>(_mm256_min_ps(high, _mm256_max_ps(low, x)));
#else
  return vec<float>(_mm_min_ps(high, _mm_max_ps(low, x)));
#endif
}
GRAFT_INLINE vec<double> clamp(vec<double> x, vec<double> low, vec<double> high) {
#if defined __AVX512F__
  return vec<double>(_mm512_min_pd(high, _mm512_max_pd(low, x)));
#elif defined __AVX2__
  return vec<double>(_mm256_min_pd(high, _mm256_max_pd(low, x)));
#else
  return vec<double>(_mm_min_pd(high, _mm_max_pd(low, x)));
#endif
}

// ---- bits
// ------------------------------------------------------------------------------------------

#if XSIMD_VERSION_MAJOR >= 11
template <class T>
GRAFT_INLINE ivec<T> to_bits(vec<T> x) {
  return xsimd::bitwise_cast<typename int_of<T>::type>(x);
}
template <class T>
GRAFT_INLINE vec<T> from_bits(ivec<T> x) {
  return xsimd::bitwise_cast<T>(x);
}
#else
template <class T>
GRAFT_INLINE ivec<T> to_bits(vec<T> x) {
  return xsimd::bitwise_cast<ivec<T>>(x);
}
template <class T>
GRAFT_INLINE vec<T> from_bits(ivec<T> x) {
  return xsimd::bitwise_cast<vec<T>>(x);
}
#endif

#include "graft/vector/primitives.ipp"

// ---- across lanes: the order is fixed
// ------------------------------------------------------------------

template <class T, class F>
GRAFT_INLINE T fold(vec<T> v, F f) {
  T lanes[width<T>];
  store(lanes, v);
  for (int64_t half = width<T> / 2; half > 0; half /= 2) {
    for (int64_t i = 0; i < half; ++i) lanes[i] = f(lanes[i], lanes[i + half]);
  }
  return lanes[0];
}
template <class T>
GRAFT_INLINE T sum(vec<T> v) {
  return fold(v, [](T a, T b) __attribute__((always_inline)) { return a + b; });
}

}  // namespace graft::kernels::GRAFT_KERNEL_ISA
