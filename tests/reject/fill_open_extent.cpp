// expect: bad_attribute<.*"fill"}, graft::why<.*"all extents must be known"}>, graft::got<graft::shape<-1, 3> ?> ?>
// What is filled without a tensor to follow has known extents.
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
any_tensor build(Graph& g) { return fill<float, shape<2, 3>>(g, 1.0); }
#else
any_tensor build(Graph& g) { return fill<float, shape<dyn, 3>>(g, 1.0); }
#endif
