// expect: operator_is_not_elementwise<.*"softmax"} ?>
// A chain that holds an operator over more than one element names it.
#include "graft/fuse.hpp"
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
inline constexpr auto chain = elementwise([](auto x, auto w) { return sigmoid(x * w); });
#else
inline constexpr auto chain = elementwise([](auto x, auto w) { return softmax(x * w); });
#endif
void use() { register_fused<chain>(); }
