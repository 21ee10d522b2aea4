#include <algorithm>
#include <atomic>
#include <cmath>
#include <string_view>
#include <thread>

#include "graft/graph/operator.hpp"
#include "graft/ops/elementwise.hpp"

#include "catch.hpp"
#include "run_operator.hpp"

using namespace graft;
using testing::run_operator;

namespace {

constexpr inferred like_first(const infer_args& in) { return in.operands[0]; }
constexpr operator_schema mine{"registry_test_mine", 1, 1, like_first};
constexpr operator_schema another{"registry_test_another", 1, 1, like_first};

}  // namespace

TEST_CASE("operators are found by name and listed in order") {
  REQUIRE(find_operator("relu") != nullptr);
  CHECK(find_operator("relu")->schema == &ops::relu);
  CHECK(find_operator("no_such_operator") == nullptr);
  const auto all = all_operators();
  CHECK(std::is_sorted(all.begin(), all.end(), [](const auto* a, const auto* b) {
    return std::string_view(a->schema->name) < b->schema->name;
  }));
}

TEST_CASE("a user's operator is registered once") {
  const operator_definition* relu = find_operator("relu");
  operator_definition d;
  d.schema = &mine;
  register_operator(d);
  REQUIRE(find_operator("registry_test_mine") != nullptr);
  CHECK(find_operator("registry_test_mine")->schema == &mine);
  CHECK(find_operator("relu") == relu);
  CHECK_THROWS_AS(register_operator(d), name_error);
  d.schema = nullptr;
  CHECK_THROWS_AS(register_operator(d), argument_error);
}

TEST_CASE("the registry may be read while it grows") {
  std::atomic<int> found = 0;
  std::thread reader([&] {
    for (int i = 0; i < 2000; ++i) found += find_operator("relu") != nullptr ? 1 : 0;
  });
  operator_definition d;
  d.schema = &another;
  register_operator(d);
  reader.join();
  CHECK(found == 2000);
}

TEST_CASE("integers wrap and do not trap, in every type") {
  const auto one = [](auto a, auto b, const char* name) {
    using T = decltype(a);
    return run_operator(name, {Array::scalar(a), Array::scalar(b)})[0].template item<T>();
  };
  CHECK(one(std::int16_t{-32768}, std::int16_t{-1}, "div") == -32768);
  CHECK(one(std::int16_t{7}, std::int16_t{0}, "div") == 0);
  CHECK(one(std::int64_t{INT64_MIN}, std::int64_t{-1}, "div") == INT64_MIN);
  CHECK(one(std::uint16_t{65535}, std::uint16_t{65535}, "mul") == 1);
  CHECK(one(std::uint32_t{1}, std::uint32_t{2}, "sub") == 0xffffffffu);
  CHECK(one(std::int16_t{-2}, std::int16_t{3}, "pow") == -8);
  CHECK(one(std::int16_t{2}, std::int16_t{-1}, "pow") == 0);
  CHECK(one(std::uint64_t{3}, std::uint64_t{4}, "maximum") == 4);
}

TEST_CASE("half precision converts both ways") {
  const Array values =
      Array::from<float>({7}, {0.0f, 1.0f, -2.5f, 65504.0f, 1e6f, 6e-8f, 1.0009765f});
  for (const dtype half : {dtype::float16, dtype::bfloat16}) {
    attribute_list to, back;
    to.set("type", half);
    back.set("type", dtype::float32);
    const Array narrow = run_operator("cast", {values}, to)[0];
    CHECK(narrow.same_bits(values.cast(half)));
    CHECK(run_operator("cast", {narrow}, back)[0].same_bits(narrow.cast(dtype::float32)));
  }
}

TEST_CASE("every half-precision number survives the way to float32 and back") {
  for (const dtype half : {dtype::float16, dtype::bfloat16}) {
    Array all(half, {65536});
    auto* bits = static_cast<std::uint16_t*>(all.mutable_data());
    for (int i = 0; i < 65536; ++i) bits[i] = static_cast<std::uint16_t>(i);
    const Array wide = run_operator("cast", {all}, attribute_list().set("type", dtype::float32))[0];
    const Array again = run_operator("cast", {wide}, attribute_list().set("type", half))[0];
    const auto* found = static_cast<const std::uint16_t*>(again.data());
    int wrong = 0;
    for (int i = 0; i < 65536; ++i) {
      const bool nan = std::isnan(wide.span<float>()[static_cast<std::size_t>(i)]);
      wrong += !nan && found[i] != i ? 1 : 0;  // NaN becomes the quiet one
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("a type without kernel is refused by a sentence") {
  const Array half(dtype::float16, {2});
  REQUIRE_THROWS_AS(run_operator("exp", {half}), unsupported_error);
  try {
    run_operator("exp", {half});
  } catch (const unsupported_error& e) {
    CHECK(std::string(e.what()).find("float16") != std::string::npos);
    CHECK(std::string(e.what()).find("cast") != std::string::npos);
  }
}
