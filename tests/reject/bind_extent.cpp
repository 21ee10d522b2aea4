// expect: shape_mismatch<.*"bind"}, graft::needs<graft::shape<-1, 4> ?>, graft::got<graft::shape<8, 5> ?> ?>
// An open extent takes any, a known one only its own; the second pair is looked at like the first.
#include "graft/graft.hpp"

using namespace graft;

using input = tensor<Graph, dtype::float32, shape<dyn, 4>>;
using four = tensor<Graph, dtype::float32, shape<8, 4>>;
using five = tensor<Graph, dtype::float32, shape<8, 5>>;

#ifdef GRAFT_ACCEPT
Clone copy(const Region& region, const input& x, const input& mask, const four& a, const five&) {
  return clone(region, bind(x, a, mask, a));
}
#else
Clone copy(const Region& region, const input& x, const input& mask, const four& a, const five& b) {
  return clone(region, bind(x, a, mask, b));
}
#endif
