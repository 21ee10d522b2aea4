// The code of the page on compiled chains.
//! [chain]
#include <graft/fuse.hpp>
#include <graft/graft.hpp>

inline constexpr auto gate = graft::elementwise(
    [](auto x, auto w, auto b, auto c) { return relu(tanh(x * w + b) * c + x * 0.5); });
//! [chain]

#include "check.hpp"

using namespace graft;

int main() {
  //! [register]
  register_fused<gate>();  // all operands have the shape of the result
  using enum operand_class;
  register_fused<gate, full, row, row, scalar>();  // w and b are rows, c is one number
  //! [register]

  //! [use]
  Graph g;
  auto x = placeholder<float, shape<dyn, 64>>(g, "x");
  auto w = make_variable<float, shape<64>>(g, "w", glorot_uniform());
  auto b = make_variable<float, shape<64>>(g, "b", zeros());
  auto c = make_variable<float, shape<>>(g, "c", ones());
  auto y = gate(x, w, b, c);
  auto target = placeholder<float, shape<dyn, 64>>(g, "target");
  auto step = minimize(mse(y, target), sgd{.rate = 0.1});
  //! [use]
  check(g.schema_of(g.id(any_tensor(y)).op).name == std::string_view("relu"),
        "the graph holds the primitive ops");

  //! [explain]
  Session session(g);
  session.initialize();
  std::string plan = session.explain_plan(y, feed(x, Array(dtype::float32, {8, 64})));
  bool compiled = plan.find("7 of them compiled") != std::string::npos;
  //! [explain]
  check(compiled, "the plan uses the kernel");
  session.run(step.updates, feed(x, Array(dtype::float32, {8, 64})),
              feed(target, Array(dtype::float32, {8, 64})));

  //! [form]
  constexpr elementwise_form form = form_of("f0 r1 add relu");
  bool shipped = has_fused_kernel(form, dtype::float32);
  //! [form]
  check(shipped, "the library has that form");
}
