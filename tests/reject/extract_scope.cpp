// Scopes that a cut cannot begin or end at: more than one of their tensors, or none, is read outside.
#include "graft/graft.hpp"

#include "either.hpp"

using namespace graft;

constexpr auto whole = net<[](auto x) {
  auto both = [](auto y) {
    const scope s(y, "heads");
    (void)dense<7, "idle">(y);
    return std::tuple(dense<2, "left">(y), dense<3, "right">(y));
  }(dense<8, "trunk">(x));
  return std::tuple(relu(std::get<0>(both)), std::get<1>(both));
},
                           in<float, shape<dyn, 4>>>();

// expect: no_single_result_of_scope<.*"heads"}, .*"heads/left/add"}, .*"heads/right/add"} ?>
constexpr auto several = extract<"trunk", either("heads/left", "heads")>(whole);
// expect: no_single_result_of_scope<.*"heads/idle"} ?>
constexpr auto none = extract<"trunk", either("heads/right", "heads/idle")>(whole);
// expect: no_op_of_path<.*"head"} ?>
constexpr auto no_scope = extract<"trunk", either("heads/right", "head")>(whole);
// expect: no_op_of_path<.*"trunk:0"} ?>
constexpr auto no_output = extract<either("trunk", "trunk:0"), "heads/right">(whole);
