// expect: dtype_mismatch<.*"batch_norm"}, graft::needs_type<graft::dtype::float32>, graft::got_type<graft::dtype::int64> ?>
// Batch norm takes floating elements.
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
any_tensor build(const tensor<Graph, dtype::int64, shape<dyn, 8>>& x) {
  return batch_norm(cast<float>(x));
}
#else
any_tensor build(const tensor<Graph, dtype::int64, shape<dyn, 8>>& x) { return batch_norm(x); }
#endif
