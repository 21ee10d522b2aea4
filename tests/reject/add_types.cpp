// expect: dtype_mismatch<.*"add"}, graft::needs_type<graft::dtype::float32>, graft::got_type<graft::dtype::int32> ?>
// Element types are never converted silently.
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
any_tensor build(const tensor<Graph, dtype::float32, shape<2, 3>>& x,
                 const tensor<Graph, dtype::int32, shape<2, 3>>& y) {
  return x + cast<float>(y);
}
#else
any_tensor build(const tensor<Graph, dtype::float32, shape<2, 3>>& x,
                 const tensor<Graph, dtype::int32, shape<2, 3>>& y) {
  return x + y;
}
#endif
