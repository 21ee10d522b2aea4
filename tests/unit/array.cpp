#include "graft/tensor/array.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <sstream>
#include <thread>
#include <vector>

#include "graft/core/large_pages.hpp"

#include "catch.hpp"

using namespace graft;

namespace {

template <class T>
std::vector<T> values(const Array& a) {
  const auto s = a.span<T>();
  return {s.begin(), s.end()};
}

}  // namespace

TEST_CASE("an array has a type, a shape and zeros") {
  const Array a(dtype::float32, {2, 3});
  CHECK(a.type() == dtype::float32);
  CHECK(a.shape() == dims{2, 3});
  CHECK(a.size() == 6);
  CHECK(a.bytes() == 24);
  CHECK(values<float>(a) == std::vector<float>(6, 0.0f));
  CHECK(Array(dtype::boolean, {5}).bytes() == 5);
  const Array none(dtype::int64, {3, 0});
  CHECK(none.empty());
  CHECK(none.span<std::int64_t>().empty());
  CHECK(Array().type() == dtype::any);
  CHECK(Array().data() == nullptr);
}

TEST_CASE("elements are aligned to 64 bytes") {
  for (const extent n : {0, 1, 3, 17, 1000}) {
    CHECK(reinterpret_cast<std::uintptr_t>(Array(dtype::uint8, {n}).data()) % 64 == 0);
  }
}

TEST_CASE("large arrays fill large pages from the first one on, and stay as large as they are") {
  using graft::detail::large_page, graft::detail::shape_of_block;
  CHECK(shape_of_block(1000, 64).bytes == 1000);
  CHECK(shape_of_block(1000, 64).alignment == 64);
  CHECK(shape_of_block(large_page - 1, 64).alignment == 64);
  CHECK(shape_of_block(large_page + 1, 64).bytes == large_page + 1);  // not twice as large
  CHECK(shape_of_block(2 * large_page - 5, 64).bytes == 2 * large_page);
  CHECK(shape_of_block(SIZE_MAX - 5, 64).bytes == SIZE_MAX - 5);

  const extent side = 1000;
  Array a(dtype::float32, {side, side});
  CHECK(reinterpret_cast<std::uintptr_t>(a.data()) % large_page == 64);
  CHECK(a.bytes() == 4000000);
  CHECK(a.at<float>({side - 1, side - 1}) == 0);
  const Array b = a;
  a.mutable_span<float>().back() = 1;
  CHECK(b.at<float>({side - 1, side - 1}) == 0);
}

TEST_CASE("an extent that is no number of elements is told as what it is") {
  const auto found = [](const dims& shape) {
    try {
      (void)Array(dtype::float32, shape);
    } catch (const argument_error& e) {
      return e.parts().found;
    }
    return std::string();
  };
  CHECK(found({-3}) == "the extent -3 is negative, and no number of elements; as a name it is '" +
                           dim_name(-3) + "'");
  CHECK(found({dim<"n">}).ends_with("as a name it is 'n'"));
  CHECK(found({dyn}) ==
        "the extent -1 is no number of elements: it stands for one that is not known");
  CHECK(found({2, dim<"batch">}) == "the extent batch is not known");
}

TEST_CASE("elements are given and read in row-major order") {
  const Array a = Array::from<std::int32_t>({2, 2}, {1, 2, 3, 4});
  CHECK(a.at<std::int32_t>({1, 0}) == 3);
  CHECK(Array::scalar(2.5).item<double>() == 2.5);
  CHECK(Array::scalar(true).item<bool>());
  CHECK(values<std::int8_t>(Array::full<std::int8_t>({3}, 7)) == std::vector<std::int8_t>{7, 7, 7});
  CHECK_THROWS_AS(Array::from<float>({2}, {1.0f}), shape_error);
  CHECK_THROWS_AS(a.at<std::int32_t>({2, 0}), argument_error);
  CHECK_THROWS_AS(a.at<std::int32_t>({-1, 0}), argument_error);
  CHECK_THROWS_AS(a.at<std::int32_t>({1}), argument_error);
  CHECK_THROWS_AS(a.span<float>(), dtype_error);
  CHECK_THROWS_AS(a.item<std::int32_t>(), shape_error);
  CHECK_THROWS_AS(Array(dtype::float32, {0}).at<float>({0}), argument_error);
}

TEST_CASE("sizes that cannot be are refused") {
  const extent big = extent{1} << 40;
  CHECK_THROWS_AS(Array(dtype::float32, {big, big}), size_error);
  CHECK_THROWS_AS(Array(dtype::float64, {extent{1} << 60}), size_error);  // bytes overflow
  CHECK_THROWS_AS(Array(dtype::uint8, {std::numeric_limits<extent>::max()}), size_error);
  CHECK_THROWS_AS(Array(dtype::uint8, {extent{1} << 55}), size_error);  // beyond any address space
  CHECK_THROWS_AS(Array(dtype::float32, {dyn}), argument_error);
  CHECK_THROWS_AS(Array(dtype::any, {1}), argument_error);
  CHECK_THROWS_AS(Array(dtype::string, {1}), argument_error);
}

TEST_CASE("copies share their storage until one is written") {
  Array a = Array::from<float>({2}, {1, 2});
  Array b = a;
  CHECK(b.shares_storage_with(a));
  b.mutable_span<float>()[0] = 9;
  CHECK_FALSE(b.shares_storage_with(a));
  CHECK(values<float>(a) == std::vector<float>{1, 2});
  CHECK(values<float>(b) == std::vector<float>{9, 2});
  const void* own = b.data();
  b.mutable_span<float>()[1] = 8;  // its own already: no copy
  CHECK(b.data() == own);
  {
    const Array c = b;
  }
  b.mutable_span<float>()[1] = 7;
  CHECK(b.data() == own);
  Array moved = std::move(b);
  CHECK(moved.data() == own);
  CHECK(b.empty());  // NOLINT: what moving leaves is part of the contract
  CHECK(b.type() == dtype::any);
  moved = moved.reshaped({2, 1});
  CHECK(moved.data() == own);
  const Array& self = moved;
  moved = self;
  CHECK(values<float>(moved) == std::vector<float>{9, 7});
}

TEST_CASE("copies may be taken and dropped by several threads") {
  Array shared = Array::full<std::int32_t>({1000}, 1);
  std::vector<std::thread> threads;
  std::vector<std::int64_t> sums(4);
  for (std::size_t i = 0; i < sums.size(); ++i) {
    threads.emplace_back([&sums, i, shared]() mutable {
      for (int round = 0; round < 100; ++round) {
        Array mine = shared;
        mine.mutable_span<std::int32_t>()[0] = static_cast<std::int32_t>(i);
        sums[i] += mine.span<std::int32_t>()[0] + shared.span<std::int32_t>()[0];
      }
    });
  }
  for (std::thread& t : threads) t.join();
  for (std::size_t i = 0; i < sums.size(); ++i)
    CHECK(sums[i] == 100 * (static_cast<std::int64_t>(i) + 1));
}

TEST_CASE("reshaping keeps elements, rows copies some") {
  const Array a = Array::from<std::int64_t>({3, 2}, {1, 2, 3, 4, 5, 6});
  CHECK(a.reshaped({6}).shares_storage_with(a));
  CHECK(a.reshaped({2, 3}).at<std::int64_t>({1, 0}) == 4);
  CHECK_THROWS_AS(a.reshaped({5}), shape_error);
  CHECK_THROWS_AS(a.reshaped({dyn}), argument_error);
  CHECK_THROWS_AS(Array().reshaped({}), shape_error);
  const Array r = a.rows(1, 3);
  CHECK(r.shape() == dims{2, 2});
  CHECK(values<std::int64_t>(r) == std::vector<std::int64_t>{3, 4, 5, 6});
  CHECK(a.rows(1, 1).empty());
  CHECK_THROWS_AS(a.rows(2, 4), argument_error);
  CHECK_THROWS_AS(a.rows(-1, 1), argument_error);
  CHECK_THROWS_AS(a.rows(2, 1), argument_error);
  CHECK_THROWS_AS(Array::scalar(1.0f).rows(0, 1), argument_error);
  CHECK(Array(dtype::float32, {2, 0}).rows(0, 1).shape() == dims{1, 0});
}

TEST_CASE("converting truncates, saturates and keeps what it can") {
  const double inf = std::numeric_limits<double>::infinity();
  const Array d =
      Array::from<double>({8}, {1.9, -1.9, 300.0, -300.0, std::nan(""), inf, -inf, 0.0});
  CHECK(values<std::int8_t>(d.cast(dtype::int8)) ==
        std::vector<std::int8_t>{1, -1, 127, -128, 0, 127, -128, 0});
  CHECK(values<std::uint8_t>(d.cast(dtype::uint8)) ==
        std::vector<std::uint8_t>{1, 0, 255, 0, 0, 255, 0, 0});
  CHECK(values<bool>(d.cast(dtype::boolean)) ==
        std::vector<bool>{true, true, true, true, true, true, true, false});
  const Array edge = Array::from<float>({3}, {9.3e18f, -9.3e18f, 1.9e19f});
  CHECK(values<std::int64_t>(edge.cast(dtype::int64)) ==
        std::vector<std::int64_t>{std::numeric_limits<std::int64_t>::max(),
                                  std::numeric_limits<std::int64_t>::min(),
                                  std::numeric_limits<std::int64_t>::max()});
  CHECK(edge.cast(dtype::uint64).at<std::uint64_t>({2}) ==
        std::numeric_limits<std::uint64_t>::max());
  CHECK(Array::scalar<std::int32_t>(-3).cast(dtype::float32).item<float>() == -3.0f);
  CHECK(d.cast(dtype::float64).shares_storage_with(d));
  CHECK_THROWS_AS(d.cast(dtype::string), dtype_error);
  CHECK_THROWS_AS(Array().cast(dtype::float32), dtype_error);
}

TEST_CASE("half precision rounds to the nearest, ties to even") {
  const auto half = [](float x) {
    return Array::scalar(x).cast(dtype::float16).item<float16>().bits;
  };
  CHECK(half(0.0f) == 0x0000);
  CHECK(half(-0.0f) == 0x8000);
  CHECK(half(1.0f) == 0x3c00);
  CHECK(half(-2.0f) == 0xc000);
  CHECK(half(65504.0f) == 0x7bff);
  CHECK(half(65519.0f) == 0x7bff);
  CHECK(half(65520.0f) == 0x7c00);
  CHECK(half(1.0f + 1.0f / 2048) == 0x3c00);     // a tie, to even
  CHECK(half(1.0f + 3.0f / 2048) == 0x3c02);     // a tie, to even
  CHECK(half(std::ldexp(1.0f, -24)) == 0x0001);  // the smallest
  CHECK(half(std::ldexp(1.0f, -25)) == 0x0000);
  CHECK(half(std::ldexp(1023.0f, -24)) == 0x03ff);
  CHECK(half(std::ldexp(1.0f, -14)) == 0x0400);  // the smallest normal one
  CHECK(half(std::ldexp(2047.6f, -25)) == 0x0400);
  // All 65536 survive the way through float32, except for what a NaN carries.
  std::vector<float16> all;
  for (std::uint32_t b = 0; b < 0x10000; ++b) all.push_back({static_cast<std::uint16_t>(b)});
  const Array h = Array::from<float16>({0x10000}, std::span<const float16>(all));
  const Array f = h.cast(dtype::float32), back = f.cast(dtype::float16);
  int wrong = 0;
  for (std::size_t b = 0; b < all.size(); ++b) {
    if (std::isnan(f.span<float>()[b])) {
      wrong += (back.span<float16>()[b].bits & 0x7fff) <= 0x7c00;
    } else {
      wrong += back.span<float16>()[b].bits != b;
    }
  }
  CHECK(wrong == 0);

  const auto brain = [](float x) {
    return Array::scalar(x).cast(dtype::bfloat16).item<bfloat16>().bits;
  };
  CHECK(brain(1.0f) == 0x3f80);
  CHECK(brain(1.0f + 1.0f / 256) == 0x3f80);
  CHECK(brain(1.0f + 3.0f / 256) == 0x3f82);
  CHECK(brain(std::numeric_limits<float>::max()) == 0x7f80);
  CHECK((brain(std::nanf("")) & 0x7fff) > 0x7f80);
}

TEST_CASE("equal bits are compared, not equal numbers") {
  const Array a = Array::from<float>({2}, {0.0f, std::nanf("")});
  CHECK(a.same_bits(a.reshaped({2})));
  CHECK(a.same_bits(Array::from<float>({2}, {0.0f, std::nanf("")})));
  CHECK_FALSE(a.same_bits(Array::from<float>({2}, {-0.0f, std::nanf("")})));
  CHECK_FALSE(a.same_bits(a.reshaped({2, 1})));
  CHECK_FALSE(a.same_bits(Array(dtype::int32, {2})));
}

TEST_CASE("arrays print like the rows they are") {
  CHECK(to_string(Array::from<float>({2, 3}, {1, 2, 3, 4, 5, 6})) ==
        "float32 [2, 3]\n[[1, 2, 3],\n [4, 5, 6]]");
  CHECK(to_string(Array::from<std::int32_t>({2, 1, 2}, {1, -20, 3, 4})) ==
        "int32 [2, 1, 2]\n[[[  1, -20]],\n\n [[  3,   4]]]");
  CHECK(to_string(Array::scalar(0.1)) == "float64 []\n0.1");
  CHECK(to_string(Array::from<bool>({2}, {true, false})) == "boolean [2]\n[ true, false]");
  CHECK(to_string(Array(dtype::float32, {0, 3})) == "float32 [0, 3]\n[]");
  CHECK(to_string(Array()) == "empty array");
  std::ostringstream out;
  out << Array(dtype::int32, {2000});
  CHECK(out.str() == "int32 [2000]\n[0, 0, 0, ..., 0, 0, 0]");
  CHECK(to_string(Array(dtype::int8, {1001, 1})) ==
        "int8 [1001, 1]\n[[0],\n [0],\n [0],\n ...,\n [0],\n [0],\n [0]]");
  CHECK(to_string(Array::scalar(float16{0x3e00})) == "float16 []\n1.5");
  const float inf = std::numeric_limits<float>::infinity();
  CHECK(to_string(Array::from<float>({3}, {inf, -inf, std::nanf("")})) ==
        "float32 [3]\n[ inf, -inf,  nan]");
}

TEST_CASE("elements of a temporary live as long as what holds them") {
  const auto make = [] { return Array::from<float>({3}, {1.0f, 2.0f, 3.0f}); };
  float total = 0;
  for (const float v : make().span<float>()) total += v;
  CHECK(total == 6.0f);
  auto kept = make().span<float>();
  const auto copy = kept;
  kept = Array::full<float>({1}, 9.0f).span<float>();
  CHECK(std::vector<float>(copy.begin(), copy.end()) == std::vector{1.0f, 2.0f, 3.0f});
  CHECK(kept.size() == 1);
  CHECK(kept.front() == 9.0f);
  CHECK(copy.back() == 3.0f);
  CHECK_FALSE(copy.empty());
  const auto sum = [](std::span<const float> values) {
    float result = 0;
    for (const float v : values) result += v;
    return result;
  };
  CHECK(sum(make().span<float>()) == 6.0f);
  CHECK_THROWS_AS(make().span<double>(), dtype_error);
  static_assert(
      std::is_same_v<decltype(std::declval<const Array&>().span<float>()), std::span<const float>>);
}
