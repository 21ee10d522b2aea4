// expect: shape_mismatch<.*"max_pool2d"}, graft::needs<graft::shape<-1, -1, -1, -1> ?>, graft::got<graft::shape<-1, 9> ?> ?>
// A pool takes images.
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
any_tensor build(const tensor<Graph, dtype::float32, shape<dyn, 9>>& x) {
  return max_pool2d(reshape<shape<dyn, 1, 3, 3>>(x));
}
#else
any_tensor build(const tensor<Graph, dtype::float32, shape<dyn, 9>>& x) { return max_pool2d(x); }
#endif
