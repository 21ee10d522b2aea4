// Derivatives of the activations, multiplied into the incoming gradient.
#include "lookups.hpp"
#include "map.hpp"
#include "vector_math.hpp"

namespace graft::kernels::GRAFT_KERNEL_ISA {
namespace {

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

// v is the forward output for tanh, sigmoid, relu, leaky_relu and elu, else the forward input.
template <class T, gradient_op Op>
GRAFT_INLINE vec<T> apply(vec<T> dy, vec<T> v, vec<T> alpha) {
  const vec<T> zero(T(0)), one(T(1)), half(T(0.5));
  if constexpr (Op == gradient_op::tanh)
    return dy * (one - v * v);
  else if constexpr (Op == gradient_op::sigmoid)
    return dy * (v * (one - v));
  else if constexpr (Op == gradient_op::relu)
    return select(v > zero, dy, select(is_nan(v), v, zero));
  else if constexpr (Op == gradient_op::leaky_relu)
    return select(v < zero, dy * alpha, dy);
  else if constexpr (Op == gradient_op::elu)
    return select(v < zero, dy * (v + alpha), dy);
  else if constexpr (Op == gradient_op::softplus)
    return dy * sigmoid<T>(v);
  else if constexpr (Op == gradient_op::silu) {
    const vec<T> bound(T(1e4));
    const vec<T> u = clamp(v, -bound, bound);
    const halves<T> p = sigmoid_halves<T>(u);
    return dy * fma(u * p.s, p.rest, p.s);
  } else if constexpr (Op == gradient_op::gelu) {
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

template <class T, gradient_op Op>
void run(const void* dy, const void* v, void* dx, int64_t n, const double* params) {
  vec<T> alpha(T(0));
  if constexpr (Op == gradient_op::leaky_relu || Op == gradient_op::elu) {
    alpha = vec<T>(static_cast<T>(params[0]));
  }
  map2<T>(static_cast<const T*>(dy), static_cast<const T*>(v), static_cast<T*>(dx), n,
          [alpha](vec<T> g, vec<T> x)
              __attribute__((always_inline)) { return apply<T, Op>(g, x, alpha); });
}

template <class T>
gradient_kernel kernel(gradient_op op) {
  switch (op) {
    case gradient_op::tanh:
      return run<T, gradient_op::tanh>;
    case gradient_op::sigmoid:
      return run<T, gradient_op::sigmoid>;
    case gradient_op::relu:
      return run<T, gradient_op::relu>;
    case gradient_op::softplus:
      return run<T, gradient_op::softplus>;
    case gradient_op::gelu:
      return run<T, gradient_op::gelu>;
    case gradient_op::gelu_tanh:
      return run<T, gradient_op::gelu_tanh>;
    case gradient_op::silu:
      return run<T, gradient_op::silu>;
    case gradient_op::leaky_relu:
      return run<T, gradient_op::leaky_relu>;
    case gradient_op::elu:
      return run<T, gradient_op::elu>;
  }
  return nullptr;
}

}  // namespace

gradient_kernel gradient(gradient_op op, element e) {
  return with_float<gradient_kernel>(e, [op]<class T>() { return kernel<T>(op); });
}

}  // namespace graft::kernels::GRAFT_KERNEL_ISA
