// The code of the page on running, and that it does what the page says.
#include <algorithm>
#include <cstdio>
#include <string>

#include <boost/hana/adapt_struct.hpp>
#include <graft/graft.hpp>
#include <graft/static.hpp>

#include "check.hpp"

using namespace graft;

//! [struct]
struct inside {
  any_tensor hidden, logits;
};
BOOST_HANA_ADAPT_STRUCT(inside, hidden, logits);
//! [struct]

namespace {

const Array ones = Array::full<float>({32, 4}, 1.0f);

//! [static]
constexpr auto mlp =
    net<[](auto x) { return dense<2>(relu(dense<16>(x))); }, in<float, shape<dim<"batch">, 4>>>();
//! [static]

//! [points]
constexpr auto pointless =
    net<(dense<16> >> relu >> dense<2>), in<float, shape<dim<"batch">, 4>>>();
//! [points]
static_assert(pointless.parameter_count() == mlp.parameter_count());

void running() {
  Graph g;
  auto x = placeholder<float, shape<dim<"batch">, 4>>(g, "x");
  auto h = relu(dense<16, "hidden">(x), "h");
  auto y = dense<2, "out">(h);
  //! [once]
  Array two = evaluate(y * 0.0f + 2.0f, feed(y, Array::full<float>({1, 2}, 7.0f)));
  //! [once]
  check(two.at<float>({0, 1}) == 2, "y was fed, so nothing below it was needed");
  //! [session]
  Session session(g, {.threads = 2, .seed = 42});
  session.initialize();
  auto [logits, hidden] = session.run(std::tuple{y, h}, feed(x, ones));
  Array cut = session.run(y, feed(h, hidden));  // any tensor can be fed: what is below does not run
  //! [session]
  check(cut.same_bits(logits), "the rest of the network computes the same");
  //! [structures]
  inside both{h, y};
  auto found = session.run(both, feed(x, ones));
  Array scores = found[&inside::logits];
  Array again = session.run(h * 2.0f + sum(y), feed(both, found));
  Array same = session.run(h * 2.0f + sum(y), feed(std::tuple{h, y}, std::tuple{hidden, logits}));
  //! [structures]
  check(scores.same_bits(logits) && again.same_bits(same), "structs and tuples are mirrored");
  //! [prepared]
  auto call = session.prepare(y, shaped(x, {32, 4}));
  std::fill(call.input<float>(0).begin(), call.input<float>(0).end(), 1.0f);
  call.run();  // allocates nothing from the second time on
  std::span<const float> result = call.output<float>(0);
  //! [prepared]
  check(std::equal(result.begin(), result.end(), logits.span<float>().begin()),
        "a prepared call computes the same");
  //! [look]
  std::string plan = session.explain_plan(y, feed(x, ones));  // steps, shapes, memory
  std::string with = std::string(instruction_set());          // "avx2"
  //! [look]
  check(plan.find("hidden") != std::string::npos && !with.empty(), "plans can be read");
  {
    auto wrong = log(x - 1.0f) * 2.0f;
    //! [numerics]
    Session careful(g, {.check_numerics = true});
    try {
      careful.run(wrong, feed(x, ones));
    } catch (const numeric_error& e) {
      std::puts(e.what());  // names the logarithm: the first op that made an infinity
    }
    //! [numerics]
    check_refused([&] { careful.run(wrong, feed(x, ones)); }, "log");
  }
}

void compiled() {
  //! [compiled]
  Graph g;
  auto x = placeholder<float, shape<dim<"batch">, 4>>(g, "x");
  auto y = lower(mlp, g, x);
  Session session(g);
  session.initialize();

  static_network<mlp> fast;  // straight-line code, of the compiler's making
  fast.load(g);
  std::array<float, 2> out;
  fast(std::array{1.0f, 1.0f, 1.0f, 1.0f}, out, 1);
  //! [compiled]
  const Array wanted = session.run(y, feed(x, Array::full<float>({1, 4}, 1.0f)));
  check(std::abs(out[0] - wanted.at<float>({0, 0})) < 1e-5f, "both compute the same");
}

}  // namespace

int main() {
  running();
  compiled();
}
