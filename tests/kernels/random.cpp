#include <Random123/philox.h>

#include "kernel_test.hpp"

using namespace kt;

namespace {

template <class T, class F>
void check_cuts(F f) {
  const int64_t n = 41;
  guarded<T> whole(n);
  f(whole.data(), 0, n);
  for (int64_t cut = 0; cut <= n; ++cut) {
    guarded<T> left(cut), right(n - cut);
    f(left.data(), 0, cut);
    f(right.data(), cut, n - cut);
    REQUIRE((left.intact() && right.intact()));
    for (int64_t i = 0; i < n; ++i) REQUIRE((i < cut ? left[i] : right[i - cut]) == whole[i]);
  }
}

struct moments {
  double mean, deviation, low, high;
};

template <class T>
moments measure(const guarded<T>& x) {
  moments m{0, 0, 1e300, -1e300};
  for (int64_t i = 0; i < x.size(); ++i) {
    m.mean += x[i];
    m.low = std::fmin(m.low, static_cast<double>(x[i]));
    m.high = std::fmax(m.high, static_cast<double>(x[i]));
  }
  m.mean /= static_cast<double>(x.size());
  for (int64_t i = 0; i < x.size(); ++i) m.deviation += (x[i] - m.mean) * (x[i] - m.mean);
  m.deviation = std::sqrt(m.deviation / static_cast<double>(x.size()));
  return m;
}

template <class T>
void check_distributions() {
  const element e = element_of<T>();
  const random_state s{42, 7, 3};
  const int64_t n = 200000;
  guarded<T> x(n);
  REQUIRE(random_uniform(s, e, x.data(), 0, n, -2, 6));
  moments m = measure(x);
  CHECK(m.mean == Approx(2).margin(0.03));
  CHECK(m.deviation == Approx(8 / std::sqrt(12.0)).margin(0.03));
  CHECK(m.low >= -2);
  CHECK(m.high < 6);
  REQUIRE(random_normal(s, e, x.data(), 0, n, 1, 2));
  m = measure(x);
  CHECK(m.mean == Approx(1).margin(0.03));
  CHECK(m.deviation == Approx(2).margin(0.03));
  CHECK(m.high > 8);
  int64_t inside = 0;
  for (int64_t i = 0; i < n; ++i) inside += std::fabs(x[i] - 1) < 2;
  CHECK(static_cast<double>(inside) / static_cast<double>(n) == Approx(0.6827).margin(0.005));
  REQUIRE(random_truncated_normal(s, e, x.data(), 0, n, 1, 2));
  m = measure(x);
  CHECK(m.low >= -3.0001);
  CHECK(m.high <= 5.0001);
  CHECK(m.mean == Approx(1).margin(0.03));
  CHECK(m.deviation == Approx(2 * 0.8796).margin(0.02));
  check_cuts<T>([&](T* y, int64_t o, int64_t c) { random_uniform(s, e, y, o, c, 0, 1); });
  check_cuts<T>([&](T* y, int64_t o, int64_t c) { random_normal(s, e, y, o, c, 0, 1); });
  check_cuts<T>([&](T* y, int64_t o, int64_t c) { random_truncated_normal(s, e, y, o, c, 0, 1); });
  // A range of one representable value below its end.
  random_uniform(s, e, x.data(), 0, 1000, 1, std::nextafter(T(1), T(2)));
  for (int64_t i = 0; i < 1000; ++i) REQUIRE(x[i] == T(1));
}

}  // namespace

TEST_CASE("distributions have the right shape and any split the same bits") {
  check_distributions<float>();
  check_distributions<double>();
  const random_state s{42, 7, 3};
  float none[1];
  CHECK_FALSE(random_uniform(s, element::i32, none, 0, 1, 0, 1));
}

TEST_CASE("seeds, streams and counters are different sequences") {
  guarded<float> a(64), b(64);
  random_uniform({1, 2, 3}, element::f32, a.data(), 0, 64, 0, 1);
  for (const random_state& s : {random_state{2, 2, 3}, random_state{1, 3, 3}, random_state{1, 2, 4},
                                random_state{1ull << 40, 2, 3}, random_state{1, 1ull << 40, 3}}) {
    random_uniform(s, element::f32, b.data(), 0, 64, 0, 1);
    CHECK_FALSE(a.same_bits(b));
  }
}

TEST_CASE("normal numbers invert the distribution function") {
  guarded<double> x(5000);
  random_normal({9, 0, 0}, element::f64, x.data(), 0, x.size(), 0, 1);
  for (int64_t i = 0; i < x.size(); i += 2) {
    r123::Philox4x32 generator;
    const auto block = generator({{static_cast<std::uint32_t>(i / 2), 0, 0, 0}}, {{9, 0}});
    const std::uint64_t word = block[0] | static_cast<std::uint64_t>(block[1]) << 32;
    const double p = (static_cast<double>(word >> 12) + 0.5) * 0x1p-52;
    const double back = 0.5 * std::erfc(-x[i] / std::sqrt(2.0));
    REQUIRE(back == Approx(p).epsilon(1e-13));
  }
}

TEST_CASE("bernoulli and integers below a bound") {
  const random_state s{5, 1, 0};
  const int64_t n = 100000;
  guarded<std::uint8_t> mask(n);
  for (const double p : {0.0, 0.25, 1.0}) {
    random_bernoulli(s, mask.data(), 0, n, p);
    int64_t ones = 0;
    for (int64_t i = 0; i < n; ++i) ones += mask[i];
    CHECK(static_cast<double>(ones) / static_cast<double>(n) == Approx(p).margin(0.005));
  }
  check_cuts<std::uint8_t>(
      [&](std::uint8_t* y, int64_t o, int64_t c) { random_bernoulli(s, y, o, c, 0.5); });
  guarded<std::int64_t> index(n);
  random_below(s, index.data(), 0, n, 7);
  std::vector<int64_t> seen(7);
  for (int64_t i = 0; i < n; ++i) ++seen.at(index[i]);
  for (const int64_t c : seen) CHECK(static_cast<double>(c) == Approx(n / 7.0).epsilon(0.05));
  check_cuts<std::int64_t>(
      [&](std::int64_t* y, int64_t o, int64_t c) { random_below(s, y, o, c, 1000); });
}
