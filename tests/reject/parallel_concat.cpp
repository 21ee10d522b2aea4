// expect: shape_mismatch<.*"concat"}, graft::needs<graft::shape<-1, -1, 1> ?>, graft::got<graft::shape<-1, 4> ?> ?>
// Branches that are joined have equal ranks.
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
any_tensor build(const tensor<Graph, dtype::float32, shape<dyn, 3>>& x) {
  return (parallel(dense<3>, dense<4>) >> concat<1>())(x);
}
#else
any_tensor build(const tensor<Graph, dtype::float32, shape<dyn, 3>>& x) {
  return (parallel(dense<3> >> reshape<shape<dyn, 3, 1>>(), dense<4>) >> concat<1>())(x);
}
#endif
