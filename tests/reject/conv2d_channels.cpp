// expect: shape_mismatch<.*"conv2d"}, graft::needs<graft::shape<-1, 3, -1, -1> ?>, graft::got<graft::shape<-1, 4, 9, 9> ?> ?>
// Images and filters agree on the channels.
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
any_tensor build(const tensor<Graph, dtype::float32, shape<dyn, 4, 9, 9>>& x,
                 const tensor<Graph, dtype::float32, shape<8, 3, 3, 3>>& w) {
  return convolve2d(slice<along<1, 0, 3>>(x), w);
}
#else
any_tensor build(const tensor<Graph, dtype::float32, shape<dyn, 4, 9, 9>>& x,
                 const tensor<Graph, dtype::float32, shape<8, 3, 3, 3>>& w) {
  return convolve2d(x, w);
}
#endif
