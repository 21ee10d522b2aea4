// expect: shape_mismatch<.*"reshape"}, graft::needs<graft::shape<-1, 5> ?>, graft::got<graft::shape<2, 8> ?> ?>
// reshape as a layer checks too.
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
any_tensor build(const tensor<Graph, dtype::float32, shape<2, 4>>& x) {
  return (dense<8> >> reshape<shape<dyn, 4>>())(x);
}
#else
any_tensor build(const tensor<Graph, dtype::float32, shape<2, 4>>& x) {
  return (dense<8> >> reshape<shape<dyn, 5>>())(x);
}
#endif
