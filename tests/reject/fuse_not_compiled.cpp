// expect: operator_is_not_compiled<.*"cast"} ?>
// An elementwise operator that compiled chains have not is named.
#include "graft/fuse.hpp"
#include "graft/graft.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
inline constexpr auto chain = elementwise([](auto x, auto w) { return select(x < w, x, 0.0); });
#else
inline constexpr auto chain = elementwise([](auto x, auto w) { return cast<float>(x < w) * x; });
#endif
void use() { register_fused<chain>(); }
