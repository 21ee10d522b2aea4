// expect: control_flow_not_supported<.*"encoder/lstm/scan"}, .*"scan"} ?>
// Static networks are straight-line code: one that holds a loop is refused, and the error says where it is.
#include "graft/graft.hpp"
#include "graft/static.hpp"

using namespace graft;

constexpr auto reader = net<[](auto x) {
  const scope s(x, "encoder");
  return dense<3, "out">(lstm<4>(dense<2>(x)));
},
                            in<float, shape<dyn, 5, 8>, "x">>();
#ifdef GRAFT_ACCEPT
constexpr auto part = extract<"x", "encoder/dense/add">(reader);
#else
constexpr auto part = reader;
#endif
static_network<part> f;
