// expect: deleted (member )?function.*span
// A view keeps its array's storage; the span of a view that is gone is a span of nothing.
#include "graft/graft.hpp"
#include "graft/tensor/view.hpp"

using namespace graft;

#ifdef GRAFT_ACCEPT
float first(const Array& a) {
  const auto row = array_view<float>(a).at(0, 1);
  return row.span()[0];
}
#else
float first(const Array& a) { return array_view<float>(a).at(0, 1).span()[0]; }
#endif
