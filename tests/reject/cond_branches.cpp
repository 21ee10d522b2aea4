// expect: shape_mismatch<.*"the branches of cond"}, graft::needs<graft::shape<2, 3> ?>, graft::got<graft::shape<2, 4> ?> ?>
// Both branches have one shape.
#include "graft/graft.hpp"

using namespace graft;

using value = tensor<Graph, dtype::float32, shape<2, 3>>;
using truth = tensor<Graph, dtype::boolean, shape<>>;

#ifdef GRAFT_ACCEPT
any_tensor build(const truth& p, const value& x, const value& y) {
  return cond(p, [&] { return x; }, [&] { return y; });
}
#else
any_tensor build(const truth& p, const value& x,
                 const tensor<Graph, dtype::float32, shape<2, 4>>& y) {
  return cond(p, [&] { return x; }, [&] { return y; });
}
#endif
