// What variables start with: moments, bounds, orthogonality, and that a draw depends on seed, key
// and counter alone.
#include <cmath>

#include "graft/ops/initializers.hpp"

#include "catch.hpp"
#include "run_operator.hpp"

using namespace graft;
using testing::run_operator;

namespace {

Array initial(const initializer& i, dtype type, const dims& shape, std::int64_t key = 1,
              std::uint64_t seed = 0) {
  initial_value value = i.make(type, shape);
  value.attributes.set("type", type).set("shape", shape);
  value.attributes.set("key", key);
  return run_operator(value.schema->name, {}, value.attributes, seed)[0];
}

struct moments {
  double mean = 0, deviation = 0, low = 1e300, high = -1e300;
};
moments moments_of(const Array& a) {
  moments m;
  const Array wide = a.cast(dtype::float64);
  const auto values = wide.span<double>();
  for (const double v : values) {
    m.mean += v / static_cast<double>(values.size());
    m.low = std::min(m.low, v);
    m.high = std::max(m.high, v);
  }
  for (const double v : values) {
    m.deviation += (v - m.mean) * (v - m.mean) / static_cast<double>(values.size());
  }
  m.deviation = std::sqrt(m.deviation);
  return m;
}

}  // namespace

TEST_CASE("constant initialisers fill") {
  const Array z = initial(zeros(), dtype::float32, {2, 3});
  const Array c = initial(constant(2.5), dtype::float64, {4});
  for (const float v : z.span<float>()) CHECK(v == 0);
  for (const double v : c.span<double>()) CHECK(v == 2.5);
  CHECK(initial(ones(), dtype::int32, {}).item<std::int32_t>() == 1);
  CHECK(initial(ones(), dtype::float32, {0, 3}).empty());
}

TEST_CASE("random initialisers have the moments they promise") {
  for (const dtype type : {dtype::float32, dtype::float64}) {
    INFO(name_of(type));
    const moments u = moments_of(initial(uniform(-2, 3), type, {200, 500}));
    CHECK(u.mean == Approx(0.5).margin(0.02));
    CHECK(u.deviation == Approx(5 / std::sqrt(12.0)).epsilon(0.01));
    CHECK(u.low >= -2);
    CHECK(u.high < 3);
    const moments n = moments_of(initial(normal(1, 0.5), type, {200, 500}));
    CHECK(n.mean == Approx(1).margin(0.01));
    CHECK(n.deviation == Approx(0.5).epsilon(0.01));
    const moments t = moments_of(initial(truncated_normal(1, 0.5), type, {200, 500}));
    CHECK(t.mean == Approx(1).margin(0.01));
    CHECK(t.low >= 0);
    CHECK(t.high <= 2);
  }
}

TEST_CASE("fan rules set the variance of dense weights and of filters") {
  const double dense = 2.0 / (300 + 500);
  for (const initializer& i : {glorot_uniform(), glorot_normal()}) {
    CHECK(moments_of(initial(i, dtype::float32, {300, 500})).deviation ==
          Approx(std::sqrt(dense)).epsilon(0.01));
  }
  for (const initializer& i : {he_uniform(), he_normal()}) {
    CHECK(moments_of(initial(i, dtype::float32, {64, 32, 5, 5})).deviation ==
          Approx(std::sqrt(2.0 / (32 * 25))).epsilon(0.02));
  }
  for (const initializer& i : {lecun_uniform(), lecun_normal()}) {
    CHECK(moments_of(initial(i, dtype::float32, {300, 500})).deviation ==
          Approx(std::sqrt(1.0 / 300)).epsilon(0.01));
  }
}

TEST_CASE("a draw depends on seed and key, and not on how much is drawn") {
  const Array a = initial(normal(0, 1), dtype::float32, {200000});
  CHECK(a.same_bits(initial(normal(0, 1), dtype::float32, {200000})));
  CHECK_FALSE(a.same_bits(initial(normal(0, 1), dtype::float32, {200000}, 2)));
  CHECK_FALSE(a.same_bits(initial(normal(0, 1), dtype::float32, {200000}, 1, 5)));
  CHECK(a.rows(0, 777).same_bits(initial(normal(0, 1), dtype::float32, {777})));
  attribute_list like;
  like.set("mean", 0.0).set("stddev", 1.0);
  const auto drawn = [&](std::int64_t key, std::int64_t counter) {
    return run_operator(
        "random_normal_like",
        {Array(dtype::float32, {777}), Array::from<std::int64_t>({2}, {key, counter})}, like)[0];
  };
  CHECK(drawn(1, 0).same_bits(a.rows(0, 777)));
  CHECK_FALSE(drawn(1, 1).same_bits(drawn(1, 0)));
}

TEST_CASE("orthogonal initial values have orthonormal rows or columns") {
  for (const dims& shape : {dims{1, 1}, dims{40, 40}, dims{17, 64}, dims{64, 17}, dims{3, 5, 20}}) {
    INFO(to_string(shape));
    const Array q = initial(orthogonal(2), dtype::float64, shape);
    const auto v = q.span<double>();
    const std::int64_t cols = shape.back(), rows = q.size() / cols;
    const bool by_rows = rows <= cols;
    const std::int64_t count = by_rows ? rows : cols, length = by_rows ? cols : rows;
    const auto at = [&](std::int64_t vector, std::int64_t i) {
      return v[static_cast<std::size_t>(by_rows ? vector * cols + i : i * cols + vector)];
    };
    double worst = 0;
    for (std::int64_t a = 0; a < count; ++a) {
      for (std::int64_t b = 0; b <= a; ++b) {
        double product = 0;
        for (std::int64_t i = 0; i < length; ++i) product += at(a, i) * at(b, i);
        worst = std::max(worst, std::abs(product - (a == b ? 4.0 : 0.0)));
      }
    }
    CHECK(worst < 1e-12);
  }
  CHECK(initial(orthogonal(), dtype::float32, {0, 4}).empty());
}
