// Reductions, softmax and losses in static networks: the same numbers as a session's.
#include <limits>

#include "static_fixture.hpp"

using namespace graft;
using namespace graft_test;

namespace {

template <class T>
Array some_of(const dims& shape) {
  const auto count = static_cast<std::size_t>(element_count(shape));
  const std::vector<float> numbers = some_numbers(count, 3);
  Array result(dtype_of<T>, shape);
  for (std::size_t i = 0; i < count; ++i) {
    if constexpr (std::is_floating_point_v<T>) {
      result.mutable_span<T>()[i] = static_cast<T>(numbers[i]);
    } else {  // whole numbers wrap where they do not fit, fractions must not be out of range
      result.mutable_span<T>()[i] = static_cast<T>(static_cast<std::int64_t>(numbers[i] * 20));
    }
  }
  return result;
}
// The same with numbers that are none.
Array special(const dims& shape) {
  Array result = some(shape);
  const auto x = result.mutable_span<float>();
  const float inf = std::numeric_limits<float>::infinity();
  const float numbers[] = {inf, -inf, std::numeric_limits<float>::quiet_NaN(), -0.0f};
  for (std::size_t i = 0; i < x.size(); i += 7) x[i] = numbers[i / 7 % 4];
  return result;
}
Array truths(const dims& shape) {
  Array result(dtype::boolean, shape);
  unsigned state = 1;
  for (bool& b : result.mutable_span<bool>())
    b = (state = state * 1664525u + 1013904223u) >> 31 != 0;
  return result;
}

template <auto Reduce, class T>
void compare_reduction() {
  for (const extent b : batch_sizes) {
    compare_with<[](auto x) { return Reduce.template operator()<axes<1>>(x); },
                 in<T, shape<dyn, 37>>>({some_of<T>({b, 37})});
    compare_with<[](auto x) { return Reduce.template operator()<axes<1>>(x); },
                 in<T, shape<dyn, 3, 9>>>({some_of<T>({b, 3, 9})});
    compare_with<[](auto x) { return Reduce.template operator()<axes<-2, 1>>(x); },
                 in<T, shape<dyn, 2, 3, 5>>>({some_of<T>({b, 2, 3, 5})});
    compare_with<[](auto x) { return Reduce.template operator()<axes<1, 3>>(x); },
                 in<T, shape<dyn, 4, 3, 2>>>({some_of<T>({b, 4, 3, 2})});
  }
}

}  // namespace

TEST_CASE("static reductions equal a session's", "[static]") {
  compare_reduction<[]<class A>(auto x) { return sum<A>(x); }, float>();
  compare_reduction<[]<class A>(auto x) { return mean<A>(x); }, float>();
  compare_reduction<[]<class A>(auto x) { return prod<A>(x); }, float>();
  compare_reduction<[]<class A>(auto x) { return max<A>(x); }, float>();
  compare_reduction<[]<class A>(auto x) { return min<A>(x); }, float>();
}

TEST_CASE("static reductions of integers and truth values equal a session's", "[static]") {
  compare_reduction<[]<class A>(auto x) { return sum<A>(x); }, std::int8_t>();
  compare_reduction<[]<class A>(auto x) { return prod<A>(x); }, std::int32_t>();
  compare_reduction<[]<class A>(auto x) { return min<A>(x); }, std::int64_t>();
  compare_reduction<[]<class A>(auto x) { return max<A>(x); }, std::uint8_t>();
  for (const extent b : batch_sizes) {
    compare_with<[](auto x) { return all<axes<1>>(x); }, in<bool, shape<dyn, 2, 5>>>(
        {truths({b, 2, 5})});
    compare_with<[](auto x) { return any<axes<-1>, true>(x); }, in<bool, shape<dyn, 4, 3>>>(
        {truths({b, 4, 3})});
  }
}

TEST_CASE("static reductions of special numbers and of nothing equal a session's", "[static]") {
  for (const extent b : batch_sizes) {
    compare_with<[](auto x) { return concat<1>(max<axes<1>>(x), min<axes<1>>(x)); }, floats<19, 3>>(
        {special({b, 19, 3})});
    compare_with<[](auto x) {
      return concat<1>(max<axes<2>>(x), min<axes<2>>(x), sum<axes<2>>(x));
    },
                 floats<3, 19>>({special({b, 3, 19})});
    compare_with<[](auto x) {
      return concat<1>(sum<axes<2>>(x), prod<axes<2>>(x), mean<axes<2>>(x));
    },
                 floats<2, 0>>({some({b, 2, 0})});
  }
}

TEST_CASE("static reductions of zeros of both signs equal a session's", "[static]") {
  const auto zeros_of = [](const dims& shape, std::uint32_t state) {
    Array result(dtype::float32, shape);
    for (float& x : result.mutable_span<float>())
      x = (state = state * 1664525u + 1013904223u) >> 29 != 0 ? 0.0f : -0.0f;
    return result;
  };
  for (const extent b : batch_sizes) {
    for (const std::uint32_t seed : {1u, 2u, 3u}) {
      const Array mostly_positive = zeros_of({b, 3, 37}, seed);
      Array mostly_negative = mostly_positive;
      for (float& x : mostly_negative.mutable_span<float>()) x = -x;
      for (const Array& x : {mostly_positive, mostly_negative}) {
        compare_with<[](auto t) { return concat<1>(max<axes<2>>(t), min<axes<2>>(t)); },
                     floats<3, 37>>({x});
        compare_with<[](auto t) { return concat<1>(max<axes<1>>(t), min<axes<1>>(t)); },
                     floats<3, 37>>({x});
        compare_with<[](auto t) { return max<axes<1, 2>, true>(t) + min<axes<2>, true>(t); },
                     floats<3, 37>>({x});
      }
    }
  }
}

TEST_CASE("static places of largest elements equal a session's", "[static]") {
  for (const extent b : batch_sizes) {
    compare_with<[](auto x) { return argmax(x); }, floats<19>>({special({b, 19})});
    compare_with<[](auto x) { return argmax<1, true>(x); }, floats<5, 3>>({special({b, 5, 3})});
    compare_with<[](auto x) { return argmax<-1>(x); }, in<std::int32_t, shape<dyn, 3, 6>>>(
        {some_of<std::int32_t>({b, 3, 6})});
    compare_with<[](auto x) { return argmax<1>(x); }, in<bool, shape<dyn, 4, 2>>>(
        {truths({b, 4, 2})});
  }
}

TEST_CASE("static softmax along every axis equals a session's", "[static]") {
  for (const extent b : batch_sizes) {
    compare_with<[](auto x) { return softmax(x); }, floats<3, 37>>({some({b, 3, 37})});
    compare_with<[](auto x) { return log_softmax(x); }, floats<37>>({some({b, 37})});
    compare_with<[](auto x) { return softmax<1>(x); }, floats<5, 11>>({some({b, 5, 11})});
    compare_with<[](auto x) { return log_softmax<-2>(x); }, floats<2, 4, 9>>({some({b, 2, 4, 9})});
    compare_with<[](auto x) { return softmax(x); }, floats<9>>({special({b, 9})});
    compare_with<[](auto x) { return log_softmax<1>(x); }, floats<9, 3>>({special({b, 9, 3})});
    compare_with<[](auto x) { return softmax<1>(x); }, floats<0, 3>>({some({b, 0, 3})});
    compare_with<[](auto x) { return softmax(x * 1e30f); }, floats<1>>({some({b, 1})});
  }
}

TEST_CASE("static cross entropies equal a session's", "[static]") {
  for (const extent b : batch_sizes) {
    Array labels(dtype::int64, {b, 3}), small(dtype::int32, {b});
    for (std::size_t i = 0; i < labels.span<std::int64_t>().size(); ++i) {
      labels.mutable_span<std::int64_t>()[i] = static_cast<std::int64_t>(i * 5 % 7);
    }
    for (std::size_t i = 0; i < small.span<std::int32_t>().size(); ++i) {
      small.mutable_span<std::int32_t>()[i] = static_cast<std::int32_t>(i % 19);
    }
    compare_with<[](auto x, auto l) { return softmax_cross_entropy(x, l); }, floats<3, 7>,
                 in<std::int64_t, shape<dyn, 3>>>({some({b, 3, 7}), labels});
    compare_with<[](auto x, auto l) { return softmax_cross_entropy(x, l); }, floats<19>,
                 in<std::int32_t, shape<dyn>>>({some({b, 19}), small});
    compare_with<[](auto x, auto w) { return softmax_cross_entropy(x, softmax(w)); }, floats<10>,
                 floats<10>>({some({b, 10}), some({b, 10}, 8)});
  }
}

TEST_CASE("static layer norms equal a session's", "[static]") {
  for (const extent b : batch_sizes) {
    compare_with<[](auto x) { return layer_norm(x); }, floats<37>>({some({b, 37})});
    compare_with<[](auto x) { return layer_norm(x * 1e3f + 1e4f); }, floats<3, 5>>(
        {some({b, 3, 5})}, 3e-2);
  }
}
