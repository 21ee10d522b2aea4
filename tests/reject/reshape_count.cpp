// expect: shape_mismatch<.*"reshape"}, graft::needs<graft::shape<5, 2> ?>, graft::got<graft::shape<3, 4> ?> ?>
// reshape keeps the number of elements.
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
any_tensor build(const tensor<Graph, dtype::float32, shape<3, 4>>& x) {
  return reshape<shape<6, 2>>(x);
}
#else
any_tensor build(const tensor<Graph, dtype::float32, shape<3, 4>>& x) {
  return reshape<shape<5, 2>>(x);
}
#endif
