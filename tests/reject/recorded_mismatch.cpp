// expect: shape_mismatch<.*"dense \\'out\\'"}, graft::needs<graft::shape<-1, -1> ?>, graft::got<graft::shape<12> ?> ?>
// A network that is only a constant is checked by the same words.
#include "graft/graft.hpp"

using namespace graft;

template <auto Builder>
constexpr extent parameters() {
  return net<Builder, in<float, shape<3, 4>>>().parameter_count();
}

#ifdef GRAFT_ACCEPT
extent build() {
  return parameters<[](auto x) { return dense<2, "out">(reshape<shape<3, 4>>(x)); }>();
}
#else
extent build() {
  return parameters<[](auto x) { return dense<2, "out">(reshape<shape<12>>(x)); }>();
}
#endif
