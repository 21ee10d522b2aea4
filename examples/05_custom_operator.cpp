// 5. A custom operator: schema, gradient and kernel in one place, used like any other.
//
// swish_beta(x) = x * sigmoid(beta * x) with beta as an attribute. It is differentiable, cloneable and checked.
#include <cmath>
#include <cstdio>

#include <graft/graft.hpp>
#include <graft/graph/operator.hpp>

using namespace graft;

namespace mine {

// The shape rule: the output is like the operand.
constexpr inferred infer_swish(const infer_args& in) {
  if (in.operands[0].type != dtype::any && in.operands[0].type != dtype::float32) {
    return problem{.clause = "swish_beta needs float32 elements",
                   .needs = value_type::unranked(dtype::float32),
                   .got = in.operands[0],
                   .about_type = true};
  }
  return in.operands[0];
}
// What its attributes must be, wherever an op is added, edited or loaded.
inline constexpr attribute_rule swish_takes[] = {declare::real("beta").required()};
inline constexpr operator_schema swish_schema{"mine.swish_beta", 1,          1, infer_swish,
                                              ops::elementwise,  swish_takes};

// The function users call. The attribute does not decide the type, so it may be known at run time only.
template <tensor_like X>
constexpr auto swish_beta(const X& x, double beta, source_line here = source_line::now()) {
  return apply<swish_schema>(attribute_list().set("beta", beta), {}, here, x);
}

// d/dx = s + beta * x * s * (1 - s), from public operators: so it can be differentiated again.
operand_gradients swish_gradient(const gradient_args& a) {
  const double beta = a.attributes.real("beta", 1);
  const any_tensor& x = a.operands[0];
  const any_tensor s = sigmoid(x * beta);
  operand_gradients g(1);
  g[0] = any_tensor(*a.output_gradients[0] * (s + x * s * (1.0 - s) * beta));
  return g;
}

bound_kernel bind_swish(const bind_args& b) {
  const auto beta = static_cast<float>(b.attributes.real("beta", 1));
  const std::int64_t n = b.inputs[0].size;
  bound_kernel kernel;
  kernel.run = [=](const kernel_call& call) {
    const auto* x = static_cast<const float*>(call.in[0]);
    auto* y = static_cast<float*>(call.out[0]);
    for (std::int64_t i = 0; i < n; ++i) y[i] = x[i] / (1 + std::exp(-beta * x[i]));
  };
  return kernel;
}

void register_swish() {
  operator_definition d;
  d.schema = &swish_schema;
  d.gradient = swish_gradient;
  d.bind = bind_swish;
  register_operator(d);
}

}  // namespace mine

int main() try {
  mine::register_swish();
  Graph g;
  auto x = placeholder<float, shape<3>>(g, "x");
  auto y = mine::swish_beta(x, 2.0);
  static_assert(std::is_same_v<decltype(y), decltype(x)>);
  auto dy = gradient(y, x);

  // A clone knows the operator as it knows all others.
  auto copy = clone(extract(inputs(x), outputs(y)), into("copy"), variables::fresh);

  Session session(g);
  const Array values = Array::from<float>({3}, {-1.0f, 0.0f, 2.0f});
  const Array out = session.run(y, feed(x, values)), slope = session.run(dy, feed(x, values));
  const Array cloned = session.run(copy(y), feed(copy(x), values));
  bool right = out.same_bits(cloned);
  for (std::size_t i = 0; i < 3; ++i) {
    const double v = values.span<float>()[i], s = 1 / (1 + std::exp(-2 * v));
    right &= std::abs(out.span<float>()[i] - v * s) < 1e-6;
    right &= std::abs(slope.span<float>()[i] - (s + 2 * v * s * (1 - s))) < 1e-5;
    std::printf("swish(%g) = %g, slope %g\n", v, out.span<float>()[i], slope.span<float>()[i]);
  }
  return right ? 0 : 1;
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
