// Elementwise kernels on random shapes that broadcast, small and large, against the naive
// reference.
#include <random>

#include "graft/ops/elementwise.hpp"

#include "catch.hpp"
#include "run_operator.hpp"

using namespace graft;
using testing::run_operator;

namespace {

std::mt19937 random_numbers(11);

std::int64_t below(std::int64_t n) {
  return static_cast<std::int64_t>(random_numbers() % static_cast<std::uint64_t>(n));
}

// A shape that broadcasts to `full`: leading axes left out, others set to 1.
dims narrowed(const dims& full) {
  dims result(full.begin() + below(static_cast<std::int64_t>(full.size()) + 1), full.end());
  for (extent& e : result) {
    if (below(3) == 0) e = 1;
  }
  return result;
}

Array random_array(const dims& shape) {
  Array a(dtype::float64, shape);
  for (double& v : a.mutable_span<double>()) v = static_cast<double>(below(2000)) / 1000 - 1;
  return a;
}
Array random_truths(const dims& shape) {
  Array a(dtype::boolean, shape);
  for (bool& v : a.mutable_span<bool>()) v = below(2) != 0;
  return a;
}

void require_same(const char* name, const std::vector<Array>& operands) {
  std::string shapes;
  for (const Array& a : operands) shapes += " " + to_string(a.shape());
  INFO(name << shapes);
  const Array found = run_operator(name, operands)[0];
  const Array wanted = find_operator(name)->reference(operands, {})[0];
  REQUIRE(found.same_bits(wanted));
}

}  // namespace

TEST_CASE("operands of random shapes broadcast as the reference does") {
  for (int round = 0; round < 300; ++round) {
    dims full;
    for (std::int64_t rank = below(6); rank > 0; --rank)
      full.push_back(below(9) == 0 ? 0 : 1 + below(7));
    const Array a = random_array(narrowed(full)), b = random_array(narrowed(full));
    require_same("sub", {a, b});
    require_same("less", {a, b});
    require_same("maximum", {a, b});
    require_same("select", {random_truths(narrowed(full)), a, b});
  }
}

TEST_CASE("work large enough to be shared gives what one piece gives") {
  const std::pair<dims, dims> shapes[] = {
      {{300001}, {300001}},     {{3, 100001}, {100001}},  {{3001, 100}, {100}},
      {{3001, 100}, {3001, 1}}, {{7, 90001}, {7, 1}},     {{100, 3, 1001}, {3, 1}},
      {{}, {200001}},           {{200, 30, 21}, {30, 1}}, {{90000, 1}, {1, 2}}};
  for (const auto& [first, second] : shapes) {
    const Array a = random_array(first), b = random_array(second);
    require_same("sub", {a, b});
    require_same("select", {random_truths(second), b, a});
  }
}

TEST_CASE("the types of broadcast operands are worked out for unknown extents") {
  const auto broadcast_of = [](const dims& a, const dims& b) { return broadcast(a, b); };
  CHECK(broadcast_of({dyn, 3}, {3}).shape == dims{dyn, 3});
  CHECK(broadcast_of({dyn}, {1}).shape == dims{dyn});
  CHECK(broadcast_of({dyn}, {7}).shape == dims{7});
  CHECK(broadcast_of({dim<"n">}, {dim<"n">}).shape == dims{dim<"n">});
  CHECK(broadcast_of({dim<"n">}, {dim<"m">}).shape == dims{dyn});
  CHECK(broadcast_of({0}, {1}).shape == dims{0});
  CHECK_FALSE(broadcast_of({0}, {2}).ok);
  CHECK_FALSE(broadcast_of({2, 3}, {2}).ok);
}
