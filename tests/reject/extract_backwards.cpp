// expect: cut_runs_backwards<.*"logits/add"}, .*"hidden"} ?>
// The ends of a cut have an order. [demo-14]
#include "graft/graft.hpp"

using namespace graft;

constexpr auto whole = net<[](auto x) { return dense<2, "logits">(relu(dense<3>(x), "hidden")); },
                           in<float, shape<dyn, 4>, "x">>();
#ifdef GRAFT_ACCEPT
constexpr auto part = extract<"hidden", "logits/add">(whole);
#else
constexpr auto part = extract<"logits/add", "hidden">(whole);
#endif
