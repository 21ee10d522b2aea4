// What the samples of products, reductions, shape operators, lookups and softmax do not reach:
// extents known only at run time, special values, ties, errors while running, and work that threads
// share.
#include <array>
#include <cmath>
#include <functional>
#include <limits>

#include "graft/ops/conv.hpp"
#include "graft/ops/gather.hpp"
#include "graft/ops/matmul.hpp"
#include "graft/ops/pool.hpp"
#include "graft/ops/reduce.hpp"
#include "graft/ops/shape_ops.hpp"
#include "graft/ops/slicing.hpp"
#include "graft/ops/softmax.hpp"
#include "graft/ops/sources.hpp"
#include "graft/runtime/session.hpp"
#include "graft/train/gradients.hpp"

#include "catch.hpp"

using namespace graft;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

std::vector<float> values(const Array& a) {
  const auto s = a.span<float>();
  return {s.begin(), s.end()};
}

std::string sentence_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const error& e) {
    return e.what();
  }
  return {};
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Numbers that rounding treats differently in every order of summation.
Array rough(const dims& shape) {
  Array a(dtype::float32, shape);
  std::uint32_t state = 12345;
  for (float& v : a.mutable_span<float>()) {
    state = state * 1664525u + 1013904223u;
    v = (static_cast<float>(state >> 8) / 8388608.0f - 1.0f) * (state % 7 == 0 ? 1000.0f : 1.0f);
  }
  return a;
}

}  // namespace

TEST_CASE("numbers that do not fit are told") {
  Graph g;
  const auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  CHECK_THROWS_WITH(argmax(any_tensor(x), 5), Catch::Contains("[?, 4] with axis 5"));
}

TEST_CASE("extents known only at run time, among them 0") {
  Graph g;
  const auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  const auto y = placeholder<float, shape<dyn, 4>>(g, "y");
  const auto both = concat<0>(x, y);
  const auto loss = sum(both * both) + sum(mean<axes<0>>(reshape<shape<dyn, 2, 2>>(x)));
  const auto found = gradients(loss, {x, y});
  Session session(g);
  for (const std::int64_t rows : {3, 1, 0}) {
    const Array xs = Array::full<float>({rows, 4}, 2), ys = Array::full<float>({2, 4}, 5);
    CHECK(session.run(both, feed(x, xs), feed(y, ys)).shape() == dims{rows + 2, 4});
    const Array dx = session.run(found[0], feed(x, xs), feed(y, ys));
    const Array dy = session.run(found[1], feed(x, xs), feed(y, ys));
    REQUIRE(dx.shape() == dims{rows, 4});
    for (const float v : values(dx)) CHECK(v == Approx(4 + 1.0 / static_cast<double>(rows)));
    CHECK(values(dy) == std::vector<float>(8, 10));
  }
}

TEST_CASE("reducing nothing") {
  Graph g;
  const auto x = placeholder<float, shape<dyn, 3>>(g, "x");
  Session session(g);
  const Array none(dtype::float32, {0, 3});
  CHECK(values(session.run(sum<axes<0>>(x), feed(x, none))) == std::vector<float>{0, 0, 0});
  CHECK(values(session.run(prod(x), feed(x, none))) == std::vector<float>{1});
  for (const float v : values(session.run(mean<axes<0>>(x), feed(x, none)))) CHECK(std::isnan(v));
  CHECK(session.run(max<axes<1>>(x), feed(x, none)).shape() == dims{0});
  const auto largest = max<axes<0>>(x, "largest");
  CHECK_THROWS_AS(session.run(largest, feed(x, none)), error);
  CHECK(contains(sentence_of([&] { session.run(largest, feed(x, none)); }), "largest"));
}

TEST_CASE("max, min and argmax of special values, and ties") {
  Graph g;
  const auto x = placeholder<float, shape<2, 3>>(g, "x");
  Session session(g);
  const Array special = Array::from<float>({2, 3}, {1, NAN, 2, -infinity, -infinity, -infinity});
  const Array largest = session.run(max<axes<1>>(x), feed(x, special));
  CHECK(std::isnan(largest.at<float>({0})));
  CHECK(largest.at<float>({1}) == -infinity);
  const Array place = session.run(argmax(x), feed(x, special));
  CHECK(place.at<std::int64_t>({0}) == 1);
  CHECK(place.at<std::int64_t>({1}) == 0);

  // Equal largest elements share the gradient.
  const auto gradient = gradients(sum(max<axes<1>>(x)), {x});
  const Array ties = Array::from<float>({2, 3}, {4, 1, 4, 7, 7, 7});
  const std::vector<float> shares = values(session.run(gradient[0], feed(x, ties)));
  CHECK(shares[0] == 0.5f);
  CHECK(shares[1] == 0.0f);
  CHECK(shares[2] == 0.5f);
  CHECK(shares[3] == Approx(1.0 / 3));
}

TEST_CASE("softmax and cross entropy neither overflow nor lose small losses") {
  Graph g;
  const auto x = placeholder<float, shape<2, 3>>(g, "x");
  const auto labels = placeholder<std::int64_t, shape<2>>(g, "labels");
  const auto weights = placeholder<float, shape<2, 3>>(g, "weights");
  Session session(g);
  const Array far = Array::from<float>({2, 3}, {1000, 0, -1000, -30, 0, -infinity});
  const Array p = session.run(softmax(x), feed(x, far));
  CHECK(values(p)[0] == 1.0f);
  CHECK(values(p)[1] == 0.0f);
  CHECK(values(p)[5] == 0.0f);
  const Array loss = session.run(softmax_cross_entropy(x, labels), feed(x, far),
                                 feed(labels, Array::from<std::int64_t>({2}, {2, 1})));
  CHECK(loss.at<float>({0}) == 2000.0f);
  CHECK(loss.at<float>({1}) == Approx(std::exp(-30.0)).epsilon(1e-3).margin(1e-13));
  // A class of weight 0 counts nothing, though its logarithm is infinite.
  const Array weighted =
      session.run(softmax_cross_entropy(x, weights), feed(x, far),
                  feed(weights, Array::from<float>({2, 3}, {1, 0, 0, 0.5f, 0.5f, 0})));
  CHECK(weighted.at<float>({0}) == 0.0f);
  CHECK(weighted.at<float>({1}) == Approx(15.0));
  const auto logits = placeholder<float, shape<3>>(g, "logits");
  const Array binary = session.run(sigmoid_cross_entropy(logits, logits * 0.0f + 1.0f),
                                   feed(logits, Array::from<float>({3}, {1000, -1000, 0})));
  CHECK(values(binary)[0] == 0.0f);
  CHECK(values(binary)[1] == 1000.0f);
  CHECK(values(binary)[2] == Approx(std::log(2.0)));
}

TEST_CASE("an index out of range is an error that names the op, and updates nothing") {
  Graph g;
  const auto table = placeholder<float, shape<5, 2>>(g, "table");
  const auto indices = placeholder<std::int64_t, shape<dyn>>(g, "indices");
  const auto logits = placeholder<float, shape<dyn, 5>>(g, "logits");
  const auto rows = gather(table, indices, "embedding");
  const auto loss = softmax_cross_entropy(logits, indices, "loss");
  const auto codes = one_hot<5>(indices, "codes");
  Session session(g);
  const Array t(dtype::float32, {5, 2}), l(dtype::float32, {3, 5});
  for (const std::int64_t wrong : {std::int64_t{5}, std::int64_t{-1}}) {
    const Array i = Array::from<std::int64_t>({3}, {0, wrong, 4});
    CHECK_THROWS_AS(session.run(rows, feed(table, t), feed(indices, i)), numeric_error);
    const std::string looked_up =
        sentence_of([&] { session.run(rows, feed(table, t), feed(indices, i)); });
    CHECK(contains(looked_up, "embedding"));
    CHECK(contains(looked_up, "index number 1 is " + std::to_string(wrong)));
    CHECK_THROWS_AS(session.run(loss, feed(logits, l), feed(indices, i)), numeric_error);
    CHECK_THROWS_AS(session.run(codes, feed(indices, i)), numeric_error);
  }
  const Array fine = Array::from<std::int64_t>({3}, {0, 3, 4});
  CHECK(session.run(rows, feed(table, t), feed(indices, fine)).shape() == dims{3, 2});
}

TEST_CASE("the gradient of an embedding adds up what was looked up twice") {
  Graph g;
  const auto table = placeholder<float, shape<4, 2>>(g, "table");
  const auto indices = placeholder<std::int32_t, shape<3>>(g, "indices");
  const auto gradient = gradients(sum(gather(table, indices)), {table});
  Session session(g);
  const Array found = session.run(gradient[0], feed(table, Array(dtype::float32, {4, 2})),
                                  feed(indices, Array::from<std::int32_t>({3}, {2, 0, 2})));
  CHECK(values(found) == std::vector<float>{1, 1, 0, 0, 2, 2, 0, 0});
}

TEST_CASE("there must be something to join") {
  CHECK_THROWS_AS(concat(std::vector<any_tensor>{}, 0), argument_error);
}

TEST_CASE("the gradient of one part of a split is zero elsewhere") {
  Graph g;
  const auto x = placeholder<float, shape<6>>(g, "x");
  const auto parts = split<6>(x);
  // The gradient of a linear function reads no values: fetching the loss beside it makes the feed needed.
  const auto loss = sum(std::get<4>(parts) * 3.0f);
  const auto gradient = gradients(loss, {x});
  Session session(g);
  CHECK(values(std::get<1>(
            session.run(std::tuple{loss, gradient[0]}, feed(x, Array(dtype::float32, {6}))))) ==
        std::vector<float>{0, 0, 0, 0, 3, 0});
}

TEST_CASE("parts of a concat get their own gradients") {
  Graph g;
  const auto x = placeholder<float, shape<1, 2>>(g, "x");
  const auto y = placeholder<float, shape<1, 3>>(g, "y");
  const auto factors = constant(g, Array::from<float>({1, 5}, {1, 2, 3, 4, 5}));
  const auto loss = sum(concat<1>(x, y) * factors);
  const auto found = gradients(loss, {x, y});
  Session session(g);
  const Array xs(dtype::float32, {1, 2}), ys(dtype::float32, {1, 3});
  CHECK(values(std::get<1>(session.run(std::tuple{loss, found[0]}, feed(x, xs), feed(y, ys)))) ==
        std::vector<float>{1, 2});
  CHECK(values(std::get<1>(session.run(std::tuple{loss, found[1]}, feed(x, xs), feed(y, ys)))) ==
        std::vector<float>{3, 4, 5});
}

TEST_CASE("threads do not change a bit") {
  Graph g;
  const auto x = placeholder<float, shape<dyn, dyn>>(g, "x");
  const std::vector<any_tensor> results = {
      sum(x), mean<axes<0>>(x), sum<axes<1>>(x), matmul<true>(x, x), softmax<0>(x), transpose(x)};
  Session alone(g, {.threads = 1}), together(g, {.threads = 3});
  for (const dims& shape : {dims{300, 1000}, dims{40000, 8}, dims{3, 90001}}) {
    const Array input = rough(shape);
    for (std::size_t i = 0; i < results.size(); ++i) {
      if (i == 3 && shape[1] > 1000) continue;  // x' x would have too many elements
      INFO("result " << i << " of " << to_string(shape));
      CHECK(alone.run(results[i], feed(x, input))
                .same_bits(together.run(results[i], feed(x, input))));
    }
  }
}

TEST_CASE("long sums are exact where every order is") {
  Graph g;
  const auto x = placeholder<float, shape<dyn, dyn>>(g, "x");
  const auto total = sum(x);
  const auto columns = sum<axes<0>>(x);
  const auto rows = max<axes<1>>(x);
  Session session(g);
  // Whole numbers whose sums stay below 2^24.
  for (const dims& shape : {dims{1, 1000003}, dims{200003, 3}, dims{257, 4099}, dims{5, 65537}}) {
    Array input(dtype::float32, shape);
    std::int64_t i = 0;
    double sum_of_all = 0;
    std::vector<float> by_column(static_cast<std::size_t>(shape[1]));
    for (float& v : input.mutable_span<float>()) {
      v = static_cast<float>(i % 13);
      sum_of_all += v;
      by_column[static_cast<std::size_t>(i % shape[1])] += v;
      ++i;
    }
    INFO(to_string(shape));
    CHECK(session.run(total, feed(x, input)).item<float>() == static_cast<float>(sum_of_all));
    CHECK(values(session.run(columns, feed(x, input))) == by_column);
    if (shape[1] < 13) continue;  // else every row has a 12
    for (const float v : values(session.run(rows, feed(x, input)))) CHECK(v == 12.0f);
  }
}

TEST_CASE("attributes at run time give what static ones give") {
  Graph g;
  const auto x = placeholder<float, shape<4, 6>>(g, "x");
  const std::vector<std::pair<any_tensor, any_tensor>> pairs = {
      {sum<axes<1>, true>(x), sum(x, dims{1}, true)},
      {reshape<shape<dyn, 3>>(x), reshape(x, dims{-1, 3})},
      {transpose<1, 0>(x), transpose(x, dims{1, 0})},
      {expand_dims<1>(x), expand_dims(x, dims{1})},
      {slice<along<1, 4, 2, -2>>(x), slice(x, 1, 4, 2, -2)},
      {pad<border<0, 1, 2>, border<1, 0, 1>>(x, 3), pad(x, dims{1, 0}, dims{2, 1}, 3)},
      {crop<border<0, 1, 2>, border<1, 0, 1>>(x), crop(x, dims{1, 0}, dims{2, 1})},
      {std::get<1>(split<3, 1>(x)), split(x, 3, 1)[1]},
      {std::get<1>(split<2, 0>(x)), split(x, dims{2, 2}, 0)[1]},
      {broadcast_to<shape<2, 4, 6>>(x), broadcast_to(x, dims{2, 4, 6})},
      {softmax<0>(x), softmax(x, 0)},
      {matmul<false, true>(x, x), matmul(x, x, false, true)},
  };
  Session session(g);
  const Array input = rough({4, 6});
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    INFO("pair " << i);
    CHECK(session.run(pairs[i].first, feed(x, input))
              .same_bits(session.run(pairs[i].second, feed(x, input))));
  }
}

TEST_CASE("gradients refuse attributes under which their operands do not fit") {
  struct operation {
    const char* gradient;
    any_tensor (*make)(const any_tensor& x);
    const char* key;
    dims changed;
  };
  const operation all[] = {
      {"max_pool2d_gradient",
       [](const any_tensor& x) { return any_tensor(max_pool2d(x)); },
       "strides",
       {1, 1}},
      {"avg_pool2d_gradient",
       [](const any_tensor& x) { return any_tensor(avg_pool2d(x)); },
       "dilations",
       {2, 1}},
      {"conv2d_input_gradient",
       [](const any_tensor& x) { return any_tensor(convolve2d(x, x)); },
       "pads",
       {1, 0, 0, 0}},
      {"conv2d_filter_gradient",
       [](const any_tensor& x) { return any_tensor(convolve2d(x, x)); },
       "dilations",
       {1, 2}},
      {"slice_gradient",
       [](const any_tensor& x) { return any_tensor(slice(x, 2, 1, 3)); },
       "size",
       {2}},
  };
  for (const operation& o : all) {
    for (const bool known : {true, false}) {
      INFO(o.gradient << (known ? " of a known shape" : " of an unknown shape"));
      Graph g;
      attribute_list declared;
      declared.set("type", dtype::float32);
      if (known) declared.set("shape", dims{3, 3, 6, 6});
      const any_tensor x = g.handle({g.add(ops::placeholder, {}, declared, "x"), 0});
      const any_tensor y = o.make(x);
      const any_tensor dx = *try_gradients(any_tensor(sum(y * y)), std::array{x})[0];
      op_id gradient;
      for (std::size_t i = 0; i < g.op_count(); ++i) {
        if (g.schema_of(g.op_at(i)).name == o.gradient) gradient = g.op_at(i);
      }
      attribute_list changed = g.attributes_of(gradient);
      changed.set(o.key, o.changed);
      const auto before = g.digest();
      const std::string refused = sentence_of([&] {
        g.set_attributes(gradient, changed);
        Session(g).run(dx, feed(x, rough({3, 3, 6, 6})));
      });
      INFO(refused);
      CHECK((contains(refused, "must have the shape of") ||
             contains(refused, "must fit into the padded image")));
      CHECK((g.digest() == before) == known);
    }
  }
}
