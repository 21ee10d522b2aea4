#include "kernel_test.hpp"

using namespace kt;

namespace {

struct problem {
  int64_t m, n, k;
  bool trans_a = false, trans_b = false, accumulate = false;
  int bias = 0;  // 1: column, 2: row
  bool relu = false;
  int64_t gap = 0;  // extra elements between stored rows
};

template <class T>
struct operands_of {
  guarded<T> a, b, c, column_bias, row_bias;
  matmul_args args;

  explicit operands_of(const problem& p)
      : a(random_buffer<T>((p.trans_a ? p.k : p.m) * ((p.trans_a ? p.m : p.k) + p.gap))),
        b(random_buffer<T>((p.trans_b ? p.n : p.k) * ((p.trans_b ? p.k : p.n) + p.gap))),
        c(random_buffer<T>(p.m * (p.n + p.gap))),
        column_bias(random_buffer<T>(p.n)),
        row_bias(random_buffer<T>(p.m)) {
    args.m = p.m;
    args.n = p.n;
    args.k = p.k;
    args.trans_a = p.trans_a;
    args.trans_b = p.trans_b;
    args.lda = (p.trans_a ? p.m : p.k) + p.gap;
    args.ldb = (p.trans_b ? p.k : p.n) + p.gap;
    args.ldc = p.n + p.gap;
    args.accumulate = p.accumulate;
    if (p.bias == 1) args.column_bias = column_bias.data();
    if (p.bias == 2) args.row_bias = row_bias.data();
    args.after = p.relu ? epilogue::relu : epilogue::none;
    args.a = a.data();
    args.b = b.data();
    args.c = c.data();
  }
};

template <class T>
void check(const kernel_table& k, const problem& p) {
  const matmul_kernel kernel = k.matmul(element_of<T>());
  operands_of<T> o(p);
  guarded<T> want = o.c, chunked = o.c;
  INFO(p.m << " x " << p.n << " x " << p.k << (p.trans_a ? " A^T" : "") << (p.trans_b ? " B^T" : "")
           << " gap " << p.gap << " f" << 8 * sizeof(T));
  scratch memory(kernel.scratch_bytes(p.m, p.n, p.k, p.trans_a, p.trans_b));
  o.args.scratch = memory.get();
  kernel.run(o.args);
  REQUIRE(o.c.intact());
  REQUIRE(memory.memory.intact());

  matmul_args r = o.args;
  r.c = want.data();
  reference::matmul<T>(r);
  // Gaps between rows are part of the comparison: they must not have changed.
  REQUIRE(worst(o.c, want) <= epsilon<T>() * (8 + static_cast<double>(p.k)));

  r.c = chunked.data();
  const int64_t chunks = kernel.chunks(p.m, p.n, p.k);
  REQUIRE(chunks >= 1);
  for (int64_t i = chunks - 1; i >= 0; --i) {
    scratch own(kernel.scratch_bytes(p.m, p.n, p.k, p.trans_a, p.trans_b));
    r.scratch = own.get();
    kernel.run_chunk(r, i);
    REQUIRE(own.memory.intact());
  }
  REQUIRE(chunked.same_bits(o.c));
}

template <class T>
void check_all(const kernel_table& k) {
  for (const int64_t m : {0, 1, 2, 5, 6, 7, 12, 13, 25, 40}) {
    for (const int64_t n : {0, 1, 2, 7, 8, 10, 16, 17, 31, 32, 33, 49, 70}) {
      for (const int64_t d : {0, 1, 3, 10, 64}) {
        for (int t = 0; t < 4; ++t) {
          problem p{m, n, d, (t & 1) != 0, (t & 2) != 0};
          p.gap = (m + n + d) % 3;
          p.bias = static_cast<int>((m + n) % 3);
          p.relu = (m + d) % 2 == 0;
          p.accumulate = (n + d) % 2 == 0;
          check<T>(k, p);
        }
      }
    }
  }
}

}  // namespace

TEST_CASE("matrix products of many small shapes") {
  FOR_EACH_ISA(k) {
    check_all<float>(k);
    check_all<double>(k);
  }
}

TEST_CASE("matrix products that are packed, cut into runs and chunks") {
  FOR_EACH_ISA(k) {
    for (int t = 0; t < 4; ++t) {
      const bool ta = (t & 1) != 0, tb = (t & 2) != 0;
      check<float>(k, {131, 157, 700, ta, tb, false, 1, true});
      check<double>(k, {131, 157, 400, ta, tb, true, 2, false, 3});
      check<float>(k, {300, 290, 65, ta, tb});
      check<float>(k, {16, 512, 330, ta, tb, false, 1});
      check<float>(k, {64, 10, 512, ta, tb, true, 0, true, 5});
      check<float>(k, {64, 300, 700, ta, tb, true, 2, true, 0});  // b is read where it lies
      check<float>(k, {72, 1024, 40, ta, tb, false, 1});
      check<float>(k, {73, 300, 330, ta, tb, false, 1});
      check<float>(k, {1, 300, 784, ta, tb, false, 1, true});
      check<float>(k, {1, 300, 5, ta, tb, true, 2, true});
      check<float>(k, {300, 1, 784, ta, tb, true, 2});
      check<float>(k, {300, 1, 784, ta, tb, false, 1, false, 2});
      check<double>(k, {1, 5000, 9, ta, tb, false, 1});
    }
    check<float>(k, {200, 2200, 70, false, false, false, 1});
    check<float>(k, {520, 300, 330, false, true});
  }
}

TEST_CASE("a NaN or infinity spoils only its own row and column") {
  FOR_EACH_ISA(k) {
    problem p{13, 37, 20};
    operands_of<float> o(p);
    o.a[3 * 20 + 4] = std::nanf("");
    const matmul_kernel kernel = k.matmul(element::f32);
    scratch memory(kernel.scratch_bytes(p.m, p.n, p.k, false, false));
    o.args.scratch = memory.get();
    kernel.run(o.args);
    for (int64_t i = 0; i < 13; ++i) {
      for (int64_t j = 0; j < 37; ++j) REQUIRE(std::isnan(o.c[i * 37 + j]) == (i == 3));
    }
  }
}

TEST_CASE("integer matrix products wrap") {
  FOR_EACH_ISA(k) {
    const std::int32_t a[] = {1, 2, 3, 4, 5, 6}, b[] = {1, 0, 2, 1, 0, 1};
    std::int32_t c[4] = {100, 100, 100, 100};
    matmul_args g;
    g.a = a;
    g.b = b;
    g.c = c;
    g.m = g.n = 2;
    g.k = 3;
    g.lda = 3;
    g.ldb = g.ldc = 2;
    k.matmul(element::i32).run(g);
    CHECK((c[0] == 5 && c[1] == 5 && c[2] == 14 && c[3] == 11));
    g.trans_b = true;
    g.ldb = 3;
    g.accumulate = true;
    k.matmul(element::i32).run(g);
    CHECK((c[0] == 5 + 7 && c[1] == 5 + 4 && c[2] == 14 + 16 && c[3] == 11 + 10));
    CHECK_FALSE(k.matmul(element::u8));
  }
}
