// Static networks of other element types than float32, and of several.
#include <limits>

#include "static_fixture.hpp"

using namespace graft;
using namespace graft_test;

namespace {

Array doubles(const dims& shape, unsigned seed = 3) {
  const Array single = some(shape, seed);
  Array result(dtype::float64, shape);
  for (std::size_t i = 0; i < single.span<float>().size(); ++i) {
    result.mutable_span<double>()[i] = single.span<float>()[i] + 1e-9 * static_cast<double>(i);
  }
  return result;
}
template <extent... Extents>
using wide = in<double, shape<dyn, Extents...>>;

// The limits of an integer type, 0, 1, -1 and others.
template <class T>
Array whole(const dims& shape, unsigned seed) {
  using limits = std::numeric_limits<T>;
  const T numbers[] = {limits::max(), limits::min(), T(0), T(1), static_cast<T>(-1), T(2), T(7)};
  Array result(dtype_of<T>, shape);
  std::size_t i = seed;
  for (T& x : result.mutable_span<T>()) {
    x = i % 3 == 2 ? static_cast<T>(i * 37 % 100) : numbers[i * seed % std::size(numbers)];
    ++i;
  }
  return result;
}

template <class T>
void compare_integers() {
  using row = in<T, shape<dyn, 11>>;
  for (const extent b : batch_sizes) {
    const std::vector<Array> x{whole<T>({b, 11}, 1), whole<T>({b, 11}, 3)};
    compare_with<[](auto u, auto v) {
      return concat<1>(u + v, u - v, u * v, u / v, maximum(u, v), minimum(u, v),
                       squared_difference(u, v));
    },
                 row, row>(x);
    compare_with<[](auto u, auto v) {
      return concat<1>(pow(u, v), neg(u), abs(u), sign(u), square(u), clip(u, 0.5, 6.5),
                       select(greater(u, v), u, v));
    },
                 row, row>(x);
    compare_with<[](auto u, auto v) {
      return concat<1>(equal(u, v), not_equal(u, v), less(u, v), less_equal(u, v), greater(u, v),
                       greater_equal(u, v));
    },
                 row, row>(x);
    compare_with<[](auto u, auto v) {
      return concat<1>(cast<float>(u), cast<float>(greater(v, 1)));
    },
                 row, row>(x);
  }
}

}  // namespace

TEST_CASE("static networks of float64 equal a session's", "[static]") {
  for (const extent b : batch_sizes) {
    compare_with<[](auto x) {
      return (dense<13> >> tanh >> dense<1>.bias(false) >> dense<37> >> relu >> dense<9> >>
              softmax)(x);
    },
                 wide<7>>({doubles({b, 7})}, 1e-13);
    compare_with<[](auto x) {
      return (conv2d<4, conv{.kernel = {3, 3}, .padding = same_padding}> >> batch_norm >> relu >>
              max_pool2d() >> avg_pool2d<pool{.window = {2, 2}}>() >> flatten >> layer_norm)(x);
    },
                 wide<2, 9, 8>>({doubles({b, 2, 9, 8})}, 1e-12);
    compare_with<[](auto x) { return dense<3>(lstm<5>(x)); }, wide<4, 3>>({doubles({b, 4, 3})},
                                                                          1e-13);
    compare_with<[](auto x) {
      return matmul<false, true>(x, softmax<1>(x)) * mean<axes<1, 2>, true>(x);
    },
                 wide<6, 3>>({doubles({b, 6, 3})}, 1e-13);
    compare_with<[](auto x) {
      return concat<1>(max<axes<1>>(x), prod<axes<1>>(x), log_softmax(min<axes<1>>(x)));
    },
                 wide<6, 3>>({doubles({b, 6, 3})}, 1e-13);
  }
}

TEST_CASE("static integers equal a session's", "[static]") {
  compare_integers<std::int32_t>();
  compare_integers<std::int64_t>();
  compare_integers<std::int8_t>();
  compare_integers<std::uint8_t>();
}
TEST_CASE("static integers of two bytes and large unsigned ones equal a session's", "[static]") {
  for (const extent b : batch_sizes) {
    compare_with<[](auto u) { return u * u + 3; }, in<std::int16_t, shape<dyn, 5>>>(
        {whole<std::int16_t>({b, 5}, 1)});
    compare_with<[](auto u) { return maximum(u, u - 1); }, in<std::uint16_t, shape<dyn, 5>>>(
        {whole<std::uint16_t>({b, 5}, 1)});
    compare_with<[](auto u) { return u / 3; }, in<std::uint32_t, shape<dyn, 5>>>(
        {whole<std::uint32_t>({b, 5}, 1)});
    compare_with<[](auto u) { return u - 5; }, in<std::uint64_t, shape<dyn, 5>>>(
        {whole<std::uint64_t>({b, 5}, 1)});
  }
}

TEST_CASE("static conversions equal a session's", "[static]") {
  Array x(dtype::float32, {3, 5});
  const float inf = std::numeric_limits<float>::infinity();
  const float numbers[] = {inf,    -inf,   std::numeric_limits<float>::quiet_NaN(),
                           -0.0f,  0.7f,   -0.7f,
                           1e10f,  -1e10f, 1e20f,
                           127.5f, 128.0f, -129.0f,
                           255.9f, 256.0f, 3.5f};
  std::copy(std::begin(numbers), std::end(numbers), x.mutable_span<float>().begin());
  compare_with<[](auto v) { return cast<std::int8_t>(v); }, floats<5>>({x});
  compare_with<[](auto v) { return cast<std::uint8_t>(v); }, floats<5>>({x});
  compare_with<[](auto v) { return cast<std::int32_t>(v); }, floats<5>>({x});
  compare_with<[](auto v) { return cast<std::int64_t>(v); }, floats<5>>({x});
  compare_with<[](auto v) { return cast<bool>(v); }, floats<5>>({x});
  compare_with<[](auto v) { return cast<double>(v); }, floats<5>>({x});
  compare_with<[](auto v) { return cast<float>(cast<bool>(v)); }, floats<5>>({x});
}

TEST_CASE("static products of integers equal a session's", "[static]") {
  for (const extent b : batch_sizes) {
    using row = in<std::int64_t, shape<dyn, 3, 4>>;
    compare_with<[](auto u, auto v) { return matmul<false, true>(u, v); }, row, row>(
        {whole<std::int64_t>({b, 3, 4}, 1), whole<std::int64_t>({b, 3, 4}, 3)});
    compare_with<[](auto u) { return matmul(u, fill_like(u, 3)); },
                 in<std::int32_t, shape<dyn, 4, 4>>>({whole<std::int32_t>({b, 4, 4}, 1)});
  }
}

TEST_CASE("a static network takes and gives spans of the types of its inputs and outputs",
          "[static]") {
  static constexpr auto n = net<[](auto x, auto i, auto mask) {
    const auto y = select(mask, x, -x);
    return std::tuple{y, argmax(y), i * 2, greater(y, 0), cast<double>(y)};
  },
                                floats<3>, longs<>, in<bool, shape<dyn, 3>>>();
  using network = static_network<n>;
  STATIC_REQUIRE(std::is_same_v<network::input_type<1>, std::int64_t>);
  STATIC_REQUIRE(std::is_same_v<network::output_type<3>, bool>);
  network f;
  const std::vector<float> x{1, -2, 3, 4, 5, 6};
  const std::vector<std::int64_t> i{std::int64_t{1} << 40, -3};
  const std::array mask{true, true, false, false, true, true};
  std::vector<float> y(6);
  std::vector<std::int64_t> place(2), twice(2);
  std::array<bool, 6> positive{};
  std::vector<double> same(6);
  f.run({x, i, mask}, {y, place, twice, positive, same}, 2);
  CHECK(y == std::vector<float>{1, -2, -3, -4, 5, 6});
  CHECK(place == std::vector<std::int64_t>{0, 2});
  CHECK(twice == std::vector<std::int64_t>{std::int64_t{1} << 41, -6});
  CHECK(positive == std::array{true, false, false, false, true, true});
  CHECK(same == std::vector<double>(y.begin(), y.end()));
  CHECK_THROWS_AS(f.run({x, std::span(i).first(1), mask}, {y, place, twice, positive, same}, 2),
                  shape_error);
}

TEST_CASE("variables of a static network are set in their own type", "[static]") {
  static constexpr auto n = inference_net<[](auto x) { return dense<1>(x); }, wide<2>>();
  static_network<n> f;
  f.set("dense/kernel", std::vector<double>{2, 3});
  CHECK_THROWS_AS(f.set("dense/bias", std::vector<float>{1}), dtype_error);
  f.set("dense/bias", std::vector<double>{0.125});
  double y = 0;
  f(std::vector<double>{1, 1e-12}, {&y, 1}, 1);
  CHECK(y == 2.125 + 3e-12);
  Graph other;
  const auto single = inference_net<[](auto x) { return dense<1>(x); }, floats<2>>();
  lower(single, other, placeholder<float, shape<dyn, 2>>(other));
  Session(other).initialize();
  CHECK_THROWS_AS(f.load(other), dtype_error);
}
