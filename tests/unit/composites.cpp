// Functions that add several ops: all of them or none, and numbers that a tensor can hold.
#include <limits>

#include "graft/graft.hpp"

#include "catch.hpp"

using namespace graft;

namespace {

struct subject {
  Graph g;
  any_tensor p = placeholder<float, shape<dyn, 4>>(g, "p");
  any_tensor five = placeholder<float, shape<dyn, 5>>(g, "five");
  any_tensor i = placeholder<std::int32_t, shape<dyn, 4>>(g, "i");
  any_tensor u = placeholder<std::uint8_t, shape<dyn, 4>>(g, "u");
  any_tensor b = placeholder<bool, shape<dyn, 4>>(g, "b");

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
  CHECK(s.refused<shape_error>([&] { (void)mse(s.p, s.five); }));
  CHECK(s.refused<shape_error>([&] { (void)huber(s.p, s.five); }));
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
  CHECK(s.refused<shape_error>([&] { (void)sigmoid_cross_entropy(s.p, s.five); }));
  Graph other;
  const any_tensor foreign = placeholder<float, shape<4>>(other, "foreign");
  CHECK(s.refused<dtype_error>([&] { (void)clip_by_global_norm(std::vector{s.p, s.i}, 1.0); }));
  CHECK(
      s.refused<handle_error>([&] { (void)clip_by_global_norm(std::vector{s.p, foreign}, 1.0); }));
  CHECK(s.refused<handle_error>([&] { (void)global_norm(std::vector{s.p, foreign}); }));
  CHECK(clip_by_global_norm({}, 1.0).empty());
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
