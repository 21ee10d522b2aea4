// The code of the page on control flow, and what it computes.
#include <cmath>

#include <graft/graft.hpp>

#include "check.hpp"

using namespace graft;

namespace {

//! [recorded]
constexpr auto reader =
    net<[](auto x) { return dense<3, "label">(lstm<32>(x)); }, in<float, shape<dyn, 20, 8>, "x">>();
static_assert(reader.output_shape() == dims{dyn, 3});
static_assert(reader.parameter_count() == (8 + 32 + 1) * 4 * 32 + (32 + 1) * 3);
static_assert(reader.variable_name(1) == "lstm/recurrent_kernel");

constexpr auto memory = extract<"x", "lstm/scan">(reader);  // around bodies, not into them
//! [recorded]

// The part computes in a graph what its ops do in the whole.
void check_recorded() {
  Graph whole, part;
  const auto x = placeholder<float, shape<dyn, 20, 8>>(whole, "x");
  const auto y = placeholder<float, shape<dyn, 20, 8>>(part, "x");
  lower(reader, whole, x);
  const auto h = lower(memory, part, y);
  Session session(whole, {.seed = 1}), session_of_part(part, {.seed = 1});
  session.initialize();
  session_of_part.initialize();
  const any_tensor same = whole.handle({*whole.find_op("lstm/scan"), 0});
  const Array rows = Array::full<float>({2, 20, 8}, 0.25f);
  check(session_of_part.run(h, feed(y, rows)).same_bits(session.run(same, feed(x, rows))),
        "a part with a loop computes what it does in the whole");
}

void check_rules() {
  Graph g;
  auto words = placeholder<float, shape<2, 5, 8>>(g, "words");
  auto state = lstm<4>(words);
  //! [rules]
  Clone hard = clone(extract(inputs(words), outputs(state)),
                     each_op([](const copied_op& op) -> std::optional<std::vector<any_tensor>> {
                       if (op.schema->name != "sigmoid") return std::nullopt;
                       // op.graph is the body of the scan
                       return std::vector<any_tensor>{clip(op.operands[0] * 0.2f + 0.5f, 0, 1)};
                     }));

  rewritten done = simplify(g);                            // in bodies, too
  rewritten flat = simplify(g, {.nested = bodies::skip});  // the graph's own ops only
  //! [rules]
  const Graph& body = g.body(g.attributes_of(*hard.find(*g.find_op("lstm/scan"))).integer("body"));
  bool clips = false;
  for (std::size_t i = 0; i < body.op_count(); ++i) {
    clips = clips || body.schema_of(body.op_at(i)).name == "clip";
  }
  check(clips, "the clone's gates are hard");
}

void check_clone_in_body() {
  Graph g;
  auto x = placeholder<float, shape<2, 4>>(g, "x");
  auto start = placeholder<float, shape<2, 4>>(g, "start");
  auto ticks = placeholder<float, shape<3>>(g, "ticks");
  auto y = tanh(dense<4, "layer">(x));
  Region region = extract(inputs(x), outputs(y));
  Session session(g);
  //! [clone_in_body]
  std::optional<Clone> step;
  auto [settled, none] = scan(start, ticks, [&](auto h, auto) {
    step = clone(region, bind(x, h), into(*g.current_body(), "step"), variables::fresh);
    return std::tuple{(*step)(y), std::tuple{}};
  });
  session.run(step->initializer());  // step/layer/kernel and step/layer/bias of g
  //! [clone_in_body]
  check(g.find_variable("step/layer/kernel").has_value(), "the variables are the graph's");
  check(session.run(settled, feed(start, Array::full<float>({2, 4}, 0.5f)),
                    feed(ticks, Array(dtype::float32, {3})))
                .shape() == dims{2, 4},
        "the loop runs on its own variables");
}

}  // namespace

int main() {
  check_recorded();
  check_rules();
  check_clone_in_body();
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
