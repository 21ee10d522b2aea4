// Graft beside the headers of C: programs that say `using namespace graft` name its functions without
// ambiguity, whatever functions of C have the same names.
#include <cmath>
#include <complex>
#include <cstdlib>
#include <numeric>
#include <random>

#include <ctype.h>
#include <fcntl.h>
#include <fenv.h>
#include <inttypes.h>
#include <math.h>
#include <sched.h>
#include <search.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "graft/graft.hpp"
#include "graft/static.hpp"

using namespace graft;

// The names that C has too are called on tensors, and stand between layers.
template <class X>
constexpr auto called(const X& x) {
  auto y0 = exp(x) + log(abs(x) + 1.0) + sqrt(square(x)) + pow(x, 2.0);
  auto y1 = sin(y0) * cos(y0) - tanh(x) / erf(x) + floor(x) + ceil(x) + round(x);
  auto j0 = div(y1, maximum(x, 0.5)) + expm1(x) + log1p(abs(x));
  auto j1 = select(j0 > 0.0, j0, -j0) + clip(x, -1, 1);
  return mean(j1) + max(x) - min(x) + sum(j1) + prod(x);
}
constexpr auto table = net<[](auto x) { return called(x); }, in<float, shape<dyn, 4>>>();
static_assert(table.output_shape() == dims{});

constexpr auto chain = dense<8> >> exp >> dense<8> >> log >> dense<8> >> sqrt >> dense<8> >> abs >>
                       dense<8> >> tanh >> dense<8>;
constexpr auto pointed = exp >> dense<8> >> tanh;
constexpr auto chained = net<[](auto x) { return pointed(chain(x)); }, in<float, shape<dyn, 4>>>();
static_assert(chained.op_count() > 0);

// Truth values, indices, and what surgery, training and running are called.
inline void program() {
  Graph g;
  auto x = placeholder<float, shape<dim<"batch">, 4>>(g, "x");
  auto y = dense<3>(relu(called(x) + x));
  auto x2 = placeholder<float, shape<dim<"batch">, 4>>(g, "x2");
  auto region = extract(inputs(x), outputs(y));
  auto copy = clone(region, bind(x, x2), into("copy"), variables::fresh);
  auto labels = placeholder<std::int64_t, shape<dim<"batch">>>(g, "labels");
  auto loss = mean(softmax_cross_entropy(copy(y), labels));
  auto right = mean(cast<float>(equal(argmax<1>(y), labels)));
  auto either_way = any(logical_or(x > 0, x < 0)), both = all(is_nan(x));
  auto rows = gather(make_variable<float, shape<3, 4>>(g, "table", zeros()), labels);
  auto step = minimize(loss, adam{.rate = 1e-3});
  auto [last, all_steps] = scan(sum<axes<1>>(rows), transpose<1, 0>(rows),
                                [](auto s, auto e) { return std::tuple{s + e, s}; });
  const auto inside = scope(g, "inside");
  Session session(g);
  session.initialize();
  session.run(step, feed(x2, Array(dtype::float32, {2, 4})),
              feed(labels, Array(dtype::int64, {2})));
  (void)std::tuple{right, either_way, both, last, all_steps};
}
