// The matrix product: the choice of path, and chunks for threads.
//
// Products with a vector take paths of their own (matvec.hpp), chosen by the whole shape, never by
// the size of a chunk; all others are blocked (matmul_block.hpp).
#include "integer.hpp"
#include "lookups.hpp"
#include "matmul_block.hpp"
#include "matvec.hpp"

namespace graft::kernels::GRAFT_KERNEL_ISA {
namespace {

template <class T>
std::int64_t scratch_bytes(std::int64_t m, std::int64_t n, std::int64_t k, bool, bool trans_b) {
  return plan_bytes<T>(make_plan<T>(m, n, k, trans_b));
}

template <class T>
bool try_matvec(const matmul_args& g, range rows, range cols) {
  const T* a = static_cast<const T*>(g.a);
  const T* b = static_cast<const T*>(g.b);
  T* c = static_cast<T*>(g.c);
  const T* column_bias = static_cast<const T*>(g.column_bias);
  const T* row_bias = static_cast<const T*>(g.row_bias);
  const bool relu = g.after == epilogue::relu;
  if (column_bias != nullptr && row_bias != nullptr) return false;
  if (g.m == 1 && (!g.trans_a || g.lda == 1)) {
    const T shared = row_bias != nullptr ? *row_bias : T(0);
    const T* bias = column_bias != nullptr ? column_bias + cols.begin : nullptr;
    const int64_t n = cols.end - cols.begin;
    if (g.trans_b) {
      dot_rows<T>(b + cols.begin * g.ldb, g.ldb, a, c + cols.begin, 1, n, g.k, g.accumulate, bias,
                  shared, relu);
    } else {
      // A product this narrow is never cut into chunks.
      const auto run = g.n <= width<T> ? combine_narrow_rows<T> : combine_rows<T>;
      run(b + cols.begin, g.ldb, a, c + cols.begin, g.k, n, g.accumulate, bias, shared, relu);
    }
    return true;
  }
  if (g.n == 1 && (g.trans_b || g.ldb == 1)) {
    const T shared = column_bias != nullptr ? *column_bias : T(0);
    const T* bias = row_bias != nullptr ? row_bias + rows.begin : nullptr;
    const int64_t m = rows.end - rows.begin;
    if (!g.trans_a) {
      dot_rows<T>(a + rows.begin * g.lda, g.lda, b, c + rows.begin * g.ldc, g.ldc, m, g.k,
                  g.accumulate, bias, shared, relu);
      return true;
    }
    if (g.ldc == 1) {
      const auto run = g.m <= width<T> ? combine_narrow_rows<T> : combine_rows<T>;
      run(a + rows.begin, g.lda, b, c + rows.begin, g.k, m, g.accumulate, bias, shared, relu);
      return true;
    }
  }
  return false;
}

template <class T>
void pack_b(const matmul_args& g, int64_t j0, int64_t n, int64_t p0, int64_t k, T* dst) {
  const T* b = static_cast<const T*>(g.b);
  for (int64_t j = 0; j < n; j += tile_cols<T>) {
    const int64_t lines = smaller(tile_cols<T>, n - j);
    const int64_t panel = round_up(lines, width<T>);  // a narrow last panel has fewer vectors
    if (g.trans_b)
      pack_lines(b + (j0 + j) * g.ldb + p0, g.ldb, dst + j * k, panel, lines, k);
    else
      pack_steps(b + p0 * g.ldb + j0 + j, g.ldb, dst + j * k, panel, lines, k);
  }
}

template <class T>
void multiply(const matmul_args& g, range rows, range cols) {
  if ((g.m == 1 || g.n == 1) && try_matvec<T>(g, rows, cols)) return;
  multiply_blocks<T>(g, make_plan<T>(g.m, g.n, g.k, g.trans_b), rows, cols,
                     [&g](int64_t j0, int64_t n, int64_t p0, int64_t k, T* dst) {
                       pack_b<T>(g, j0, n, p0, k, dst);
                     });
}

// Integers wrap. Rows of b are combined where they are rows, dot products taken where they are
// columns.
template <class T>
void multiply_integers(const matmul_args& g, range rows, range cols) {
  using U = wrapping_t<T>;
  const T* a = static_cast<const T*>(g.a);
  const T* b = static_cast<const T*>(g.b);
  const T* column_bias = static_cast<const T*>(g.column_bias);
  const T* row_bias = static_cast<const T*>(g.row_bias);
  for (int64_t i = rows.begin; i < rows.end; ++i) {
    T* c = static_cast<T*>(g.c) + i * g.ldc;
    for (int64_t j = cols.begin; j < cols.end; ++j) {
      U v = g.accumulate ? static_cast<U>(c[j]) : U(0);
      if (column_bias != nullptr) v += static_cast<U>(column_bias[j]);
      if (row_bias != nullptr) v += static_cast<U>(row_bias[i]);
      c[j] = static_cast<T>(v);
    }
    const int64_t a_step = g.trans_a ? g.lda : 1;
    const T* ai = a + (g.trans_a ? i : i * g.lda);
    if (g.trans_b) {
      for (int64_t j = cols.begin; j < cols.end; ++j) {
        U sum_of_row = 0;
        for (int64_t p = 0; p < g.k; ++p) {
          sum_of_row += static_cast<U>(ai[p * a_step]) * static_cast<U>(b[j * g.ldb + p]);
        }
        c[j] = static_cast<T>(static_cast<U>(c[j]) + sum_of_row);
      }
    } else {
      for (int64_t p = 0; p < g.k; ++p) {
        const U f = static_cast<U>(ai[p * a_step]);
        const T* row = b + p * g.ldb;
        for (int64_t j = cols.begin; j < cols.end; ++j) {
          c[j] = static_cast<T>(static_cast<U>(c[j]) + f * static_cast<U>(row[j]));
        }
      }
    }
  }
}

std::int64_t no_scratch(std::int64_t, std::int64_t, std::int64_t, bool, bool) { return 0; }

// A grid of chunks: enough work in each to be worth a thread, few enough of them, with enough rows and
// columns, that packing a and b once a chunk costs little.
struct grid {
  int64_t rows, cols, row_step, col_step;
};

template <class T>
grid make_grid(int64_t m, int64_t n, int64_t k) {
  constexpr double least_work = 2e6;  // multiplications
  constexpr int64_t least_side = 128, most = 8, most_chunks = 16;
  int64_t r = smaller(most, larger(int64_t{1}, m / least_side));
  int64_t c = smaller(most, larger(int64_t{1}, n / least_side));
  const double work = static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  while (r * c > most_chunks || (r * c > 1 && work / static_cast<double>(r * c) < least_work)) {
    if (r >= c)
      --r;
    else
      --c;
  }
  grid g{};
  g.row_step = round_up(larger(int64_t{1}, ceil_div(m, r)), tile_rows);
  g.col_step = round_up(larger(int64_t{1}, ceil_div(n, c)), tile_cols<float>);
  g.rows = larger(int64_t{1}, ceil_div(m, g.row_step));
  g.cols = larger(int64_t{1}, ceil_div(n, g.col_step));
  return g;
}

template <class T>
std::int64_t chunks(std::int64_t m, std::int64_t n, std::int64_t k) {
  const grid g = make_grid<T>(m, n, k);
  return g.rows * g.cols;
}

template <class T>
GRAFT_INLINE void multiply_range(const matmul_args& a, range rows, range cols) {
  if constexpr (T(0.5) != T(0))
    multiply<T>(a, rows, cols);
  else
    multiply_integers<T>(a, rows, cols);
}

template <class T>
void run(const matmul_args& a) {
  multiply_range<T>(a, {0, a.m}, {0, a.n});
}

template <class T>
void run_chunk(const matmul_args& a, std::int64_t chunk) {
  const grid g = make_grid<T>(a.m, a.n, a.k);
  const int64_t i = chunk / g.cols * g.row_step, j = chunk % g.cols * g.col_step;
  multiply_range<T>(a, {i, smaller(a.m, i + g.row_step)}, {j, smaller(a.n, j + g.col_step)});
}

}  // namespace

matmul_kernel matmul(element e) {
  switch (e) {
    case element::f32:
      return {scratch_bytes<float>, chunks<float>, run<float>, run_chunk<float>};
    case element::f64:
      return {scratch_bytes<double>, chunks<double>, run<double>, run_chunk<double>};
    case element::i32:
      return {no_scratch, chunks<std::int32_t>, run<std::int32_t>, run_chunk<std::int32_t>};
    case element::i64:
      return {no_scratch, chunks<std::int64_t>, run<std::int64_t>, run_chunk<std::int64_t>};
    default:
      return {};
  }
}

}  // namespace graft::kernels::GRAFT_KERNEL_ISA
