#include <algorithm>

#include "kernel_test.hpp"

using namespace kt;

namespace {

const int64_t columns[] = {1, 2, 7, 8, 9, 10, 15, 16, 17, 33, 64, 70, 1000, 5000};

template <class T>
void check_softmax(const kernel_table& k) {
  for (const int64_t cols : columns) {
    const int64_t rows = 4, n = rows * cols;
    guarded<T> x = random_buffer<T>(n, -20, 20), y(n), want(n);
    if (cols > 2) x[0] = -std::numeric_limits<T>::infinity();  // an excluded entry
    k.softmax(element_of<T>())(x.data(), y.data(), rows, cols);
    reference::softmax<T>(x.data(), want.data(), rows, cols, false);
    REQUIRE(worst(y, want) <= 8 * epsilon<T>());
    if (cols > 2) REQUIRE(y[0] == T(0));
    REQUIRE(y.intact());
    guarded<T> in_place = x;
    k.softmax(element_of<T>())(in_place.data(), in_place.data(), rows, cols);
    REQUIRE(in_place.same_bits(y));

    const guarded<T> dy = random_buffer<T>(n);
    guarded<T> dx(n), want_dx(n);
    k.softmax_gradient(element_of<T>())(dy.data(), y.data(), dx.data(), rows, cols);
    for (int64_t r = 0; r < rows; ++r) {
      long double dot = 0;
      for (int64_t i = 0; i < cols; ++i)
        dot += static_cast<long double>(dy[r * cols + i]) * y[r * cols + i];
      for (int64_t i = 0; i < cols; ++i)
        want_dx[r * cols + i] = static_cast<T>(y[r * cols + i] * (dy[r * cols + i] - dot));
    }
    REQUIRE(worst(dx, want_dx) <= 8 * epsilon<T>());
    REQUIRE(dx.intact());

    k.log_softmax(element_of<T>())(x.data(), y.data(), rows, cols);
    reference::softmax<T>(x.data(), want.data(), rows, cols, true);
    REQUIRE(worst(y, want, 40) <= 8 * epsilon<T>());
    REQUIRE(y.intact());
    if (cols > 2) {
      REQUIRE(std::isinf(y[0]));
      x[0] = 0;
      k.log_softmax(element_of<T>())(x.data(), y.data(), rows, cols);
    }
    k.log_softmax_gradient(element_of<T>())(dy.data(), y.data(), dx.data(), rows, cols);
    for (int64_t r = 0; r < rows; ++r) {
      long double total = 0;
      for (int64_t i = 0; i < cols; ++i) total += dy[r * cols + i];
      for (int64_t i = 0; i < cols; ++i) {
        want_dx[r * cols + i] = static_cast<T>(
            dy[r * cols + i] - std::exp(static_cast<long double>(y[r * cols + i])) * total);
      }
    }
    REQUIRE(worst(dx, want_dx) <= 40 * epsilon<T>() * std::sqrt(static_cast<double>(cols)));
  }
  // Large values do not overflow; a row without a finite entry or with a NaN is NaN.
  for (const int64_t cols : {3, 20, 50}) {
    guarded<T> x(cols, T(10000)), y(cols);
    k.softmax(element_of<T>())(x.data(), y.data(), 1, cols);
    for (int64_t i = 0; i < cols; ++i)
      REQUIRE(std::fabs(y[i] - 1.0 / static_cast<double>(cols)) < 1e-6);
    for (const T bad : {-std::numeric_limits<T>::infinity(), std::numeric_limits<T>::quiet_NaN()}) {
      for (int64_t i = 0; i < cols; ++i) x[i] = std::isnan(bad) && i != cols / 2 ? T(1) : bad;
      k.softmax(element_of<T>())(x.data(), y.data(), 1, cols);
      for (int64_t i = 0; i < cols; ++i) REQUIRE(std::isnan(y[i]));
    }
  }
}

template <class T>
void check_layer_norm(const kernel_table& k) {
  for (const int64_t cols : columns) {
    for (const bool affine : {false, true}) {
      const int64_t rows = 3, n = rows * cols;
      guarded<T> x = random_buffer<T>(n, 3, 5), y(n), want(n), mean(rows), inv(rows),
                 want_mean(rows), want_inv(rows);
      const guarded<T> scale = random_buffer<T>(cols), bias = random_buffer<T>(cols);
      layer_norm_args a;
      a.x = x.data();
      a.y = y.data();
      a.rows = rows;
      a.cols = cols;
      if (affine) a.scale = scale.data(), a.bias = bias.data();
      a.mean = mean.data();
      a.inv_std = inv.data();
      k.layer_norm(element_of<T>())(a);
      layer_norm_args r = a;
      r.y = want.data();
      r.mean = want_mean.data();
      r.inv_std = want_inv.data();
      reference::layer_norm<T>(r);
      double size = 1;  // what a rounding of the input is multiplied by
      for (int64_t i = 0; i < rows; ++i) size = std::fmax(size, static_cast<double>(want_inv[i]));
      REQUIRE(worst(y, want) <= 100 * epsilon<T>() * size);
      REQUIRE(worst(mean, want_mean) <= 8 * epsilon<T>());
      REQUIRE(worst(inv, want_inv) <= 200 * epsilon<T>() * size);
      REQUIRE((y.intact() && mean.intact() && inv.intact()));

      if (cols > 100) continue;
      const guarded<T> dy = random_buffer<T>(n);
      guarded<T> dx(n), want_dx(n);
      layer_norm_gradient_args g;
      g.dy = dy.data();
      g.x = x.data();
      g.mean = mean.data();
      g.inv_std = inv.data();
      g.scale = a.scale;
      g.dx = dx.data();
      g.rows = rows;
      g.cols = cols;
      k.layer_norm_gradient(element_of<T>())(g);
      g.dx = want_dx.data();
      reference::layer_norm_gradient<T>(g);
      REQUIRE(worst(dx, want_dx) <= 100 * epsilon<T>() * size);
      REQUIRE(dx.intact());
    }
  }
}

template <class T>
void check_channels(const kernel_table& k) {
  for (const int64_t outer : {1, 3, 200}) {
    for (const int64_t channels : {1, 5, 40}) {
      for (const int64_t inner : {1, 2, 9, 49}) {
        const int64_t n = outer * channels * inner;
        guarded<T> x = random_buffer<T>(n, 2, 4), y(n), mean(channels), variance(channels),
                   want_mean(channels), want_variance(channels);
        k.channel_moments(element_of<T>())(x.data(), mean.data(), variance.data(), outer, channels,
                                           inner, 0, channels);
        reference::channel_moments<T>(x.data(), want_mean.data(), want_variance.data(), outer,
                                      channels, inner);
        REQUIRE(worst(mean, want_mean) <= 64 * epsilon<T>());
        REQUIRE(worst(variance, want_variance) <= 64 * epsilon<T>());
        REQUIRE((mean.intact() && variance.intact()));
        guarded<T> mean2(channels), variance2(channels);
        for (int64_t c = 0; c < channels; c += 3) {
          k.channel_moments(element_of<T>())(x.data(), mean2.data(), variance2.data(), outer,
                                             channels, inner, c, std::min(channels, c + 3));
        }
        REQUIRE((mean2.same_bits(mean) && variance2.same_bits(variance)));

        const guarded<T> scale = random_buffer<T>(channels), shift = random_buffer<T>(channels);
        k.scale_shift(element_of<T>())(x.data(), scale.data(), shift.data(), y.data(), outer,
                                       channels, inner);
        guarded<T> sums(channels), dots(channels);
        const guarded<T> dy = random_buffer<T>(n);
        k.channel_products(element_of<T>())(dy.data(), x.data(), mean.data(), sums.data(),
                                            dots.data(), outer, channels, inner, 0, channels);
        std::vector<long double> want_sums(channels), want_dots(channels);
        for (int64_t i = 0; i < n; ++i) {
          const int64_t c = i / inner % channels;
          REQUIRE(std::fabs(y[i] - (static_cast<long double>(x[i]) * scale[c] + shift[c])) <=
                  8 * epsilon<T>());
          want_sums[c] += dy[i];
          want_dots[c] += static_cast<long double>(dy[i]) * (x[i] - mean[c]);
        }
        for (int64_t c = 0; c < channels; ++c) {
          const double tolerance =
              8 * epsilon<T>() * (1 + std::sqrt(static_cast<double>(outer * inner)));
          REQUIRE(std::fabs(sums[c] - want_sums[c]) <= tolerance);
          REQUIRE(std::fabs(dots[c] - want_dots[c]) <= tolerance);
        }
        REQUIRE((y.intact() && sums.intact() && dots.intact()));
      }
    }
  }
}

}  // namespace

TEST_CASE("softmax and log-softmax with gradients") {
  FOR_EACH_ISA(k) {
    check_softmax<float>(k);
    check_softmax<double>(k);
  }
}

TEST_CASE("layer normalisation") {
  FOR_EACH_ISA(k) {
    check_layer_norm<float>(k);
    check_layer_norm<double>(k);
  }
}

TEST_CASE("batch normalisation") {
  FOR_EACH_ISA(k) {
    check_channels<float>(k);
    check_channels<double>(k);
  }
}
