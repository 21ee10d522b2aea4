// expect: the name of a dimension has 1 to 10 letters
// Names of dimensions are short.
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
tensor<Graph, dtype::float32, any_shape> build(const any_tensor& x) {
  return as<float, shape<dim<"sequence">, 3>>(x);
}
#else
tensor<Graph, dtype::float32, any_shape> build(const any_tensor& x) {
  return as<float, shape<dim<"sequence_length">, 3>>(x);
}
#endif
