// expect: source_not_cut<.*"hidden"}, .*"side"} ?>
// A cut must not leave an input of the network open: the error names it.
#include "graft/graft.hpp"

using namespace graft;

constexpr auto whole = net<[](auto x, auto side) {
  auto hidden = relu(dense<3>(x), "hidden");
  return dense<2, "logits">(concat<1>(hidden, side));
},
                           in<float, shape<dyn, 4>, "x">, in<float, shape<dyn, 2>, "side">>();
#ifdef GRAFT_ACCEPT
constexpr auto part = extract<"concat", "logits/add">(whole);
#else
constexpr auto part = extract<"hidden", "logits/add">(whole);
#endif
