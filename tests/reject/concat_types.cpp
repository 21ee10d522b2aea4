// expect: dtype_mismatch<.*"concat"}, graft::needs_type<graft::dtype::float32>, graft::got_type<graft::dtype::float64> ?>
// Tensors that are joined have one element type.
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
any_tensor build(const tensor<Graph, dtype::float32, shape<dyn, 3>>& x,
                 const tensor<Graph, dtype::float64, shape<dyn, 3>>& y) {
  return concat<0>(x, cast<float>(y));
}
#else
any_tensor build(const tensor<Graph, dtype::float32, shape<dyn, 3>>& x,
                 const tensor<Graph, dtype::float64, shape<dyn, 3>>& y) {
  return concat<0>(x, y);
}
#endif
