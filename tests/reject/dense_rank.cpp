// expect: shape_mismatch<.*"dense \\'logits\\'"}, graft::needs<graft::shape<-1, -1> ?>, graft::got<graft::shape<784> ?> ?>
// A dense layer takes at least two axes.
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
any_tensor build(const tensor<Graph, dtype::float32, shape<784>>& x) {
  return dense<10, "logits">(reshape<shape<1, 784>>(x));
}
#else
any_tensor build(const tensor<Graph, dtype::float32, shape<784>>& x) {
  return dense<10, "logits">(x);
}
#endif
