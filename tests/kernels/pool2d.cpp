#include "kernel_test.hpp"

using namespace kt;

namespace {

std::vector<pool2d_shape> shapes() {
  std::vector<pool2d_shape> all;
  for (const int64_t kernel : {1, 2, 3}) {
    for (const int64_t stride : {1, 2, 3}) {
      for (const auto& [pad, dilation] :
           {std::pair{0, 1}, {1, 1}, {2, 1}, {0, 2}, {1, 3}, {4, 2}}) {
        pool2d_shape s;
        s.planes = 3;
        s.in_h = 7;
        s.in_w = 35;
        s.kernel_h = kernel;
        s.kernel_w = kernel + (kernel == 3 ? 1 : 0);
        s.stride_h = stride;
        s.stride_w = stride;
        s.dilation_h = dilation;
        s.dilation_w = 2 * dilation - 1;
        s.pad_top = s.pad_left = pad;
        s.pad_bottom = pad;
        s.pad_right = pad / 2;
        all.push_back(s);
      }
    }
  }
  return all;
}

template <class T>
void check(const kernel_table& k, const pool2d_shape& s) {
  const pool2d_kernel kernel = k.pool2d(element_of<T>());
  const int64_t in = s.planes * s.in_h * s.in_w, out = s.planes * s.out_h() * s.out_w();
  INFO("kernel " << s.kernel_h << " stride " << s.stride_h << " pad " << s.pad_top << " dilation "
                 << s.dilation_h);
  guarded<T> x = random_buffer<T>(in), y(out), want(out), dy = random_buffer<T>(out), dx(in, T(9)),
             want_dx(in);
  x[5] = std::numeric_limits<T>::quiet_NaN();
  x[40] = x[41];  // a tie
  guarded<std::int64_t> index(out), want_index(out);
  kernel.max(s, x.data(), y.data(), index.data());
  reference::max_pool<T>(s, x.data(), want.data(), want_index.data());
  REQUIRE(worst(y, want) == 0.0);
  REQUIRE(index.same_bits(want_index));
  REQUIRE((y.intact() && index.intact()));
  guarded<T> without(out);
  kernel.max(s, x.data(), without.data(), nullptr);
  REQUIRE(without.same_bits(y));

  kernel.max_gradient(s, dy.data(), index.data(), dx.data());
  for (int64_t p = 0; p < s.planes; ++p) {
    for (int64_t o = 0; o < out / s.planes; ++o) {
      const int64_t at = index[p * (out / s.planes) + o];
      if (at >= 0) want_dx[p * s.in_h * s.in_w + at] += dy[p * (out / s.planes) + o];
    }
  }
  REQUIRE(worst(dx, want_dx) <= 8 * epsilon<T>());
  REQUIRE(dx.intact());
  // Places outside the plane, which only a fed index has, are none.
  guarded<std::int64_t> outside(out);
  for (int64_t o = 0; o < out; ++o) outside[o] = o % 2 == 0 ? s.in_h * s.in_w + o : -o;
  outside[1] = -7;
  kernel.max_gradient(s, dy.data(), outside.data(), dx.data());
  REQUIRE(dx.intact());
  REQUIRE(dx[0] == T(0));

  x[5] = T(1);
  for (const bool count : {false, true}) {
    kernel.average(s, x.data(), y.data(), count);
    reference::average_pool<T>(s, x.data(), want.data(), count);
    REQUIRE(worst(y, want) <= 8 * epsilon<T>());
    REQUIRE(y.intact());
    kernel.average_gradient(s, dy.data(), dx.data(), count);
    reference::average_pool_gradient<T>(s, dy.data(), want_dx.data(), count);
    REQUIRE(worst(dx, want_dx) <= 8 * epsilon<T>());
    REQUIRE(dx.intact());
  }
}

}  // namespace

TEST_CASE("pooling and its gradients") {
  FOR_EACH_ISA(k) {
    for (const pool2d_shape& s : shapes()) {
      check<float>(k, s);
      check<double>(k, s);
    }
  }
}
