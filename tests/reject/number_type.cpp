// expect: dtype_mismatch<.*"a floating number beside integers"}, graft::needs_type<graft::dtype::float32>, graft::got_type<graft::dtype::int32> ?>
// A fraction beside integers is refused.
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
any_tensor build(const tensor<Graph, dtype::int32, shape<2, 3>>& x) { return x + 5; }
#else
any_tensor build(const tensor<Graph, dtype::int32, shape<2, 3>>& x) { return x + 0.5; }
#endif
