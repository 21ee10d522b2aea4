// What a const graph, handles and stores promise to several threads. Run under the thread
// sanitizer, too.
#include <atomic>
#include <thread>
#include <vector>

#include "graft/core/error.hpp"

#include "catch.hpp"
#include "small_graph.hpp"

using namespace graft;

namespace {

template <class F>
void in_threads(int count, F&& f) {
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) threads.emplace_back([&f, i] { f(i); });
  for (std::thread& t : threads) t.join();
}

}  // namespace

TEST_CASE("a const graph is read by several threads") {
  Graph g;
  for (int i = 0; i < 50; ++i) {
    g.enter_scope("s");
    g.add_variable(small::weight("w", {2}));
    g.leave_scope();
  }
  const Graph& read = g;
  const std::uint64_t digest = read.digest();
  std::atomic<int> wrong{0};
  in_threads(4, [&](int i) {
    for (int round = 0; round < 20; ++round) {
      const std::string path = "s_" + std::to_string(1 + (round + i) % 49) + "/w";
      const auto found = read.find_variable(path);
      if (!found || read.path_of(*found) != path) ++wrong;
      if (read.digest() != digest) ++wrong;
      if (read.handle(read.variable_of(*found).read).ref().generation != read.slot()->generation)
        ++wrong;
    }
  });
  CHECK(wrong == 0);
}

TEST_CASE("graphs come and go in several threads") {
  std::vector<any_tensor> stale(4);
  std::atomic<int> wrong{0};
  in_threads(4, [&](int i) {
    for (int round = 0; round < 100; ++round) {
      Graph g;
      const any_tensor x = g.handle(small::make_input(g));
      if (g.id(x) != tensor_id{op_id{0}, 0}) ++wrong;
      stale[static_cast<std::size_t>(i)] = x;
    }
    // The slot may be another thread's by now; asking is allowed all the same.
    try {
      (void)target_traits<Graph>::target_of(stale[static_cast<std::size_t>(i)].ref());
      ++wrong;
    } catch (const handle_error&) {
    }
  });
  CHECK(wrong == 0);
}

TEST_CASE("values are set and read by several threads") {
  Graph g;
  const variable_id w = g.add_variable(small::weight("w", {64}));
  g.store().set(w, Array(dtype::float32, {64}));
  std::atomic<int> torn{0};
  in_threads(4, [&](int i) {
    for (int round = 0; round < 200; ++round) {
      if (i % 2 == 0) {
        g.store().set(w, Array::full<float>({64}, static_cast<float>(round)));
      } else {
        const Array value = g.store().get(w);
        const auto s = value.span<float>();
        for (const float x : s) torn += x != s[0];
      }
    }
  });
  CHECK(torn == 0);
}

TEST_CASE("several threads ask for values that nobody asked for before") {
  Graph g;
  for (int i = 0; i < 50; ++i) g.add_variable(small::weight("w", {2}));
  const VariableStore& store = g.store();
  std::vector<std::vector<const variable_cell*>> seen(4);
  std::atomic<int> wrong{0};
  in_threads(4, [&](int i) {
    for (std::uint32_t v = 0; v < 50; ++v) {
      if (store.initialized(variable_id{v})) ++wrong;
      seen[static_cast<std::size_t>(i)].push_back(store.cell(variable_id{v}).get());
    }
  });
  CHECK(wrong == 0);
  for (const auto& cells : seen) CHECK(cells == seen[0]);
}
