// expect: input_not_reached<.*"hidden"} ?>
// Where a cut begins something must depend on it.
#include "graft/graft.hpp"

using namespace graft;

constexpr auto whole = net<[](auto x) { return dense<2, "logits">(relu(dense<3>(x), "hidden")); },
                           in<float, shape<dyn, 4>, "x">>();
#ifdef GRAFT_ACCEPT
constexpr auto part = extract<inputs_at<"hidden">, outputs_at<"logits/matmul">>(whole);
#else
constexpr auto part = extract<inputs_at<"hidden">, outputs_at<"logits/kernel">>(whole);
#endif
