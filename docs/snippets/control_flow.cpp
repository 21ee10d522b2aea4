// The code of the page on control flow, and what it computes.
#include <cmath>

#include <graft/graft.hpp>

#include "check.hpp"

using namespace graft;

int main() {
  Graph g;
  auto p = placeholder<bool, shape<>>(g, "p");
  auto a = placeholder<float, shape<2>>(g, "a");
  auto b = placeholder<float, shape<2>>(g, "b");
  auto n = placeholder<std::int64_t, shape<>>(g, "n");
  auto i0 = constant(g, std::int64_t{0});
  auto xs = placeholder<float, shape<3, 2, 4>>(g, "xs");
  auto h0 = placeholder<float, shape<2, 4>>(g, "h0");
  auto w = placeholder<float, shape<4, 4>>(g, "w");
  //! [bodies]
  auto y = cond(p, [&] { return a; }, [&] { return b; });

  auto [steps, power] = while_loop(
      std::tuple{i0, a}, [&](auto i, auto) { return i < n; },
      [&](auto i, auto s) { return std::tuple{i + std::int64_t{1}, s * b}; });

  auto [last, ys] = scan(h0, xs, [&](auto h, auto x) {  // along the first axis of xs
    auto next = tanh(matmul(h, w) + x);
    return std::tuple{next, next};  // the new state, and what is stacked
  });
  //! [bodies]

  Session session(g);
  const Array ones = Array::from<float>({2}, {1.0f, 1.0f});
  const Array threes = Array::from<float>({2}, {3.0f, 3.0f});
  check(session.run(y, feed(p, true), feed(a, ones), feed(b, threes)).at<float>({0}) == 1,
        "a true predicate takes the first branch");
  check(session.run(y, feed(p, false), feed(a, ones), feed(b, threes)).at<float>({0}) == 3,
        "a false predicate takes the second branch");
  check(
      session.run(power, feed(n, std::int64_t{4}), feed(a, ones), feed(b, threes)).at<float>({1}) ==
          81,
      "the loop multiplies as often as its condition holds");
  Array inputs(dtype::float32, {3, 2, 4}), state(dtype::float32, {2, 4}),
      weights(dtype::float32, {4, 4});
  for (float& x : inputs.mutable_span<float>()) x = 0.5f;
  auto [end, all] =
      session.run(std::tuple{last, ys}, feed(xs, inputs), feed(h0, state), feed(w, weights));
  check(std::abs(end.at<float>({1, 3}) - std::tanh(0.5f)) < 1e-6f,
        "the last state is the last step's");
  check(all.at<float>({2, 1, 3}) == end.at<float>({1, 3}), "the results of all steps are stacked");
}
