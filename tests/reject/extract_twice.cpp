// expect: input_given_twice<.*"hidden"} ?>
// An input stands once.
#include "graft/graft.hpp"

using namespace graft;

constexpr auto whole = net<[](auto x) { return dense<2, "logits">(relu(dense<3>(x), "hidden")); },
                           in<float, shape<dyn, 4>, "x">>();
#ifdef GRAFT_ACCEPT
constexpr auto part = extract<inputs_at<"hidden">, outputs_at<"logits/add", "logits/add">>(whole);
#else
constexpr auto part = extract<inputs_at<"hidden", "hidden">, outputs_at<"logits/add">>(whole);
#endif
