// relu(tanh(x * w + b) * c + x), element by element over five arrays: op by op, in tiles of primitive
// kernels, as a plan runs it (one kernel of the library's), as fuse.hpp compiles it here, as a plain
// loop, and as an Eigen expression. Nanoseconds an element are the time over the number in the case's
// name.
#include <cmath>
#include <memory>
#include <random>
#include <vector>

#include "graft/fuse.hpp"
#include "graft/graft.hpp"

#include "kernels/kernels.hpp"

#if GRAFT_BENCH_EIGEN
#include <Eigen/Core>
#endif

#include "harness.hpp"

namespace {

inline constexpr auto chain = graft::elementwise(
    [](auto x, auto w, auto b, auto c) { return relu(tanh(x * w + b) * c + x); });
constexpr graft::operand_class full = graft::operand_class::full;

// A prepared call, and the other peers' work on the very same operands: none has them in a cache
// that another has not.
struct data {
  std::int64_t n;
  graft::Graph g;
  std::unique_ptr<graft::Session> session;
  std::unique_ptr<graft::prepared_call> call;
  const float *x, *w, *b, *c;
  std::vector<float> y, between;

  data(std::int64_t count, int threads)
      : n(count), y(static_cast<std::size_t>(n)), between(static_cast<std::size_t>(n)) {
    using namespace graft;
    const auto array = [&](const char* name) { return placeholder<float, shape<dyn>>(g, name); };
    const auto tx = array("x"), tw = array("w"), tb = array("b"), tc = array("c");
    const any_tensor result = chain(tx, tw, tb, tc);
    session = std::make_unique<Session>(g, session_options{.threads = threads});
    call = std::make_unique<prepared_call>(session->prepare(
        result, shaped(tx, {n}), shaped(tw, {n}), shaped(tb, {n}), shaped(tc, {n})));
    std::mt19937 random(1);
    std::uniform_real_distribution<float> values(-1, 1);
    const float** const places[] = {&x, &w, &b, &c};
    for (std::size_t i = 0; i < 4; ++i) {
      for (float& v : call->input<float>(i)) v = values(random);
      *places[i] = call->input<float>(i).data();
    }
  }

  // The primitive kernels over elements [first, first + count), by way of other memory.
  void primitive(std::int64_t first, std::int64_t count) {
    using namespace graft::kernels;
    static const auto mul = active().binary(binary_op::mul, element::f32, operands::vv);
    static const auto add = active().binary(binary_op::add, element::f32, operands::vv);
    static const auto tanh = active().unary(unary_op::tanh, element::f32);
    static const auto relu = active().unary(unary_op::relu, element::f32);
    float* const t = between.data();
    mul(x + first, w + first, t, count);
    add(t, b + first, t, count);
    tanh(t, t, count, nullptr);
    mul(t, c + first, t, count);
    add(t, x + first, t, count);
    relu(t, y.data() + first, count, nullptr);
  }
};

}  // namespace

int main(int argc, char** argv) {
  graft::bench::harness bench(argc, argv);
  constexpr const auto& forms =
      graft::fused::forms_of<graft::dtype::float32, chain, full, full, full, full>;
  const graft::fused_kernel compiled = graft::fused::kernel_of<float, forms.forms[0]>();
  for (const int threads : bench.thread_counts()) {
    for (const std::int64_t n : {1 << 14, 1 << 17, 1 << 20, 1 << 24}) {
      const std::string name = std::to_string(n);
      const auto d = std::make_shared<data>(n, threads);
      bench.add({"elementwise", "graft", name, threads}, [=] { d->call->run(); });
      if (threads != 1) continue;
      bench.add({"elementwise", "op by op", name, threads}, [=] {
        d->primitive(0, n);
        graft::bench::keep(d->y[0]);
      });
      bench.add({"elementwise", "tiles", name, threads}, [=] {
        constexpr std::int64_t tile = 1024;
        for (std::int64_t i = 0; i < n; i += tile) d->primitive(i, std::min(tile, n - i));
        graft::bench::keep(d->y[0]);
      });
      bench.add({"elementwise", "fuse.hpp", name, threads}, [=] {
        // All operands are full: which is which does not change the work.
        const void* in[] = {d->x, d->w, d->b, d->c};
        void* out[] = {d->y.data()};
        compiled({in, out, 1, n, n});
        graft::bench::keep(d->y[0]);
      });
      bench.add({"elementwise", "loop", name, threads}, [=] {
        const float *x = d->x, *w = d->w, *b = d->b, *c = d->c;
        float* y = d->y.data();
        for (std::int64_t i = 0; i < n; ++i) {
          const float v = std::tanh(x[i] * w[i] + b[i]) * c[i] + x[i];
          y[i] = v < 0 ? 0.0f : v;
        }
        graft::bench::keep(d->y[0]);
      });
#if GRAFT_BENCH_EIGEN
      bench.add({"elementwise", "eigen", name, threads}, [=] {
        using array = Eigen::Map<const Eigen::ArrayXf>;
        const array x(d->x, n), w(d->w, n), b(d->b, n), c(d->c, n);
        Eigen::Map<Eigen::ArrayXf>(d->y.data(), n) = ((x * w + b).tanh() * c + x).max(0.0f);
        graft::bench::keep(d->y[0]);
      });
#endif
    }
  }
  return bench.run();
}
