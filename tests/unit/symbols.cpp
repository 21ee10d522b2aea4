// The operators of C++ on handles beyond arithmetic: a && b, !a, a += b.
#include "graft/graft.hpp"

#include "catch.hpp"

using namespace graft;

namespace {

using row = tensor<Graph, dtype::float32, shape<3>>;

std::vector<float> floats(const Array& a) {
  const auto all = a.span<float>();
  return {all.begin(), all.end()};
}
std::vector<bool> truths(const Array& a) {
  const auto all = a.span<bool>();
  return {all.begin(), all.end()};
}

struct subject {
  Graph g;
  row x = placeholder<float, shape<3>>(g, "x");
  Session session{g};

  Array run(const any_tensor& y) { return session.run(y, feed(x, {-1.0f, 0.5f, 2.0f})); }
};

}  // namespace

TEST_CASE("truth values are joined element by element") {
  subject s;
  CHECK(truths(s.run(s.x > 0 && s.x < 1)) == std::vector{false, true, false});
  CHECK(truths(s.run(s.x < 0 || s.x > 1)) == std::vector{true, false, true});
  CHECK(truths(s.run(!(s.x > 0))) == std::vector{true, false, false});
  CHECK(floats(s.run(select(!(s.x < 0 || s.x > 1), s.x, 0))) == std::vector{0.0f, 0.5f, 0.0f});
  const any_tensor unknown = s.x > 0;
  CHECK(truths(s.run(!unknown || (unknown && !unknown))) == std::vector{true, false, false});
  CHECK_THROWS_AS(!any_tensor(s.x), dtype_error);
  CHECK_THROWS_AS(any_tensor(s.x) && unknown, dtype_error);
}

TEST_CASE("a += b lets a name the sum, and what it named before is what it was") {
  subject s;
  auto y = s.x;
  y += s.x;
  y *= 2;
  y -= 1.0f;
  y /= s.x;
  CHECK(floats(s.run(y)) == std::vector{5.0f, 2.0f, 3.5f});
  CHECK(floats(s.run(s.x)) == std::vector{-1.0f, 0.5f, 2.0f});
  CHECK(&(y += 0) == &y);

  any_tensor total = sum(s.x);
  for (int k = 0; k < 3; ++k) total += s.x;
  CHECK(floats(s.run(total)) == std::vector{-1.5f, 3.0f, 7.5f});
  tensor<Graph, dtype::float32, shape<dyn>> open = placeholder<float, shape<dyn>>(s.g, "open");
  open += s.x;
  CHECK(s.g.type_of(s.g.id(open)) == value_type::of(dtype::float32, {3}));

  const std::size_t before = s.g.op_count();
  any_tensor bad = total;
  const any_tensor five = placeholder<float, shape<5>>(s.g, "five");
  CHECK_THROWS_AS(bad += five, shape_error);
  CHECK(bad.ref() == total.ref());
  CHECK(s.g.op_count() == before + 1);
}

TEST_CASE("networks that the compiler records are written with them, too") {
  constexpr auto n = net<[](auto x) {
    auto y = x;
    y += 1.0f;
    return select(!(y > 2) && x > 0, y, x);
  },
                         in<float, shape<3>>>();
  static_assert(n.output_shape() == dims{3});
  subject s;
  CHECK(floats(s.run(lower(n, s.g, s.x))) == std::vector{-1.0f, 1.5f, 2.0f});
}

TEST_CASE("what is refused in words is refused by requires, too") {
  constexpr auto refused = []<class X, class Other>(X*, Other*) {
    return !requires(X x) { x == x; } && !requires(X x) { x != 3; } &&
           !requires(X x, Other o) { x + o; } && !requires(X x) { x[0]; } &&
           !requires(const X x) { x += x; } && !requires(Other o) { relu(o); } &&
           !std::is_convertible_v<X, bool> && requires(X x) { x += x; };
  };
  static_assert(refused(static_cast<row*>(nullptr), static_cast<Array*>(nullptr)));
}
