// Elementwise operators of static networks: the same numbers as a session's, special ones among them.
#include <limits>

#include "static_fixture.hpp"

using namespace graft;
using namespace graft_test;

namespace {

// NaN, infinities, zeros, the largest and least numbers and others, 23 to a row: whole vectors and a rest.
template <class T>
Array special(extent rows, unsigned seed = 1) {
  using limits = std::numeric_limits<T>;
  const T numbers[] = {limits::infinity(),
                       -limits::infinity(),
                       limits::quiet_NaN(),
                       T(0),
                       -T(0),
                       T(1),
                       T(-1),
                       limits::max(),
                       limits::lowest(),
                       limits::min(),
                       -limits::min(),
                       T(2),
                       T(-2),
                       T(0.5),
                       T(-0.5),
                       T(89),
                       T(-105)};
  Array result(dtype_of<T>, {rows, 23});
  const auto x = result.mutable_span<T>();
  const std::vector<float> others = some_numbers(x.size(), seed);
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = (i + seed) % 5 == 4 ? T(others[i]) : numbers[(i * seed + i / 23) % std::size(numbers)];
  }
  return result;
}

template <class T>
using row = in<T, shape<dyn, 23>>;

template <class T>
void compare_functions(double tolerance) {
  for (const extent b : batch_sizes) {
    const std::vector<Array> x{special<T>(b)};
    compare_with<[](auto v) {
      return concat<1>(sin(v), cos(v), erf(v), gelu_tanh(v), gelu(v), silu(v), softplus(v));
    },
                 row<T>>(x, tolerance);
    compare_with<[](auto v) {
      return concat<1>(expm1(v), log1p(v), exp(v), log(v), sqrt(v), rsqrt(v), reciprocal(v));
    },
                 row<T>>(x, tolerance);
    compare_with<[](auto v) {
      return concat<1>(floor(v), ceil(v), round(v), sign(v), abs(v), neg(v), square(v),
                       clip(v, -0.75, 1.5));
    },
                 row<T>>(x, tolerance);
    compare_with<[](auto v) {
      return concat<1>(relu(v), leaky_relu(v, 0.2), elu(v, 1.5), tanh(v), sigmoid(v));
    },
                 row<T>>(x, tolerance);
  }
}

template <class T>
void compare_pairs(double tolerance) {
  for (const extent b : batch_sizes) {
    const std::vector<Array> x{special<T>(b), special<T>(b, 3)};
    compare_with<[](auto u, auto v) {
      return concat<1>(u + v, u - v, u * v, u / v, maximum(u, v), minimum(u, v),
                       squared_difference(u, v));
    },
                 row<T>, row<T>>(x, tolerance);
    compare_with<[](auto u, auto v) {
      return concat<1>(pow(u, v), pow(u, 2.0f), pow(abs(u), 0.3f));
    },
                 row<T>, row<T>>(x, tolerance);
    compare_with<[](auto u, auto v) {
      return concat<1>(equal(u, v), not_equal(u, v), less(u, v), less_equal(u, v), greater(u, v),
                       greater_equal(u, v), is_nan(u));
    },
                 row<T>, row<T>>(x, tolerance);
    compare_with<[](auto u, auto v) {
      return select(logical_and(greater(u, v), logical_not(is_nan(u * v))), u,
                    select(less(v, 1), v, -0.0f));
    },
                 row<T>, row<T>>(x, tolerance);
  }
}

}  // namespace

TEST_CASE("static functions of special numbers equal a session's", "[static]") {
  compare_functions<float>(1e-5);
}
TEST_CASE("static functions of special float64 numbers equal a session's", "[static]") {
  compare_functions<double>(1e-13);
}
TEST_CASE("static functions of two numbers equal a session's", "[static]") {
  compare_pairs<float>(1e-5);
}
TEST_CASE("static functions of two float64 numbers equal a session's", "[static]") {
  compare_pairs<double>(1e-13);
}

// What gradients are made of may stand in a network, too.
TEST_CASE("static derivatives of activations equal a session's", "[static]") {
  for (const extent b : batch_sizes) {
    compare_with<[](auto u, auto v) {
      const auto gradient = [&]<const operator_schema & S>() { return apply<S>({}, {}, {}, u, v); };
      return concat<1>(
          gradient.template operator()<ops::relu_gradient>(),
          gradient.template operator()<ops::tanh_gradient>(),
          gradient.template operator()<ops::sigmoid_gradient>(),
          gradient.template operator()<ops::softplus_gradient>(),
          gradient.template operator()<ops::silu_gradient>(),
          gradient.template operator()<ops::gelu_gradient>(),
          gradient.template operator()<ops::gelu_tanh_gradient>(),
          apply<ops::elu_gradient>(attribute_list().set("alpha", 1.5), {}, {}, u, v),
          apply<ops::leaky_relu_gradient>(attribute_list().set("alpha", 0.2), {}, {}, u, v));
    },
                 floats<9>, floats<9>>({some({b, 9}), some({b, 9}, 8)});
  }
}

TEST_CASE("static logic equals a session's", "[static]") {
  for (const extent b : batch_sizes) {
    compare_with<[](auto u, auto v) {
      const auto p = greater(u, 0), q = greater(v, u);
      return concat<1>(logical_and(p, q), logical_or(p, q), logical_xor(p, q), logical_not(p),
                       equal(p, q), less(p, q), select(p, q, logical_not(q)));
    },
                 row<float>, row<float>>({special<float>(b), special<float>(b, 3)});
  }
}

TEST_CASE("static elementwise operators broadcast as a session does", "[static]") {
  for (const extent b : batch_sizes) {
    // Columns, rows, single numbers, and all three operands of a choice in shapes of their own.
    compare_with<[](auto u, auto v) { return u * v - (v - u); }, floats<3, 1>, floats<1, 5>>(
        {some({b, 3, 1}), some({b, 1, 5}, 4)});
    compare_with<[](auto u, auto v) { return u + v; }, floats<2, 1, 3, 1>, floats<1, 4, 1, 5>>(
        {some({b, 2, 1, 3, 1}), some({b, 1, 4, 1, 5}, 4)});
    compare_with<[](auto u, auto v) { return u / (v + 3.0f); }, floats<7>, floats<1>>(
        {some({b, 7}), some({b, 1}, 4)});
    compare_with<[](auto c, auto u, auto v) { return select(greater(c, 0), u, v); }, floats<3, 1>,
                 floats<1, 9>, floats<1, 1>>(
        {some({b, 3, 1}), some({b, 1, 9}, 4), some({b, 1, 1}, 5)});
    compare_with<[](auto c, auto u) { return select(greater(c, 0), sum<axes<1>, true>(u), u); },
                 floats<4, 5>, floats<4, 5>>({some({b, 4, 5}), some({b, 4, 5}, 4)});
  }
}
