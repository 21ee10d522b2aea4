// Networks that the compiler knows, as straight-line code and as prepared calls of a session: a small multilayer perceptron, a
// recurrent layer and attention, at batch 1 and 64.
//
// Compiled without instructions of this machine's own, as a program for every machine is: the code chooses when it runs.
#include <memory>
#include <vector>

#include "graft/graft.hpp"
#include "graft/static.hpp"

#include "harness.hpp"

using namespace graft;

namespace {

template <extent... Row>
using rows = in<float, shape<dyn, Row...>>;

constexpr auto perceptron =
    inference_net<[](auto x) { return (dense<64> >> relu >> dense<64> >> relu >> dense<2>)(x); },
                  rows<4>>();
constexpr auto recurrent =
    inference_net<[](auto x) { return dense<4>(lstm<64>(x)); }, rows<16, 16>>();
constexpr auto gated = inference_net<[](auto x) { return dense<4>(gru<32>(x)); }, rows<16, 16>>();
constexpr auto attention = inference_net<[](auto x) {
  const auto heads = transpose<0, 2, 1, 3>(reshape<shape<dyn, 16, 12, 16>>(dense<192>(x)));
  const auto [q, k, v] = split<3, 1>(heads);
  const auto mixed = matmul(softmax(matmul<false, true>(q, k) * 0.25f), v);
  return dense<32>(reshape<shape<dyn, 16, 64>>(transpose<0, 2, 1, 3>(mixed)));
},
                                         rows<16, 32>>();

// One network both ways on the same numbers.
template <auto Net, extent... Row>
struct both_ways {
  Graph g;
  tensor<Graph, dtype::float32, shape<dyn, Row...>> x =
      placeholder<float, shape<dyn, Row...>>(g, "x");
  any_tensor y = lower(Net, g, x);
  Session session;
  static_network<Net> code;
  std::vector<float> in, out;
  std::size_t batch;
  prepared_call call;

  both_ways(int threads, extent size)
      : session(g, session_options{.threads = threads}),
        batch(static_cast<std::size_t>(size)),
        call((session.initialize(), session.prepare(y, shaped(x, {size, Row...})))) {
    code.load(g);
    in.resize(batch * code.input_size());
    out.resize(batch * code.output_size());
    for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<float>(i % 17) * 0.1f - 0.8f;
    std::copy(in.begin(), in.end(), call.template input<float>(0).begin());
  }
};

template <auto Net, extent... Row>
void add(bench::harness& bench, const std::string& name, int threads) {
  for (const extent batch : {1, 64}) {
    const bench::case_id id{"static_networks", "static", name + " batch " + std::to_string(batch),
                            threads};
    const auto nets = std::make_shared<both_ways<Net, Row...>>(threads, batch);
    bench.add(id, [=] {
      nets->code(nets->in, nets->out, nets->batch);
      bench::keep(nets->out[0]);
    });
    bench.add({id.bench, "session", id.name, threads}, [=] {
      nets->call.run();
      bench::keep(nets->call.template output<float>()[0]);
    });
  }
}

}  // namespace

int main(int argc, char** argv) {
  bench::harness bench(argc, argv);
  for (const int threads : bench.thread_counts()) {
    add<perceptron, 4>(bench, "perceptron 4-64-64-2", threads);
    add<recurrent, 16, 16>(bench, "lstm 64 of 16 steps of 16", threads);
    add<gated, 16, 16>(bench, "gru 32 of 16 steps of 16", threads);
    add<attention, 16, 32>(bench, "attention of 4 heads over 16 of 32", threads);
  }
  return bench.run();
}
