// Clones made from one graph by several threads at once: extraction, every policy, bodies, statistics, and steps of
// an optimiser.
#include <atomic>
#include <thread>

#include "graft/graft.hpp"

#include "clone_fixture.hpp"

using namespace graft_test;

namespace {

// A recurrent network on a normalised input, a tie, dropout, and a step of Adam. All that threads share is const.
struct recurrent {
  Graph g;
  tensor<Graph, dtype::float32, shape<3, 4, 5>> x = placeholder<float, shape<3, 4, 5>>(g, "x");
  any_tensor y, loss;
  training_step step;
  std::vector<variable_id> all;

  recurrent() {
    constexpr auto tied = dense<5, "tied">.shared("tied");
    const auto h =
        lstm<4>(reshape<shape<3, 4, 5>>(batch_norm(tied(tied(reshape<shape<12, 5>>(x))))));
    const auto [last, rest] =
        scan(h, h, [](auto s, auto e) { return std::tuple{tanh(s + e), sum(e)}; });
    y = dropout(last, 0.25) +
        cond(sum(last) < 0.0f, [&] { return last; }, [&] { return exp(last); });
    loss = mean(square(y)) + mean(rest);
    step = minimize(loss, adam{.rate = 0.01});
    Session session(g, {.threads = 1});
    session.initialize();
    session.run(step, feed(x, batch()));
    all = g.variables();
  }

  static Array batch() {
    Array a(dtype::float32, {3, 4, 5});
    float next = 0.7f;
    for (float& e : a.mutable_span<float>()) e = next, next = next * -0.93f + 0.11f;
    return a;
  }
};

enum class work { fresh, copied, shared, frozen, split, training, training_fresh };
constexpr work all_work[] = {work::fresh, work::copied,   work::shared,        work::frozen,
                             work::split, work::training, work::training_fresh};

// Everything that a clone computes, made from the network anew.
std::vector<Array> results(const recurrent& n, work what) {
  Graph own;
  const Array batch = recurrent::batch();
  Session session(own, {.threads = 1});
  if (what == work::training || what == work::training_fresh) {
    const Region region = extract_training(inputs(n.x), n.step);
    const Clone copy =
        clone(region, into(own, "copy"), variables::by([&](const variable_info& v) {
                return what == work::training_fresh && v.role != variable_role::rng_stream
                           ? variables::fresh
                           : variables::copied;
              }));
    copy.check();
    session.run(copy.initializer());
    std::vector<Array> found;
    for (int i = 0; i < 2; ++i) session.run(copy(n.step), feed(copy(n.x), batch));
    for (const variable_id v : region.variables()) found.push_back(session.value(copy(v)));
    return found;
  }
  const Region region = extract(inputs(n.x), outputs(n.y));
  Clone copy = [&] {
    switch (what) {
      case work::copied:
        return clone(region, into(own, "copy"), variables::copied);
      case work::shared:
        return clone(region, into(own, "copy"), variables::shared, mode::inference);
      case work::frozen:
        return clone(region, into(own, "copy"), mode::inference, variables::frozen);
      case work::split:
        return clone(region, into(own, "copy"), variables::copied, ties::split);
      default:
        return clone(region, into(own, "copy"), variables::fresh);
    }
  }();
  copy.check();
  (void)copy.leak_audit();
  session.run(copy.initializer());
  return {session.run(copy(n.y), feed(copy(n.x), batch))};
}

bool equal(const std::vector<Array>& a, const std::vector<Array>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Array& x, const Array& y) { return x.same_bits(y); });
}

}  // namespace

TEST_CASE("threads extract and clone with every policy, and train what they cloned",
          "[clone][threads][edge-82]") {
  const recurrent n;
  std::vector<std::vector<Array>> expected;
  for (const work w : all_work) expected.push_back(results(n, w));
  const auto before = n.g.digest();
  std::atomic<int> wrong = 0, done = 0;
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      // Each begins at another policy, so that all of them meet.
      for (std::size_t i = 0; i < std::size(all_work); ++i) {
        const std::size_t at = (i + 2 * t) % std::size(all_work);
        wrong += !equal(results(n, all_work[at]), expected[at]);
        ++done;
      }
    });
  }
  for (std::thread& t : threads) t.join();
  CHECK(wrong == 0);
  CHECK(done == 4 * static_cast<int>(std::size(all_work)));
  CHECK(n.g.digest() == before);
}
