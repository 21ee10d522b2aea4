// expect: op_in_a_body<.*"lstm/scan/body/tanh"}, .*"lstm/scan"} ?>
// A cut does not go through a body: the error names the op that owns it.
#include "graft/graft.hpp"

using namespace graft;

constexpr auto reader =
    net<[](auto x) { return dense<3, "out">(lstm<4>(x)); }, in<float, shape<dyn, 5, 8>, "x">>();
#ifdef GRAFT_ACCEPT
constexpr auto part = extract<"lstm/scan", "out/add">(reader);
#else
constexpr auto part = extract<"lstm/scan/body/tanh", "out/add">(reader);
#endif
