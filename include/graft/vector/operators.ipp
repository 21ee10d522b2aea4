// The primitive operators of elementwise chains on vectors, by their names in forms. Included after
// math.ipp.

template <class T, form_op Op>
GRAFT_INLINE vec<T> apply_unary(vec<T> x, vec<T> p, vec<T> q) {
  const vec<T> zero(T(0)), one(T(1));
  if constexpr (Op == form_op::neg)
    return vec<T>(T(-0.0)) - x;  // of 0 it is -0, which 0 - x is not
  else if constexpr (Op == form_op::abs)
    return absolute(x);
  else if constexpr (Op == form_op::sign) {
    return select(x == zero, zero, select(is_nan(x), x, copy_sign(one, x)));
  } else if constexpr (Op == form_op::exp)
    return exp<T>(x);
  else if constexpr (Op == form_op::log)
    return log<T>(x);
  else if constexpr (Op == form_op::log1p)
    return log1p<T>(x);
  else if constexpr (Op == form_op::expm1)
    return expm1<T>(x);
  else if constexpr (Op == form_op::sqrt)
    return sqrt(x);
  else if constexpr (Op == form_op::rsqrt)
    return one / sqrt(x);
  else if constexpr (Op == form_op::reciprocal)
    return one / x;
  else if constexpr (Op == form_op::square)
    return x * x;
  else if constexpr (Op == form_op::sin)
    return sine<T, false>(x);
  else if constexpr (Op == form_op::cos)
    return sine<T, true>(x);
  else if constexpr (Op == form_op::tanh)
    return tanh<T>(x);
  else if constexpr (Op == form_op::sigmoid)
    return sigmoid<T>(x);
  else if constexpr (Op == form_op::relu)
    return select(x < zero, zero, x);
  else if constexpr (Op == form_op::softplus)
    return softplus<T>(x);
  else if constexpr (Op == form_op::erf)
    return erf(x);
  else if constexpr (Op == form_op::gelu)
    return gelu<T>(x);
  else if constexpr (Op == form_op::gelu_tanh)
    return gelu_tanh<T>(x);
  else if constexpr (Op == form_op::silu)
    return silu<T>(x);
  else if constexpr (Op == form_op::floor)
    return floor<T>(x);
  else if constexpr (Op == form_op::ceil)
    return ceil<T>(x);
  else if constexpr (Op == form_op::round)
    return round_even<T>(x);
  else if constexpr (Op == form_op::leaky_relu)
    return select(x < zero, x * p, x);
  else if constexpr (Op == form_op::elu)
    return select(x < zero, p * expm1<T>(x), x);
  else
    return select(x < p, p, select(x > q, q, x));  // clip
}

GRAFT_INLINE float library_power(float a, float b) { return __builtin_powf(a, b); }
GRAFT_INLINE double library_power(double a, double b) { return __builtin_pow(a, b); }

template <class T, form_op Op>
GRAFT_INLINE vec<T> apply_binary(vec<T> a, vec<T> b) {
  if constexpr (Op == form_op::add)
    return a + b;
  else if constexpr (Op == form_op::sub)
    return a - b;
  else if constexpr (Op == form_op::mul)
    return a * b;
  else if constexpr (Op == form_op::div)
    return a / b;
  else if constexpr (Op == form_op::minimum)
    return minimum(a, b);
  else if constexpr (Op == form_op::maximum)
    return maximum(a, b);
  else if constexpr (Op == form_op::pow) {  // the C library's, lane by lane
    T x[width<T>], y[width<T>];
    store(x, a);
    store(y, b);
    for (std::int64_t i = 0; i < width<T>; ++i) {
      x[i] = y[i] == T(2) ? x[i] * x[i] : library_power(x[i], y[i]);
    }
    return load(x);
  } else {
    const vec<T> d = a - b;
    return d * d;
  }
}

// s = sigmoid(x) and its complement, neither by subtraction from one.
template <class T>
struct halves {
  vec<T> s, rest;
};
template <class T>
GRAFT_INLINE halves<T> sigmoid_halves(vec<T> x) {
  const vec<T> one(T(1));
  const vec<T> e = exp<T>(-maximum(x, vec<T>(sizeof(T) == 4 ? T(-88) : T(-709))));  // finite
  const vec<T> s = one / (one + e);
  return {s, e * s};
}

// Derivatives of the activations, multiplied into the incoming gradient. v is the forward output
// for tanh, sigmoid, relu, leaky_relu and elu, else the forward input.
template <class T, form_op Op>
GRAFT_INLINE vec<T> apply_gradient(vec<T> dy, vec<T> v, vec<T> alpha) {
  const vec<T> zero(T(0)), one(T(1)), half(T(0.5));
  if constexpr (Op == form_op::tanh_gradient)
    return dy * (one - v * v);
  else if constexpr (Op == form_op::sigmoid_gradient)
    return dy * (v * (one - v));
  else if constexpr (Op == form_op::relu_gradient)
    return select(v > zero, dy, select(is_nan(v), v, zero));
  else if constexpr (Op == form_op::leaky_relu_gradient)
    return select(v < zero, dy * alpha, dy);
  else if constexpr (Op == form_op::elu_gradient)
    return select(v < zero, dy * (v + alpha), dy);
  else if constexpr (Op == form_op::softplus_gradient)
    return dy * sigmoid<T>(v);
  else if constexpr (Op == form_op::silu_gradient) {
    const vec<T> bound(T(1e4));
    const vec<T> u = clamp(v, -bound, bound);
    const halves<T> p = sigmoid_halves<T>(u);
    return dy * fma(u * p.s, p.rest, p.s);
  } else if constexpr (Op == form_op::gelu_gradient) {
    // Phi(v) + v phi(v). Here and below v is bounded where the density has long vanished: no inf *
    // 0.
    const vec<T> cdf = half * (one + erf(v * vec<T>(T(0.707106781186547524401))));
    const vec<T> bound(T(1e4));
    const vec<T> u = clamp(v, -bound, bound);
    const vec<T> density = vec<T>(T(0.398942280401432677940)) * exp<T>(-half * u * u);
    return dy * fma(u, density, cdf);
  } else {
    const vec<T> bound(T(1e4));
    const vec<T> u = clamp(v, -bound, bound);
    const vec<T> c(T(1.59576912160573071176)), a(T(0.044715));  // 2 sqrt(2 / pi)
    const halves<T> p = sigmoid_halves<T>(c * u * fma(a * u, u, one));
    const vec<T> slope = c * fma(vec<T>(T(3)) * a * u, u, one);
    return dy * fma(u * slope, p.s * p.rest, p.s);
  }
}

template <class T, form_op Op>
GRAFT_INLINE mask<T> apply_comparison(vec<T> a, vec<T> b) {
  if constexpr (Op == form_op::equal)
    return a == b;
  else if constexpr (Op == form_op::not_equal)
    return not_equal(a, b);
  else if constexpr (Op == form_op::less)
    return a < b;
  else if constexpr (Op == form_op::less_equal)
    return a <= b;
  else if constexpr (Op == form_op::greater)
    return b < a;
  else
    return b <= a;
}

template <class T, form_op Op>
GRAFT_INLINE mask<T> apply_logic(mask<T> a, mask<T> b) {
  if constexpr (Op == form_op::logical_and)
    return a & b;
  else if constexpr (Op == form_op::logical_or)
    return a | b;
  else if constexpr (Op == form_op::logical_xor)
    return a ^ b;
  else
    return !a;
}
