// expect: bad_attribute<.*"pad"}, graft::why<.*"every axis must be one of the"}, .*got<graft::shape<-1, 7> ?>
// The axes of pad are those of its operand.
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
any_tensor build(const tensor<Graph, dtype::float32, shape<dyn, 7>>& x) {
  return pad<border<1, 1>>(x);
}
#else
any_tensor build(const tensor<Graph, dtype::float32, shape<dyn, 7>>& x) {
  return pad<border<2, 1>>(x);
}
#endif
