#include <numeric>
#include <vector>

#include "graft/tensor/view.hpp"

#include "catch.hpp"

using namespace graft;

namespace {

Array counting(const dims& shape) {
  Array a(dtype::int32, shape);
  const auto s = a.mutable_span<std::int32_t>();
  std::iota(s.begin(), s.end(), 0);
  return a;
}

}  // namespace

TEST_CASE("a view reads an array without copying") {
  const Array a = counting({2, 3, 4});
  const array_view<std::int32_t> v(a);
  CHECK(v(1, 2, 3) == 23);
  CHECK(&v(0, 0, 0) == a.data());
  CHECK(v.contiguous());
  CHECK(v.stride(0) == 12);
  CHECK(v.span().size() == 24);
  CHECK(array_view<std::int32_t>(Array::scalar<std::int32_t>(5))() == 5);
}

TEST_CASE("slices and transpositions are strides") {
  const array_view<std::int32_t> v(counting({2, 3, 4}));
  const auto row = v.at(0, 1);
  CHECK(row.shape() == dims{3, 4});
  CHECK(row(0, 0) == 12);
  CHECK(row.contiguous());
  const auto column = v.at(2, 1);
  CHECK(column(1, 2) == 21);
  CHECK_FALSE(column.contiguous());
  const auto every_other = v.slice(2, 1, 4, 2);
  CHECK(every_other.shape() == dims{2, 3, 2});
  CHECK(every_other(0, 0, 1) == 3);
  const auto t = v.transposed();
  CHECK(t.shape() == dims{4, 3, 2});
  CHECK(t(3, 2, 1) == 23);
  CHECK(t.copy().at<std::int32_t>({3, 2, 1}) == 23);
  CHECK(t.transposed().copy().same_bits(v.copy()));
  CHECK(v.slice(1, 3, 3).copy().shape() == dims{2, 0, 4});
  CHECK(v.slice(1, 1, 1).contiguous());
}

TEST_CASE("a view outlives its array and does not see it change") {
  Array a = counting({3});
  const array_view<std::int32_t> v(a);
  a.mutable_span<std::int32_t>()[0] = 100;
  CHECK(v(0) == 0);
  a = Array();
  CHECK(v(2) == 2);
}

TEST_CASE("what a view does not have is refused") {
  const array_view<std::int32_t> v(counting({2, 3}));
  CHECK_THROWS_AS(v(2, 0), argument_error);
  CHECK_THROWS_AS(v(0, -1), argument_error);
  CHECK_THROWS_AS(v(0), argument_error);
  CHECK_THROWS_AS(v.at(2, 0), argument_error);
  CHECK_THROWS_AS(v.at(0, 2), argument_error);
  CHECK_THROWS_AS(v.slice(0, 1, 3), argument_error);
  CHECK_THROWS_AS(v.slice(0, 0, 2, 0), argument_error);
  const auto turned = v.transposed();
  CHECK_THROWS_AS(turned.span(), argument_error);
  CHECK_THROWS_AS(array_view<float>(counting({2})), dtype_error);
}
