// expect: shape_mismatch<.*"layer_norm"}, graft::needs<graft::shape<-1> ?>, graft::got<graft::shape<> ?> ?>
// Layer norm takes at least one axis.
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
any_tensor build(const tensor<Graph, dtype::float32, shape<>>& x) {
  return layer_norm(reshape<shape<1>>(x));
}
#else
any_tensor build(const tensor<Graph, dtype::float32, shape<>>& x) { return layer_norm(x); }
#endif
