// expect: extent_not_known<.*"conv2d"}, graft::got<graft::shape<-1, -1, 9, 9> ?>, graft::at_axis<1> ?>
// The channels decide the kernel's shape.
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
any_tensor build(const tensor<Graph, dtype::float32, shape<dyn, dyn, 9, 9>>& x) {
  return conv2d<8>(any_tensor(x));
}
#else
any_tensor build(const tensor<Graph, dtype::float32, shape<dyn, dyn, 9, 9>>& x) {
  return conv2d<8>(x);
}
#endif
