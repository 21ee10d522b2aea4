// expect: shape_mismatch<.*"dense \\'out\\'"}, graft::needs<graft::shape<-1, -1> ?>, graft::got<graft::shape<3> ?> ?>
// A layer that does not fit within a body of a network that is only a constant: by the same words.
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
constexpr auto first = [](auto x) { return reshape<shape<1, 3>>(x); };
#else
constexpr auto first = [](auto x) { return x; };
#endif
constexpr auto whole = net<[](auto x) {
  return scan(sum<axes<0>>(x), x,
              [](auto s, auto e) { return std::tuple{s + e, dense<2, "out">(first(s))}; });
},
                           in<float, shape<7, 3>>>();
