// expect: shape_mismatch<.*"conv2d \\'stem\\'"}, graft::needs<graft::shape<-1, 8, -1, -1> ?>, graft::got<graft::shape<-1, 6, 8, 8> ?> ?>
// The groups of a convolution divide the channels.
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
any_tensor build(const tensor<Graph, dtype::float32, shape<dyn, 6, 8, 8>>& x) {
  return conv2d<8, conv{.groups = 2}, "stem">(x);
}
#else
any_tensor build(const tensor<Graph, dtype::float32, shape<dyn, 6, 8, 8>>& x) {
  return conv2d<8, conv{.groups = 4}, "stem">(x);
}
#endif
