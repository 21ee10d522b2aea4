// expect: shape_mismatch<.*"flatten"}, graft::needs<graft::shape<-1> ?>, graft::got<graft::shape<> ?> ?>
// flatten needs a first axis to keep.
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
any_tensor build(const tensor<Graph, dtype::float32, shape<>>& x) {
  return flatten(reshape<shape<1>>(x));
}
#else
any_tensor build(const tensor<Graph, dtype::float32, shape<>>& x) { return flatten(x); }
#endif
