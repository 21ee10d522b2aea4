#include "kernel_test.hpp"

using namespace kt;

namespace {

std::vector<conv2d_shape> shapes() {
  std::vector<conv2d_shape> all;
  const auto add = [&](int64_t batch, int64_t ic, int64_t h, int64_t w, int64_t oc, int64_t kh,
                       int64_t kw, int64_t stride, int64_t pad, int64_t dilation, int64_t groups) {
    conv2d_shape s;
    s.batch = batch;
    s.in_channels = ic;
    s.in_h = h;
    s.in_w = w;
    s.out_channels = oc;
    s.kernel_h = kh;
    s.kernel_w = kw;
    s.stride_h = s.stride_w = stride;
    s.pad_top = s.pad_left = s.pad_bottom = s.pad_right = pad;
    s.dilation_h = s.dilation_w = dilation;
    s.groups = groups;
    all.push_back(s);
  };
  add(2, 3, 9, 11, 5, 3, 3, 1, 1, 1, 1);
  add(1, 4, 8, 8, 7, 1, 1, 1, 0, 1, 1);
  add(1, 4, 7, 9, 6, 1, 1, 2, 0, 1, 1);
  add(3, 3, 17, 15, 8, 5, 5, 2, 2, 1, 1);
  add(1, 3, 30, 31, 13, 7, 7, 2, 3, 1, 1);
  add(1, 2, 12, 13, 4, 3, 3, 1, 2, 2, 1);
  add(1, 2, 12, 13, 4, 3, 3, 2, 2, 3, 1);
  add(2, 6, 10, 9, 6, 3, 3, 1, 1, 1, 6);
  add(1, 6, 11, 40, 6, 3, 3, 2, 1, 1, 6);
  add(1, 3, 10, 70, 6, 3, 3, 1, 1, 1, 3);
  add(2, 6, 10, 9, 4, 3, 3, 1, 1, 1, 2);
  add(1, 6, 10, 9, 9, 3, 2, 3, 1, 1, 3);
  add(1, 40, 7, 7, 33, 3, 3, 1, 1, 1, 1);
  add(1, 64, 14, 14, 16, 3, 3, 2, 1, 1, 1);
  add(9, 2, 6, 6, 3, 3, 3, 1, 0, 1, 1);
  add(1, 1, 5, 5, 3, 3, 3, 1, 1, 1, 1);
  add(1, 2, 5, 5, 3, 3, 3, 1, 4, 1, 1);  // more padding than the filter is wide
  add(1, 2, 2, 2, 3, 3, 3, 1, 0, 1, 1);  // no output at all
  add(1, 2, 3, 3, 3, 3, 3, 1, 0, 1, 1);
  conv2d_shape odd = all[0];
  odd.pad_top = 2;
  odd.pad_left = 0;
  odd.pad_bottom = 1;
  odd.pad_right = 3;
  odd.stride_w = 3;
  odd.stride_h = 2;
  odd.dilation_w = 2;
  all.push_back(odd);
  return all;
}

template <class T>
void check(const kernel_table& k, const conv2d_shape& s) {
  const conv2d_kernel kernel = k.conv2d(element_of<T>());
  INFO("batch " << s.batch << " " << s.in_channels << "x" << s.in_h << "x" << s.in_w << " -> "
                << s.out_channels << " kernel " << s.kernel_h << "x" << s.kernel_w << " stride "
                << s.stride_h << " pad " << s.pad_top << " dilation " << s.dilation_h << " groups "
                << s.groups << " f" << 8 * sizeof(T));
  const int64_t in = s.in_channels * s.in_h * s.in_w, out = s.out_channels * s.out_h() * s.out_w();
  const int64_t filters = s.out_channels * (s.in_channels / s.groups) * s.kernel_h * s.kernel_w;
  const guarded<T> x = random_buffer<T>(s.batch * in), filter = random_buffer<T>(filters),
                   bias = random_buffer<T>(s.out_channels), dy = random_buffer<T>(s.batch * out);
  const double tolerance = epsilon<T>() * (8 + static_cast<double>(filters / s.out_channels) / 2);
  conv2d_args a;
  a.shape = s;
  a.x = x.data();
  a.filter = filter.data();
  a.dy = dy.data();
  a.last = s.batch;

  {  // forward
    a.bias = bias.data();
    a.after = epilogue::relu;
    guarded<T> y(s.batch * out, T(7)), want(s.batch * out), split(s.batch * out);
    scratch memory(kernel.forward_scratch_bytes(s));
    a.scratch = memory.get();
    a.out = y.data();
    kernel.forward(a);
    REQUIRE(y.intact());
    REQUIRE(memory.memory.intact());
    conv2d_args r = a;
    r.out = want.data();
    reference::conv2d<T>(r);
    REQUIRE(worst(y, want) <= tolerance);
    r.out = split.data();
    for (int64_t i = s.batch - 1; i >= 0; --i) {
      r.first = i;
      r.last = i + 1;
      kernel.forward(r);
    }
    REQUIRE(split.same_bits(y));
    a.bias = nullptr;
    a.after = epilogue::none;
    kernel.forward(a);
    r = a;
    r.out = want.data();
    reference::conv2d<T>(r);
    REQUIRE(worst(y, want) <= tolerance);
  }
  {  // gradient of the input
    guarded<T> dx(s.batch * in, T(7)), want(s.batch * in);
    scratch memory(kernel.input_gradient_scratch_bytes(s));
    a.scratch = memory.get();
    a.out = dx.data();
    kernel.input_gradient(a);
    REQUIRE(dx.intact());
    REQUIRE(memory.memory.intact());
    conv2d_args r = a;
    r.out = want.data();
    reference::conv2d_input_gradient<T>(r);
    REQUIRE(worst(dx, want) <=
            epsilon<T>() * (8 + static_cast<double>(s.out_channels * s.kernel_h * s.kernel_w) / 2));
  }
  {  // gradient of the filter
    guarded<T> d(filters, T(7)), want(filters), combined(filters);
    scratch memory(kernel.filter_gradient_scratch_bytes(s));
    a.scratch = memory.get();
    a.out = d.data();
    kernel.filter_gradient(a);
    REQUIRE(d.intact());
    REQUIRE(memory.memory.intact());
    conv2d_args r = a;
    r.out = want.data();
    reference::conv2d_filter_gradient<T>(r);
    REQUIRE(worst(d, want) <=
            epsilon<T>() * (8 + static_cast<double>(s.batch * s.out_h() * s.out_w()) / 2));

    const int64_t parts = kernel.filter_gradient_parts(s);
    guarded<T> partials(parts * filters);
    for (int64_t part = parts - 1; part >= 0; --part) {
      scratch own(kernel.filter_gradient_partial_scratch_bytes(s));
      r.scratch = own.get();
      r.out = partials.data() + part * filters;
      kernel.filter_gradient_partial(r, part);
      REQUIRE(own.memory.intact());
    }
    REQUIRE(partials.intact());
    kernel.filter_gradient_combine(s, partials.data(), combined.data());
    REQUIRE(combined.same_bits(d));
  }
}

}  // namespace

TEST_CASE("convolution forward and gradients") {
  FOR_EACH_ISA(k) {
    for (const conv2d_shape& s : shapes()) {
      check<float>(k, s);
      check<double>(k, s);
    }
  }
}
