// expect: shape_mismatch<.*"add"}, graft::needs<graft::shape<2, 3> ?>, graft::got<graft::shape<4> ?> ?>
// Shapes broadcast at the last axis.
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
any_tensor build(const tensor<Graph, dtype::float32, shape<2, 3>>& x,
                 const tensor<Graph, dtype::float32, shape<4>>& y) {
  return x + slice<along<0, 0, 3>>(y);
}
#else
any_tensor build(const tensor<Graph, dtype::float32, shape<2, 3>>& x,
                 const tensor<Graph, dtype::float32, shape<4>>& y) {
  return x + y;
}
#endif
