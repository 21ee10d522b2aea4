// expect: shape_mismatch<.*"residual \\'block\\'"}, graft::needs<graft::shape<-1, 3> ?>, graft::got<graft::shape<-1, 4> ?> ?>
// A residual network keeps the shape of its operand.
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
any_tensor build(const tensor<Graph, dtype::float32, shape<dyn, 3>>& x) {
  return residual<"block">(dense<4>, dense<4>)(x);
}
#else
any_tensor build(const tensor<Graph, dtype::float32, shape<dyn, 3>>& x) {
  return residual<"block">(dense<4>)(x);
}
#endif
