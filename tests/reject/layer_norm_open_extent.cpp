// expect: extent_not_known<.*"layer_norm \\'ln\\'"}, graft::got<graft::shape<4, -1> ?>, graft::at_axis<-1> ?>
// The last extent decides the shape of scale and bias.
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
any_tensor build(const tensor<Graph, dtype::float32, shape<4, dyn>>& x) {
  return layer_norm<"ln">(any_tensor(x));
}
#else
any_tensor build(const tensor<Graph, dtype::float32, shape<4, dyn>>& x) {
  return layer_norm<"ln">(x);
}
#endif
