// expect: no_op_of_path<.*"logits/matmul_7"} ?>
// A path that is cut at must exist. [demo-14]
#include "graft/graft.hpp"

using namespace graft;

constexpr auto whole = net<[](auto x) { return dense<2, "logits">(relu(dense<3>(x), "hidden")); },
                           in<float, shape<dyn, 4>>>();
#ifdef GRAFT_ACCEPT
constexpr auto part = extract<"hidden", "logits/matmul">(whole);
#else
constexpr auto part = extract<"hidden", "logits/matmul_7">(whole);
#endif
