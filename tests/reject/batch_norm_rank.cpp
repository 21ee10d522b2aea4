// expect: shape_mismatch<.*"batch_norm \\'bn\\'"}, graft::needs<graft::shape<-1, -1> ?>, graft::got<graft::shape<8> ?> ?>
// Batch norm takes a batch axis and a channel axis.
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
any_tensor build(const tensor<Graph, dtype::float32, shape<8>>& x) {
  return batch_norm<"bn">(reshape<shape<1, 8>>(x));
}
#else
any_tensor build(const tensor<Graph, dtype::float32, shape<8>>& x) { return batch_norm<"bn">(x); }
#endif
