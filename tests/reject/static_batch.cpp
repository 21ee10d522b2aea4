// expect: input_needs_a_batch_axis<0>
// The inputs of a static network have the batch as their first axis.
#include "graft/graft.hpp"
#include "graft/static.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
constexpr auto n = net<[](auto x) { return dense<3>(x); }, in<float, shape<dim<"batch">, 4>>>();
#else
constexpr auto n = net<[](auto x) { return dense<3>(x); }, in<float, shape<8, 4>>>();
#endif
static_network<n> f;
