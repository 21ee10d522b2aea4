// expect: dtype_mismatch<.*"dropout \\'drop\\'"}, graft::needs_type<graft::dtype::float32>, graft::got_type<graft::dtype::int32> ?>
// Dropout takes floating elements.
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
any_tensor build(const tensor<Graph, dtype::int32, shape<dyn, 8>>& x) {
  return dropout<"drop">(cast<float>(x), 0.5);
}
#else
any_tensor build(const tensor<Graph, dtype::int32, shape<dyn, 8>>& x) {
  return dropout<"drop">(x, 0.5);
}
#endif
