// A network with bodies three deep, for the tests of what passes through bodies.
#pragma once

#include <cmath>
#include <tuple>

#include "graft/graft.hpp"

namespace graft_test {

using namespace graft;

inline Array some(const dims& shape, double salt) {
  Array a(dtype::float64, shape);
  double x = salt;
  for (double& v : a.mutable_span<double>()) {
    x += 0.6180339887498949;
    v = 0.3 + x - std::floor(x);
  }
  return a;
}

struct deep_network {
  tensor<Graph, dtype::float64, shape<4, 3>> xs;
  tensor<Graph, dtype::float64, shape<3>> k;
  any_tensor w;
  tensor<Graph, dtype::float64, shape<>> loss;
};

// Three deep: scan, while_loop, cond. Each uses something from outside, the innermost a variable.
inline deep_network deep(Graph& g) {
  auto xs = placeholder<double, shape<4, 3>>(g, "xs");
  auto k = placeholder<double, shape<3>>(g, "k");
  auto s = scope(g, "net");
  auto w = make_variable<double, shape<3>>(g, "w", uniform(0.2, 0.9));
  auto [last, ys] = scan(k, xs, [&](auto state, auto x) {
    auto inner = while_loop(
        std::tuple{constant(g, std::int32_t{0}), state},
        [&](auto i, auto) { return i < std::int32_t{3}; },
        [&](auto i, auto v) {
          auto next =
              cond(sum(v) < 2.0, [&] { return tanh(v * w) + x; }, [&] { return v * k - x * w; });
          return std::tuple{i + std::int32_t{1}, next};
        });
    return std::tuple{std::get<1>(inner), sum(std::get<1>(inner) * w)};
  });
  return {xs, k, w, sum(ys) + sum(last)};
}

}  // namespace graft_test
