// expect: shape_mismatch<.*"lstm"}, graft::needs<graft::shape<-1, -1, -1> ?>, graft::got<graft::shape<-1, 8> ?> ?>
// A recurrent layer takes [batch, time, features].
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
any_tensor build(const tensor<Graph, dtype::float32, shape<dyn, 5, 8>>& x) { return lstm<4>(x); }
#else
any_tensor build(const tensor<Graph, dtype::float32, shape<dyn, 8>>& x) { return lstm<4>(x); }
#endif
