// Edits that put in the place of a tensor what can never fit there; with GRAFT_ACCEPT, what does.
#include "graft/graft.hpp"

#include "either.hpp"

using namespace graft;

template <class T, extent... Extents>
using of = const tensor<Graph, dtype_of<T>, shape<Extents...>>&;

// expect: shape_mismatch<.*"reroute"}, graft::needs<graft::shape<2, 4> ?>, graft::got<graft::shape<8, 5> ?> ?>
auto rerouted(of<float, 2, 4> a, of<float, 8, 5> b) { return reroute(a, either(a, b)); }
// expect: dtype_mismatch<.*"reroute"}, graft::needs_type<graft::dtype::float32>, graft::got_type<graft::dtype::float64>
auto rerouted_type(of<float, dyn, 4> a, of<double, dyn, 4> b) {
  return reroute(a, either(cast<float>(b), b), reshaping::allow);
}
// expect: shape_mismatch<.*"reroute"}, graft::needs<graft::shape<-1, 4> ?>, graft::got<graft::shape<-1> ?> ?>
auto rerouted_together(of<float, dyn, 4> a, of<float, dyn, 4> b, of<float, dyn> c) {
  return reroute(std::tuple{a, b}, std::tuple{b, either(a, c)});
}
// expect: shape_mismatch<.*"reroute"}, graft::needs<graft::shape<2> ?>, graft::got<graft::shape<3> ?> ?>
auto rerouted_lists(const std::vector<tensor<Graph, dtype::float32, shape<2>>>& a,
                    const std::vector<tensor<Graph, dtype::float32, shape<3>>>& b) {
  return reroute(a, either(a, b), any_op());
}
// expect: shape_mismatch<.*"swap_uses"}, graft::needs<graft::shape<2, 4> ?>, graft::got<graft::shape<8, 4> ?> ?>
auto swapped(of<float, 2, 4> a, of<float, 8, 4> b) {
  return either(swap_uses(a, b, reshaping::allow), swap_uses(a, b, any_op()));
}
// expect: dtype_mismatch<.*"insert_after"}, graft::needs_type<graft::dtype::float32>, graft::got_type<graft::dtype::float64>
auto inserted(of<float, 2, 4> a) {
  return insert_after(a,
                      [](auto t) { return either(cast<float>(cast<double>(t)), cast<double>(t)); });
}
// expect: shape_mismatch<.*"insert_after"}, graft::needs<graft::shape<2, 4> ?>, graft::got<graft::shape<4, 2> ?> ?>
auto inserted_shape(of<float, 2, 4> a, const op_filter& some) {
  return either(insert_after(
                    a, [](auto t) { return transpose(t); }, reshaping::allow, some),
                insert_after(a, [](auto t) { return transpose(t); }, some));
}
// expect: shape_mismatch<.*"in_place_of"}, graft::needs<graft::shape<-1, 4> ?>, graft::got<graft::shape<-1, 3> ?> ?>
auto spliced(const Region& region, of<float, dyn, 4> old, of<float, dyn, 3> y) {
  return either(splice(region, in_place_of(old, y, reshaping::allow)),
                splice(region, in_place_of(old, y)));
}
