// Static networks against sessions: the same numbers, for every operator, block size and
// instruction set.
#include "static_fixture.hpp"

using namespace graft;
using namespace graft_test;

namespace {

constexpr auto perceptron =
    inference_net<[](auto x) { return (dense<64> >> relu >> dense<64> >> relu >> dense<2>)(x); },
                  in<float, shape<dyn, 4>>>();
constexpr auto odd_sizes = inference_net<[](auto x) {
  return (dense<13> >> relu >> dense<1>.bias(false) >> dense<37> >> dense<9>)(x);
},
                                         in<float, shape<dyn, 7>>>();
constexpr auto curves = inference_net<[](auto x) {
  return tanh(x) + sigmoid(x) * silu(x) - gelu(x) / (softplus(x) + 0.5f) +
         elu(leaky_relu(x, 0.1), 0.7);
},
                                      in<float, shape<dyn, 11>>>();
constexpr auto powers = inference_net<[](auto x) {
  return exp(x) + log(square(x) + 1.0f) + sqrt(abs(x)) + reciprocal(abs(x) + 2.0f) +
         clip(-x, -0.5, 0.75);
},
                                      in<float, shape<dyn, 5>>>();
constexpr auto comparisons = inference_net<[](auto x) {
  return squared_difference(maximum(x, -x), minimum(x, square(x))) + maximum(x, 0.25f);
},
                                           in<float, shape<dyn, 9>>>();
constexpr auto shares = inference_net<[](auto x) { return softmax(dense<10>(log_softmax(x))); },
                                      in<float, shape<dyn, 6>>>();
constexpr auto blocks = inference_net<[](auto x) {
  return (repeat<3>(residual(dense<8> >> tanh)) >> layer_norm >> dropout(0.5))(x);
},
                                      in<float, shape<dyn, 8>>>();
constexpr auto branches = inference_net<[](auto x) {
  return (parallel(dense<3>, dense<5> >> softmax, relu()) >> concat<1>() >> dense<2>)(x);
},
                                        in<float, shape<dyn, 6>>>();
constexpr auto images = inference_net<[](auto x) {
  return (conv2d<6, conv{.kernel = {3, 3}, .padding = same_padding}> >> batch_norm >> relu >>
          max_pool2d() >> conv2d<4, conv{.kernel = {2, 3}, .stride = {2, 1}, .groups = 2}> >>
          flatten >> dense<3>)(x);
},
                                      in<float, shape<dyn, 2, 9, 8>>>();
constexpr auto windows = inference_net<[](auto x) {
  return (
      depthwise_conv2d<2, conv{.kernel = {3, 3}, .padding = {1, 0, 2, 1}, .dilation = {2, 1}}> >>
      avg_pool2d<pool{.window = {3, 2}, .stride = {2, 2}, .padding = {1, 1, 1, 1}}>() >>
      global_avg_pool2d())(x);
},
                                       in<float, shape<dyn, 3, 8, 9>>>();
constexpr auto counted_padding = inference_net<[](auto x) {
  return avg_pool2d<pool{.window = {3, 3}, .padding = {1, 1, 1, 1}, .count_padding = true}>(
      max_pool2d<pool{.window = {3, 3}, .stride = {1, 1}, .padding = same_padding}>(x));
},
                                               in<float, shape<dyn, 1, 5, 5>>>();
constexpr auto dilated_pools = inference_net<[](auto x) {
  return avg_pool2d<pool{
      .window = {3, 2}, .stride = {1, 2}, .padding = {2, 1, 0, 3}, .dilation = {2, 3}}>(
      max_pool2d<pool{
          .window = {2, 3}, .stride = {2, 1}, .padding = same_padding, .dilation = {3, 2}}>(x));
},
                                             in<float, shape<dyn, 2, 9, 8>>>();
constexpr auto axes_moved = inference_net<[](auto x) {
  return transpose<0, 2, 3, 1>(x) * 2.0f + reshape<shape<dyn, 4, 5, 1>>(mean<axes<1>>(x));
},
                                          in<float, shape<dyn, 3, 4, 5>>>();
constexpr auto parts = inference_net<[](auto x) {
  return concat<2>(slice<along<2, 1, 3, 2>, along<1, -1, dyn, -1>>(x), slice<along<2, 0, 2>>(x));
},
                                     in<float, shape<dyn, 4, 6>>>();
constexpr auto sums = inference_net<[](auto x) {
  return sum<axes<1>>(x) + max<axes<-2>>(x) * reshape<shape<dyn, 1>>(mean<axes<1, 2>>(x + 1.0f));
},
                                    in<float, shape<dyn, 3, 5>>>();
constexpr auto only_a_view =
    inference_net<[](auto x) { return flatten(x); }, in<float, shape<dyn, 3, 5>>>();
constexpr auto sequence_product =
    inference_net<[](auto x) { return relu(dense<4>(x)); }, in<float, shape<dyn, 3, 5>>>();

constexpr auto wider =
    net<[](auto x) { return (dense<64> >> relu >> dense<64> >> relu >> dense<3>)(x); },
        in<float, shape<dyn, 4>>>();

}  // namespace

TEST_CASE("static products and activations equal a session's", "[static]") {
  compare<perceptron, 4>();
  compare<odd_sizes, 7>();
  compare<curves, 11>();
  compare<powers, 5>();
  compare<comparisons, 9>();
  compare<shares, 6>();
  compare<sequence_product, 3, 5>();
}

TEST_CASE("static blocks and branches equal a session's", "[static]") {
  compare<blocks, 8>();
  compare<branches, 6>();
}

TEST_CASE("static convolutions and pools equal a session's", "[static]") {
  compare<images, 2, 9, 8>();
  compare<windows, 3, 8, 9>();
  compare<counted_padding, 1, 5, 5>();
  compare<dilated_pools, 2, 9, 8>();
}

TEST_CASE("static movements of elements equal a session's", "[static]") {
  compare<axes_moved, 3, 4, 5>();
  compare<parts, 4, 6>();
  compare<sums, 3, 5>();
  compare<only_a_view, 3, 5>();
}

TEST_CASE("a static network has several inputs and outputs, also the same twice", "[static]") {
  constexpr auto n = net<[](auto a, auto b) {
    auto h = a * b + a;
    return std::tuple{h, reshape<shape<dyn, 3, 1>>(h), a, sum<axes<1>>(h)};
  },
                         in<float, shape<dyn, 3>>, in<float, shape<dyn, 3>>>();
  static_network<n> f;
  const std::vector<float> a{1, 2, 3, 4, 5, 6}, b{2, 2, 2, 3, 3, 3};
  std::vector<float> h(6), view(6), same_as_a(6), total(2);
  f.run({a, b}, {h, view, same_as_a, total}, 2);
  CHECK(h == std::vector<float>{3, 6, 9, 16, 20, 24});
  CHECK(view == h);
  CHECK(same_as_a == a);
  CHECK(total == std::vector<float>{18, 60});
}

TEST_CASE("sums that cancel agree within their terms", "[static]") {
  constexpr auto n =
      inference_net<[](auto x) { return dense<1>(x); }, in<float, shape<dyn, 512>>>();
  Graph g;
  auto x = placeholder<float, shape<dyn, 512>>(g, "x");
  auto y = lower(n, g, x);
  Session session(g);
  session.initialize();
  const std::vector<float> weights = some_numbers(512, 3);
  g.store().set(*g.find_variable("dense/kernel"), Array::from<float>({512, 1}, weights));
  static_network<n> f;
  f.load(g);
  for (unsigned seed = 10; seed < 60; ++seed) {
    std::vector<float> values = some_numbers(512, seed), found(1);
    float terms = 0, sum = 0;
    for (std::size_t i = 0; i < 512; ++i) sum += values[i] * weights[i];
    values[0] -= sum / weights[0];  // what is left is next to nothing
    for (std::size_t i = 0; i < 512; ++i) terms += std::fabs(values[i] * weights[i]);
    f(values, found, 1);
    const Array wanted = session.run(y, feed(x, Array::from<float>({1, 512}, values)));
    CHECK(std::fabs(wanted.span<float>()[0]) < 1e-4f * terms);
    CHECK(std::fabs(found[0] - wanted.span<float>()[0]) <= 1e-6f * terms);
  }
}

TEST_CASE("special numbers pass through static networks", "[static]") {
  constexpr auto n = net<[](auto x) { return concat<1>(relu(x), tanh(x), sigmoid(x), exp(x)); },
                         in<float, shape<dyn, 5>>>();
  static_network<n> f;
  const float inf = std::numeric_limits<float>::infinity(),
              nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> x{inf, -inf, nan, -0.0f, 100.0f};
  std::vector<float> y(20);
  f(x, y, 1);
  CHECK((y[0] == inf && y[1] == 0.0f && std::isnan(y[2]) && y[3] == 0.0f && y[4] == 100.0f));
  CHECK((y[5] == 1.0f && y[6] == -1.0f && std::isnan(y[7]) && y[8] == 0.0f && y[9] == 1.0f));
  CHECK((y[10] == 1.0f && y[11] == 0.0f && std::isnan(y[12]) && y[13] == 0.5f && y[14] == 1.0f));
  CHECK((y[15] == inf && y[16] == 0.0f && std::isnan(y[17]) && y[18] == 1.0f && y[19] == inf));
}

// 17 at a time: whole vectors and a rest.
TEST_CASE("special numbers come out of a static network as of a session", "[static]") {
  constexpr auto n = net<[](auto x) {
    return concat<1>(silu(x), gelu(x), softplus(x), elu(x), leaky_relu(x), neg(x), abs(x),
                     square(x), reciprocal(x), log(x), sqrt(x), clip(x, -2.0, 3.0), softmax(x));
  },
                         in<float, shape<dyn, 17>>>();
  const float inf = std::numeric_limits<float>::infinity(),
              nan = std::numeric_limits<float>::quiet_NaN(),
              most = std::numeric_limits<float>::max(), least = std::numeric_limits<float>::min();
  const std::vector<float> values{inf,    -inf,   nan,     0.0f,  -0.0f,  1.0f,
                                  -1.0f,  most,   -most,   least, -least, 89.0f,
                                  -89.0f, 105.0f, -105.0f, 17.0f, -17.0f};
  Graph g;
  auto x = placeholder<float, shape<dyn, 17>>(g, "x");
  auto y = lower(n, g, x);
  const Array expected = Session(g).run(y, feed(x, Array::from<float>({1, 17}, values)));
  static_network<n> f;
  std::vector<float> found(expected.span<float>().size());
  f(values, found, 1);
  for (std::size_t i = 0; i < found.size(); ++i) {
    const float wanted = expected.span<float>()[i];
    INFO("function " << i / 17 << " of " << values[i % 17]);
    if (std::isnan(wanted)) {
      CHECK(std::isnan(found[i]));
    } else if (std::isinf(wanted) || wanted == 0) {
      CHECK((found[i] == wanted && std::signbit(found[i]) == std::signbit(wanted)));
    } else {
      CHECK(std::fabs(found[i] - wanted) <= 1e-5f * std::fmax(1.0f, std::fabs(wanted)));
    }
  }
}

TEST_CASE("static networks load clones by scope and refuse what does not fit", "[static]") {
  Graph g;
  auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  {
    const scope s(g, "copy");
    lower(perceptron, g, x);
  }
  static_network<perceptron> f;
  std::vector<float> in(4, 1.0f), out(2);
  CHECK_THROWS_AS(f(in, out, 1), uninitialized_error);
  CHECK_THROWS_AS(f.load(g, "copy"), uninitialized_error);
  Session session(g);
  session.initialize();
  CHECK_THROWS_AS(f.load(g), name_error);
  f.load(g, "copy");
  CHECK_NOTHROW(f(in, out, 1));
  const std::vector<float> before = out;

  CHECK_THROWS_AS(f(in, out, 2), shape_error);
  CHECK_THROWS_AS(f(in, std::span(out).first(1), 1), shape_error);
  CHECK_THROWS_AS(f(in, out, std::size_t{1} << 63), shape_error);
  CHECK_THROWS_AS(f.set("dense/kernel", in), shape_error);
  CHECK_THROWS_AS(f.set("nothing", in), name_error);
  Graph other;
  lower(wider, other, placeholder<float, shape<dyn, 4>>(other));
  Session(other).initialize();
  CHECK_THROWS_AS(f.load(other), shape_error);
  f(in, out, 1);
  CHECK(out == before);

  {
    const auto original = out;
    auto copy = f;  // a network of its own
    std::vector<float> changed(2);
    copy.set("dense_2/bias", std::vector<float>{10, 20});
    f(in, out, 1);
    CHECK(out == original);
    copy(in, changed, 1);
    CHECK(changed[0] == Approx(out[0] + 10));
    f = copy;
    f(in, out, 1);
    CHECK(out == changed);
    f.load(g, "copy");
  }
  auto moved = std::move(f);
  CHECK_THROWS_AS(static_network<perceptron>(f), handle_error);  // NOLINT
  CHECK_THROWS_AS(f(in, out, 1), handle_error);  // NOLINT: what was moved from is the subject
  CHECK_THROWS_AS(f.load(g, "copy"), handle_error);
  CHECK_THROWS_AS(f.set("dense_2/bias", out), handle_error);
  f = std::move(moved);

  f.set("dense_2/bias", std::vector<float>{100, 200});
  f(in, out, 1);
  CHECK(out[0] == Approx(before[0] + 100));
  CHECK(out[1] == Approx(before[1] + 200));
}

TEST_CASE("parts of a static network load the values of the whole", "[static]") {
  constexpr auto first = extract<"placeholder", "relu">(perceptron);
  constexpr auto rest = extract<"relu", "dense_2/add">(perceptron);
  Graph g;
  auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  lower(perceptron, g, x);
  Session(g).initialize();
  static_network<perceptron> whole;
  static_network<first> head;
  static_network<rest> tail;
  whole.load(g);
  head.load(g);
  tail.load(g);
  const std::vector<float> values = some_numbers(3 * 4, 5);
  std::vector<float> hidden(3 * 64), joined(3 * 2), all(3 * 2);
  whole(values, all, 3);
  head(values, hidden, 3);
  tail(hidden, joined, 3);
  CHECK(joined == all);
}
