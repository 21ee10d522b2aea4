// expect: operator_not_supported<.*"softmax_gradient"} ?>
// A static network that holds an operator it cannot run names it.
#include "graft/graft.hpp"
#include "graft/static.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
constexpr auto n = net<[](auto x) { return softmax(dense<3>(x)); }, in<float, shape<dyn, 4>>>();
#else
constexpr auto n = net<[](auto x) {
  const auto y = softmax(dense<3>(x));
  return softmax_gradient(y, y);
},
                       in<float, shape<dyn, 4>>>();
#endif
static_network<n> f;
