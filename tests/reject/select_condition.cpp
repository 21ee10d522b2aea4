// expect: dtype_mismatch<.*"select"}, graft::needs_type<graft::dtype::boolean>, graft::got_type<graft::dtype::float32> ?>
// A condition is of truth values.
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
any_tensor build(const tensor<Graph, dtype::float32, shape<3>>& x) { return select(x > 0, x, 0); }
#else
any_tensor build(const tensor<Graph, dtype::float32, shape<3>>& x) { return select(x, x, 0); }
#endif
