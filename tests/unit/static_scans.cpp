// Static networks that hold scans: the same numbers as a session's.
#include <tuple>

#include "static_fixture.hpp"

using namespace graft;
using namespace graft_test;

namespace {

template <auto Builder, extent... Extents>
void compare_built() {
  static constexpr auto n = inference_net<Builder, in<float, shape<dyn, Extents...>>>();
  compare<n, Extents...>();
}

// The steps of a row, the batch being the second axis.
template <class X>
constexpr auto by_time(const X& x) {
  return transpose<1, 0, 2>(x);
}
template <class X>
constexpr auto zeros_of_a_row(const X& x) {
  return zeros_like(sum<axes<1>>(x));
}

}  // namespace

TEST_CASE("static recurrent layers equal a session's", "[static]") {
  compare_built<[](auto x) { return lstm<8>(x); }, 5, 3>();
  compare_built<[](auto x) { return lstm<5>.sequences()(x); }, 7, 6>();
  compare_built<[](auto x) { return gru<8>(x); }, 5, 3>();
  compare_built<[](auto x) { return gru<3>.sequences()(x); }, 4, 9>();
  compare_built<[](auto x) { return simple_rnn<9>(x); }, 6, 2>();
  compare_built<[](auto x) { return simple_rnn<4>.sequences()(x); }, 1, 2>();
}

TEST_CASE("static recurrent layers stand among others", "[static]") {
  compare_built<[](auto x) {
    return (dense<6> >> relu >> lstm<7>.sequences() >> layer_norm >> gru<5>.sequences() >>
            simple_rnn<4> >> dense<3> >> softmax)(x);
  },
                4, 5>();
  // Applied twice, tied; and what comes before is used after it.
  compare_built<[](auto x) {
    constexpr auto encoder = gru<6>.shared("encoder");
    const auto a = encoder(x), b = encoder(tanh(x));
    return a * b + sum<axes<1>>(x);
  },
                3, 6>();
}

TEST_CASE("static scans carry states, stack results and take what is around them", "[static]") {
  // What is stacked is the old state; a captured value of each row; variables made in the body.
  compare_built<[](auto x) {
    const auto start = mean<axes<1>>(x), around = tanh(start);
    const auto result = scan(start, by_time(x), [&](auto s, auto e) {
      const auto next = dense<4>(concat<1>(s, e)) * around;
      return std::tuple{next, s};
    });
    return concat<1>(by_time(std::get<1>(result)), reshape<shape<dyn, 1, 4>>(std::get<0>(result)));
  },
                5, 4>();
  // Two sequences, two states of other sizes, one of which no step reads; two stacked results.
  compare_built<[](auto x) {
    const auto zero = zeros_of_a_row(x);
    const auto result =
        scan(std::tuple{zero, dense<2>(zero)}, std::tuple{by_time(x), by_time(dense<7>(x))},
             [&](const auto& s, const auto& e) {
               const auto sum_of = std::get<0>(s) * 0.5f + std::get<0>(e);
               return std::tuple{std::tuple{sum_of, dense<2>(sum_of)},
                                 std::tuple{square(std::get<1>(e)), sum_of}};
             });
    const auto ys = std::get<1>(result);
    return flatten(by_time(std::get<0>(ys))) * 0.1f +
           sum<axes<1>, true>(
               concat<1>(std::get<1>(std::get<0>(result)), flatten(by_time(std::get<1>(ys)))));
  },
                3, 4>();
  // The state is the element, or stays as it is.
  compare_built<[](auto x) {
    const auto zero = zeros_of_a_row(x);
    return std::get<0>(scan(zero, by_time(x), [](auto, auto e) { return std::tuple{e, e}; }));
  },
                3, 4>();
  compare_built<[](auto x) {
    const auto first = mean<axes<1>>(x);
    return by_time(
        std::get<1>(scan(first, by_time(x), [](auto s, auto e) { return std::tuple{s, s * e}; })));
  },
                3, 4>();
}

TEST_CASE("static scans step along elements of several types", "[static]") {
  for (const extent b : batch_sizes) {
    Array words(dtype::int64, {b, 6});
    for (std::size_t i = 0; i < words.span<std::int64_t>().size(); ++i) {
      words.mutable_span<std::int64_t>()[i] = static_cast<std::int64_t>(i * 5 % 7);
    }
    // A table is looked up in the body; one state counts, another one is a choice; truth values are stacked.
    compare_with<[](auto w, auto x) {
      const auto table = dense<3>(x);
      const auto count = cast<std::int64_t>(zeros_like(x));
      const auto result =
          scan(std::tuple{table, count}, transpose<1, 0>(w), [&](const auto& s, auto e) {
            const auto one = expand_dims<1>(e);
            const auto larger = greater(broadcast_like(one, std::get<1>(s)), std::get<1>(s));
            const auto vector = one_hot<7>(e);
            const auto next =
                select(slice<along<1, 0, 3>>(larger), dense<3>(vector), std::get<0>(s));
            return std::tuple{std::tuple{next, std::get<1>(s) + one}, larger};
          });
      const auto [last, counted] = std::get<0>(result);
      return concat<1>(last, cast<float>(counted),
                       cast<float>(flatten(transpose<1, 0, 2>(std::get<1>(result)))));
    },
                 longs<6>, floats<4>>({words, some({b, 4})});
  }
}

TEST_CASE("static scans nest", "[static]") {
  compare_built<[](auto x) {
    const auto zero = zeros_of_a_row(x);
    const auto outer = scan(zero, by_time(x), [&](auto s, auto e) {
      const auto inner = scan(s + e, by_time(x), [&](auto t, auto f) {
        const auto next = tanh(t * 0.5f + f * e);
        return std::tuple{next, next};
      });
      return std::tuple{std::get<0>(inner), mean<axes<1>>(by_time(std::get<1>(inner)))};
    });
    return concat<1>(std::get<0>(outer), flatten(by_time(std::get<1>(outer))));
  },
                3, 4>();
}

TEST_CASE("static networks with scans return several results and load parts", "[static]") {
  static constexpr auto n = inference_net<[](auto x) {
    const auto h = lstm<4>.sequences()(x);
    return std::tuple{dense<2, "out">(h), h, gru<3>(h)};
  },
                                          in<float, shape<dyn, 5, 3>, "x">>();
  static constexpr auto head =
      extract<inputs_at<"x">, outputs_at<"lstm/transpose_1", "gru/scan">>(n);
  Graph g;
  const auto x = placeholder<float, shape<dyn, 5, 3>>(g, "x");
  const auto [y, h, last] = lower(n, g, x);
  Session session(g, {.seed = 4});
  session.initialize();
  static_network<n> whole;
  static_network<head> part;
  whole.load(g);
  part.load(g);
  const std::vector<float> rows = some_numbers(3 * 15, 9);
  std::vector<float> a(3 * 10), b(3 * 20), c(3 * 3), d(3 * 20), e(3 * 3);
  whole.run({rows}, {a, b, c}, 3);
  part.run({rows}, {d, e}, 3);
  CHECK(b == d);
  CHECK(c == e);
  const auto [w, v, u] =
      session.run(std::tuple{y, h, last}, feed(x, Array::from<float>({3, 5, 3}, rows)));
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(std::fabs(a[i] - w.span<float>()[i]) < 1e-5f);
  for (std::size_t i = 0; i < b.size(); ++i) CHECK(std::fabs(b[i] - v.span<float>()[i]) < 1e-5f);
  for (std::size_t i = 0; i < c.size(); ++i) CHECK(std::fabs(c[i] - u.span<float>()[i]) < 1e-5f);
}
