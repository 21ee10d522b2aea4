// Reductions of every number type, through a session.
#include <cmath>
#include <limits>

#include "graft/graft.hpp"

#include "clone_fixture.hpp"
#include "run_operator.hpp"

using namespace graft_test;
using graft::testing::run_operator;

namespace {

constexpr dtype whole_numbers[] = {dtype::int8,  dtype::int16,  dtype::int32,  dtype::int64,
                                   dtype::uint8, dtype::uint16, dtype::uint32, dtype::uint64};
constexpr dtype halves[] = {dtype::float16, dtype::bfloat16};

attribute_list over(std::initializer_list<extent> axes) {
  return attribute_list().set("axes", dims(axes));
}

Array reduced(const char* op, const Array& x, const attribute_list& attributes = {}) {
  return run_operator(op, {x}, attributes)[0];
}

std::vector<double> values(const Array& a) {
  const Array wide = a.cast(dtype::float64);
  const auto all = wide.span<double>();
  return {all.begin(), all.end()};
}

}  // namespace

TEST_CASE("all whole numbers reduce", "[reductions]") {
  for (const dtype type : whole_numbers) {
    INFO(name_of(type));
    const Array x = Array::from<int>({2, 3}, {3, 1, 2, 5, 4, 5}).cast(type);
    CHECK(reduced("sum", x).type() == type);
    CHECK(values(reduced("sum", x)) == std::vector<double>{20});
    CHECK(values(reduced("sum", x, over({0}))) == std::vector<double>{8, 5, 7});
    CHECK(values(reduced("sum", x, over({1}))) == std::vector<double>{6, 14});
    CHECK(values(reduced("prod", x, over({1}))) == std::vector<double>{6, 100});
    CHECK(values(reduced("max", x, over({0}))) == std::vector<double>{5, 4, 5});
    CHECK(values(reduced("min", x)) == std::vector<double>{1});
    CHECK(values(reduced("argmax", x)) == std::vector<double>{0, 0});
    CHECK(values(reduced("argmax", x, attribute_list().set("axis", 0))) ==
          std::vector<double>{1, 1, 1});
    CHECK(values(reduced("sum", Array(type, {0, 2}), over({0}))) == std::vector<double>{0, 0});
    CHECK(values(reduced("prod", Array(type, {0, 2}), over({0}))) == std::vector<double>{1, 1});
  }
}

TEST_CASE("whole numbers keep their whole range", "[reductions]") {
  const auto big = std::numeric_limits<std::uint64_t>::max();
  const Array x = Array::from<std::uint64_t>({3}, {big - 1, big, 7});
  CHECK(reduced("max", x).item<std::uint64_t>() == big);
  CHECK(reduced("sum", x).item<std::uint64_t>() == 4);  // wraps
  CHECK(reduced("argmax", x).item<std::int64_t>() == 1);
  const Array low = Array::from<std::int16_t>({2}, {-32768, -32767});
  CHECK(reduced("max", low).item<std::int16_t>() == -32767);
  CHECK(reduced("min", low).item<std::int16_t>() == -32768);
  CHECK(reduced("sum", low).item<std::int16_t>() == 1);
  CHECK(reduced("prod", Array::full<std::uint16_t>({2}, 65535)).item<std::uint16_t>() == 1);
}

TEST_CASE("large ones reduce in parts to the same", "[reductions]") {
  for (const dims& shape :
       {dims{500000}, dims{2, 300000}, dims{300, 1000}, dims{100000, 3}, dims{20, 30, 500}}) {
    Array x(dtype::uint16, shape);
    std::uint32_t v = 1;
    for (std::uint16_t& e : x.mutable_span<std::uint16_t>())
      e = static_cast<std::uint16_t>((v = v * 1664525 + 1013904223) >> 16);
    for (const char* op : {"sum", "max", "min", "prod"}) {
      for (extent axis = -1; axis < static_cast<extent>(shape.size()); ++axis) {
        INFO(op << " of " << to_string(shape) << " along " << axis);
        const attribute_list a = axis < 0 ? attribute_list() : over({axis});
        // int64 wraps far above, and its low bits are those that 16 bits keep.
        const Array wide = reduced(op, x.cast(dtype::int64), a);
        const Array narrow = reduced(op, x, a);
        bool same = true;
        for (std::int64_t i = 0; i < wide.size(); ++i) {
          const auto k = static_cast<std::size_t>(i);
          same = same && narrow.span<std::uint16_t>()[k] ==
                             static_cast<std::uint16_t>(wide.span<std::int64_t>()[k]);
        }
        CHECK(same);
      }
    }
  }
}

TEST_CASE("halves reduce in single precision and round once", "[reductions]") {
  for (const dtype type : halves) {
    INFO(name_of(type));
    const Array x = Array::from<float>({2, 3}, {3, -1, 2, 0.5f, 4, -0.25f}).cast(type);
    CHECK(reduced("sum", x).type() == type);
    CHECK(values(reduced("sum", x)) == std::vector<double>{8.25});
    CHECK(values(reduced("mean", x, over({1}))) ==
          values(Array::from<float>({2}, {4.0f / 3, 4.25f / 3}).cast(type)));
    CHECK(values(reduced("max", x, over({0}))) == std::vector<double>{3, 4, 2});
    CHECK(values(reduced("min", x)) == std::vector<double>{-1});
    CHECK(values(reduced("prod", x, over({1}))) == std::vector<double>{-6, -0.5});
    CHECK(values(reduced("argmax", x)) == std::vector<double>{0, 1});
    CHECK(values(reduced("reduction_size", x)) == std::vector<double>{6});
    // Added one by one in half precision this would stop at 2048 or 256.
    CHECK(values(reduced("sum", Array::full<float>({64, 64}, 1).cast(type), over({0, 1}))) ==
          std::vector<double>{4096});
    CHECK(std::isnan(values(reduced("max", Array::from<float>({2}, {NAN, 1}).cast(type)))[0]));
  }
}

TEST_CASE("a graph of unsigned numbers runs", "[reductions]") {
  Graph g;
  const auto x = placeholder<std::uint16_t, shape<dyn, 3>>(g, "x");
  Session session(g);
  const Array in = Array::from<std::uint16_t>({2, 3}, {1, 2, 3, 4, 5, 6});
  CHECK(session.run(sum(x), feed(x, in)).item<std::uint16_t>() == 21);
  CHECK(session.run(max<axes<0>>(x), feed(x, in)).at<std::uint16_t>({1}) == 5);
}

TEST_CASE("axes known at run time are a number, a list in braces, or dims", "[reductions]") {
  Graph g;
  const auto x = placeholder<float, shape<2, 3>>(g, "x");
  Session session(g);
  const Array in = Array::from<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  const auto run = [&](const auto& y) { return values(session.run(y, feed(x, in))); };
  CHECK(run(sum(x, 0)) == std::vector<double>{5, 7, 9});
  CHECK(run(sum(x, -1)) == std::vector<double>{6, 15});
  CHECK(run(sum(x, {0})) == std::vector<double>{5, 7, 9});
  CHECK(run(sum(x, {0, 1})) == std::vector<double>{21});
  CHECK(run(sum(x, {})) == std::vector<double>{1, 2, 3, 4, 5, 6});
  CHECK(run(mean(x, dims{1})) == std::vector<double>{2, 5});
  CHECK(run(max(x, 0)) == std::vector<double>{4, 5, 6});
  CHECK(run(transpose(x, {0, 1})) == std::vector<double>{1, 2, 3, 4, 5, 6});
  CHECK(run(transpose(x, {1, 0})) == std::vector<double>{1, 4, 2, 5, 3, 6});
  CHECK_THROWS_AS(sum(x, 2), argument_error);
}

TEST_CASE("a null pointer is no name", "[reductions]") {
  Graph g;
  const char* none = nullptr;
  const auto x = placeholder<float, shape<2, 3>>(g, none);
  const auto y = sum(x, none);
  CHECK(g.name_of(y.ref().id.op) == "sum");
  CHECK_THROWS_AS(scope(g, none), name_error);
}

TEST_CASE("what is empty reduces to neutral elements, however large its other extents are",
          "[reductions]") {
  constexpr extent large = extent{1} << 62;
  const dims shape{2, large, 2, 2, 0};
  const Array truths = reduced("all", Array(dtype::boolean, shape), over({0, 1, 4}));
  CHECK(truths.shape() == dims{2, 2});
  CHECK(values(truths) == std::vector<double>(4, 1));
  const Array numbers(dtype::float32, shape);
  CHECK(values(reduced("sum", numbers, over({0, 1, 4}))) == std::vector<double>(4, 0));
  CHECK(values(reduced("prod", numbers, over({0, 1, 2, 3, 4}))) == std::vector<double>(1, 1));
  for (const double mean : values(reduced("mean", numbers, over({0, 1, 4}))))
    CHECK(std::isnan(mean));
  CHECK(reduced("sum", numbers, over({0, 1})).shape() == dims{2, 2, 0});
}
