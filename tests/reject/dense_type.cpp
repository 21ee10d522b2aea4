// expect: dtype_mismatch<.*"dense"}, graft::needs_type<graft::dtype::float32>, graft::got_type<graft::dtype::int32> ?>
// A dense layer takes floating elements.
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
any_tensor build(const tensor<Graph, dtype::int32, shape<dyn, 4>>& x) {
  return dense<10>(cast<float>(x));
}
#else
any_tensor build(const tensor<Graph, dtype::int32, shape<dyn, 4>>& x) { return dense<10>(x); }
#endif
