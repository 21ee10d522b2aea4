// Functions that add several ops: all of them or none, and numbers that a tensor can hold.
#include <limits>

#include "graft/graft.hpp"

#include "catch.hpp"
#include "operands_fixture.hpp"

using namespace graft_test;

namespace {

struct subject : operands {
  // True if f throws and nothing is added.
  template <class Error, class F>
  bool refused(F&& f) {
    const std::uint64_t before = g.digest();
    const std::size_t ops = g.op_count();
    bool thrown = false;
    try {
      f();
    } catch (const Error&) {
      thrown = true;
    }
    CHECK(thrown);
    CHECK(g.op_count() == ops);
    return g.digest() == before;
  }
};

}  // namespace

TEST_CASE("losses and other composites that are refused add nothing") {
  subject s;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinite = std::numeric_limits<double>::infinity();
  CHECK(s.refused<dtype_error>([&] { (void)mse(s.i, s.i); }));
  CHECK(s.refused<shape_error>([&] { (void)mse(s.p, s.q); }));
  CHECK(s.refused<shape_error>([&] { (void)huber(s.p, s.q); }));
  for (const double delta : {0.0, -1.0, nan, infinite}) {
    CHECK(s.refused<argument_error>([&] { (void)huber(s.p, s.p, delta); }));
  }
  CHECK(s.refused<dtype_error>([&] { (void)l2_regularization(s.i, 0.5); }));
  CHECK(s.refused<dtype_error>([&] { (void)l1_regularization(s.b, 0.5); }));
  CHECK(s.refused<dtype_error>([&] { (void)l2_regularization(0.1, s.p, s.i); }));
  for (const double factor : {nan, infinite}) {
    CHECK(s.refused<argument_error>([&] { (void)l2_regularization(s.p, factor); }));
    CHECK(s.refused<argument_error>([&] { (void)l1_regularization(s.p, factor); }));
  }
  CHECK(s.refused<dtype_error>([&] { (void)sigmoid_cross_entropy(s.i, s.i); }));
  CHECK(s.refused<shape_error>([&] { (void)sigmoid_cross_entropy(s.p, s.q); }));
  Graph other;
  const any_tensor foreign = placeholder<float, shape<4>>(other, "foreign");
  CHECK(s.refused<dtype_error>([&] { (void)clip_by_global_norm(std::vector{s.p, s.i}, 1.0); }));
  CHECK(
      s.refused<handle_error>([&] { (void)clip_by_global_norm(std::vector{s.p, foreign}, 1.0); }));
  CHECK(s.refused<handle_error>([&] { (void)global_norm(std::vector{s.p, foreign}); }));
  CHECK(clip_by_global_norm({}, 1.0).empty());
}

TEST_CASE("losses and residual networks broadcast nothing, whenever the shapes become known") {
  subject s;
  const any_tensor n = placeholder<float, shape<8>>(s.g, "n");
  const any_tensor column = placeholder<float, shape<8, 1>>(s.g, "column");
  const auto refuses = [&](auto&& loss) {
    CHECK(s.refused<shape_error>([&] { (void)loss(n, column); }));
    CHECK(s.refused<shape_error>([&] { (void)loss(column, n); }));
    CHECK(s.refused<shape_error>([&] { (void)loss(column, s.p); }));
    // Extents that only feeds tell.
    const any_tensor a = placeholder(s.g, dtype::float32, dims{dyn, dyn});
    const any_tensor b = placeholder(s.g, dtype::float32, dims{dyn, dyn});
    const any_tensor c = placeholder(s.g, dtype::float32, dims{dyn, 1});
    const any_tensor d = placeholder<float, any_shape>(s.g);
    Session session(s.g);
    const auto run = [&](const any_tensor& x, const any_tensor& y, dims x_shape, dims y_shape) {
      const any_tensor z = loss(x, y);
      return session.run(z, feed(x, Array(dtype::float32, x_shape)),
                         feed(y, Array(dtype::float32, y_shape)));
    };
    CHECK_NOTHROW(run(a, b, {3, 2}, {3, 2}));
    CHECK_NOTHROW(run(a, c, {3, 1}, {3, 1}));
    CHECK_NOTHROW(run(d, a, {3, 1}, {3, 1}));
    CHECK_THROWS_AS(run(a, b, {3, 2}, {3, 1}), shape_error);
    CHECK_THROWS_AS(run(a, b, {1, 2}, {3, 2}), shape_error);
    CHECK_THROWS_AS(run(a, c, {3, 2}, {3, 1}), shape_error);
    CHECK_THROWS_AS(run(d, a, {2}, {3, 2}), shape_error);
  };
  refuses([](auto a, auto b) { return mse(a, b); });
  refuses([](auto a, auto b) { return huber(a, b); });
  refuses([](auto a, auto b) { return sigmoid_cross_entropy(a, b); });
  refuses([](auto a, auto b) { return residual([b](auto) { return b; })(a); });
}

TEST_CASE("functions of several ops add all of them or none") {
  subject s;
  CHECK(s.refused<shape_error>([&] { (void)select(s.b, s.q, 0.0f); }));
  CHECK(s.refused<shape_error>([&] { (void)select(s.b, 0.0f, s.q); }));
  // The second application finds too little left.
  const auto narrowing = [](auto x) { return any_tensor(slice(x, -1, 1, 3)); };
  CHECK(s.refused<shape_error>([&] { (void)repeat<2>(narrowing)(s.p); }));
}

TEST_CASE("a number beside a tensor is one that the tensor can hold") {
  subject s;
  CHECK(s.refused<dtype_error>([&] { (void)(s.b * 2.0); }));
  CHECK(s.refused<dtype_error>([&] { (void)(s.b + 1.0f); }));
  CHECK(s.refused<dtype_error>([&] { (void)(s.b < 0.5); }));
  CHECK(s.refused<dtype_error>([&] { (void)(s.i * 0.5); }));
  CHECK(s.refused<dtype_error>([&] { (void)(s.i + 3e10); }));
  CHECK(s.refused<dtype_error>([&] { (void)(s.i + 2147483648ll); }));
  CHECK(s.refused<dtype_error>([&] { (void)(s.i + std::numeric_limits<double>::quiet_NaN()); }));
  CHECK(s.refused<dtype_error>([&] { (void)(s.u + 256); }));
  CHECK(s.refused<dtype_error>([&] { (void)(s.u * -1.0); }));
  const any_tensor most = s.u + 255, least = s.i + -2147483648ll, whole = s.i * 3.0;
  Session session(s.g);
  CHECK(session.run(most, feed(s.u, Array(dtype::uint8, {1, 4}))).at<std::uint8_t>({0, 0}) == 255);
  CHECK(session.run(least, feed(s.i, Array(dtype::int32, {1, 4}))).at<std::int32_t>({0, 0}) ==
        std::numeric_limits<std::int32_t>::min());
  (void)whole;
}
