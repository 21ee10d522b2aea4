// expect: shape_mismatch<.*"slice"}, .*graft::got<graft::shape<-1, 7> ?>
// A slice lies within the tensor.
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
any_tensor build(const tensor<Graph, dtype::float32, shape<dyn, 7>>& x) {
  return slice<along<1, 4, 3>>(x);
}
#else
any_tensor build(const tensor<Graph, dtype::float32, shape<dyn, 7>>& x) {
  return slice<along<1, 5, 3>>(x);
}
#endif
