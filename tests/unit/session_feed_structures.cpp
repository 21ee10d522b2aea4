// Feeds of structures of tensors: values in the same structure.
#include <array>
#include <map>
#include <optional>
#include <tuple>
#include <unordered_map>

#include "catch.hpp"
#include "session_fixture.hpp"

using namespace session_test;

namespace {

struct two_inputs {
  Graph g;
  tensor<Graph, dtype::float32, shape<2>> a = placeholder<float, shape<2>>(g, "a");
  tensor<Graph, dtype::float32, shape<2>> b = placeholder<float, shape<2>>(g, "b");
  any_tensor both = a - b;
  Session session{g};
  Array A = vector_of({5, 7}), B = vector_of({1, 2});

  // a - b, however the two are fed.
  template <class Feeds>
  bool is_right(const Feeds& feeds) {
    return session.run(both, feeds).same_bits(vector_of({4, 5}));
  }
};

}  // namespace

TEST_CASE("structures of tensors are fed structures of values") {
  two_inputs n;
  CHECK(n.is_right(feed(std::tuple(n.a, n.b), std::tuple(n.A, n.B))));
  CHECK(n.is_right(feed(std::pair(n.a, n.b), std::pair(n.A, n.B))));
  CHECK(n.is_right(feed(std::array{n.a, n.b}, std::array{n.A, n.B})));
  CHECK(n.is_right(feed(std::vector{n.a, n.b}, std::vector{n.A, n.B})));
  // Lists beside lists of another kind, and what single tensors are fed.
  CHECK(n.is_right(feed(std::tuple(n.a, n.b), std::vector{n.A, n.B})));
  CHECK(n.is_right(feed(std::vector{n.a, n.b}, std::array{n.A, n.B})));
  CHECK(n.is_right(feed(std::tuple(n.a, n.b), {n.A, n.B})));
  CHECK(n.is_right(feed(std::tuple(n.a, n.b), std::tuple(std::vector{5.0f, 7.0f}, n.B))));
  using tensors = std::map<std::string, any_tensor>;
  CHECK(n.is_right(feed(tensors{{"one", n.a}, {"two", n.b}},
                        std::unordered_map<std::string, Array>{{"two", n.B}, {"one", n.A}})));
  CHECK(n.is_right(feed(std::tuple(std::optional(n.a), std::tuple(std::vector{n.b})),
                        std::tuple(std::optional(n.A), std::tuple(std::vector{n.B})))));
  std::optional<any_tensor> none;
  CHECK(feed(none, std::optional<Array>()).empty());
}

TEST_CASE("what was fetched in a structure can be fed to it") {
  two_inputs n;
  const std::tuple asked(n.a, std::vector<any_tensor>{n.b, n.both});
  const auto found = n.session.run(asked, feed(n.a, n.A), feed(n.b, n.B));
  const auto items = feed(asked, found);
  REQUIRE(items.size() == 3);
  CHECK(items[0].target.ref() == n.a.ref());
  CHECK(items[2].value.same_bits(vector_of({4, 5})));
  CHECK(n.is_right(
      feed(std::tuple(n.a, n.b), std::tuple(std::get<0>(found), std::get<1>(found)[0]))));
  auto call = n.session.prepare(n.both, feed(std::tuple(n.a, n.b), std::tuple(n.A, n.B)));
  CHECK(evaluate(n.both, feed(std::pair(n.a, n.b), std::pair(n.A, n.B)))
            .same_bits(vector_of({4, 5})));
}

TEST_CASE("structures of other sizes and types are refused") {
  two_inputs n;
  const auto says = [](auto&& f) { return sentence<feed_error>(f); };
  const std::vector<any_tensor> tensors{n.a, n.b};
  CHECK(has(says([&] { feed(tensors, std::vector{n.A}); }),
            "2 tensors were fed 1 value; a tensor has no value"));
  CHECK(has(says([&] { feed(tensors, {n.A, n.B, n.B}); }),
            "2 tensors were fed 3 values; a value has no tensor"));
  CHECK(has(says([&] { feed(std::tuple(n.a, n.b), std::vector{n.A}); }),
            "2 tensors were fed 1 value"));
  using by_name = std::map<std::string, any_tensor>;
  using values = std::map<std::string, Array>;
  CHECK(has(says([&] { feed(by_name{{"one", n.a}}, values{{"two", n.A}}); }),
            "the key 'one' has no value"));
  CHECK(has(says([&] { feed(by_name{{"one", n.a}}, values{{"one", n.A}, {"two", n.A}}); }),
            "the key 'two' has no tensor"));
  CHECK(has(says([&] { feed(std::map<int, any_tensor>{{3, n.a}}, std::map<int, Array>{}); }),
            "the key 3 has no value"));
  CHECK(has(says([&] { feed(std::optional(n.a), std::optional<Array>()); }),
            "there is a tensor and no value"));
  // Shapes and types are asked of each tensor, as where it is fed alone.
  CHECK_THROWS_AS(
      n.session.run(n.both, feed(std::tuple(n.a, n.b), std::tuple(n.A, vector_of({1})))),
      shape_error);
  CHECK_THROWS_AS(feed(std::tuple(n.a, n.b), std::tuple(n.A, std::vector{1.0f})), shape_error);
  CHECK_THROWS_AS(n.session.run(n.both, feed(tensors, {n.A, n.B.cast(dtype::float64)})),
                  dtype_error);
}
