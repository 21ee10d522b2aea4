// expect: no_op_of_path<.*"hidden:1"} ?>
// An op has as many outputs as it has.
#include "graft/graft.hpp"

using namespace graft;

constexpr auto whole = net<[](auto x) { return dense<2, "logits">(relu(dense<3>(x), "hidden")); },
                           in<float, shape<dyn, 4>, "x">>();
#ifdef GRAFT_ACCEPT
constexpr auto part = extract<"hidden:0", "logits/add">(whole);
#else
constexpr auto part = extract<"hidden:1", "logits/add">(whole);
#endif
