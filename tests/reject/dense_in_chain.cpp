// expect: shape_mismatch<.*"dense \\'two\\'"}, graft::needs<graft::shape<-1, -1> ?>, graft::got<graft::shape<5> ?> ?>
// In a network written with >> the layer is named too.
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
any_tensor build(const tensor<Graph, dtype::float32, shape<1, 4>>& x) {
  return (dense<5> >> relu >> dense<3, "two">)(x);
}
#else
any_tensor build(const tensor<Graph, dtype::float32, shape<1, 4>>& x) {
  return (dense<5> >> relu >> reshape<shape<5>>() >> dense<3, "two">)(x);
}
#endif
