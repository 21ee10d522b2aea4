// expect: shape_mismatch<.*"matmul"}, graft::needs<graft::shape<4, -1> ?>, graft::got<graft::shape<5, 6> ?> ?>
// The inner extents of a product are equal.
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
any_tensor build(const tensor<Graph, dtype::float32, shape<dyn, 4>>& x,
                 const tensor<Graph, dtype::float32, shape<5, 6>>& y) {
  return matmul(x, slice<along<0, 0, 4>>(y));
}
#else
any_tensor build(const tensor<Graph, dtype::float32, shape<dyn, 4>>& x,
                 const tensor<Graph, dtype::float32, shape<5, 6>>& y) {
  return matmul(x, y);
}
#endif
