// expect: shape_mismatch<.*"bind"}, graft::needs<graft::shape<-1, 12> ?>, graft::got<graft::shape<-1, 3, 4> ?> ?>
// What replaces an input has its rank, also where an extent is open.
#include "graft/graft.hpp"

using namespace graft;

using input = tensor<Graph, dtype::float32, shape<dyn, 12>>;
using images = tensor<Graph, dtype::float32, shape<dyn, 3, 4>>;

#ifdef GRAFT_ACCEPT
Clone copy(const Region& region, const input& x, const images& seen) {
  return clone(region, bind(x, flatten(seen)));
}
#else
Clone copy(const Region& region, const input& x, const images& seen) {
  return clone(region, bind(x, seen));
}
#endif
