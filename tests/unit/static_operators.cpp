// Operators of static networks that look up, cut, join and multiply: the same numbers as a session's.
#include "static_fixture.hpp"

using namespace graft;
using namespace graft_test;

namespace {

// 0, 1, ... bound - 1, over and over.
template <class Index>
Array indices(const dims& shape, Index bound) {
  Array result(dtype_of<Index>, shape);
  Index next = 1;
  for (Index& i : result.mutable_span<Index>())
    i = next = static_cast<Index>((next * 3 + 1) % bound);
  return result;
}

// A variable of the network's own.
template <class Shape, class X>
constexpr auto own(const X& x, std::string_view name) {
  return make_variable<float, Shape>(target_traits<Recorder>::target_of(x.ref()), name, normal());
}

// The first outputs of an op that has no function of its own to add it; of a source, x tells where.
template <std::size_t Outputs, class X, class... More>
constexpr auto added(const operator_schema& schema, const attribute_list& attributes, const X& x,
                     const More&... more) {
  using traits = target_traits<Recorder>;
  const std::array operands{x.ref(), more.ref()...};
  const std::span<const typename traits::reference> all(operands);
  const auto refs =
      traits::add(traits::target_of(x.ref()), schema, schema.max_operands == 0 ? all.first(0) : all,
                  attributes, {}, source_line::now());
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    return std::tuple{tensor<Recorder, X::type, any_shape>(refs[I])...};
  }(std::make_index_sequence<Outputs>{});
}

}  // namespace

TEST_CASE("static embeddings equal a session's", "[static]") {
  for (const extent b : batch_sizes) {
    compare_with<[](auto i) { return embedding<11, 5>(i); }, longs<7>>({indices({b, 7}, 11L)});
    compare_with<[](auto i) { return embedding<3, 1>(i); }, longs<>>({indices({b}, 3L)});
    compare_with<[](auto i) { return dense<4>(tanh(sum<axes<1>>(embedding<9, 8>(i)))); },
                 in<std::int32_t, shape<dyn, 3>>>({indices({b, 3}, std::int32_t{9})});
  }
}

TEST_CASE("static lookups run along every axis that is not the batch", "[static]") {
  for (const extent b : batch_sizes) {
    // What is looked up does not depend on the rows: the table is computed before, or a row's own.
    compare_with<[](auto x) {
      const auto w = own<shape<4, 3>>(x, "w");
      return gather<2>(x, argmax<0>(w)) * gather<1>(w, argmax<0>(w));
    },
                 floats<4, 3>>({some({b, 4, 3})});
    compare_with<[](auto i) {
      const auto w = own<shape<5, 2, 3>>(i, "w");
      return gather(sum<axes<1>>(w), i) - max<axes<2>>(gather(w, i));
    },
                 longs<3>>({indices({b, 3}, 5L)});
    compare_with<[](auto i) { return one_hot<7>(i); }, longs<2>>({indices({b, 2}, 7L)});
    compare_with<[](auto i, auto x) { return one_hot_like(i, x) + x; },
                 in<std::int32_t, shape<dyn, 2>>, floats<2, 5>>(
        {indices({b, 2}, std::int32_t{5}), some({b, 2, 5})});
    compare_with<[](auto i) { return one_hot<4, bool>(i); }, longs<>>({indices({b}, 4L)});
  }
}

TEST_CASE("a static network refuses indices outside what it looks up", "[static]") {
  static constexpr auto n =
      inference_net<[](auto i) { return embedding<6, 2, "words">(i); }, longs<3>>();
  Graph g;
  lower(n, g, placeholder<std::int64_t, shape<dyn, 3>>(g));
  Session(g).initialize();
  static_network<n> f;
  f.load(g);
  std::vector<float> out(12);
  for (const std::int64_t wrong : {std::int64_t{-1}, std::int64_t{6}, std::int64_t{1} << 40}) {
    std::vector<std::int64_t> in{0, 5, 1, 2, wrong, 0};
    CHECK_THROWS_WITH(
        f(in, out, 2),
        Catch::Contains("'words/gather'") && Catch::Contains("among 6") &&
            Catch::Contains("number 4 of a block of rows is " + std::to_string(wrong)));
    CHECK_THROWS_AS(f(in, out, 2), numeric_error);
    in[4] = 3;
    CHECK_NOTHROW(f(in, out, 2));
  }
}

TEST_CASE("static splits equal a session's", "[static]") {
  for (const extent b : batch_sizes) {
    compare_with<[](auto x) {
      const auto [p, q, r] = split<3, 1>(x);
      return concat<1>(r, p) * 2.0f + concat<1>(q, q);
    },
                 floats<9>>({some({b, 9})});
    // One part is not read; parts of parts; along an axis that is not the last one.
    compare_with<[](auto x) {
      const auto [p, q] = split<2, 2>(x);
      const auto [s, t] = split<2, -1>(q);
      return s * t;
    },
                 floats<3, 4, 2>>({some({b, 3, 4, 2})});
    compare_with<[](auto x) {
      const auto [p, q, r, t] =
          added<4>(ops::split, attribute_list().set("axis", 1).set("sizes", dims{1, 4, 0, 2}), x);
      return concat<1>(t, q, r, p);
    },
                 floats<7, 3>>({some({b, 7, 3})});
    // Taken apart once, when values are loaded.
    compare_with<[](auto x) {
      const auto [p, q] = split<2, 0>(own<shape<6, 5>>(x, "w"));
      return matmul(x, p) + sum<axes<0>>(q);
    },
                 floats<3>>({some({b, 3})});
  }
}

TEST_CASE("parts of a split are results of a static network", "[static]") {
  static constexpr auto n = net<[](auto x) { return split<3, 1>(x); }, floats<6>>();
  static_network<n> f;
  const std::vector<float> x{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  std::vector<float> a(4), b(4), c(4);
  f.run({x}, {a, b, c}, 2);
  CHECK(a == std::vector<float>{1, 2, 7, 8});
  CHECK(b == std::vector<float>{3, 4, 9, 10});
  CHECK(c == std::vector<float>{5, 6, 11, 12});
}

TEST_CASE("operators that only graphs add equal a session's in static networks", "[static]") {
  for (const extent b : batch_sizes) {
    compare_with<[](auto x, auto u, auto v) {
      const auto [p, q] = added<2>(ops::split_like, attribute_list().set("axis", 1), x, u, v);
      return concat<1>(q, p);
    },
                 floats<7>, floats<3>, floats<4>>({some({b, 7}), some({b, 3}), some({b, 4})});
    compare_with<[](auto x) {
      const auto ensured = std::get<0>(
          added<1>(ops::ensure_shape,
                   attribute_list().set("type", dtype::float32).set("shape", dims{dyn, 6}), x));
      return ensured * 2.0f;
    },
                 floats<6>>({some({b, 6})});
    compare_with<[](auto x) {
      const auto filled = std::get<0>(added<1>(ops::fill_range,
                                               attribute_list()
                                                   .set("type", dtype::float32)
                                                   .set("shape", dims{2, 3})
                                                   .set("value", 0.5)
                                                   .set("begin", 1)
                                                   .set("end", 4)
                                                   .set("inside", -2.0),
                                               x));
      return x * filled;
    },
                 floats<2, 3>>({some({b, 2, 3})});
  }
}

TEST_CASE("static borders equal a session's", "[static]") {
  for (const extent b : batch_sizes) {
    compare_with<[](auto x) { return pad<border<1, 2, 1>, border<2, 0, 3>>(x, -1.5); },
                 floats<3, 4>>({some({b, 3, 4})});
    compare_with<[](auto x) { return pad(x, dims{0, 1}, dims{0, 0}); }, floats<5>>({some({b, 5})});
    compare_with<[](auto x) { return crop<border<-1, 1, 2>>(pad<border<1, 3>>(x)); }, floats<1, 6>>(
        {some({b, 1, 6})});
    compare_with<[](auto x) { return pad<border<1, 2>>(x, 7); }, longs<3>>({indices({b, 3}, 50L)});
    compare_with<[](auto x) { return x * pad<border<0, 1, 2>>(own<shape<2>>(x, "w"), 0.5); },
                 floats<5>>({some({b, 5})});
  }
}

TEST_CASE("static broadcasts equal a session's", "[static]") {
  for (const extent b : batch_sizes) {
    compare_with<[](auto x) { return broadcast_to<shape<dyn, 3, 4>>(x); }, floats<1, 4>>(
        {some({b, 1, 4})});
    compare_with<[](auto x, auto y) { return broadcast_like(x, y); }, floats<3, 1>, floats<3, 5>>(
        {some({b, 3, 1}), some({b, 3, 5})});
    // A variable is repeated for every row.
    compare_with<[](auto x) { return broadcast_like(own<shape<1, 5>>(x, "w"), x); }, floats<3, 5>>(
        {some({b, 3, 5})});
    compare_with<[](auto x) { return sum_to_like(x, sum<axes<2>, true>(x)); }, floats<3, 5>>(
        {some({b, 3, 5})});
    compare_with<[](auto x) { return x / reduction_size<axes<1>>(x) + zeros_like(x); }, floats<6>>(
        {some({b, 6})});
    compare_with<[](auto x) {
      return with_gradient_of(reshape_like(x, reshape<shape<dyn, 3, 2>>(x)),
                              reshape<shape<dyn, 3, 2>>(tanh(x)));
    },
                 floats<6>>({some({b, 6})});
  }
}

TEST_CASE("a static network takes inputs of which only the rows matter, or nothing", "[static]") {
  static constexpr auto n = net<[](auto x, auto) { return fill_like(x, 3) + zeros_like(x * 2.0f); },
                                floats<5>, longs<2>>();
  static_network<n> f;
  CHECK(f.input_size(0) == 5);
  CHECK(f.input_size(1) == 2);
  const std::vector<float> x(10);
  const std::vector<std::int64_t> unread(4);
  std::vector<float> y(10);
  f.run({x, unread}, {y}, 2);
  CHECK(y == std::vector<float>(10, 3.0f));
}

TEST_CASE("static products of batches equal a session's", "[static]") {
  for (const extent b : batch_sizes) {
    compare_with<[](auto x, auto y) { return matmul(x, y); }, floats<3, 5>, floats<5, 17>>(
        {some({b, 3, 5}), some({b, 5, 17}, 4)});
    compare_with<[](auto x, auto y) { return matmul<true, false>(x, y); }, floats<5, 7>,
                 floats<5, 9>>({some({b, 5, 7}), some({b, 5, 9}, 4)});
    compare_with<[](auto x, auto y) { return matmul<false, true>(x, y); }, floats<1, 6>,
                 floats<8, 6>>({some({b, 1, 6}), some({b, 8, 6}, 4)});
    compare_with<[](auto x, auto y) { return matmul<true, true>(x, y); }, floats<2, 3, 4>,
                 floats<1, 33, 3>>({some({b, 2, 3, 4}), some({b, 1, 33, 3}, 4)});
    // By matrices of the network's own: one for all, one for each head, one that is the left operand.
    compare_with<[](auto x) {
      const auto w = own<shape<3, 4, 6>>(x, "w");
      const auto heads = matmul(x, w);
      return matmul(own<shape<2, 5>>(x, "left"), heads);
    },
                 floats<3, 5, 4>>({some({b, 3, 5, 4})});
    compare_with<[](auto x) {
      return matmul(x, matmul<true, false>(own<shape<3, 5>>(x, "a"), own<shape<3, 2>>(x, "b")));
    },
                 floats<5>>({some({b, 5})});
    compare_with<[](auto x, auto y) { return relu(matmul(x, y) + 1.0f); }, floats<0, 3>,
                 floats<3, 2>>({some({b, 0, 3}), some({b, 3, 2}, 4)});
    compare_with<[](auto x, auto y) { return matmul(x, y); }, floats<2, 0>, floats<0, 3>>(
        {some({b, 2, 0}), some({b, 0, 3}, 4)});
  }
}

TEST_CASE("static attention equals a session's", "[static]") {
  for (const extent b : batch_sizes) {
    // Three heads over seven places, of which a place sees those before it.
    compare_with<[](auto x, auto ahead) {
      const auto all = transpose<0, 2, 1, 3>(reshape<shape<dyn, 7, 9, 4>>(dense<36>(x)));
      const auto [q, k, v] = split<3, 1>(all);
      const auto scores = matmul<false, true>(q, k) * 0.5f;
      const auto seen = select(greater(ahead, 0), -1e9f, scores);
      const auto mixed = matmul(softmax(seen), v);
      return dense<5>(reshape<shape<dyn, 7, 12>>(transpose<0, 2, 1, 3>(mixed)));
    },
                 floats<7, 5>, longs<1, 7, 7>>({some({b, 7, 5}), indices({b, 1, 7, 7}, 2L)});
  }
}

TEST_CASE("static products start from what is added to them", "[static]") {
  for (const extent b : batch_sizes) {
    // Before the product, after it, the product itself twice, and an input of the network.
    compare_with<[](auto x) {
      const auto before = tanh(dense<9>(x));
      return relu(before + dense<9>.bias(false)(x)) + before;
    },
                 floats<6>>({some({b, 6})});
    compare_with<[](auto x) {
      const auto product = dense<6>.bias(false)(x);
      return product + sigmoid(x) + (product + product);
    },
                 floats<6>>({some({b, 6})});
    compare_with<[](auto x) { return x + dense<7>.bias(false)(x); }, floats<7>>({some({b, 7})});
  }
}
