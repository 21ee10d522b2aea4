// expect: dtype_mismatch<.*"conv2d"}, graft::needs_type<graft::dtype::float32>, graft::got_type<graft::dtype::uint8> ?>
// A convolution takes floating elements.
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
any_tensor build(const tensor<Graph, dtype::uint8, shape<dyn, 3, 9, 9>>& x) {
  return conv2d<8>(cast<float>(x));
}
#else
any_tensor build(const tensor<Graph, dtype::uint8, shape<dyn, 3, 9, 9>>& x) { return conv2d<8>(x); }
#endif
