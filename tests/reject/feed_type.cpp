// expect: dtype_mismatch<.*"feed"}, graft::needs_type<graft::dtype::float32>, graft::got_type<graft::dtype::float64> ?>
// A feed is never rounded: numbers of another type are refused where their type is known.
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
feed_item give(const tensor<Graph, dtype::float32, shape<2>>& x) { return feed(x, {1.5f, 2.5f}); }
#else
feed_item give(const tensor<Graph, dtype::float32, shape<2>>& x) { return feed(x, {1.5, 2.5}); }
#endif
