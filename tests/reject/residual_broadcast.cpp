// expect: shape_mismatch<.*"residual"}, graft::needs<graft::shape<-1, 3> ?>, graft::got<graft::shape<-1, 1> ?> ?>
// Nothing is broadcast in a residual network.
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
any_tensor build(const tensor<Graph, dtype::float32, shape<dyn, 3>>& x) {
  return residual(dense<3>)(x);
}
#else
any_tensor build(const tensor<Graph, dtype::float32, shape<dyn, 3>>& x) {
  return residual(dense<1>)(x);
}
#endif
