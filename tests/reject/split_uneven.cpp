// expect: shape_mismatch<.*"split"}, .*graft::got<graft::shape<-1, 7> ?>
// split makes equal parts.
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
any_tensor build(const tensor<Graph, dtype::float32, shape<dyn, 7>>& x) {
  return std::get<0>(split<7, 1>(x));
}
#else
any_tensor build(const tensor<Graph, dtype::float32, shape<dyn, 7>>& x) {
  return std::get<0>(split<2, 1>(x));
}
#endif
