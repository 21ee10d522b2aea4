#include "graft/ops/activations.hpp"

#include <cmath>
#include <limits>

#include "graft/ops/elementwise.hpp"

#include "ops/elementwise_kernels.hpp"
#include "ops/families.hpp"

namespace graft {
namespace {

using kernels::gradient_op;
using kernels::unary_op;
using t = const any_tensor&;

// --- Kernels
// ------------------------------------------------------------------------------------------

template <unary_op Op>
bound_kernel bind_activation(const bind_args& b) {
  return support::bind_unary(b, Op, "an activation", support::floating_only{},
                             {b.attributes.real("alpha", 0), 0});
}

template <gradient_op Op>
bound_kernel bind_derivative(const bind_args& b) {
  const dtype type = b.inputs[0].type;
  const auto element = support::kernel_element(type);
  const auto kernel = element ? kernels::active().gradient(Op, *element) : nullptr;
  if (kernel == nullptr) support::refuse_type(b, "the gradient of an activation", type);
  const double alpha = b.attributes.real("alpha", 0);
  const std::size_t width = size_of(type);
  // The operands have one shape, but tiles of a fused chain may stand for one repeated element:
  // those are few, and are copied out.
  return support::bind_elementwise(b, [=](const void* const* in, const bool* scalar, void* out,
                                          std::int64_t n) {
    const double parameters[2] = {alpha, 0};
    if (!scalar[0] && !scalar[1]) {
      kernel(in[0], in[1], out, n, parameters);
      return;
    }
    constexpr std::int64_t piece = 128;
    alignas(64) std::byte repeated[2][piece * sizeof(double)];
    for (int i = 0; i < 2; ++i) {
      if (scalar[i]) support::fill(repeated[i], in[i], piece, width);
    }
    for (std::int64_t at = 0; at < n; at += piece) {
      const auto from = [&](int i) -> const void* {
        return scalar[i]
                   ? repeated[i]
                   : static_cast<const std::byte*>(in[i]) + static_cast<std::size_t>(at) * width;
      };
      kernel(from(0), from(1), static_cast<std::byte*>(out) + static_cast<std::size_t>(at) * width,
             n - at < piece ? n - at : piece, parameters);
    }
  });
}

// --- Gradients
// ------------------------------------------------------------------------------------------

// The gradient of an activation is an op of its own that keeps the result or the operand.
template <const operator_schema& Derivative, bool FromResult>
operand_gradients activation_gradient(const gradient_args& a) {
  operand_gradients result(1);
  result[0] = any_tensor(apply<Derivative>(a.attributes, {}, {}, *a.output_gradients[0],
                                           FromResult ? a.outputs[0] : a.operands[0]));
  return result;
}

// Every derivative op is linear in its first operand; what its second has is `f(upstream * first,
// second)`.
template <const operator_schema& Derivative, class F>
operand_gradients derivative_gradient(const gradient_args& a, F f) {
  operand_gradients result(2);
  const any_tensor& g = *a.output_gradients[0];
  if (a.wanted[0])
    result[0] = any_tensor(apply<Derivative>(a.attributes, {}, {}, g, a.operands[1]));
  if (a.wanted[1]) result[1] = f(any_tensor(g * a.operands[0]), a.operands[1]);
  return result;
}

// Piecewise linear: the second derivative is zero.
template <const operator_schema& Derivative>
operand_gradients linear_piece_gradient(const gradient_args& a) {
  operand_gradients result(2);
  if (a.wanted[0]) {
    result[0] =
        any_tensor(apply<Derivative>(a.attributes, {}, {}, *a.output_gradients[0], a.operands[1]));
  }
  return result;
}

operand_gradients tanh_second(const gradient_args& a) {
  return derivative_gradient<ops::tanh_gradient>(a, [](t g, t y) { return g * y * -2; });
}
operand_gradients sigmoid_second(const gradient_args& a) {
  return derivative_gradient<ops::sigmoid_gradient>(a, [](t g, t y) { return g * (1 - y * 2); });
}
operand_gradients softplus_second(const gradient_args& a) {
  return derivative_gradient<ops::softplus_gradient>(a, [](t g, t x) {
    const auto s = sigmoid(x);
    return g * s * (1 - s);
  });
}
operand_gradients silu_second(const gradient_args& a) {
  return derivative_gradient<ops::silu_gradient>(a, [](t g, t x) {
    const auto s = sigmoid(x);
    return g * s * (1 - s) * (x * (1 - s * 2) + 2);
  });
}
operand_gradients gelu_second(const gradient_args& a) {
  return derivative_gradient<ops::gelu_gradient>(a, [](t g, t x) {
    const auto xx = square(x);
    return g * exp(xx * -0.5) * (2 - xx) * 0.3989422804014327;  // 1 / sqrt(2 pi)
  });
}
operand_gradients gelu_tanh_second(const gradient_args& a) {
  return derivative_gradient<ops::gelu_tanh_gradient>(a, [](t g, t x) {
    constexpr double c = 0.7978845608028654, k = 0.044715;  // sqrt(2 / pi)
    const auto y = tanh((x + square(x) * x * k) * c);
    const auto slope = square(x) * (3 * k * c) + c, bend = x * (6 * k * c);
    const auto rest = 1 - square(y);
    return g * rest * (slope + x * (bend - y * square(slope) * 2) * 0.5);
  });
}
operand_gradients elu_second(const gradient_args& a) {
  return derivative_gradient<ops::elu_gradient>(a, [](t g, t y) { return select(y > 0, 0, g); });
}

// --- Oracles and samples
// ----------------------------------------------------------------------------------

double logistic(double x) { return 1 / (1 + std::exp(-x)); }
double rectify(double x) { return x > 0 ? x : x == x ? 0 : x; }
double hyperbolic_tangent(double x) { return std::tanh(x); }
double soft_plus(double x) { return x > 30 ? x : std::log1p(std::exp(x)); }
double swish(double x) { return x * logistic(x); }
double gauss(double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); }
double gauss_tanh(double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x)));
}

template <double (*F)(double)>
std::vector<Array> reference_activation(std::span<const Array> in, const attribute_list&) {
  return {
      support::reference_elementwise(in, in[0].type(), [](const double* v) { return F(v[0]); })};
}
std::vector<Array> reference_leaky_relu(std::span<const Array> in, const attribute_list& a) {
  const double alpha = a.real("alpha", 0);
  return {support::reference_elementwise(
      in, in[0].type(), [=](const double* v) { return v[0] > 0 ? v[0] : alpha * v[0]; })};
}
std::vector<Array> reference_elu(std::span<const Array> in, const attribute_list& a) {
  const double alpha = a.real("alpha", 0);
  return {support::reference_elementwise(in, in[0].type(), [=](const double* v) {
    return v[0] > 0 ? v[0] : alpha * std::expm1(v[0]);
  })};
}

// dy * f'(x) with f' by its formula; `v` is the saved operand or result.
template <double (*Slope)(double v, double alpha)>
std::vector<Array> reference_derivative(std::span<const Array> in, const attribute_list& a) {
  const double alpha = a.real("alpha", 0);
  return {support::reference_elementwise(
      in, in[0].type(), [=](const double* v) { return v[0] * Slope(v[1], alpha); })};
}
double relu_slope(double y, double) { return y > 0 ? 1 : 0; }
double tanh_slope(double y, double) { return 1 - y * y; }
double sigmoid_slope(double y, double) { return y * (1 - y); }
double softplus_slope(double x, double) { return logistic(x); }
double silu_slope(double x, double) { return logistic(x) * (1 + x * (1 - logistic(x))); }
double gelu_slope(double x, double) {
  return 0.5 * (1 + std::erf(x / std::sqrt(2.0))) +
         x * std::exp(-0.5 * x * x) / std::sqrt(2 * std::acos(-1.0));
}
double gelu_tanh_slope(double x, double) {
  const double c = std::sqrt(2 / std::acos(-1.0)), y = std::tanh(c * (x + 0.044715 * x * x * x));
  return 0.5 * (1 + y) + 0.5 * x * (1 - y * y) * c * (1 + 3 * 0.044715 * x * x);
}
double leaky_relu_slope(double y, double alpha) { return y > 0 ? 1 : alpha; }
double elu_slope(double y, double alpha) { return y > 0 ? 1 : y + alpha; }

attribute_list alpha_of(double alpha) { return attribute_list().set("alpha", alpha); }

std::vector<operator_sample> smooth_samples() { return support::unary_samples(-4, 4); }
std::vector<operator_sample> kinked_samples() { return support::unary_samples(-4, 4, {}, false); }
std::vector<operator_sample> leaky_samples() {
  return support::unary_samples(-4, 4, alpha_of(0.2), false);
}
std::vector<operator_sample> elu_samples() {
  return support::unary_samples(-4, 4, alpha_of(0.7), false);
}

// The second operand spans (Low, High) tenths.
template <int Low, int High, int Alpha, bool Twice>
std::vector<operator_sample> derivative_samples() {
  std::vector<operator_sample> samples;
  for (const dims& shape : {dims{}, dims{1}, dims{7}, dims{0}, dims{3, 5}, dims{2, 1, 17}}) {
    samples.push_back(
        {{support::spread(shape, -2, 2, 1), support::spread(shape, Low / 10.0, High / 10.0, 2)},
         Alpha == 0 ? attribute_list() : alpha_of(Alpha / 10.0),
         true,
         Twice});
  }
  return samples;
}

std::vector<operator_error_sample> activation_errors() {
  return {{{value_type::of(dtype::int32, {2})}, {}, "floating elements"}};
}
std::vector<operator_error_sample> alpha_errors() {
  return {
      {{value_type::of(dtype::int32, {2})}, alpha_of(0.5), "floating elements"},
      {{value_type::of(dtype::float32, {2})}, alpha_of(-0.5), "alpha must be at least 0"},
      {{value_type::of(dtype::float32, {2})}, alpha_of(std::nan("")), "alpha must be at least 0"},
      {{value_type::of(dtype::float32, {2})},
       alpha_of(std::numeric_limits<double>::infinity()),
       "alpha must be at least 0 and finite"}};
}
std::vector<operator_error_sample> derivative_errors() {
  return {
      {{value_type::of(dtype::float32, {2}), value_type::of(dtype::float32, {3})}, {}, "one shape"},
      {{value_type::of(dtype::float32, {2}), value_type::of(dtype::float64, {2})},
       {},
       "one element type"},
      {{value_type::of(dtype::int32, {2}), value_type::of(dtype::int32, {2})},
       {},
       "floating elements"}};
}

}  // namespace

void add_activation_operators(std::vector<operator_definition>& all) {
  all.push_back({&ops::relu, "Relu", activation_gradient<ops::relu_gradient, true>,
                 bind_activation<unary_op::relu>, reference_activation<rectify>, kinked_samples,
                 activation_errors});
  all.push_back({&ops::tanh, "Tanh", activation_gradient<ops::tanh_gradient, true>,
                 bind_activation<unary_op::tanh>, reference_activation<hyperbolic_tangent>,
                 smooth_samples, activation_errors});
  all.push_back({&ops::sigmoid, "Sigmoid", activation_gradient<ops::sigmoid_gradient, true>,
                 bind_activation<unary_op::sigmoid>, reference_activation<logistic>, smooth_samples,
                 activation_errors});
  all.push_back({&ops::softplus, "Softplus", activation_gradient<ops::softplus_gradient, false>,
                 bind_activation<unary_op::softplus>, reference_activation<soft_plus>,
                 smooth_samples, activation_errors});
  all.push_back({&ops::silu, "", activation_gradient<ops::silu_gradient, false>,
                 bind_activation<unary_op::silu>, reference_activation<swish>, smooth_samples,
                 activation_errors});
  all.push_back({&ops::gelu, "Gelu", activation_gradient<ops::gelu_gradient, false>,
                 bind_activation<unary_op::gelu>, reference_activation<gauss>, smooth_samples,
                 activation_errors});
  all.push_back({&ops::gelu_tanh, "", activation_gradient<ops::gelu_tanh_gradient, false>,
                 bind_activation<unary_op::gelu_tanh>, reference_activation<gauss_tanh>,
                 smooth_samples, activation_errors});
  all.push_back({&ops::leaky_relu, "LeakyRelu", activation_gradient<ops::leaky_relu_gradient, true>,
                 bind_activation<unary_op::leaky_relu>, reference_leaky_relu, leaky_samples,
                 alpha_errors});
  all.push_back({&ops::elu, "Elu", activation_gradient<ops::elu_gradient, true>,
                 bind_activation<unary_op::elu>, reference_elu, elu_samples, alpha_errors});

  const auto derivative = [&](const operator_schema& schema, gradient_rule gradient,
                              kernel_binding bind, reference_rule reference,
                              std::vector<operator_sample> (*samples)()) {
    all.push_back({&schema, "", gradient, bind, reference, samples, derivative_errors});
  };
  derivative(ops::relu_gradient, linear_piece_gradient<ops::relu_gradient>,
             bind_derivative<gradient_op::relu>, reference_derivative<relu_slope>,
             derivative_samples<-20, 20, 0, false>);
  derivative(ops::tanh_gradient, tanh_second, bind_derivative<gradient_op::tanh>,
             reference_derivative<tanh_slope>, derivative_samples<-9, 9, 0, true>);
  derivative(ops::sigmoid_gradient, sigmoid_second, bind_derivative<gradient_op::sigmoid>,
             reference_derivative<sigmoid_slope>, derivative_samples<1, 9, 0, true>);
  derivative(ops::softplus_gradient, softplus_second, bind_derivative<gradient_op::softplus>,
             reference_derivative<softplus_slope>, derivative_samples<-40, 40, 0, true>);
  derivative(ops::silu_gradient, silu_second, bind_derivative<gradient_op::silu>,
             reference_derivative<silu_slope>, derivative_samples<-40, 40, 0, true>);
  derivative(ops::gelu_gradient, gelu_second, bind_derivative<gradient_op::gelu>,
             reference_derivative<gelu_slope>, derivative_samples<-40, 40, 0, true>);
  derivative(ops::gelu_tanh_gradient, gelu_tanh_second, bind_derivative<gradient_op::gelu_tanh>,
             reference_derivative<gelu_tanh_slope>, derivative_samples<-40, 40, 0, true>);
  derivative(ops::leaky_relu_gradient, linear_piece_gradient<ops::leaky_relu_gradient>,
             bind_derivative<gradient_op::leaky_relu>, reference_derivative<leaky_relu_slope>,
             derivative_samples<-20, 20, 2, false>);
  derivative(ops::elu_gradient, elu_second, bind_derivative<gradient_op::elu>,
             reference_derivative<elu_slope>, derivative_samples<-6, 20, 7, false>);
}

}  // namespace graft
