// One fused pass for each optimiser step.
#include "lookups.hpp"
#include "simd.hpp"

namespace graft::kernels::GRAFT_KERNEL_ISA {
namespace {

// Everything of the step that is the same for all elements, in vectors.
template <class T>
struct constants {
  vec<T> scale, decay, keep, rate, momentum, rho, rho_rest, beta1, beta1_rest, beta2, beta2_rest,
      step, root_scale, epsilon;

  explicit constants(const optimiser_args& a)
      : scale(static_cast<T>(a.gradient_scale)),
        decay(static_cast<T>(a.decoupled_decay ? 0.0 : a.weight_decay)),
        keep(static_cast<T>(a.decoupled_decay ? 1.0 - a.rate * a.weight_decay : 1.0)),
        rate(static_cast<T>(a.rate)),
        momentum(static_cast<T>(a.momentum)),
        rho(static_cast<T>(a.rho)),
        rho_rest(static_cast<T>(1.0 - a.rho)),
        beta1(static_cast<T>(a.beta1)),
        beta1_rest(static_cast<T>(1.0 - a.beta1)),
        beta2(static_cast<T>(a.beta2)),
        beta2_rest(static_cast<T>(1.0 - a.beta2)),
        step(static_cast<T>(a.rate / a.correction1)),
        root_scale(static_cast<T>(1.0 / a.correction2)),
        epsilon(static_cast<T>(a.epsilon)) {}
};

template <class T, optimiser_op Op, bool Nesterov>
GRAFT_INLINE void step(const constants<T>& c, vec<T>& p, vec<T> gradient, vec<T>& s1, vec<T>& s2) {
  const vec<T> g = fma(c.decay, p, gradient * c.scale);
  const vec<T> kept = p * c.keep;
  if constexpr (Op == optimiser_op::sgd) {
    p = fnma<T>(c.rate, g, kept);
  } else if constexpr (Op == optimiser_op::momentum) {
    s1 = fma(c.momentum, s1, g);
    p = fnma<T>(c.rate, Nesterov ? fma(c.momentum, s1, g) : s1, kept);
  } else if constexpr (Op == optimiser_op::rmsprop) {
    s1 = fma(c.rho, s1, c.rho_rest * g * g);
    p = kept - c.rate * g / (sqrt(s1) + c.epsilon);
  } else if constexpr (Op == optimiser_op::adagrad) {
    s1 = fma(g, g, s1);
    p = kept - c.rate * g / (sqrt(s1) + c.epsilon);
  } else {
    s1 = fma(c.beta1, s1, c.beta1_rest * g);
    s2 = fma(c.beta2, s2, c.beta2_rest * g * g);
    p = kept - c.step * s1 / (sqrt(s2 * c.root_scale) + c.epsilon);
  }
}

template <class T, optimiser_op Op, bool Nesterov>
void loop(const optimiser_args& a) {
  const constants<T> c(a);
  const T* parameter = static_cast<const T*>(a.parameter);
  const T* gradient = static_cast<const T*>(a.gradient);
  const T* in1 = static_cast<const T*>(a.state1);
  const T* in2 = static_cast<const T*>(a.state2);
  T* out = static_cast<T*>(a.parameter_out);
  T* out1 = static_cast<T*>(a.state1_out);
  T* out2 = static_cast<T*>(a.state2_out);
  constexpr bool has1 = Op != optimiser_op::sgd, has2 = Op == optimiser_op::adam;
  constexpr int64_t w = width<T>;
  int64_t i = 0;
  for (; i + w <= a.n; i += w) {
    vec<T> p = load(parameter + i), s1(T(0)), s2(T(0));
    if constexpr (has1) s1 = load(in1 + i);
    if constexpr (has2) s2 = load(in2 + i);
    step<T, Op, Nesterov>(c, p, load(gradient + i), s1, s2);
    store(out + i, p);
    if constexpr (has1) store(out1 + i, s1);
    if constexpr (has2) store(out2 + i, s2);
  }
  if (const int64_t rest = a.n - i; rest > 0) {
    vec<T> p = load_partial(parameter + i, rest), s1(T(0)), s2(T(0));
    if constexpr (has1) s1 = load_partial(in1 + i, rest);
    if constexpr (has2) s2 = load_partial(in2 + i, rest);
    step<T, Op, Nesterov>(c, p, load_partial(gradient + i, rest), s1, s2);
    store_partial(out + i, p, rest);
    if constexpr (has1) store_partial(out1 + i, s1, rest);
    if constexpr (has2) store_partial(out2 + i, s2, rest);
  }
}

template <class T>
void momentum(const optimiser_args& a) {
  if (a.nesterov)
    loop<T, optimiser_op::momentum, true>(a);
  else
    loop<T, optimiser_op::momentum, false>(a);
}

template <class T>
optimiser_kernel kernel(optimiser_op op) {
  switch (op) {
    case optimiser_op::sgd:
      return loop<T, optimiser_op::sgd, false>;
    case optimiser_op::momentum:
      return momentum<T>;
    case optimiser_op::rmsprop:
      return loop<T, optimiser_op::rmsprop, false>;
    case optimiser_op::adagrad:
      return loop<T, optimiser_op::adagrad, false>;
    case optimiser_op::adam:
      return loop<T, optimiser_op::adam, false>;
  }
  return nullptr;
}

}  // namespace

optimiser_kernel optimiser(optimiser_op op, element e) {
  return with_float<optimiser_kernel>(e, [op]<class T>() { return kernel<T>(op); });
}

}  // namespace graft::kernels::GRAFT_KERNEL_ISA
