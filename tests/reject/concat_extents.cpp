// expect: shape_mismatch<.*"concat"}, graft::needs<graft::shape<-1, 3> ?>, graft::got<graft::shape<-1, 4> ?> ?>
// All axes but the one joined along are equal.
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
any_tensor build(const tensor<Graph, dtype::float32, shape<dyn, 3>>& x,
                 const tensor<Graph, dtype::float32, shape<dyn, 4>>& y) {
  return concat<1>(x, y);
}
#else
any_tensor build(const tensor<Graph, dtype::float32, shape<dyn, 3>>& x,
                 const tensor<Graph, dtype::float32, shape<dyn, 4>>& y) {
  return concat<0>(x, y);
}
#endif
