// expect: networks_differ<.*operators.*"act"}, .*"act_2"} ?>
// Networks that should be the same and are not: the error names what differs and both ops. [demo-14]
#include "graft/dsl/isomorphic.hpp"
#include "graft/graft.hpp"

using namespace graft;

constexpr auto actor =
    net<[](auto x) { return dense<2>(relu(dense<8>(x), "act")); }, in<float, shape<dyn, 4>>>();
#ifdef GRAFT_ACCEPT
constexpr auto critic =
    net<[](auto x) { return dense<2>(relu(dense<8>(x), "act_2")); }, in<float, shape<dyn, 4>>>();
#else
constexpr auto critic =
    net<[](auto x) { return dense<2>(tanh(dense<8>(x), "act_2")); }, in<float, shape<dyn, 4>>>();
#endif
void same() { require_isomorphic(actor, critic); }
