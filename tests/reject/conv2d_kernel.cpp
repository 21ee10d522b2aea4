// expect: shape_mismatch<.*"conv2d"}, graft::needs<graft::shape<-1, 3, 5, 5> ?>, graft::got<graft::shape<-1, 3, 4, 4> ?> ?>
// The kernel fits into the padded image.
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
any_tensor build(const tensor<Graph, dtype::float32, shape<dyn, 3, 4, 4>>& x) {
  return conv2d<8, conv{.kernel = {5, 5}, .padding = same_padding}>(x);
}
#else
any_tensor build(const tensor<Graph, dtype::float32, shape<dyn, 3, 4, 4>>& x) {
  return conv2d<8, conv{.kernel = {5, 5}}>(x);
}
#endif
