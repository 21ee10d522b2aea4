#include <algorithm>

#include "kernel_test.hpp"

using namespace kt;

namespace {

const reduce_op arithmetic[] = {reduce_op::sum, reduce_op::max, reduce_op::min, reduce_op::prod,
                                reduce_op::sum_of_squares};

template <class T>
void check_rows(const kernel_table& k) {
  for (const reduce_op op : arithmetic) {
    const reduce_rows_kernel run = k.reduce_rows(op, element_of<T>());
    for (const int64_t n : sizes()) {
      const double spread = op == reduce_op::prod ? 1.0 / (1.0 + static_cast<double>(n)) : 1.0;
      guarded<T> x = random_buffer<T>(3 * n, op == reduce_op::prod ? 1 - spread : -1,
                                      op == reduce_op::prod ? 1 + spread : 1),
                 y(3);
      run(x.data(), y.data(), 3, n);
      for (int64_t r = 0; r < 3; ++r) {
        const T want = reference::reduce<T>(op, x.data() + r * n, n, 1);
        INFO("op " << static_cast<int>(op) << " n " << n);
        if (std::isinf(want))
          REQUIRE(y[r] == want);
        else
          REQUIRE(std::fabs(y[r] - want) <=
                  epsilon<T>() * (4 + 8 * std::sqrt(static_cast<double>(n)) + 4 * std::fabs(want)));
      }
      REQUIRE(y.intact());
    }
    // NaN reaches the result from every position.
    for (int64_t n = 1; n < 70; ++n) {
      guarded<T> x(n, T(1)), y(1);
      x[n * 7 % n] = std::numeric_limits<T>::quiet_NaN();
      run(x.data(), y.data(), 1, n);
      REQUIRE(std::isnan(y[0]));
      x[0] = T(1);
      x[n - 1] = std::numeric_limits<T>::quiet_NaN();
      run(x.data(), y.data(), 1, n);
      REQUIRE(std::isnan(y[0]));
    }
  }
}

template <class T>
void check_columns(const kernel_table& k) {
  for (const reduce_op op : arithmetic) {
    const reduce_columns_kernel run = k.reduce_columns(op, element_of<T>());
    for (const int64_t rows : {0, 1, 2, 63, 64, 65, 300}) {
      for (const int64_t inner : {0, 1, 3, 16, 17, 64, 70, 131}) {
        const int64_t outer = 2;
        const bool prod = op == reduce_op::prod;
        guarded<T> x = random_buffer<T>(outer * rows * inner, prod ? 0.99 : -1, prod ? 1.01 : 1),
                   y(outer * inner);
        run(x.data(), y.data(), outer, rows, inner, inner);
        for (int64_t i = 0; i < outer * inner; ++i) {
          const T want = reference::reduce<T>(op, x.data() + i / inner * rows * inner + i % inner,
                                              rows, inner);
          if (std::isinf(want))
            REQUIRE(y[i] == want);
          else
            REQUIRE(std::fabs(y[i] - want) <=
                    epsilon<T>() * (4 + std::sqrt(static_cast<double>(rows)) * 24));
        }
        REQUIRE(y.intact());
        if (inner < 3) continue;
        // Columns on their own give the same bits.
        for (const int64_t cut : {int64_t{1}, inner / 2}) {
          guarded<T> left(cut), right(inner - cut);
          run(x.data(), left.data(), 1, rows, cut, inner);
          run(x.data() + cut, right.data(), 1, rows, inner - cut, inner);
          for (int64_t i = 0; i < inner; ++i) REQUIRE((i < cut ? left[i] : right[i - cut]) == y[i]);
        }
      }
    }
  }
}

// The split documented for one long row.
template <class T>
void check_long_row(const kernel_table& k) {
  for (const int64_t n :
       {int64_t{5000}, int64_t{100001}, reduction_block * reduction_block + 12345}) {
    const guarded<T> x = random_buffer<T>(n);
    for (const reduce_op op : {reduce_op::sum, reduce_op::sum_of_squares, reduce_op::max}) {
      T whole, split;
      k.reduce_rows(op, element_of<T>())(x.data(), &whole, 1, n);
      const int64_t full = n / reduction_block;
      guarded<T> partial(full + (n % reduction_block != 0));
      k.reduce_rows(op, element_of<T>())(x.data(), partial.data(), full, reduction_block);
      if (partial.size() > full) {
        k.reduce_rows(op, element_of<T>())(x.data() + full * reduction_block, &partial[full], 1,
                                           n % reduction_block);
      }
      k.reduce_rows(combine_op(op), element_of<T>())(partial.data(), &split, 1, partial.size());
      CHECK(whole == split);
      const T want = reference::reduce<T>(op, x.data(), n, 1);
      CHECK(std::fabs(whole - want) <=
            epsilon<T>() * (8 * std::sqrt(static_cast<double>(n)) + 4 * std::fabs(want)));
    }
  }
}

// Of zeros alone, wherever the one of the other sign stands.
template <class T>
void check_zeros(const kernel_table& k) {
  for (const int64_t n : {int64_t{1}, int64_t{2}, int64_t{7}, int64_t{33}, int64_t{150}}) {
    for (const bool largest : {true, false}) {
      const reduce_op op = largest ? reduce_op::max : reduce_op::min;
      const T many = largest ? T(-0.0) : T(0), one = -many;
      for (int64_t place = -1; place < n; ++place) {
        guarded<T> x(2 * n), row(1), columns(2);
        for (int64_t i = 0; i < 2 * n; ++i) x[i] = many;
        if (place >= 0) x[place] = one;
        k.reduce_rows(op, element_of<T>())(x.data(), row.data(), 1, n);
        REQUIRE(row[0] == 0);
        REQUIRE(std::signbit(row[0]) == std::signbit(place >= 0 ? one : many));
        if (place >= 0) x[place] = many;
        if (place >= 0) x[2 * place + 1] = one;
        k.reduce_columns(op, element_of<T>())(x.data(), columns.data(), 1, n, 2, 2);
        REQUIRE(std::signbit(columns[0]) == std::signbit(many));
        REQUIRE(std::signbit(columns[1]) == std::signbit(place >= 0 ? one : many));
      }
    }
  }
}

template <class T>
void check_arg(const kernel_table& k) {
  for (int64_t n = 1; n < 75; ++n) {
    guarded<T> x(2 * n);
    for (int64_t i = 0; i < 2 * n; ++i) x[i] = static_cast<T>(i * 7 % 5);
    guarded<std::int64_t> high(2), low(2);
    k.argmax_rows(element_of<T>())(x.data(), high.data(), 2, n);
    k.argmin_rows(element_of<T>())(x.data(), low.data(), 2, n);
    for (int64_t r = 0; r < 2; ++r) {
      const T* row = x.data() + r * n;
      REQUIRE(high[r] == std::max_element(row, row + n) - row);
      REQUIRE(low[r] == std::min_element(row, row + n) - row);
    }
    if constexpr (std::is_floating_point_v<T>) {
      x[n / 2] = std::numeric_limits<T>::quiet_NaN();
      k.argmax_rows(element_of<T>())(x.data(), high.data(), 1, n);
      REQUIRE(high[0] == n / 2);
      k.argmin_rows(element_of<T>())(x.data(), low.data(), 1, n);
      REQUIRE(low[0] == n / 2);
    }
  }
}

}  // namespace

TEST_CASE("reductions of rows") {
  FOR_EACH_ISA(k) {
    check_rows<float>(k);
    check_rows<double>(k);
    check_long_row<float>(k);
    check_long_row<double>(k);
  }
}

TEST_CASE("the largest of zeros is the positive one, the smallest the negative one") {
  FOR_EACH_ISA(k) {
    check_zeros<float>(k);
    check_zeros<double>(k);
  }
}

TEST_CASE("reductions of columns") {
  FOR_EACH_ISA(k) {
    check_columns<float>(k);
    check_columns<double>(k);
  }
}

TEST_CASE("reductions of integers and booleans") {
  FOR_EACH_ISA(k) {
    const std::int32_t x[] = {5, -7, 3, 2, 2, 2};
    std::int32_t y[3];
    k.reduce_rows(reduce_op::sum, element::i32)(x, y, 2, 3);
    CHECK((y[0] == 1 && y[1] == 6));
    k.reduce_rows(reduce_op::max, element::i32)(x, y, 2, 3);
    CHECK((y[0] == 5 && y[1] == 2));
    k.reduce_rows(reduce_op::prod, element::i32)(x, y, 2, 3);
    CHECK((y[0] == -105 && y[1] == 8));
    k.reduce_columns(reduce_op::sum_of_squares, element::i32)(x, y, 1, 2, 3, 3);
    CHECK((y[0] == 29 && y[1] == 53 && y[2] == 13));
    const std::uint8_t b[] = {0, 0, 1, 1, 1, 1};
    std::uint8_t r[2];
    k.reduce_rows(reduce_op::any, element::b8)(b, r, 2, 3);
    CHECK((r[0] == 1 && r[1] == 1));
    k.reduce_rows(reduce_op::all, element::b8)(b, r, 2, 3);
    CHECK((r[0] == 0 && r[1] == 1));
    k.reduce_rows(reduce_op::all, element::b8)(b, r, 1, 0);
    CHECK(r[0] == 1);
  }
}

TEST_CASE("positions of extremes") {
  FOR_EACH_ISA(k) {
    check_arg<float>(k);
    check_arg<double>(k);
    check_arg<std::int32_t>(k);
    check_arg<std::uint8_t>(k);
  }
}
