// expect: shape_mismatch<.*"bind_each"}, graft::needs<graft::shape<-1, -1, 4> ?>, graft::got<graft::shape<-1, 4> ?> ?>
// Inputs that differ between the members of an ensemble have one extent more, in front.
#include "graft/graft.hpp"

using namespace graft;

using input = tensor<Graph, dtype::float32, shape<dyn, 4>>;
using stacked = tensor<Graph, dtype::float32, shape<8, dyn, 4>>;

#ifdef GRAFT_ACCEPT
Ensemble many(const Region& region, const input& x, const input&, const stacked& xs) {
  return ensemble(region, 8, bind_each(x, xs));
}
#else
Ensemble many(const Region& region, const input& x, const input& one, const stacked&) {
  return ensemble(region, 8, bind_each(x, one));
}
#endif
