// Sizes and values that kernels treat apart, in an original and in its clones: equal bits come out.
#include <cmath>
#include <limits>

#include "graft/graft.hpp"

#include "clone_fixture.hpp"
#include "ensemble_fixture.hpp"

using namespace graft;
using namespace graft_test;

namespace {

template <class T>
constexpr T quiet_nan = std::numeric_limits<T>::quiet_NaN();
template <class T>
constexpr T infinity = std::numeric_limits<T>::infinity();
template <class T>
constexpr T denormal = std::numeric_limits<T>::denorm_min();

// Rows of 7 elements: no vector's length divides them, and every row but the first begins off any alignment.
template <class T>
Array odd_rows(std::int64_t n, bool special) {
  Array a(dtype_of<T>, {n, 7});
  auto e = a.mutable_span<T>();
  T next = T(0.7);
  for (T& v : e) v = next, next = next * T(-0.93) + T(0.11);
  const T odd[] = {quiet_nan<T>,
                   infinity<T>,
                   -infinity<T>,
                   denormal<T>,
                   -denormal<T>,
                   T(-0.0),
                   std::numeric_limits<T>::max()};
  // One for each row from the second on, so that there are rows without.
  for (std::size_t i = 1; special && i < static_cast<std::size_t>(n); i += 2)
    e[7 * i + (i * 3) % 7] = odd[(i / 2) % 7];
  return a;
}

// What passes through views that begin in the middle of a vector, and through kernels of every kind.
template <class T>
struct through_everything {
  Graph g;
  tensor<Graph, dtype_of<T>, shape<dyn, 7>> x = placeholder<T, shape<dyn, 7>>(g, "x");
  std::vector<any_tensor> y;

  through_everything() {
    const auto inner = slice<along<1, 1, 5>>(x);  // off any alignment, with a stride
    const auto below =
        slice<along<0, 1>>(pad<border<0, 1, 0>>(x));  // a view that begins at a second row
    const auto h = dense<5>(x);
    y = {h,
         tanh(inner) + inner,
         relu(below) * below,
         matmul(inner, make_variable<T, shape<5, 3>>(g, "w", glorot_uniform())),
         softmax(h),
         layer_norm(h),
         sum<axes<1>>(inner),
         max<axes<0>>(pad<border<0, 1, 0>>(inner)),
         concat<1>(inner, h, below),
         exp(below) - sqrt(x),
         cast<float>(is_nan(inner))};
  }
};

template <class T>
void compare(bool special) {
  through_everything<T> s;
  Session session(s.g, {.threads = 1, .seed = 5});
  session.initialize();
  const Region region = extract(inputs(s.x), outputs(s.y));
  const Clone here = clone(region, bind(s.x, s.x), variables::copied);
  Graph other;
  const Clone there = clone(region, into(other, "there"), variables::copied);
  const Clone frozen = clone(region, bind(s.x, s.x), variables::frozen);
  Session far(other, {.threads = 3});
  for (const std::int64_t n : {0, 1, 2, 3, 5, 8, 17, 31}) {
    const Array rows = odd_rows<T>(n, special);
    // All at once, so that the clone's values lie elsewhere in memory than the original's.
    const auto [own, copied, constant] =
        session.run(std::tuple{s.y, here(s.y), frozen(s.y)}, feed(s.x, rows));
    const auto away = far.run(there(s.y), feed(there(s.x), rows));
    for (std::size_t i = 0; i < s.y.size(); ++i) {
      INFO(n << " rows, output " << i);
      CHECK(own[i].same_bits(copied[i]));
      CHECK(own[i].same_bits(constant[i]));
      CHECK(own[i].same_bits(away[i]));
    }
  }
}

}  // namespace

TEST_CASE("views off any alignment and odd sizes give equal bits in clones", "[edge-83]") {
  compare<float>(false);
  compare<double>(false);
}

TEST_CASE("NaN, infinities, denormal numbers and minus zero give equal bits in clones",
          "[edge-83]") {
  compare<float>(true);
  compare<double>(true);
}

TEST_CASE("what is not a number stays in its row, in original and clone", "[edge-83]") {
  Graph g;
  const auto x = placeholder<float, shape<dyn, 7>>(g, "x");
  const auto y = tanh(layer_norm(dense<5>(x)));
  Session session(g, {.threads = 1, .seed = 5});
  session.initialize();
  const Clone copy = clone(extract(inputs(x), outputs(y)), bind(x, x), variables::copied);
  for (const std::int64_t n : {1, 2, 9, 33}) {
    Array rows = odd_rows<float>(n, false);
    const Array clean = session.run(y, feed(x, rows));
    const std::int64_t bad = n / 2;
    rows.mutable_span<float>()[static_cast<std::size_t>(7 * bad + 3)] = quiet_nan<float>;
    for (const any_tensor& t : {any_tensor(y), any_tensor(copy(y))}) {
      const Array found = session.run(t, feed(x, rows));
      for (std::int64_t i = 0; i < n; ++i) {
        INFO(n << " rows, row " << i);
        if (i != bad) CHECK(found.rows(i, i + 1).same_bits(clean.rows(i, i + 1)));
        if (i == bad) CHECK(std::isnan(found.at<float>({i, 0})));
      }
    }
  }
}

TEST_CASE("denormal numbers are not flushed, in original and clone", "[edge-83]") {
  Graph g;
  const auto x = placeholder<float, shape<dyn>>(g, "x");
  const auto y = x * 1.0f + 0.0f, halved = x * 0.5f;
  const Clone copy = clone(extract(inputs(x), outputs(y, halved)), bind(x, x));
  Session session(g);
  for (const std::int64_t n : {1, 7, 8, 1000}) {
    const float tiny = std::numeric_limits<float>::min() / 8;
    const Array values = Array::full<float>({n}, tiny);
    const auto [a, b, c, d] =
        session.run(std::tuple{y, copy(y), halved, copy(halved)}, feed(x, values));
    CHECK(a.same_bits(values));
    CHECK(b.same_bits(values));
    CHECK(c.same_bits(Array::full<float>({n}, tiny / 2)));
    CHECK(d.same_bits(c));
  }
}

TEST_CASE("gradients of empty and single batches are equal in clones", "[edge-83]") {
  Graph g;
  const auto x = placeholder<float, shape<dyn, 7>>(g, "x");
  const auto y = dense<3>(relu(dense<5>(x)));
  const any_tensor loss = sum(square(y));
  Session session(g, {.seed = 5});
  session.initialize();
  const Clone copy = clone(extract(inputs(x), outputs(loss)), bind(x, x), variables::copied);
  std::vector<any_tensor> mine, theirs;
  for (const variable_id v : trainable_variables(loss)) {
    mine.push_back(g.handle(g.variable_of(v).read));
    theirs.push_back(g.handle(g.variable_of(copy(v)).read));
  }
  const auto a = gradients(loss, mine), b = gradients(copy(loss), theirs);
  for (const std::int64_t n : {0, 1, 5}) {
    const auto [left, right] = session.run(std::tuple{a, b}, feed(x, odd_rows<float>(n, false)));
    for (std::size_t i = 0; i < left.size(); ++i) {
      CHECK(left[i].same_bits(right[i]));
      if (n == 0) CHECK(left[i].same_bits(Array(dtype::float32, left[i].shape())));
    }
  }
}
