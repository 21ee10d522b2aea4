// expect: shape_mismatch<.*"avg_pool2d"}, graft::needs<graft::shape<-1, -1, 4, 4> ?>, graft::got<graft::shape<-1, 2, 3, 3> ?> ?>
// The window fits into the image.
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
any_tensor build(const tensor<Graph, dtype::float32, shape<dyn, 2, 3, 3>>& x) {
  return avg_pool2d<pool{.window = {3, 3}}>(x);
}
#else
any_tensor build(const tensor<Graph, dtype::float32, shape<dyn, 2, 3, 3>>& x) {
  return avg_pool2d<pool{.window = {4, 4}}>(x);
}
#endif
