#include <cstring>

#include "kernel_test.hpp"

using namespace kt;

namespace {

struct accuracy {
  unary_op op;
  const char* name;
  double lo, hi, float_ulps, double_ulps, absolute;
};

// The absolute tolerance, in epsilons, is for functions that cancel near their zeros or in their
// tails.
const accuracy functions[] = {
    {unary_op::neg, "neg", -10, 10, 0, 0, 0},
    {unary_op::abs, "abs", -10, 10, 0, 0, 0},
    {unary_op::sign, "sign", -10, 10, 0, 0, 0},
    {unary_op::exp, "exp", -20, 20, 2, 2, 0},
    {unary_op::exp, "exp wide", -110, 92, 2, 2, 0},
    {unary_op::exp, "exp widest", -800, 720, 2, 2, 0},
    {unary_op::log, "log", 1e-6, 10, 2, 2, 0},
    {unary_op::log, "log small", 1e-300, 1e-290, 2, 2, 0},
    {unary_op::log1p, "log1p", -0.999, 10, 3, 3, 0},
    {unary_op::log1p, "log1p small", -1e-3, 1e-3, 3, 3, 0},
    {unary_op::expm1, "expm1", -5, 5, 3, 3, 0},
    {unary_op::expm1, "expm1 small", -1e-3, 1e-3, 2, 2, 0},
    {unary_op::sqrt, "sqrt", 0, 100, 0.5, 0.5, 0},
    {unary_op::rsqrt, "rsqrt", 1e-3, 100, 1.5, 1.5, 0},
    {unary_op::reciprocal, "reciprocal", 1e-3, 100, 0.5, 0.5, 0},
    {unary_op::square, "square", -10, 10, 0.5, 0.5, 0},
    {unary_op::sin, "sin", -10, 10, 3, 3, 0},
    {unary_op::cos, "cos", -10, 10, 3, 3, 0},
    {unary_op::sin, "sin wide", -8000, 8000, 3, 3, 1},
    {unary_op::cos, "cos wide", -8000, 8000, 3, 3, 1},
    {unary_op::sin, "sin huge", -1e8, 1e8, 3, 3, 1},
    {unary_op::tanh, "tanh", -10, 10, 5, 4, 0},
    {unary_op::tanh, "tanh small", -1e-2, 1e-2, 4, 4, 0},
    {unary_op::sigmoid, "sigmoid", -30, 30, 3, 3, 0},
    {unary_op::relu, "relu", -10, 10, 0, 0, 0},
    {unary_op::softplus, "softplus", -30, 30, 4, 4, 0},
    {unary_op::erf, "erf", -4.5, 4.5, 3, 2, 0},
    {unary_op::gelu, "gelu", -10, 10, 4, 4, 2},
    {unary_op::gelu_tanh, "gelu_tanh", -10, 10, 8, 8, 2},
    {unary_op::silu, "silu", -30, 30, 4, 4, 0},
    {unary_op::floor, "floor", -10, 10, 0, 0, 0},
    {unary_op::ceil, "ceil", -10, 10, 0, 0, 0},
    {unary_op::round, "round", -10, 10, 0, 0, 0},
    {unary_op::floor, "floor huge", -1e9, 1e9, 0, 0, 0},
    {unary_op::round, "round huge", -1e17, 1e17, 0, 0, 0},
    {unary_op::leaky_relu, "leaky_relu", -10, 10, 1, 1, 0},
    {unary_op::elu, "elu", -10, 10, 4, 4, 0},
    {unary_op::clip, "clip", -10, 10, 0, 0, 0},
};

template <class T>
void check_accuracy(const kernel_table& k) {
  for (const accuracy& f : functions) {
    double lo = f.lo, hi = f.hi;
    if (sizeof(T) == 4 && lo > 0 && lo < 1e-200) lo = 1e-44, hi = 1e-37;  // subnormal floats
    guarded<T> x = random_buffer<T>(20000, lo, hi), y(x.size());
    const T exact = static_cast<T>(0.125);
    const double params[] = {static_cast<double>(f.op == unary_op::clip ? -exact : exact), 3.0};
    k.unary(f.op, element_of<T>())(x.data(), y.data(), x.size(), params);
    double worst_ulps = 0;
    T at = 0;
    for (int64_t i = 0; i < x.size(); ++i) {
      const long double want = reference::unary(f.op, x[i], params);
      if (std::fabs(y[i] - want) <= f.absolute * epsilon<T>()) continue;
      if (const double u = ulps<T>(y[i], want); u > worst_ulps) worst_ulps = u, at = x[i];
    }
    INFO(f.name << " f" << 8 * sizeof(T) << " at " << at);
    CHECK(worst_ulps <= (sizeof(T) == 4 ? f.float_ulps : f.double_ulps) + 0.5);
    CHECK(y.intact());
  }
}

template <class T>
void check_special_values(const kernel_table& k) {
  const T inf = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  const T big = std::numeric_limits<T>::max();
  const double params[] = {0.25, 2.0};
  for (const accuracy& f : functions) {
    for (const T v :
         {inf, -inf, nan, T(0), -T(0), big, -big, std::numeric_limits<T>::denorm_min()}) {
      guarded<T> x(21, v), y(21);
      k.unary(f.op, element_of<T>())(x.data(), y.data(), x.size(), params);
      const long double want = reference::unary(f.op, v, params);
      INFO(f.name << " f" << 8 * sizeof(T) << " of " << v << " is " << y[0] << ", not " << want);
      for (int64_t i = 0; i < x.size(); ++i)
        REQUIRE(
            ((std::isnan(y[i]) && std::isnan(y[0])) || std::memcmp(&y[i], &y[0], sizeof(T)) == 0));
      CHECK((ulps<T>(y[0], want) <= 4 || std::fabs(y[0] - want) <= 1e-30));
      if (want == 0 && v == 0) CHECK(std::signbit(y[0]) == std::signbit(want));
    }
  }
}

// Any cut of a range gives the same bits, in place as well, and nothing outside is touched.
template <class T>
void check_cuts(const kernel_table& k) {
  const double params[] = {0.25, 0.5};
  for (const accuracy& f : functions) {
    const unary_kernel run = k.unary(f.op, element_of<T>());
    const guarded<T> x = random_buffer<T>(70, 0.01, 3);
    guarded<T> whole(70);
    run(x.data(), whole.data(), 70, params);
    for (int64_t n = 0; n <= 70; ++n) {
      guarded<T> y(n), tail(70 - n);
      run(x.data(), y.data(), n, params);
      run(x.data() + n, tail.data(), 70 - n, params);
      INFO(f.name << " cut at " << n);
      REQUIRE(y.intact());
      REQUIRE(tail.intact());
      for (int64_t i = 0; i < 70; ++i) REQUIRE((i < n ? y[i] : tail[i - n]) == whole[i]);
      guarded<T> z(n);
      for (int64_t i = 0; i < n; ++i) z[i] = x[i];
      run(z.data(), z.data(), n, params);
      REQUIRE(z.same_bits(y));
    }
  }
}

}  // namespace

TEST_CASE("unary functions are accurate") {
  FOR_EACH_ISA(k) {
    check_accuracy<float>(k);
    check_accuracy<double>(k);
  }
}

TEST_CASE("unary functions of infinities, NaN, zeros and extremes") {
  FOR_EACH_ISA(k) {
    check_special_values<float>(k);
    check_special_values<double>(k);
  }
}

TEST_CASE("unary functions do not depend on how a range is cut") {
  FOR_EACH_ISA(k) {
    check_cuts<float>(k);
    check_cuts<double>(k);
  }
}

TEST_CASE("unary functions of integers and booleans") {
  FOR_EACH_ISA(k) {
    const std::int32_t low = std::numeric_limits<std::int32_t>::min();
    std::int32_t x[] = {-3, 0, 5, low}, y[4];
    const auto run = [&](unary_op op, const double* p = nullptr) {
      k.unary(op, element::i32)(x, y, 4, p);
      return std::vector<std::int32_t>(y, y + 4);
    };
    using list = std::vector<std::int32_t>;
    CHECK(run(unary_op::neg) == list{3, 0, -5, low});
    CHECK(run(unary_op::abs) == list{3, 0, 5, low});
    CHECK(run(unary_op::sign) == list{-1, 0, 1, -1});
    CHECK(run(unary_op::square) == list{9, 0, 25, 0});
    CHECK(run(unary_op::relu) == list{0, 0, 5, 0});
    const double bounds[] = {-1.5, std::numeric_limits<double>::infinity()};
    CHECK(run(unary_op::clip, bounds) == list{-1, 0, 5, -1});
    CHECK(k.unary(unary_op::exp, element::i32) == nullptr);
    std::uint8_t b[] = {0, 1, 0}, n[3];
    k.unary(unary_op::logical_not, element::b8)(b, n, 3, nullptr);
    CHECK((n[0] == 1 && n[1] == 0 && n[2] == 1));
    const float f[] = {1.0f, std::nanf("")};
    k.unary(unary_op::is_nan, element::f32)(f, n, 2, nullptr);
    CHECK((n[0] == 0 && n[1] == 1));
  }
}

namespace {

template <class T>
void check_gradients(const kernel_table& k) {
  const double params[] = {0.25};
  for (int op = 0; op <= static_cast<int>(gradient_op::elu); ++op) {
    const auto g = static_cast<gradient_op>(op);
    guarded<T> v = random_buffer<T>(3001, -6, 6), dy = random_buffer<T>(3001), dx(3001);
    k.gradient(g, element_of<T>())(dy.data(), v.data(), dx.data(), v.size(), params);
    for (int64_t i = 0; i < v.size(); ++i) {
      const long double want = reference::gradient(g, dy[i], v[i], params);
      INFO("gradient " << op << " at " << v[i]);
      REQUIRE(std::fabs(dx[i] - want) <= 8 * epsilon<T>() * (1 + std::fabs(want)));
    }
    CHECK(dx.intact());
    guarded<T> extremes(4), one(4, T(1)), out(4);
    extremes[0] = std::numeric_limits<T>::infinity();
    extremes[1] = -extremes[0];
    extremes[2] = std::numeric_limits<T>::max();
    extremes[3] = -extremes[2];
    if (g == gradient_op::gelu || g == gradient_op::gelu_tanh || g == gradient_op::softplus) {
      k.gradient(g, element_of<T>())(one.data(), extremes.data(), out.data(), 4, params);
      for (int64_t i = 0; i < 4; ++i)
        CHECK(std::fabs(out[i] - (i % 2 == 0 ? T(1) : T(0))) <= epsilon<T>());
    }
  }
}

template <class T>
void check_binary(const kernel_table& k) {
  for (int o = 0; o <= static_cast<int>(binary_op::squared_difference); ++o) {
    const auto op = static_cast<binary_op>(o);
    for (const operands mode : {operands::vv, operands::vs, operands::sv}) {
      const binary_kernel run = k.binary(op, element_of<T>(), mode);
      REQUIRE(run != nullptr);
      for (const int64_t n : sizes()) {
        if (n > 70 && n != 1000) continue;
        const int64_t na = mode == operands::sv ? 1 : n, nb = mode == operands::vs ? 1 : n;
        guarded<T> a = random_buffer<T>(na, 0.1, 3), b = random_buffer<T>(nb, 0.1, 3), y(n);
        run(a.data(), b.data(), y.data(), n);
        for (int64_t i = 0; i < n; ++i) {
          const long double want = reference::binary(op, a[na == 1 ? 0 : i], b[nb == 1 ? 0 : i]);
          INFO("op " << o << " n " << n);
          REQUIRE((ulps<T>(y[i], want) <= 2.6 || std::fabs(y[i] - want) < 2 * epsilon<T>()));
        }
        REQUIRE(y.intact());
        if (mode == operands::vv) {
          run(a.data(), b.data(), a.data(), n);
          REQUIRE(a.same_bits(y));
        } else if (mode == operands::vs && n > 0) {
          run(a.data(), b.data(), a.data(), n);
          REQUIRE(a.same_bits(y));
        }
      }
    }
  }
  const T nan = std::numeric_limits<T>::quiet_NaN();
  for (const binary_op op : {binary_op::min, binary_op::max}) {
    guarded<T> a(40, T(1)), b(40, nan), y(40);
    k.binary(op, element_of<T>(), operands::vv)(a.data(), b.data(), y.data(), 40);
    for (int64_t i = 0; i < 40; ++i) REQUIRE(std::isnan(y[i]));
    k.binary(op, element_of<T>(), operands::vv)(b.data(), a.data(), y.data(), 40);
    for (int64_t i = 0; i < 40; ++i) REQUIRE(std::isnan(y[i]));
  }
}

template <class T>
void check_integers(const kernel_table& k) {
  using limits = std::numeric_limits<T>;
  const auto apply = [&](binary_op op, T a, T b) {
    T y;
    k.binary(op, element_of<T>(), operands::vv)(&a, &b, &y, 1);
    return y;
  };
  CHECK(apply(binary_op::add, limits::max(), T(1)) == limits::min());
  CHECK(apply(binary_op::sub, limits::min(), T(1)) == limits::max());
  CHECK(apply(binary_op::div, T(7), T(0)) == T(0));
  CHECK(apply(binary_op::mod, T(7), T(0)) == T(0));
  CHECK(apply(binary_op::div, T(7), T(2)) == T(3));
  CHECK(apply(binary_op::mod, T(7), T(4)) == T(3));
  CHECK(apply(binary_op::pow, T(3), T(4)) == T(81));
  CHECK(apply(binary_op::max, T(3), T(4)) == T(4));
  if (limits::is_signed) {
    CHECK(apply(binary_op::div, limits::min(), static_cast<T>(-1)) == limits::min());
    CHECK(apply(binary_op::mod, limits::min(), static_cast<T>(-1)) == T(0));
    CHECK(apply(binary_op::mod, static_cast<T>(-7), T(4)) == T(1));
    CHECK(apply(binary_op::mod, T(7), static_cast<T>(-4)) == static_cast<T>(-1));
    CHECK(apply(binary_op::pow, T(2), static_cast<T>(-1)) == T(0));
  }
  guarded<T> a(37), y(37);
  for (int64_t i = 0; i < 37; ++i) a[i] = static_cast<T>(i * 3);
  const T two = 2;
  k.binary(binary_op::mul, element_of<T>(), operands::vs)(a.data(), &two, y.data(), 37);
  for (int64_t i = 0; i < 37; ++i) REQUIRE(y[i] == static_cast<T>(i * 6));
  CHECK(y.intact());
}

}  // namespace

TEST_CASE("gradients of activations") {
  FOR_EACH_ISA(k) {
    check_gradients<float>(k);
    check_gradients<double>(k);
  }
}

TEST_CASE("binary functions") {
  FOR_EACH_ISA(k) {
    check_binary<float>(k);
    check_binary<double>(k);
    check_integers<std::int32_t>(k);
    check_integers<std::int64_t>(k);
    check_integers<std::int8_t>(k);
    check_integers<std::uint8_t>(k);
  }
}

TEST_CASE("binary functions over rows repeat operands by stride") {
  FOR_EACH_ISA(k) {
    const int64_t rows = 5, cols = 13;
    guarded<float> a = random_buffer<float>(rows * cols), bias = random_buffer<float>(cols),
                   factor = random_buffer<float>(rows), y(rows * cols);
    k.binary_rows(binary_op::add, element::f32, operands::vv)(a.data(), cols, bias.data(), 0,
                                                              y.data(), rows, cols);
    for (int64_t i = 0; i < rows * cols; ++i) REQUIRE(y[i] == a[i] + bias[i % cols]);
    k.binary_rows(binary_op::mul, element::f32, operands::vs)(a.data(), cols, factor.data(), 1,
                                                              y.data(), rows, cols);
    for (int64_t i = 0; i < rows * cols; ++i) REQUIRE(y[i] == a[i] * factor[i / cols]);
    CHECK(y.intact());
  }
}

TEST_CASE("logical functions") {
  FOR_EACH_ISA(k) {
    std::uint8_t a[] = {0, 0, 1, 1}, b[] = {0, 1, 0, 1}, y[4];
    const auto run = [&](binary_op op) {
      k.binary(op, element::b8, operands::vv)(a, b, y, 4);
      return std::vector<int>(y, y + 4);
    };
    CHECK(run(binary_op::logical_and) == std::vector<int>{0, 0, 0, 1});
    CHECK(run(binary_op::logical_or) == std::vector<int>{0, 1, 1, 1});
    CHECK(run(binary_op::logical_xor) == std::vector<int>{0, 1, 1, 0});
    CHECK(k.binary(binary_op::add, element::b8, operands::vv) == nullptr);
  }
}

namespace {

template <class T>
void check_compare(const kernel_table& k) {
  for (const int64_t n : {0, 1, 7, 16, 33, 70, 1000}) {
    guarded<T> a(n), b(n);
    for (int64_t i = 0; i < n; ++i) a[i] = static_cast<T>(i % 5), b[i] = static_cast<T>(i % 3);
    if constexpr (std::is_floating_point_v<T>) {
      if (n > 4) a[4] = std::numeric_limits<T>::quiet_NaN();
    }
    for (int o = 0; o < 6; ++o) {
      const auto op = static_cast<compare_op>(o);
      guarded<std::uint8_t> y(n);
      const auto want = [&](T p, T q) {
        const bool all[] = {p == q, p != q, p<q, p <= q, p> q, p >= q};
        return all[o];
      };
      k.compare(op, element_of<T>(), operands::vv)(a.data(), b.data(), y.data(), n);
      for (int64_t i = 0; i < n; ++i) REQUIRE(y[i] == want(a[i], b[i]));
      k.compare(op, element_of<T>(), operands::vs)(a.data(), b.data(), y.data(), n);
      for (int64_t i = 0; i < n; ++i) REQUIRE(y[i] == want(a[i], b[0]));
      k.compare(op, element_of<T>(), operands::sv)(a.data(), b.data(), y.data(), n);
      for (int64_t i = 0; i < n; ++i) REQUIRE(y[i] == want(a[0], b[i]));
      REQUIRE(y.intact());
    }
  }
}

template <class U>
void check_select(const kernel_table& k) {
  for (const int64_t n : {0, 1, 7, 33, 130}) {
    guarded<U> a(n), b(n), y(n);
    guarded<std::uint8_t> c(n);
    for (int64_t i = 0; i < n; ++i) a[i] = U(i + 1), b[i] = U(200 - i), c[i] = i % 3 == 0;
    for (int m = 0; m < 4; ++m) {
      const auto mode = static_cast<operands>(m);
      const bool a1 = mode == operands::sv || mode == operands::ss,
                 b1 = mode == operands::vs || mode == operands::ss;
      k.select(sizeof(U), mode)(c.data(), a.data(), b.data(), y.data(), n);
      for (int64_t i = 0; i < n; ++i) REQUIRE(y[i] == (c[i] != 0 ? a[a1 ? 0 : i] : b[b1 ? 0 : i]));
      REQUIRE(y.intact());
    }
  }
}

template <class From, class To>
void check_float_to_integer(const kernel_table& k) {
  using limits = std::numeric_limits<To>;
  const From inf = std::numeric_limits<From>::infinity();
  guarded<From> x(45, From(0));
  const From values[] = {
      From(1.9),  From(-1.9),  inf,      -inf, std::numeric_limits<From>::quiet_NaN(),
      From(1e30), From(-1e30), From(100)};
  for (int64_t i = 0; i < 45; ++i) x[i] = values[i % 8];
  guarded<To> y(45);
  k.cast(element_of<From>(), element_of<To>())(x.data(), y.data(), 45);
  const To low = limits::min(), minus = limits::is_signed ? static_cast<To>(-1) : To(0);
  const To want[] = {To(1), minus, limits::max(), low, To(0), limits::max(), low, To(100)};
  for (int64_t i = 0; i < 45; ++i) REQUIRE(y[i] == want[i % 8]);
  CHECK(y.intact());
}

}  // namespace

TEST_CASE("comparisons") {
  FOR_EACH_ISA(k) {
    check_compare<float>(k);
    check_compare<double>(k);
    check_compare<std::int32_t>(k);
    check_compare<std::int64_t>(k);
    check_compare<std::int8_t>(k);
    check_compare<std::uint8_t>(k);
  }
}

TEST_CASE("selection") {
  FOR_EACH_ISA(k) {
    check_select<std::uint8_t>(k);
    check_select<std::uint32_t>(k);
    check_select<std::uint64_t>(k);
    CHECK(k.select(3, operands::vv) == nullptr);
  }
}

TEST_CASE("casts") {
  FOR_EACH_ISA(k) {
    check_float_to_integer<float, std::int32_t>(k);
    check_float_to_integer<float, std::int64_t>(k);
    check_float_to_integer<float, std::int8_t>(k);
    check_float_to_integer<float, std::uint8_t>(k);
    check_float_to_integer<double, std::int32_t>(k);
    check_float_to_integer<double, std::int64_t>(k);
    check_float_to_integer<double, std::int8_t>(k);
    check_float_to_integer<double, std::uint8_t>(k);
    const float x[] = {0.0f, 0.5f, std::nanf("")};
    std::uint8_t b[3];
    k.cast(element::f32, element::b8)(x, b, 3);
    CHECK((b[0] == 0 && b[1] == 1 && b[2] == 1));
    double d[3];
    k.cast(element::b8, element::f64)(b, d, 3);
    CHECK((d[0] == 0.0 && d[1] == 1.0));
    const std::int32_t wide[] = {300, -1};
    std::uint8_t narrow[2];
    k.cast(element::i32, element::u8)(wide, narrow, 2);
    CHECK((narrow[0] == 44 && narrow[1] == 255));
    for (int from = 0; from < 7; ++from) {
      for (int to = 0; to < 7; ++to)
        CHECK(k.cast(static_cast<element>(from), static_cast<element>(to)) != nullptr);
    }
  }
}
