// expect: extent_not_known<.*"dense \\'head\\'"}, graft::got<graft::shape<-1, -1> ?>, graft::at_axis<-1> ?>
// The last extent decides the kernel's shape.
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
any_tensor build(const tensor<Graph, dtype::float32, shape<dyn, dyn>>& x) {
  return dense<10, "head">(any_tensor(x));
}
#else
any_tensor build(const tensor<Graph, dtype::float32, shape<dyn, dyn>>& x) {
  return dense<10, "head">(x);
}
#endif
