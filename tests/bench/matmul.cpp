// Square products of float32 matrices through a prepared call, beside the peers' products of the
// same matrices: what a user gets, the session's overhead included.
#include <memory>
#include <random>
#include <vector>

#include "graft/graft.hpp"

#if GRAFT_BENCH_OPENBLAS
#include <cblas.h>
#endif
#if GRAFT_BENCH_EIGEN
#include <Eigen/Core>
#endif

#include "harness.hpp"

namespace {

struct product {
  graft::Graph g;
  std::unique_ptr<graft::Session> session;
  std::unique_ptr<graft::prepared_call> call;
  std::vector<float> a, b, c;

  product(std::int64_t n, int threads)
      : a(static_cast<std::size_t>(n * n)), b(a.size()), c(a.size()) {
    std::mt19937 random(1);
    std::uniform_real_distribution<float> values(-1, 1);
    for (float& v : a) v = values(random);
    for (float& v : b) v = values(random);
    const graft::any_tensor left =
        graft::placeholder<float, graft::shape<graft::dyn, graft::dyn>>(g, "left");
    const graft::any_tensor right =
        graft::placeholder<float, graft::shape<graft::dyn, graft::dyn>>(g, "right");
    const graft::any_tensor y = graft::matmul(left, right);
    session = std::make_unique<graft::Session>(g, graft::session_options{.threads = threads});
    call = std::make_unique<graft::prepared_call>(
        session->prepare(y, graft::shaped(left, {n, n}), graft::shaped(right, {n, n})));
    std::copy(a.begin(), a.end(), call->input<float>(0).begin());
    std::copy(b.begin(), b.end(), call->input<float>(1).begin());
  }
};

}  // namespace

int main(int argc, char** argv) {
  graft::bench::harness bench(argc, argv);
  for (const int threads : bench.thread_counts()) {
    for (const int n : {256, 512, 1000, 1024}) {
      const auto p = std::make_shared<product>(n, threads);
      const std::string size =
          std::to_string(n) + "x" + std::to_string(n) + "x" + std::to_string(n);
      bench.add({"matmul", "graft", size, threads}, [=] {
        p->call->run();
        graft::bench::keep(p->call->output<float>()[0]);
      });
#if GRAFT_BENCH_OPENBLAS
      bench.add(
          {"matmul", "openblas", size, threads},
          [=] {
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1.0f, p->a.data(), n,
                        p->b.data(), n, 0.0f, p->c.data(), n);
            graft::bench::keep(p->c[0]);
          },
          [=] { openblas_set_num_threads(threads); });
#endif
#if GRAFT_BENCH_EIGEN
      if (threads == 1) {  // more threads need OpenMP
        bench.add({"matmul", "eigen", size, threads}, [=] {
          using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
          const Eigen::Map<const matrix> a(p->a.data(), n, n), b(p->b.data(), n, n);
          Eigen::Map<matrix> c(p->c.data(), n, n);
          c.noalias() = a * b;
          graft::bench::keep(p->c[0]);
        });
      }
#endif
    }
  }
  return bench.run();
}
