// expect: dtype_mismatch<.*"relu"}, graft::needs_type<graft::dtype::float32>, graft::got_type<graft::dtype::int32> ?>
// Activations take floating elements.
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
any_tensor build(const tensor<Graph, dtype::int32, shape<dyn, 3>>& x) {
  return relu()(cast<float>(x));
}
#else
any_tensor build(const tensor<Graph, dtype::int32, shape<dyn, 3>>& x) { return relu()(x); }
#endif
