// expect: dtype_mismatch<.*"bind"}, graft::needs_type<graft::dtype::float32>, graft::got_type<graft::dtype::float64> ?>
// What replaces an input has its element type.
#include "graft/graft.hpp"

using namespace graft;

using input = tensor<Graph, dtype::float32, shape<dyn, 4>>;
using other = tensor<Graph, dtype::float64, shape<dyn, 4>>;

#ifdef GRAFT_ACCEPT
Clone copy(const Region& region, const input& x, const other& wide) {
  return clone(region, bind(x, cast<float>(wide)));
}
#else
Clone copy(const Region& region, const input& x, const other& wide) {
  return clone(region, bind(x, wide));
}
#endif
