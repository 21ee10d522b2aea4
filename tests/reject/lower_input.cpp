// expect: shape_mismatch<.*"the network\\'s input"}, graft::needs<graft::shape<-1, 4> ?>, graft::got<graft::shape<-1, 5> ?> ?>
// A network is lowered onto tensors of its inputs' shapes.
#include "graft/graft.hpp"

using namespace graft;

inline Graph* graph = nullptr;
inline constexpr auto network_ =
    net<[](auto x) { return dense<2>(x); }, in<float, shape<dyn, 4>>>();

#ifdef GRAFT_ACCEPT
any_tensor build(const tensor<Graph, dtype::float32, shape<dyn, 5>>& x) {
  return lower(network_, *graph, slice<along<1, 0, 4>>(x));
}
#else
any_tensor build(const tensor<Graph, dtype::float32, shape<dyn, 5>>& x) {
  return lower(network_, *graph, x);
}
#endif
