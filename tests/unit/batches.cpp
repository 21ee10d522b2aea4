// Batches of examples.
#include "graft/train/batches.hpp"

#include <algorithm>
#include <numeric>

#include "graft/core/error.hpp"

#include "catch.hpp"

using namespace graft;

namespace {

Array counting(std::int64_t rows, std::int64_t width) {
  Array a(dtype::int64, {rows, width});
  std::iota(a.mutable_span<std::int64_t>().begin(), a.mutable_span<std::int64_t>().end(), 0);
  return a;
}

}  // namespace

TEST_CASE("an epoch has every example once, rows of all arrays together", "[batches]") {
  const Array images = counting(10, 3), labels = counting(10, 1);
  batches data({images, labels}, 4, 7);
  CHECK(data.count() == 3);
  std::vector<std::int64_t> sizes, seen;
  for (data.start(0); data.next();) {
    sizes.push_back(data[0].shape()[0]);
    REQUIRE(data[1].shape()[0] == sizes.back());
    for (std::int64_t i = 0; i < sizes.back(); ++i) {
      const std::int64_t label = data[1].at<std::int64_t>({i, 0});
      seen.push_back(label);
      CHECK(data[0].at<std::int64_t>({i, 0}) == 3 * label);
      CHECK(data[0].at<std::int64_t>({i, 2}) == 3 * label + 2);
    }
  }
  CHECK(sizes == std::vector<std::int64_t>{4, 4, 2});
  CHECK_FALSE(std::is_sorted(seen.begin(), seen.end()));
  std::sort(seen.begin(), seen.end());
  std::vector<std::int64_t> all(10);
  std::iota(all.begin(), all.end(), 0);
  CHECK(seen == all);
}

TEST_CASE("the order depends on seed and epoch only", "[batches]") {
  const auto order = [](std::uint64_t seed, std::uint64_t epoch) {
    batches data({counting(50, 1)}, 50, seed);
    data.start(epoch);
    REQUIRE(data.next());
    const auto rows = data[0].span<std::int64_t>();
    return std::vector<std::int64_t>(rows.begin(), rows.end());
  };
  CHECK(order(1, 3) == order(1, 3));
  CHECK(order(1, 3) != order(1, 4));
  CHECK(order(1, 3) != order(2, 3));
  batches data({counting(50, 1)}, 50, 1);
  for (const std::uint64_t epoch : {0, 1, 2, 3}) {
    data.start(epoch);
    REQUIRE(data.next());
  }
  const auto rows = data[0].span<std::int64_t>();
  CHECK(std::vector<std::int64_t>(rows.begin(), rows.end()) == order(1, 3));
}

TEST_CASE("an epoch goes on in its middle", "[batches]") {
  batches whole({counting(10, 1)}, 4, 7), rest({counting(10, 1)}, 4, 7);
  whole.start(3);
  rest.start(3, 1);
  REQUIRE(whole.next());
  while (whole.next()) {
    REQUIRE(rest.next());
    CHECK(whole[0].same_bits(rest[0]));
  }
  CHECK_FALSE(rest.next());
  for (const std::int64_t all : {std::int64_t{3}, std::int64_t{1} << 62}) {
    rest.start(3, all);
    CHECK_FALSE(rest.next());
  }
  CHECK_THROWS_AS(rest.start(3, -1), argument_error);
  CHECK_THROWS_AS(permutation(-1, 0), argument_error);
}

TEST_CASE("a batch that somebody holds is not written over", "[batches]") {
  batches data({counting(6, 2)}, 3, 1);
  data.start(0);
  REQUIRE(data.next());
  const Array held = data[0];
  const std::vector<std::int64_t> before(held.span<std::int64_t>().begin(),
                                         held.span<std::int64_t>().end());
  REQUIRE(data.next());
  CHECK(std::equal(before.begin(), before.end(), held.span<std::int64_t>().begin()));
}

TEST_CASE("wrong batches are refused", "[batches]") {
  CHECK_THROWS_AS(batches({counting(4, 1), counting(5, 1)}, 2, 0), shape_error);
  CHECK_THROWS_AS(batches({counting(4, 1)}, 0, 0), argument_error);
  const std::vector<std::int64_t> outside{0, 4};
  CHECK_THROWS_AS(take_rows(counting(4, 1), outside), argument_error);
  const std::vector<std::int64_t> negative{-1};
  CHECK_THROWS_AS(take_rows(counting(4, 1), negative), argument_error);
  batches two({counting(4, 1), counting(4, 1)}, 2, 0);
  REQUIRE(two.next());
  CHECK_THROWS_AS(two[2], argument_error);
  CHECK_THROWS_AS(two[9], argument_error);
  const batches moved = std::move(two);
  CHECK_THROWS_AS(two[0], argument_error);  // NOLINT: that is asked
  batches none({counting(0, 3)}, 2, 0);
  none.start(0);
  CHECK_FALSE(none.next());
}
