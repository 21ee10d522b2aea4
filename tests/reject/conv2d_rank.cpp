// expect: shape_mismatch<.*"conv2d \\'stem\\'"}, graft::needs<graft::shape<-1, -1, -1, -1> ?>, graft::got<graft::shape<-1, 28, 28> ?> ?>
// A convolution takes [batch, channels, height, width].
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
any_tensor build(const tensor<Graph, dtype::float32, shape<dyn, 28, 28>>& x) {
  return conv2d<8, conv{}, "stem">(expand_dims<1>(x));
}
#else
any_tensor build(const tensor<Graph, dtype::float32, shape<dyn, 28, 28>>& x) {
  return conv2d<8, conv{}, "stem">(x);
}
#endif
