// expect: networks_differ<.*operators.*"scan/body/tanh"}, .*"scan/body/relu"} ?>
// Networks that differ in a body only: the error names both ops, and whose bodies they are in.
#include "graft/graft.hpp"

using namespace graft;

using rows = in<float, shape<7, 3>>;
constexpr auto actor = net<[](auto x) {
  return scan(sum<axes<0>>(x), x, [](auto s, auto e) { return std::tuple{tanh(s + e), s}; });
},
                           rows>();
#ifdef GRAFT_ACCEPT
constexpr auto critic = actor;
#else
constexpr auto critic = net<[](auto x) {
  return scan(sum<axes<0>>(x), x, [](auto s, auto e) { return std::tuple{relu(s + e), s}; });
},
                            rows>();
#endif
void same() { require_isomorphic(actor, critic); }
