// expect: dtype_mismatch<.*"embedding \\'words\\'"}, graft::needs_type<graft::dtype::int64>, graft::got_type<graft::dtype::float32> ?>
// An embedding takes integers.
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
any_tensor build(const tensor<Graph, dtype::float32, shape<dyn, 7>>& x) {
  return embedding<100, 8, "words">(cast<std::int32_t>(x));
}
#else
any_tensor build(const tensor<Graph, dtype::float32, shape<dyn, 7>>& x) {
  return embedding<100, 8, "words">(x);
}
#endif
