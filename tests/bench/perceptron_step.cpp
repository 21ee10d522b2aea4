// A training step of a digit classifier, 784-512-512-10 with relu, softmax cross entropy and Adam,
// at batch 64, beside the same step written by hand around a peer's matrix products.
#include <cmath>
#include <memory>
#include <random>
#include <vector>

#include "graft/graft.hpp"

#if GRAFT_BENCH_EIGEN
#include <Eigen/Core>
#endif

#include "harness.hpp"

namespace {

constexpr std::int64_t batch = 64, pixels = 784, hidden = 512, classes = 10;

std::vector<float> some_images() {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> values(0, 1);
  std::vector<float> images(batch * pixels);
  for (float& v : images) v = values(random);
  return images;
}

struct classifier {
  graft::Graph g;
  std::unique_ptr<graft::Session> session;
  std::unique_ptr<graft::prepared_call> call;

  explicit classifier(int threads) {
    using namespace graft;
    auto x = placeholder<float, shape<dyn, pixels>>(g, "x");
    auto labels = placeholder<std::int64_t, shape<dyn>>(g, "labels");
    auto y = dense<classes>(relu(dense<hidden>(relu(dense<hidden>(x)))));
    auto loss = mean(softmax_cross_entropy(y, labels));
    auto step = minimize(loss, adam{.rate = 1e-3});
    session = std::make_unique<Session>(g, session_options{.threads = threads});
    session->initialize();
    call = std::make_unique<prepared_call>(
        session->prepare(step.updates, shaped(x, {batch, pixels}), shaped(labels, {batch})));
    const std::vector<float> images = some_images();
    std::copy(images.begin(), images.end(), call->input<float>(0).begin());
    auto wanted = call->input<std::int64_t>(1);
    for (std::size_t i = 0; i < wanted.size(); ++i)
      wanted[i] = static_cast<std::int64_t>(i % classes);
  }
};

#if GRAFT_BENCH_EIGEN
/// The step by hand, with Eigen's products and vectorised expressions.
struct by_hand {
  using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using row = Eigen::Matrix<float, 1, Eigen::Dynamic>;

  template <class T>
  struct parameter {
    T value, gradient, first, second;
    void set(T initial) {
      value = std::move(initial);
      gradient = first = second = T::Zero(value.rows(), value.cols());
    }
    void adam(float rate) {
      first = 0.9f * first + 0.1f * gradient;
      second.array() = 0.999f * second.array() + 0.001f * gradient.array().square();
      value.array() -= rate * first.array() / (second.array().sqrt() + 1e-8f);
    }
  };
  struct layer {
    parameter<matrix> kernel;
    parameter<row> bias;
    matrix out, gradient;
    layer(std::int64_t from, std::int64_t to) {
      kernel.set(matrix::Random(from, to) * std::sqrt(6.0f / static_cast<float>(from + to)));
      bias.set(row::Zero(1, to));
    }
    void forward(const matrix& in, bool activated) {
      out.noalias() = in * kernel.value;
      out.rowwise() += bias.value;
      if (activated) out = out.cwiseMax(0.0f);
    }
    /// From the gradient of out to those of the parameters and of in.
    void backward(const matrix& in, matrix* to) {
      kernel.gradient.noalias() = in.transpose() * gradient;
      bias.gradient = gradient.colwise().sum();
      if (to != nullptr) to->noalias() = gradient * kernel.value.transpose();
    }
  };

  matrix x;
  layer first{pixels, hidden}, second{hidden, hidden}, last{hidden, classes};
  int steps = 0;

  by_hand() {
    const std::vector<float> images = some_images();
    x = Eigen::Map<const matrix>(images.data(), batch, pixels);
  }
  void step() {
    first.forward(x, true);
    second.forward(first.out, true);
    last.forward(second.out, false);
    matrix& p = last.gradient;
    p = (last.out.colwise() - last.out.rowwise().maxCoeff()).array().exp().matrix();
    p.array().colwise() /= p.rowwise().sum().array().eval();
    for (std::int64_t i = 0; i < batch; ++i) p(i, i % classes) -= 1.0f;
    p /= static_cast<float>(batch);
    last.backward(second.out, &second.gradient);
    second.gradient.array() *= (second.out.array() > 0.0f).cast<float>();
    second.backward(first.out, &first.gradient);
    first.gradient.array() *= (first.out.array() > 0.0f).cast<float>();
    first.backward(x, nullptr);
    ++steps;
    const float t = static_cast<float>(steps);
    const float rate = 1e-3f * std::sqrt(1 - std::pow(0.999f, t)) / (1 - std::pow(0.9f, t));
    for (layer* l : {&first, &second, &last}) l->kernel.adam(rate), l->bias.adam(rate);
  }
};
#endif

}  // namespace

int main(int argc, char** argv) {
  graft::bench::harness bench(argc, argv);
  const std::string name = "784-512-512-10 adam step batch 64";
  for (const int threads : bench.thread_counts()) {
    const auto net = std::make_shared<classifier>(threads);
    bench.add({"perceptron_step", "graft", name, threads}, [=] { net->call->run(); });
#if GRAFT_BENCH_EIGEN
    if (threads == 1) {  // more threads need OpenMP
      const auto hand = std::make_shared<by_hand>();
      bench.add({"perceptron_step", "eigen", name, threads}, [=] { hand->step(); });
    }
#endif
  }
  return bench.run();
}
