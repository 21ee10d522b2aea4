#include <algorithm>
#include <numeric>

#include "kernel_test.hpp"

using namespace kt;

namespace {

template <class U>
void check_strided(const kernel_table& k, const std::vector<int64_t>& dims,
                   const std::vector<int64_t>& strides) {
  int64_t count = 1, low = 0, high = 0;
  for (std::size_t d = 0; d < dims.size(); ++d) {
    count *= dims[d];
    if (dims[d] > 0) (strides[d] < 0 ? low : high) += strides[d] * (dims[d] - 1);
  }
  guarded<U> src(high - low + 1), dst(count), want(count);
  for (int64_t i = 0; i < src.size(); ++i) src[i] = static_cast<U>(i * 2654435761u);
  const U* start = src.data() - low;
  const int64_t rank = static_cast<int64_t>(dims.size());
  k.copy_strided(start, strides.data(), dst.data(), nullptr, dims.data(), rank, sizeof(U));
  reference::copy_strided<U>(start, strides.data(), want.data(), dims.data(), rank);
  REQUIRE(dst.same_bits(want));
  REQUIRE(dst.intact());

  // And back out: into every second element of a larger buffer.
  std::vector<int64_t> spread(dims.size());
  int64_t step = 2;
  for (int64_t d = rank - 1; d >= 0; --d) {
    spread[d] = step;
    step *= std::max<int64_t>(dims[d], 1);
  }
  guarded<U> wide(2 * count, U(77));
  k.copy_strided(start, strides.data(), wide.data(), spread.data(), dims.data(), rank, sizeof(U));
  for (int64_t i = 0; i < count; ++i) {
    REQUIRE(wide[2 * i] == want[i]);
    REQUIRE(wide[2 * i + 1] == U(77));
  }
}

template <class U>
void check_all(const kernel_table& k) {
  check_strided<U>(k, {}, {});
  check_strided<U>(k, {0}, {1});
  check_strided<U>(k, {3, 0, 2}, {2, 2, 1});
  check_strided<U>(k, {7}, {1});
  check_strided<U>(k, {7}, {-1});
  check_strided<U>(k, {7}, {0});
  check_strided<U>(k, {7}, {3});
  check_strided<U>(k, {4, 5, 6}, {30, 6, 1});
  for (const int64_t rows : {1, 2, 7, 8, 16, 17, 33, 70}) {
    for (const int64_t cols : {1, 3, 8, 16, 31, 64, 65}) {
      check_strided<U>(k, {rows, cols}, {1, rows});  // transpose
      check_strided<U>(k, {3, rows, cols}, {rows * cols, 1, rows});
      check_strided<U>(k, {rows, cols}, {0, 1});         // broadcast of a row
      check_strided<U>(k, {rows, cols}, {1, 0});         // broadcast of a column
      check_strided<U>(k, {rows, cols}, {cols + 5, 1});  // slice
      check_strided<U>(k, {rows, cols}, {-cols, 1});     // flipped
    }
  }
  std::vector<int64_t> order{0, 1, 2, 3};
  do {  // every permutation of four axes
    const int64_t shape[] = {3, 5, 17, 9}, stride[] = {765, 153, 9, 1};
    std::vector<int64_t> dims, strides;
    for (const int64_t axis : order) {
      dims.push_back(shape[axis]);
      strides.push_back(stride[axis]);
    }
    check_strided<U>(k, dims, strides);
  } while (std::next_permutation(order.begin(), order.end()));
}

template <class T, class I>
void check_gather(const kernel_table& k) {
  const element index = sizeof(I) == 4 ? element::i32 : element::i64;
  for (const int64_t row : {1, 2, 7, 16, 33}) {
    const int64_t rows = 11, count = 30;
    guarded<T> x(rows * row), y(count * row), sum(rows * row, T(1));
    for (int64_t i = 0; i < x.size(); ++i) x[i] = static_cast<T>(i % 100);
    guarded<I> at(count);
    for (int64_t i = 0; i < count; ++i) at[i] = static_cast<I>(i * 5 % rows);
    k.gather_rows(element_of<T>(), index)(x.data(), at.data(), y.data(), count, row);
    for (int64_t i = 0; i < count * row; ++i) REQUIRE(y[i] == x[at[i / row] * row + i % row]);
    REQUIRE(y.intact());
    const scatter_add_rows_kernel scatter = k.scatter_add_rows(element_of<T>(), index);
    if (scatter == nullptr) continue;
    scatter(y.data(), at.data(), sum.data(), count, row);
    guarded<T> want(rows * row, T(1));
    for (int64_t i = 0; i < count * row; ++i) want[at[i / row] * row + i % row] += y[i];
    REQUIRE(sum.same_bits(want));
    REQUIRE(sum.intact());
  }
}

}  // namespace

TEST_CASE("strided copies") {
  FOR_EACH_ISA(k) {
    check_all<std::uint8_t>(k);
    check_all<std::uint32_t>(k);
    check_all<std::uint64_t>(k);
  }
}

TEST_CASE("fill") {
  FOR_EACH_ISA(k) {
    for (const int64_t n : {0, 1, 5, 70}) {
      guarded<float> f(n);
      const float value = 1.5f;
      k.fill(f.data(), &value, n, 4);
      for (int64_t i = 0; i < n; ++i) REQUIRE(f[i] == 1.5f);
      REQUIRE(f.intact());
      guarded<std::int64_t> l(n);
      const std::int64_t big = -123456789012345;
      k.fill(l.data(), &big, n, 8);
      for (int64_t i = 0; i < n; ++i) REQUIRE(l[i] == big);
      REQUIRE(l.intact());
    }
  }
}

TEST_CASE("gather and scatter") {
  FOR_EACH_ISA(k) {
    check_gather<float, std::int32_t>(k);
    check_gather<double, std::int64_t>(k);
    check_gather<std::int32_t, std::int64_t>(k);
    check_gather<std::int64_t, std::int32_t>(k);
    check_gather<std::uint8_t, std::int64_t>(k);
  }
}
