// In networks that the compiler records, initializers that cannot be.
#include "graft/graft.hpp"

#include "either.hpp"

using namespace graft;

template <auto Builder>
constexpr std::size_t count() {
  return net<Builder, in<float, shape<3, 4>>>().variable_count();
}

// expect: initializer_refuses_low_above_high
std::size_t bounds() {
  return count<[](auto x) { return dense<2>.init(uniform(either(-1, 1), 0.5))(x); }>();
}
// expect: initializer_refuses_standard_deviation
std::size_t deviation() {
  return count<[](auto x) { return dense<2>.init(normal(0, either(1, -1)))(x); }>();
}
// expect: initializer_refuses_standard_deviation
std::size_t cut_off() {
  return count<[](auto x) { return dense<2>.init(truncated_normal(0, either(1, -1)))(x); }>();
}
// expect: initializer_refuses_what_is_not_finite
std::size_t gain() {
  return count<[](auto x) {
    return dense<2>.init(orthogonal(either(1, std::numeric_limits<double>::infinity())))(x);
  }>();
}
// expect: initializer_refuses_scale
std::size_t scale() {
  return count<[](auto x) {
    return dense<2>.init(
        variance_scaling(either(1, -1), initializer::fan::in, initializer::kind::normal))(x);
  }>();
}
