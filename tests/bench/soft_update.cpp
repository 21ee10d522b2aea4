// A soft update of ten million parameters, t += tau (s - t), beside a plain loop and a triad
// a = b + q c over as many numbers. Bytes that must move: twelve for each parameter in place, and
// sixteen for the triad, whose stores read the line first. `bandwidth` has these bytes over the median
// time: GB/s in the last column. And one of a network of many small layers.
#include <memory>
#include <vector>

#include "graft/graft.hpp"

#include "harness.hpp"

namespace {

constexpr std::int64_t side = 1000, layers = 10;

template <std::int64_t Side>
struct follower {
  graft::Graph g;
  std::unique_ptr<graft::Session> session;
  std::unique_ptr<graft::prepared_call> call;

  follower(int threads, std::int64_t depth) {
    using namespace graft;
    auto x = placeholder<float, shape<dyn, Side>>(g, "x");
    tensor<Graph, dtype::float32, shape<dyn, Side>> y = x;
    for (std::int64_t i = 0; i < depth; ++i) {
      y = matmul(y, make_variable<float, shape<Side, Side>>(g, "w", glorot_uniform()));
    }
    const Clone target = clone(extract(inputs(x), outputs(y)), variables::fresh);
    const update_group follow = soft_update(target, {.tau = 0.005});
    session = std::make_unique<Session>(g, session_options{.threads = threads});
    session->initialize();
    call = std::make_unique<prepared_call>(session->prepare(follow));
  }
};

struct arrays {
  std::vector<float> a, b, c;
  arrays() : a(side * side * layers, 1.0f), b(a.size(), 2.0f), c(a.size(), 3.0f) {}
};

}  // namespace

int main(int argc, char** argv) {
  graft::bench::harness bench(argc, argv);
  const std::string name = "parameters_10000000";
  for (const int threads : bench.thread_counts()) {
    const auto f = std::make_shared<follower<side>>(threads, layers);
    const auto data = std::make_shared<arrays>();
    bench.add({"soft_update", "graft", name, threads}, [=] { f->call->run(); });
    const auto small = std::make_shared<follower<32>>(threads, 64);
    bench.add({"soft_update", "graft", "layers_64_of_32x32", threads}, [=] { small->call->run(); });
    if (threads != 1) continue;
    bench.add({"soft_update", "loop", name, threads}, [=] {
      float* t = data->a.data();
      const float* s = data->b.data();
      for (std::size_t i = 0; i < data->a.size(); ++i) t[i] += 0.005f * (s[i] - t[i]);
      graft::bench::keep(t[0]);
    });
    bench.add({"soft_update", "triad", name, threads}, [=] {
      float* a = data->a.data();
      const float *b = data->b.data(), *c = data->c.data();
      for (std::size_t i = 0; i < data->a.size(); ++i) a[i] = b[i] + 0.5f * c[i];
      graft::bench::keep(a[0]);
    });
  }
  const int status = bench.run();
  for (const char* peer : {"graft", "loop", "triad"}) {
    for (const int threads : bench.thread_counts()) {
      const double bytes = static_cast<double>(side * side * layers) * (peer[0] == 't' ? 16 : 12);
      const double ns = bench.median_ns({"soft_update", peer, name, threads});
      if (ns > 0) bench.report({"bandwidth", peer, name, threads}, bytes / ns);
    }
  }
  return status;
}
