// The code of the page on networks in another precision.
#include <cmath>

#include <graft/graft.hpp>

#include "check.hpp"

using namespace graft;

int main() {
  Graph g;
  auto x = placeholder<float, shape<8, 6, 3>>(g, "x");
  auto y = dense<2, "label">(lstm<4>(x));
  auto loss = sum(square(y));
  Session session(g, {.seed = 1});
  session.initialize();
  Array batch(dtype::float64, {8, 6, 3});
  double at = 0;
  for (double& e : batch.mutable_span<double>()) e = std::sin(at += 0.7);

  //! [double]
  Region region = extract(inputs(x), outputs(loss));
  Clone twice = clone(region, element_type(dtype::float64), variables::copied, into("double"));
  any_tensor x64 = twice(any_tensor(x));  // its elements are doubles now
  auto loss64 = as<double, shape<>>(twice(any_tensor(loss)));
  //! [double]
  check(std::abs(session.run(loss64, feed(x64, batch)).item<double>() -
                 static_cast<double>(
                     session.run(loss, feed(x, batch.cast(dtype::float32))).item<float>())) < 1e-4,
        "both compute the same");

  //! [check]
  double worst = 0;
  for (const variable_id v : trainable_variables(loss64)) {
    const any_tensor slope = gradients(loss64, {g.handle(g.variable_of(v).read)})[0];
    const Array analytic = session.run(slope, feed(x64, batch)), start = session.value(v);
    for (std::size_t k = 0; k < start.span<double>().size(); ++k) {
      const auto moved = [&](double by) {
        Array value = start;
        value.mutable_span<double>()[k] += by;
        session.set_value(v, value);
        return session.run(loss64, feed(x64, batch)).item<double>();
      };
      const double numeric = (moved(1e-5) - moved(-1e-5)) / 2e-5;
      worst = std::max(worst, std::abs(numeric - analytic.span<double>()[k]));
    }
    session.set_value(v, start);
  }
  //! [check]
  check(worst < 1e-6, "gradients and differences agree");

  //! [half]
  Clone half = clone(region, element_type(dtype::float16), variables::shared, into("half"));
  any_tensor kernel = g.handle(g.variable_of(*g.find_variable("label/kernel")).read);
  any_tensor slope =
      gradients(half(any_tensor(loss)), {kernel})[0];  // of float32, as the kernel is
  //! [half]
  check(g.type_of(g.id(slope)).type == dtype::float32, "masters stay in single precision");
}
