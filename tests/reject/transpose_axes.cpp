// expect: bad_attribute<.*"transpose"}, graft::why<.*"every axis must be one of the"}, .*got<graft::shape<3, 4> ?>
// The axes of transpose are those of its operand.
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
any_tensor build(const tensor<Graph, dtype::float32, shape<3, 4>>& x) { return transpose<1, 0>(x); }
#else
any_tensor build(const tensor<Graph, dtype::float32, shape<3, 4>>& x) { return transpose<0, 2>(x); }
#endif
