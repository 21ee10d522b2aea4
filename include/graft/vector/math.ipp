// Functions of one vector: a few ulp, right at infinities, NaN in gives NaN out.
//
// Included once for each instruction set, inside a namespace that has a vector type `vec<T>` of
// floats and of doubles and its primitives (load, fma, select, to_bits, ...): the library's kernels
// and those of users' own chains are made of the same functions.

template <class T, class... C>
GRAFT_INLINE vec<T> horner(vec<T> x, vec<T> acc, T c, C... rest) {
  acc = fma(acc, x, vec<T>(c));
  if constexpr (sizeof...(rest) > 0)
    return horner<T>(x, acc, rest...);
  else
    return acc;
}
// Coefficients from the highest power down.
template <class T, class... C>
GRAFT_INLINE vec<T> polynomial(vec<T> x, T first, C... rest) {
  return horner<T>(x, vec<T>(first), static_cast<T>(rest)...);
}

// x = n ln 2 + r, |r| <= ln 2 / 2. The high part of ln 2 has trailing zeros, so n times it is
// exact.
template <class T>
struct reduced {
  vec<T> n, r;
};
template <class T>
GRAFT_INLINE reduced<T> reduce_by_ln2(vec<T> x) {
  const vec<T> n = round_small(x * vec<T>(T(1.44269504088896340736)));
  vec<T> r;
  if constexpr (sizeof(T) == 4) {
    r = fnma<T>(n, vec<T>(0.693359375f), x);
    r = fnma<T>(n, vec<T>(-2.12194440e-4f), r);
  } else {
    r = fnma<T>(n, vec<T>(6.93147180369123816490e-01), x);
    r = fnma<T>(n, vec<T>(1.90821492927058770002e-10), r);
  }
  return {n, r};
}

// (e^r - 1 - r) / r^2 on the reduced interval.
template <class T>
GRAFT_INLINE vec<T> exp_tail(vec<T> r) {
  if constexpr (sizeof(T) == 4) {
    return polynomial<T>(r, 1.9875691500e-4f, 1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f,
                         1.6666665459e-1f, 5.0000001201e-1f);
  } else {
    // Two half-length chains in r^2 shorten the latency of Horner's rule.
    const vec<T> s = r * r;
    const vec<T> even = polynomial<T>(s, 1.0 / 87178291200.0, 1.0 / 479001600.0, 1.0 / 3628800.0,
                                      1.0 / 40320.0, 1.0 / 720.0, 1.0 / 24.0, 0.5);
    const vec<T> odd = polynomial<T>(s, 1.0 / 6227020800.0, 1.0 / 39916800.0, 1.0 / 362880.0,
                                     1.0 / 5040.0, 1.0 / 120.0, 1.0 / 6.0);
    return fma(odd, r, even);
  }
}

template <class T>
GRAFT_INLINE vec<T> exp(vec<T> x) {
  // Beyond these the result is 0 or infinite anyway, and n stays in the range of scale_by_power.
  const vec<T> top(sizeof(T) == 4 ? T(90) : T(711)), bottom(sizeof(T) == 4 ? T(-105) : T(-746));
  const vec<T> c = clamp(x, bottom, top);
  const reduced<T> p = reduce_by_ln2(c);
  const vec<T> y = fma(p.r * p.r, exp_tail<T>(p.r), p.r) + vec<T>(T(1));
  return scale_by_power<T>(y, p.n);
}

template <class T>
GRAFT_INLINE vec<T> expm1(vec<T> x) {
  const vec<T> one(T(1)), half(T(0.5));
  const vec<T> top(sizeof(T) == 4 ? T(89) : T(710)), bottom(sizeof(T) == 4 ? T(-30) : T(-60));
  const vec<T> c = clamp(x, bottom, top);
  const reduced<T> p = reduce_by_ln2(c);
  const vec<T> e = fma(p.r * p.r, exp_tail<T>(p.r), p.r);  // e^r - 1
  // 2^n (e + 1) - 1 with 2^(n-1), which cannot overflow where the result does not.
  const vec<T> scale = power_of_two<T>(p.n - one);
  const vec<T> y = fma(scale, e, scale - half);
  const vec<T> result = select(p.n == vec<T>(T(0)), e, y + y);
  return select(x == vec<T>(T(0)), x, result);
}

// For x > 0, normal: ln x = f - (f^2/2 - s (f^2/2 + R(s))) + k ln 2 with s = f / (2 + f).
template <class T>
struct log_parts {
  vec<T> k, f;
};
template <class T>
GRAFT_INLINE log_parts<T> split_for_log(vec<T> x) {
  using I = typename int_of<T>::type;
  const I sqrt_half = sizeof(T) == 4 ? I(0x3f3504f3) : static_cast<I>(0x3fe6a09e667f3bcdLL);
  const I one = traits<T>::bias << traits<T>::mantissa;
  const I magic = sizeof(T) == 4 ? I(0x4b400000) : static_cast<I>(0x4338000000000000LL);
  const I mantissa_mask = (I(1) << traits<T>::mantissa) - 1;
  const ivec<T> bits = to_bits<T>(x) + ivec<T>(one - sqrt_half);
  // Positive, so an arithmetic shift would do as well as a logical one; but not every set has one
  // for 64 bits, hence the exponent is isolated as a multiple and scaled down as floating point.
  const ivec<T> exponent = (bits & ivec<T>(~mantissa_mask)) - ivec<T>(one);
  log_parts<T> out;
  if constexpr (sizeof(T) == 4) {
    out.k =
        from_bits<T>((exponent >> traits<T>::mantissa) + ivec<T>(magic)) - vec<T>(traits<T>::magic);
  } else {
    const ivec<T> biased = (exponent + ivec<T>(one)) >> traits<T>::mantissa;
    out.k = from_bits<T>(biased + ivec<T>(magic)) -
            vec<T>(traits<T>::magic + static_cast<T>(traits<T>::bias));
  }
  out.f = from_bits<T>((bits & ivec<T>(mantissa_mask)) + ivec<T>(sqrt_half)) - vec<T>(T(1));
  return out;
}

template <class T>
GRAFT_INLINE vec<T> log_positive(vec<T> x, vec<T> extra) {
  const log_parts<T> p = split_for_log(x);
  const vec<T> f = p.f, k = p.k;
  const vec<T> s = f / (vec<T>(T(2)) + f);
  const vec<T> z = s * s;
  vec<T> r;
  if constexpr (sizeof(T) == 4) {
    r = z * polynomial<T>(z, 0.24279078841f, 0.28498786688f, 0.40000972152f, 0.66666662693f);
  } else {
    r = z * polynomial<T>(z, 1.479819860511658591e-01, 1.531383769920937332e-01,
                          1.818357216161805012e-01, 2.222219843214978396e-01,
                          2.857142874366239149e-01, 3.999999999940941908e-01,
                          6.666666666666735130e-01);
  }
  const vec<T> half_square = vec<T>(T(0.5)) * f * f;
  vec<T> high(T(0)), low(T(0));
  if constexpr (sizeof(T) == 4) {
    high = k * vec<T>(6.9313812256e-01f);
    low = k * vec<T>(9.0580006145e-06f);
  } else {
    high = k * vec<T>(6.93147180369123816490e-01);
    low = k * vec<T>(1.90821492927058770002e-10);
  }
  return high - ((half_square - (fma(s, half_square + r, low + extra))) - f);
}

template <class T>
GRAFT_INLINE vec<T> log(vec<T> x) {
  const vec<T> zero(T(0));
  const vec<T> shift(sizeof(T) == 4 ? T(33554432.0) : T(18014398509481984.0));  // 2^25, 2^54
  const vec<T> shift_log(sizeof(T) == 4 ? T(25) : T(54));
  const mask<T> tiny = x < vec<T>(traits<T>::smallest_normal);
  vec<T> y = log_positive<T>(select(tiny, x * shift, x), zero);
  y = select(tiny, y - shift_log * vec<T>(T(0.693147180559945309417)), y);
  y = select(x == zero, vec<T>(-traits<T>::infinity), y);
  y = select(x < zero, vec<T>(traits<T>::nan), y);
  return select((x == vec<T>(traits<T>::infinity)) | is_nan(x), x, y);
}

template <class T>
GRAFT_INLINE vec<T> log1p(vec<T> x) {
  const vec<T> zero(T(0)), one(T(1));
  const vec<T> u = one + x;
  // What rounding took from u, relative to it, is the first-order correction.
  const vec<T> lost = select(x > one, one - (u - x), x - (u - one)) / u;
  vec<T> y = log_positive<T>(u, lost);
  y = select(u == zero, vec<T>(-traits<T>::infinity), y);
  y = select(u < zero, vec<T>(traits<T>::nan), y);
  y = select(x == zero, x, y);
  return select((x == vec<T>(traits<T>::infinity)) | is_nan(x), x, y);
}

// ---- sine and cosine
// ---------------------------------------------------------------------------------

GRAFT_INLINE float library_sin(float x) { return __builtin_sinf(x); }
GRAFT_INLINE double library_sin(double x) { return __builtin_sin(x); }
GRAFT_INLINE float library_cos(float x) { return __builtin_cosf(x); }
GRAFT_INLINE double library_cos(double x) { return __builtin_cos(x); }

template <class T, bool Cosine>
GRAFT_INLINE vec<T> sine(vec<T> x) {
  const vec<T> limit(sizeof(T) == 4 ? T(8192) : T(1e6));
  const mask<T> hard = !(absolute(x) <= limit);
  const vec<T> c = select(hard, vec<T>(T(0)), x);
  const vec<T> n = round_small(c * vec<T>(T(0.636619772367581343)));
  vec<T> r;
  // pi/2 in parts short enough for exact products with n.
  if constexpr (sizeof(T) == 4) {
    r = fnma<T>(n, vec<T>(1.5703125f), c);
    r = fnma<T>(n, vec<T>(4.837512969970703125e-4f), r);
    r = fnma<T>(n, vec<T>(7.54953362047672271729e-08f), r);
    r = fnma<T>(n, vec<T>(2.56334406825708960298e-12f), r);
  } else {
    r = fnma<T>(n, vec<T>(1.57079632673412561417e+00), c);
    r = fnma<T>(n, vec<T>(6.07710050630396597660e-11), r);
    r = fnma<T>(n, vec<T>(2.02226624879595063154e-21), r);
  }
  const vec<T> s = r * r;
  vec<T> sin_r, cos_r;
  if constexpr (sizeof(T) == 4) {
    sin_r = fma(r * s, polynomial<T>(s, -1.9515295891e-4f, 8.3321608736e-3f, -1.6666654611e-1f), r);
    cos_r =
        fma(s * s,
            polynomial<T>(s, 2.443315711809948e-5f, -1.388731625493765e-3f, 4.166664568298827e-2f),
            fnma<T>(vec<T>(0.5f), s, vec<T>(1.0f)));
  } else {
    sin_r = fma(r * s,
                polynomial<T>(s, 1.58969099521155010221e-10, -2.50507602534068634195e-08,
                              2.75573137070700676789e-06, -1.98412698298579493134e-04,
                              8.33333333332248946124e-03, -1.66666666666666324348e-01),
                r);
    cos_r = fma(s * s,
                polynomial<T>(s, -1.13596475577881948265e-11, 2.08757232129817482790e-09,
                              -2.75573143513906633035e-07, 2.48015872894767294178e-05,
                              -1.38888888888741095749e-03, 4.16666666666666019037e-02),
                fnma<T>(vec<T>(0.5), s, vec<T>(1.0)));
  }
  // The quadrant is the integer n modulo 4, readable in the low bits beside the magic number.
  using I = typename int_of<T>::type;
  const ivec<T> quadrant = to_bits<T>(n + vec<T>(traits<T>::magic)) + ivec<T>(Cosine ? I(1) : I(0));
  const ivec<T> odd_bit = (quadrant & ivec<T>(I(1))) << (8 * sizeof(T) - 1);
  const ivec<T> sign_bit = (quadrant & ivec<T>(I(2))) << (8 * sizeof(T) - 2);
  // As a floating comparison: 1 with the sign set is below zero.
  const mask<T> odd = from_bits<T>(odd_bit | to_bits<T>(vec<T>(T(1)))) < vec<T>(T(0));
  vec<T> y = select(odd, cos_r, sin_r);
  y = from_bits<T>(to_bits<T>(y) ^ sign_bit);
  if (any<T>(hard)) {
    T in[width<T>], out[width<T>];
    store(in, x);
    store(out, y);
    for (int64_t i = 0; i < width<T>; ++i) {
      if (!(__builtin_fabs(static_cast<double>(in[i])) <= (sizeof(T) == 4 ? 8192.0 : 1e6))) {
        out[i] = Cosine ? library_cos(in[i]) : library_sin(in[i]);
      }
    }
    y = load(out);
  }
  if constexpr (!Cosine) y = select(x == vec<T>(T(0)), x, y);
  return y;
}

// ---- activations
// ---------------------------------------------------------------------------------------

template <class T>
GRAFT_INLINE vec<T> sigmoid(vec<T> x) {
  const vec<T> one(T(1));
  return one / (one + exp<T>(-x));
}

template <class T>
GRAFT_INLINE vec<T> tanh(vec<T> x) {
  if constexpr (sizeof(T) == 4) {
    // Odd rational approximation; beyond the limit one is as near.
    const vec<T> limit(7.90531110763549805f);
    const vec<T> c = clamp(x, -limit, limit);
    const vec<T> s = c * c;
    const vec<T> p =
        c * polynomial<T>(s, -2.76076847742355e-16f, 2.00018790482477e-13f, -8.60467152213735e-11f,
                          5.12229709037114e-08f, 1.48572235717979e-05f, 6.37261928875436e-04f,
                          4.89352455891786e-03f);
    const vec<T> q = polynomial<T>(s, 1.19825839466702e-06f, 1.18534705686654e-04f,
                                   2.26843463243900e-03f, 4.89352518554385e-03f);
    const vec<T> a = absolute(x);
    const vec<T> y = select(a > limit, copy_sign(vec<T>(1.0f), x), p / q);
    // The quotient of the leading coefficients is not exactly one: tiny arguments are their own
    // tanh.
    return select(a < vec<T>(0.0004f), x, y);
  } else {
    const vec<T> a = absolute(x);
    const vec<T> e = expm1<T>(minimum(a, vec<T>(T(22))) * vec<T>(T(2)));
    return copy_sign(e / (e + vec<T>(T(2))), x);
  }
}

template <class T>
GRAFT_INLINE vec<T> softplus(vec<T> x) {
  const vec<T> zero(T(0));
  return maximum(x, zero) + log1p<T>(exp<T>(-absolute(x)));
}

GRAFT_INLINE vec<float> erf(vec<float> x) {
  using V = vec<float>;
  const V t = minimum(absolute(x), V(4.0f)), s = x * x;
  const V u = t * t;
  // exp of a polynomial near one, an odd polynomial near zero.
  V r = fma(V(-1.72853470e-5f), t, V(3.83197126e-4f));
  const V w = fma(V(-3.88396438e-3f), t, V(2.42546219e-2f));
  r = fma(r, u, w);
  r = fma(r, t, V(-1.06777877e-1f));
  r = fma(r, t, V(-6.34846687e-1f));
  r = fma(r, t, V(-1.28717512e-1f));
  r = fma(r, t, -t);
  const V outer = copy_sign(V(1.0f) - exp<float>(r), x);
  V q = V(-5.96761703e-4f);
  q = fma(q, s, V(4.99119423e-3f));
  q = fma(q, s, V(-2.67681349e-2f));
  q = fma(q, s, V(1.12819925e-1f));
  q = fma(q, s, V(-3.76125336e-1f));
  q = fma(q, s, V(1.28379166e-1f));
  const V inner = fma(q, x, x);
  return select(is_nan(x), x, select(t > V(0.921875f), outer, inner));
}
// The C library's, lane by lane: accurate, and rarely needed in double precision.
GRAFT_INLINE vec<double> erf(vec<double> x) {
  double lanes[width<double>];
  store(lanes, x);
  for (int64_t i = 0; i < width<double>; ++i) lanes[i] = __builtin_erf(lanes[i]);
  return load(lanes);
}

// These three tend to -0 at -inf, where the formulas would give -inf * 0.
template <class T>
GRAFT_INLINE vec<T> finite_below(vec<T> x) {
  return clamp(x, vec<T>(-traits<T>::highest), vec<T>(traits<T>::infinity));
}

template <class T>
GRAFT_INLINE vec<T> silu(vec<T> x) {
  const vec<T> one(T(1));
  return finite_below<T>(x) / (one + exp<T>(-x));
}
template <class T>
GRAFT_INLINE vec<T> gelu(vec<T> x) {
  const vec<T> half(T(0.5));
  return half * finite_below<T>(x) * (vec<T>(T(1)) + erf(x * vec<T>(T(0.707106781186547524401))));
}
// x (1 + tanh u) / 2 is x / (1 + e^(-2u)), without the cancellation.
template <class T>
GRAFT_INLINE vec<T> gelu_tanh(vec<T> x) {
  const vec<T> one(T(1));
  const vec<T> c(T(-1.59576912160573071176));  // -2 sqrt(2 / pi)
  const vec<T> u = c * x * fma(vec<T>(T(0.044715)) * x, x, one);
  return finite_below<T>(x) / (one + exp<T>(u));
}
