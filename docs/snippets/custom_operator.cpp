// An operator of one's own, with everything that one of the library has: the code of the page on
// custom operators and of CONTRIBUTING.md.
#include <cmath>

#include <graft/graft.hpp>
#include <graft/graph/operator.hpp>

#include "check.hpp"

using namespace graft;

//! [schema]
namespace graft::ops {
constexpr inferred infer_cube(const infer_args& in) {
  if (!rules::may_be_floating(in.operands[0].type)) {
    return rules::type_problem("the operand must have floating elements",
                               value_type::unranked(dtype::float32), in.operands[0]);
  }
  return in.operands[0];  // the result is like the operand
}
inline constexpr operator_schema cube{"cube", 1, 1, infer_cube, elementwise};
}  // namespace graft::ops

namespace graft {
/// x * x * x, elementwise.
/// @param x any shape, floating elements
/// @return a tensor of x's type. No ONNX operator of its own.
template <tensor_like X>
constexpr auto cube(const X& x, name_view name = {}, source_line here = source_line::now()) {
  return apply<ops::cube>({}, name, here, x);
}
}  // namespace graft
//! [schema]

namespace {

//! [gradient]
operand_gradients cube_gradient(const gradient_args& a) {
  operand_gradients result(1);
  result[0] = any_tensor(*a.output_gradients[0] * square(a.operands[0]) * 3.0);
  return result;
}
//! [gradient]

//! [binding]
template <class T>
bound_kernel cube_kernel(std::int64_t count) {
  bound_kernel kernel;
  kernel.run = [count](const kernel_call& call) {
    const auto* x = static_cast<const T*>(call.in[0]);
    auto* y = static_cast<T*>(call.out[0]);
    for (std::int64_t i = 0; i < count; ++i) y[i] = x[i] * x[i] * x[i];
  };
  return kernel;
}

bound_kernel bind_cube(const bind_args& b) {
  switch (b.inputs[0].type) {
    case dtype::float32:
      return cube_kernel<float>(b.inputs[0].size);
    case dtype::float64:
      return cube_kernel<double>(b.inputs[0].size);
    default:
      throw unsupported_error({"cube of " + std::string(name_of(b.inputs[0].type)),
                               "it is computed for float32 and float64", std::string(b.where),
                               "cast the operand"});
  }
}
//! [binding]

//! [samples]
std::vector<Array> cube_reference(std::span<const Array> operands, const attribute_list&) {
  Array y(dtype::float64, operands[0].shape());
  const auto x = operands[0].span<double>();
  for (std::size_t i = 0; i < x.size(); ++i) y.mutable_span<double>()[i] = std::pow(x[i], 3);
  return {y};
}

std::vector<operator_sample> cube_samples() {
  std::vector<operator_sample> samples;
  for (const Array& x : {Array(dtype::float64, {0, 3}), Array::scalar(-1.5),
                         Array::from<double>({5}, {-2.0, -0.5, 0.0, 0.5, 2.0})}) {
    samples.push_back({{x}, attribute_list()});
  }
  return samples;
}

std::vector<operator_error_sample> cube_error_samples() {
  return {{{value_type::unranked(dtype::int64)},
           attribute_list(),
           "the operand must have floating elements"}};
}
//! [samples]

//! [register]
void add_cube(std::vector<operator_definition>& all) {
  operator_definition d;
  d.schema = &ops::cube;
  d.gradient = cube_gradient;
  d.bind = bind_cube;
  d.reference = cube_reference;
  d.samples = cube_samples;
  d.error_samples = cube_error_samples;
  all.push_back(d);
}
//! [register]

}  // namespace

int main() {
  std::vector<operator_definition> all;
  add_cube(all);
  //! [use]
  register_operator(all[0]);  // once, before the first use

  Graph g;
  auto x = placeholder<float, shape<dyn>>(g, "x");
  auto y = cube(x);  // of x's static type
  auto slope = gradient(y, x);
  auto copy = clone(extract(inputs(x), outputs(y)), into("copy"));  // cloned like any other
  Session session(g);
  Array cubes = session.run(y, feed(x, Array::from<float>({2}, {2, -3})));
  //! [use]
  check(cubes.same_bits(Array::from<float>({2}, {8, -27})), "the kernel computes cubes");
  check(session.run(slope, feed(x, Array::from<float>({2}, {2, -3})))
            .same_bits(Array::from<float>({2}, {12, 27})),
        "the gradient is 3 x^2");
  check(session.run(copy(y), feed(copy(x), Array::from<float>({1}, {2}))).item<float>() == 8,
        "the clone, too");
  for (const operator_sample& s : cube_samples()) {
    Graph h;
    const any_tensor operand = constant(h, s.operands[0]);
    const Array found = Session(h).run(any_tensor(cube(operand)));
    check(found.same_bits(cube_reference(s.operands, {})[0]),
          "the kernel agrees with the reference");
  }
  Graph h;
  auto whole = placeholder<std::int64_t, shape<3>>(h, "whole");
  check_refused([&] { cube(any_tensor(whole)); }, cube_error_samples()[0].message);
  check_refused([&] { register_operator(all[0]); }, "already");
}
