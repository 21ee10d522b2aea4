// What a call costs beyond its arithmetic: a small multilayer perceptron, 4-64-64-2, at batch 1
// and 64; and the first run of a clone, which is planned already.
#include <memory>
#include <vector>

#include "graft/ops/elementwise.hpp"
#include "graft/ops/initializers.hpp"
#include "graft/ops/matmul.hpp"
#include "graft/ops/reduce.hpp"
#include "graft/ops/sources.hpp"
#include "graft/runtime/session.hpp"
#include "graft/surgery/clone.hpp"
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

// Clones of a deep network, more than a session keeps calls of: each run is the first of its call.
struct clones_in_turn {
  static constexpr int count = 200;
  Graph g;
  any_tensor x = placeholder<float, shape<dyn, 8>>(g, "x");
  std::vector<any_tensor> in, out;
  std::unique_ptr<Session> session;
  std::size_t next = 0;

  clones_in_turn(int threads, int layers) {
    any_tensor y = x;
    for (int i = 0; i < layers; ++i) {
      auto w = make_variable<float, shape<8, 8>>(g, "w", glorot_uniform());
      auto b = make_variable<float, shape<8>>(g, "b", zeros());
      y = relu(matmul(y, any_tensor(w)) + any_tensor(b));
    }
    const Region region = extract(inputs(x), outputs(y));
    for (int i = 0; i < count; ++i) {
      in.push_back(placeholder<float, shape<dyn, 8>>(g, "x"));
      out.push_back(clone(region, bind(x, in.back()))(y));
    }
    session = std::make_unique<Session>(g, session_options{.threads = threads});
    session->initialize();
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
    const Array row(dtype::float32, {1, 8});
    for (const int layers : {1, 64}) {
      const bench::case_id id{"session_overhead", "first run",
                              "clone of " + std::to_string(layers) + " layers", threads};
      if (!bench.wants(id)) continue;
      const auto clones = std::make_shared<clones_in_turn>(threads, layers);
      bench.add(id, [=] {
        const std::size_t i = clones->next++ % clones->out.size();
        bench::keep(clones->session->run(clones->out[i], feed(clones->in[i], row)));
      });
      bench.add({"session_overhead", "later run", id.name, threads}, [=] {
        bench::keep(clones->session->run(clones->out[0], feed(clones->in[0], row)));
      });
    }
  }
  return bench.run();
}
