// expect: shape_mismatch<.*"bind"}, graft::needs<graft::shape<4, 3> ?>, graft::got<graft::shape<3, 4> ?> ?>
// What is read in place of a variable has its shape.
#include "graft/graft.hpp"

using namespace graft;

using kernel = tensor<Graph, dtype::float32, shape<4, 3>>;
using turned = tensor<Graph, dtype::float32, shape<3, 4>>;

#ifdef GRAFT_ACCEPT
Clone copy(const Region& region, const kernel& w, const turned& w2) {
  return clone(region, variables::expr(w, transpose<1, 0>(w2)));
}
#else
Clone copy(const Region& region, const kernel& w, const turned& w2) {
  return clone(region, variables::expr(w, w2));
}
#endif
