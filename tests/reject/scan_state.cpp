// expect: dtype_mismatch<.*"the state of scan"}, graft::needs_type<graft::dtype::float32 ?>, graft::got_type<graft::dtype::float64 ?> ?>
// A state comes out of a step as it went in.
#include "graft/graft.hpp"

using namespace graft;

using state = tensor<Graph, dtype::float32, shape<3>>;
using steps = tensor<Graph, dtype::float32, shape<dyn, 3>>;

#ifdef GRAFT_ACCEPT
any_tensor build(const state& s, const steps& xs) {
  return std::get<0>(scan(s, xs, [](auto h, auto x) { return std::tuple{h + x, std::tuple{}}; }));
}
#else
any_tensor build(const state& s, const steps& xs) {
  return std::get<0>(
      scan(s, xs, [](auto h, auto x) { return std::tuple{cast<double>(h + x), std::tuple{}}; }));
}
#endif
