// Numbers where only a name may stand.
#include "graft/graft.hpp"

#include "either.hpp"

using namespace graft;

using matrix = const tensor<Graph, dtype::float32, shape<2, 3>>&;
using classes = const tensor<Graph, dtype::int64, shape<2>>&;

// expect: takes_one_tensor.*relu
auto activation(matrix x) { return relu(x, either("0", 0)); }
// expect: cannot convert '0' \(type 'int'\) to type 'graft::name_view'|no known conversion from 'int' to 'name_view'
auto loss(matrix x, classes labels) { return softmax_cross_entropy(x, labels, either("0", 0)); }
// expect: cannot convert '0' \(type 'int'\) to type 'graft::name_view'|no known conversion from 'int' to 'name_view'
auto source(Graph& g) { return placeholder<float, shape<3>>(g, either("0", 0)); }
// expect: cannot convert '0' \(type 'int'\) to type 'graft::detail::name_beside|no known conversion from 'int' to 'const dims'
auto order(matrix x) { return transpose(x, either((dims{1, 0}), 0)); }
