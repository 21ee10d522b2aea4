// expect: the values fed must have the tensor's element type
// A feed is never rounded: numbers of another type are refused where their type is known.
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
feed_item give(const tensor<Graph, dtype::float32, shape<2>>& x) { return feed(x, {1.5f, 2.5f}); }
#else
feed_item give(const tensor<Graph, dtype::float32, shape<2>>& x) { return feed(x, {1.5, 2.5}); }
#endif
