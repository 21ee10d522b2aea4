// Derivatives of the activations, multiplied into the incoming gradient.
#include "lookups.hpp"
#include "map.hpp"
#include "vector_math.hpp"

namespace graft::kernels::GRAFT_KERNEL_ISA {
namespace {

template <class T, form_op Op>
void run(const void* dy, const void* v, void* dx, int64_t n, const double* params) {
  vec<T> alpha(T(0));
  if constexpr (Op == form_op::leaky_relu_gradient || Op == form_op::elu_gradient) {
    alpha = vec<T>(static_cast<T>(params[0]));
  }
  map2<T>(static_cast<const T*>(dy), static_cast<const T*>(v), static_cast<T*>(dx), n,
          [alpha](vec<T> g, vec<T> x)
              __attribute__((always_inline)) { return apply_gradient<T, Op>(g, x, alpha); });
}

template <class T>
gradient_kernel kernel(gradient_op op) {
  switch (op) {
    case gradient_op::tanh:
      return run<T, form_op::tanh_gradient>;
    case gradient_op::sigmoid:
      return run<T, form_op::sigmoid_gradient>;
    case gradient_op::relu:
      return run<T, form_op::relu_gradient>;
    case gradient_op::softplus:
      return run<T, form_op::softplus_gradient>;
    case gradient_op::gelu:
      return run<T, form_op::gelu_gradient>;
    case gradient_op::gelu_tanh:
      return run<T, form_op::gelu_tanh_gradient>;
    case gradient_op::silu:
      return run<T, form_op::silu_gradient>;
    case gradient_op::leaky_relu:
      return run<T, form_op::leaky_relu_gradient>;
    case gradient_op::elu:
      return run<T, form_op::elu_gradient>;
  }
  return nullptr;
}

}  // namespace

gradient_kernel gradient(gradient_op op, element e) {
  return with_float<gradient_kernel>(e, [op]<class T>() { return kernel<T>(op); });
}

}  // namespace graft::kernels::GRAFT_KERNEL_ISA
