// expect: (shape|dtype)_mismatch<.*"softmax_cross_entropy"}, graft::needs<graft::shape<8> ?>, graft::got<graft::shape<9> ?>
// One label for each row of logits.
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
any_tensor build(const tensor<Graph, dtype::float32, shape<8, 10>>& x,
                 const tensor<Graph, dtype::int32, shape<9>>& y) {
  return softmax_cross_entropy(x, slice<along<0, 0, 8>>(y));
}
#else
any_tensor build(const tensor<Graph, dtype::float32, shape<8, 10>>& x,
                 const tensor<Graph, dtype::int32, shape<9>>& y) {
  return softmax_cross_entropy(x, y);
}
#endif
