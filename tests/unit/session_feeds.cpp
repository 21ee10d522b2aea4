// Feeds of tensors that depend on one another, and feeds that cannot be what was meant.
#include "graft/runtime/prepared.hpp"
#include "graft/surgery/clone.hpp"

#include "catch.hpp"
#include "session_fixture.hpp"

using namespace session_test;

TEST_CASE("a tensor and what it depends on may be fed together where both are needed",
          "[edge-78]") {
  Graph g;
  auto x = placeholder<float, shape<2>>(g, "x");
  auto h = counted(x);
  auto inner = h * 10.0f;
  auto both = inner + x;
  auto alone = inner + 1.0f;
  Session session(g);
  const auto at_x = feed(x, {1.0f, 2.0f});
  const auto at_h = feed(h, {5.0f, 6.0f});

  // The inner one cuts, the outer one still is what else takes it; in any order.
  count_of_runs = 0;
  CHECK(session.run(both, at_x, at_h).same_bits(vector_of({51, 62})));
  CHECK(session.run(both, at_h, at_x).same_bits(vector_of({51, 62})));
  CHECK(count_of_runs == 0);
  // Where only the inner one needed it, the outer one is a mistake and named.
  const std::string text = sentence<feed_error>([&] { session.run(alone, at_x, at_h); });
  CHECK(has(text, "'x' was fed"));
  CHECK(has(text, "nothing that was asked for needs it"));
  CHECK(session.run(alone, at_h).same_bits(vector_of({51, 61})));
  // Three in a row, and a fetch of what was fed.
  CHECK_THROWS_AS(session.run(both, at_h, feed(inner, {0.0f, 0.0f}), at_x), feed_error);
  const auto [a, b, c] = session.run(std::tuple{x, h, both}, at_x, at_h, feed(inner, {7.0f, 7.0f}));
  CHECK(a.same_bits(vector_of({1, 2})));
  CHECK(b.same_bits(vector_of({5, 6})));
  CHECK(c.same_bits(vector_of({8, 9})));
  // A variable and a tensor made of it.
  auto w = make_variable<float, shape<2>>(g, "w", ones());
  auto scaled = w * 3.0f;
  CHECK(session.run(scaled + w, feed(w, {1.0f, 1.0f}), feed(scaled, {0.5f, 0.5f}))
            .same_bits(vector_of({1.5f, 1.5f})));
}

TEST_CASE("values that would lose precision are refused, never converted", "[edge-78]") {
  Graph g;
  const auto single = placeholder<float, shape<1>>(g, "single");
  const auto whole = placeholder<std::int32_t, shape<dyn>>(g, "whole");
  const auto truth = placeholder<bool, shape<dyn>>(g, "truth");
  const any_tensor doubled = single * 2.0f, same = whole + whole, not_so = logical_not(truth);
  auto w = make_variable<float, shape<1>>(g, "w", zeros());
  const auto step = updates(g, assign(w, w + single));
  Session session(g);
  session.initialize();
  const auto digest = g.digest();
  const auto refusal = [&](const auto& what, const any_tensor& at, const Array& value) {
    const std::string text = sentence<dtype_error>([&] { session.run(what, feed(at, value)); });
    CHECK(g.digest() == digest);
    return text;
  };
  // Even where the very value would fit: what a type can hold is not asked of each element.
  CHECK(has(refusal(doubled, single, Array::from<double>({1}, {1.0})), "cast(dtype::float32)"));
  CHECK(has(refusal(doubled, single, Array::from<std::int32_t>({1}, {1})), "int32 [1]"));
  CHECK(
      has(refusal(same, whole, Array::from<std::int64_t>({1}, {1LL << 40})), "cast(dtype::int32)"));
  CHECK(has(refusal(same, whole, Array::from<float>({1}, {1.5f})), "float32"));
  CHECK(has(refusal(not_so, truth, Array::from<std::uint8_t>({1}, {2})), "uint8"));
  CHECK(has(refusal(step, single, Array::from<double>({1}, {1e-300})), "'single'"));
  CHECK(session.value(w).same_bits(vector_of({0})));
  // Converted by hand it goes.
  CHECK(session.run(doubled, feed(single, Array::from<double>({1}, {0.5}).cast(dtype::float32)))
            .same_bits(vector_of({1})));
}

TEST_CASE("one tensor fed twice is refused under whatever handle", "[edge-78]") {
  Graph g;
  auto x = placeholder<float, shape<2>>(g, "x");
  auto y = relu(x);
  auto w = make_variable<float, shape<2>>(g, "w", ones());
  auto z = y + w;
  Session session(g);
  const std::vector<feed_item> twice{feed(any_tensor(x), vector_of({1, 2})), feed(x, {1.0f, 2.0f})};
  CHECK(has(sentence<feed_error>([&] { session.run(y, twice); }), "'x' was fed twice"));
  const variable_id v = *g.variable_read_by(g.id(w));
  CHECK(has(sentence<feed_error>([&] {
              session.run(z, feed(y, {1.0f, 2.0f}), feed(w, {1.0f, 1.0f}),
                          feed(g.handle(g.variable_of(v).read), vector_of({1, 1})));
            }),
            "'w' was fed twice"));
  // Two inputs of a clone that were bound to one tensor are one tensor.
  auto a = placeholder<float, shape<2>>(g, "a"), b = placeholder<float, shape<2>>(g, "b");
  auto c = placeholder<float, shape<2>>(g, "c");
  const auto difference = sub(a, b);
  const Clone copy = clone(extract(inputs(a, b), outputs(difference)), bind(a, c, b, c));
  CHECK(has(sentence<feed_error>([&] {
              session.run(copy(difference), feed(copy(a), {1.0f, 2.0f}),
                          feed(copy(b), {1.0f, 2.0f}));
            }),
            "'c' was fed twice"));
}

TEST_CASE("an interior tensor is checked as an input is", "[edge-78]") {
  Graph g;
  auto x = placeholder<float, shape<dim<"batch">, 2>>(g, "x");
  auto h = tanh(x);
  auto y = h + x;
  Session session(g);
  const Array two(dtype::float32, {2, 2}), three(dtype::float32, {3, 2});
  CHECK(has(sentence<shape_error>([&] { session.run(y, feed(x, two), feed(h, three)); }),
            "'batch' is 3 where that of 'x' is 2"));
  CHECK(has(sentence<shape_error>(
                [&] { session.run(relu(h), feed(any_tensor(h), Array(dtype::float32, {2, 5}))); }),
            "axis 1"));
  CHECK_THROWS_AS(session.run(relu(h), feed(any_tensor(h), Array(dtype::float64, {2, 2}))),
                  dtype_error);
  CHECK(session.run(y, feed(x, two), feed(h, two)).same_bits(two));
}

TEST_CASE("elements of a tensor that is empty along another axis have several shapes",
          "[edge-78]") {
  Graph g;
  const auto x = placeholder<float, shape<dyn, 0>>(g, "x");
  CHECK(has(sentence<shape_error>([&] { (void)feed(x, std::vector<float>()); }),
            "arranged in several ways"));
  CHECK(
      has(sentence<shape_error>([&] { (void)feed(x, std::vector<float>{1}); }), "Give 0 elements"));
  CHECK(feed(x, Array(dtype::float32, {3, 0})).value.shape() == dims{3, 0});
}
