// expect: element_type_not_supported<.*"cast"}, .*"float16"} ?>
// A static network does not compute with elements that are storage only.
#include "graft/graft.hpp"
#include "graft/static.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
using half = double;
#else
using half = float16;
#endif
constexpr auto n =
    net<[](auto x) { return cast<float>(cast<half>(x)); }, in<float, shape<dyn, 4>>>();
static_network<n> f;
