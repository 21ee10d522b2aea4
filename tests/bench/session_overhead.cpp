// What a call costs beyond its arithmetic: a small multilayer perceptron, 4-64-64-2, at batch 1
// and 64.
#include <memory>

#include "graft/ops/elementwise.hpp"
#include "graft/ops/initializers.hpp"
#include "graft/ops/matmul.hpp"
#include "graft/ops/reduce.hpp"
#include "graft/ops/sources.hpp"
#include "graft/runtime/session.hpp"
#include "graft/train/optimizer.hpp"

#include "harness.hpp"

using namespace graft;

namespace {

struct perceptron {
  Graph g;
  any_tensor x = placeholder<float, shape<dyn, 4>>(g, "x");
  any_tensor target = placeholder<float, shape<dyn, 2>>(g, "target");
  any_tensor y, loss;
  update_group step;
  std::unique_ptr<Session> session;

  explicit perceptron(int threads) {
    y = layer<4, 64>(x, true);
    y = layer<64, 64>(y, true);
    y = layer<64, 2>(y, false);
    loss = mean(squared_difference(y, target));
    step = minimize(loss, adam{}).updates;
    session = std::make_unique<Session>(g, session_options{.threads = threads});
    session->initialize();
  }
  template <extent In, extent Out>
  any_tensor layer(const any_tensor& from, bool activated) {
    auto w = make_variable<float, shape<In, Out>>(g, "w", glorot_uniform());
    auto b = make_variable<float, shape<Out>>(g, "b", zeros());
    const any_tensor out = matmul(from, any_tensor(w)) + any_tensor(b);
    return activated ? any_tensor(relu(out)) : out;
  }
};

}  // namespace

int main(int argc, char** argv) {
  bench::harness bench(argc, argv);
  for (const int threads : bench.thread_counts()) {
    for (const std::int64_t batch : {1, 64}) {
      const auto net = std::make_shared<perceptron>(threads);
      const std::string size = "4-64-64-2 batch " + std::to_string(batch);
      const Array input = Array::full<float>({batch, 4}, 0.5f), wanted(dtype::float32, {batch, 2});
      bench.add({"session_overhead", "run", "forward " + size, threads},
                [=] { bench::keep(net->session->run(net->y, feed(net->x, input))); });
      bench.add({"session_overhead", "run", "training step " + size, threads}, [=] {
        net->session->run(net->step, feed(net->x, input), feed(net->target, wanted));
      });
      const auto forward = std::make_shared<prepared_call>(
          net->session->prepare(net->y, shaped(net->x, {batch, 4})));
      bench.add({"session_overhead", "prepared", "forward " + size, threads}, [=] {
        forward->run();
        bench::keep(forward->output<float>()[0]);
      });
      const auto train = std::make_shared<prepared_call>(net->session->prepare(
          net->step, shaped(net->x, {batch, 4}), shaped(net->target, {batch, 2})));
      bench.add({"session_overhead", "prepared", "training step " + size, threads},
                [=] { (void)net, train->run(); });
    }
  }
  return bench.run();
}
