// Threads: the same bits for every number of them, and runs beside one another.
#include <atomic>
#include <thread>

#include "graft/ops/softmax.hpp"

#include "../support/training_network.hpp"
#include "../unit/session_fixture.hpp"
#include "catch.hpp"

using namespace session_test;

namespace {

// A sanitizer that looks at every access sees a race in the first rounds or not at all, and takes a
// hundred times as long over each.
#if defined(__SANITIZE_THREAD__)
constexpr bool watched = true;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
constexpr bool watched = true;
#else
constexpr bool watched = false;
#endif
#else
constexpr bool watched = false;
#endif

// Large enough for every kernel to share its work.
struct workload {
  Graph g;
  tensor<Graph, dtype::float32, shape<300, 257>> x = placeholder<float, shape<300, 257>>(g, "x");
  tensor<Graph, dtype::float32, shape<257, 300>> w =
      make_variable<float, shape<257, 300>>(g, "w", uniform(-1, 1));
  any_tensor product = matmul(x, w);
  any_tensor chain = tanh(product * 0.01f + 1.0f) * sigmoid(product);
  any_tensor rows = sum(chain, dims{1}), columns = mean(chain, dims{0}), all = sum(chain);
  any_tensor soft = softmax(chain);
  update_group step = updates(g, assign(w, w - w * 0.125f));
};

Array input() {
  Array a(dtype::float32, {300, 257});
  auto values = a.mutable_span<float>();
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(i * 2654435761u % 1000) / 500 - 1;
  return a;
}

}  // namespace

TEST_CASE("results are the same bits for every number of threads") {
  const Array fed = input();
  std::vector<Array> first;
  for (const int threads : {1, 2, 3, 4, 8}) {
    workload work;
    Session session(work.g, {.threads = threads, .seed = 4});
    session.initialize();
    std::vector<Array> found =
        session.run({work.product, work.chain, work.rows, work.columns, work.all, work.soft},
                    feed(work.x, fed));
    session.run(work.step);
    found.push_back(session.value(work.w));
    if (first.empty()) first = found;
    for (std::size_t i = 0; i < found.size(); ++i) {
      INFO(threads << " threads, result " << i);
      REQUIRE(found[i].same_bits(first[i]));
    }
  }
}

TEST_CASE("training with a layer of each kind is the same bits for every number of threads") {
  std::vector<Array> first;
  for (const int threads : {1, 2, 3, 7}) {
    if (watched && threads > 2) break;
    graft_test::training_network net;
    Session session(net.g, {.threads = threads, .seed = 5});
    session.initialize();
    prepared_call call = net.prepare(session);
    for (int i = 0; i < (watched ? 1 : 4); ++i) call.run();
    std::vector<Array> found{Array::from<float>({}, call.output<float>())};
    for (const variable_id v : net.g.variables()) found.push_back(session.value(v));
    if (first.empty()) first = found;
    for (std::size_t i = 0; i < found.size(); ++i) {
      INFO(threads << " threads, value " << i);
      REQUIRE(found[i].same_bits(first[i]));
    }
  }
}

TEST_CASE("a value that is set comes before or after a run that updates, not into it") {
  Graph g;
  constexpr std::int64_t n = 20000;
  auto w = make_variable<float, shape<n>>(g, "w", zeros());
  auto steps = make_variable<std::int64_t, shape<>>(g, "steps", zeros());
  auto next = w + 1.0f;
  for (int i = 0; i < 8; ++i) next = next + sigmoid(w) * 0.0f;
  // Read in the first phase of the run, written in the second.
  auto step = updates(g, assign(w, counted(next)), assign(steps, steps + std::int64_t{1}));
  Session session(g, {.threads = 1});
  session.initialize();
  std::atomic<bool> stop{false};
  std::atomic<int> taken{0};
  std::thread trainer([&] {
    while (!stop) {
      session.run(step);
      ++taken;
    }
  });
  while (taken == 0) std::this_thread::yield();
  int lost = 0;
  const int rounds = watched ? 20 : 200;
  for (int i = 1; i <= rounds; ++i) {
    const float mark = static_cast<float>(i) * 10000;
    if (i % 2 == 0) {
      session.set_value(w, Array::full<float>({n}, mark));
    } else {
      g.store().set(*g.variable_read_by(g.id(w)), Array::full<float>({n}, mark));
    }
    const int before = taken;
    while (taken < before + 2) std::this_thread::yield();
    if (session.value(w).at<float>({0}) < mark) ++lost;
  }
  stop = true;
  trainer.join();
  CHECK(lost == 0);
}

TEST_CASE("runs of one session go beside one another", "[edge-82]") {
  Graph g;
  auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  auto w = make_variable<float, shape<4, 4>>(g, "w", ones());
  auto y = relu(matmul(x, w)) + 1.0f;
  Session session(g, {.threads = 2});
  session.initialize();
  std::atomic<int> wrong{0};
  std::vector<std::thread> all;
  for (int t = 0; t < 4; ++t) {
    all.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        const std::int64_t n = 1 + (i + t) % 5;
        const float v = static_cast<float>(t + i % 7);
        const Array found = session.run(y, feed(x, Array::full<float>({n, 4}, v)));
        if (!found.same_bits(Array::full<float>({n, 4}, 4 * v + 1))) ++wrong;
      }
    });
  }
  for (std::thread& t : all) t.join();
  CHECK(wrong == 0);
}

TEST_CASE("no update is lost and none is seen in part") {
  Graph g;
  constexpr std::int64_t n = 20000;
  auto a = make_variable<float, shape<n>>(g, "a", zeros());
  auto b = make_variable<float, shape<n>>(g, "b", zeros());
  auto c = make_variable<float, shape<n>>(g, "c", zeros());
  // a and b are written in place, c is computed apart and copied.
  auto step = updates(g, assign(a, a + 1.0f), assign(b, b - 1.0f), assign(c, counted(c + 1.0f)));
  auto sum = a + b;
  Session session(g, {.threads = 1});
  session.initialize();
  constexpr int writers = 2, readers = 2, steps = watched ? 100 : 1500;
  std::atomic<int> wrong{0}, ready{0}, writing{writers};
  const auto wait_for_all = [&] {
    ++ready;
    while (ready < writers + readers) std::this_thread::yield();
  };
  std::vector<std::thread> all;
  for (int t = 0; t < writers; ++t) {
    all.emplace_back([&] {
      wait_for_all();
      for (int i = 0; i < steps; ++i) session.run(step);
      --writing;
    });
  }
  for (int t = 0; t < readers; ++t) {
    all.emplace_back([&] {
      const Array zero(dtype::float32, {n});
      wait_for_all();
      while (writing > 0) {
        const auto [total, held] = session.run(std::tuple{sum, a});
        if (!total.same_bits(zero)) ++wrong;
        if (held.template at<float>({0}) != held.template at<float>({n - 1})) ++wrong;
      }
    });
  }
  for (std::thread& t : all) t.join();
  CHECK(wrong == 0);
  constexpr float count = writers * steps;
  CHECK(session.value(a).same_bits(Array::full<float>({n}, count)));
  CHECK(session.value(b).same_bits(Array::full<float>({n}, -count)));
  CHECK(session.value(c).same_bits(Array::full<float>({n}, count)));
}

TEST_CASE("prepared calls of one session run beside one another") {
  Graph g;
  auto x = placeholder<float, shape<64>>(g, "x");
  auto counter = make_variable<std::int64_t, shape<>>(g, "counter", zeros());
  auto y = square(x) + 1.0f;
  auto step = updates(g, assign(counter, counter + std::int64_t{1}));
  Session session(g);
  session.initialize();
  std::atomic<int> wrong{0};
  std::vector<std::thread> all;
  for (int t = 0; t < 4; ++t) {
    all.emplace_back([&, t] {
      prepared_call call = session.prepare(std::tuple{y, step}, x);
      for (int i = 0; i < 100; ++i) {
        const float v = static_cast<float>(t * 100 + i);
        for (float& e : call.input<float>()) e = v;
        call.run();
        for (const float e : call.output<float>()) wrong += e != v * v + 1 ? 1 : 0;
      }
    });
  }
  for (std::thread& t : all) t.join();
  CHECK(wrong == 0);
  CHECK(session.value(counter).item<std::int64_t>() == 400);
}

TEST_CASE("first runs of clones beside one another", "[edge-82]") {
  Graph g;
  auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  auto w = make_variable<float, shape<4, 4>>(g, "w", uniform(-1, 1));
  auto y = tanh(matmul(x, w)) + 1.0f;
  const Region region = extract(inputs(x), outputs(y));
  const auto clones = replicate(region, 24, variables::fresh);
  Session session(g, {.threads = 1});
  session.initialize();
  std::vector<Array> expected;
  for (const Clone& c : clones) {
    const Array fed = Array::full<float>({3, 4}, 0.5f);
    expected.push_back(Session(g, {.threads = 1}).run(c(y), feed(c(x), fed)));
  }
  const std::uint64_t before = session.plans_made();
  std::atomic<int> wrong{0}, ready{0};
  std::vector<std::thread> all;
  for (std::size_t t = 0; t < 4; ++t) {
    all.emplace_back([&, t] {
      ++ready;
      while (ready < 4) std::this_thread::yield();
      for (std::size_t i = 0; i < clones.size(); ++i) {
        const std::size_t at = (i + t * 6) % clones.size();
        const Array fed = Array::full<float>({3, 4}, 0.5f);
        const Array found = session.run(clones[at](y), feed(clones[at](x), fed));
        if (!found.same_bits(expected[at])) ++wrong;
      }
    });
  }
  for (std::thread& t : all) t.join();
  CHECK(wrong == 0);
  CHECK(session.plans_made() == before + 1);
}
