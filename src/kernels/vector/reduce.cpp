// Reductions along rows and columns.
#include "integer.hpp"
#include "lookups.hpp"
#include "sums.hpp"

namespace graft::kernels::GRAFT_KERNEL_ISA {
namespace {

template <class T>
inline constexpr bool is_floating = T(0.5) != T(0);

template <class T, reduce_op Op>
constexpr T neutral() {
  if constexpr (Op == reduce_op::prod || Op == reduce_op::all)
    return T(1);
  else if constexpr (Op == reduce_op::max) {
    if constexpr (is_floating<T>)
      return -traits<T>::infinity;
    else
      return lowest_integer<T>;
  } else if constexpr (Op == reduce_op::min) {
    if constexpr (is_floating<T>)
      return traits<T>::infinity;
    else
      return highest_integer<T>;
  } else {
    return T(0);
  }
}

// The value an element enters with, and how two partial results combine; V is a vector or a scalar.
template <reduce_op Op, class V>
GRAFT_INLINE V enter(V x) {
  if constexpr (Op == reduce_op::sum_of_squares)
    return x * x;
  else
    return x;
}
template <reduce_op Op, class T>
GRAFT_INLINE vec<T> combine(vec<T> a, vec<T> b) {
  if constexpr (Op == reduce_op::max)
    return largest(a, b);
  else if constexpr (Op == reduce_op::min)
    return smallest(a, b);
  else if constexpr (Op == reduce_op::prod)
    return a * b;
  else
    return a + b;
}
template <reduce_op Op, class T>
GRAFT_INLINE T combine(T a, T b) {
  if constexpr (Op == reduce_op::max)
    return largest(a, b);
  else if constexpr (Op == reduce_op::min)
    return smallest(a, b);
  else if constexpr (Op == reduce_op::any)
    return (a != 0) | (b != 0);
  else if constexpr (Op == reduce_op::all)
    return (a != 0) & (b != 0);
  else if constexpr (is_floating<T>)
    return Op == reduce_op::prod ? a * b : a + b;
  else
    return Op == reduce_op::prod ? wrapping_mul(a, b) : wrapping_add(a, b);
}

template <class T, reduce_op Op>
GRAFT_INLINE T reduce_block(const T* x, int64_t n) {
  constexpr int64_t w = width<T>;
  const vec<T> start(neutral<T, Op>());
  vec<T> s0 = start, s1 = start, s2 = start, s3 = start;
  int64_t i = 0;
  for (; i + 4 * w <= n; i += 4 * w) {
    s0 = combine<Op, T>(s0, enter<Op>(load(x + i)));
    s1 = combine<Op, T>(s1, enter<Op>(load(x + i + w)));
    s2 = combine<Op, T>(s2, enter<Op>(load(x + i + 2 * w)));
    s3 = combine<Op, T>(s3, enter<Op>(load(x + i + 3 * w)));
  }
  for (; i + w <= n; i += w) s0 = combine<Op, T>(s0, enter<Op>(load(x + i)));
  if (i < n) {
    const vec<T> last = enter<Op>(load_partial(x + i, n - i));
    s1 = combine<Op, T>(s1, select(lanes_below<T>(n - i), last, start));
  }
  return fold<T>(combine<Op, T>(combine<Op, T>(s0, s1), combine<Op, T>(s2, s3)),
                 [](T a, T b) __attribute__((always_inline)) { return combine<Op, T>(a, b); });
}

// The tree promised in kernels.hpp: blocks, then the partial results in the same way.
template <class T, reduce_op Op>
T reduce_long(const T* x, int64_t n) {
  if (n <= reduction_block) return reduce_block<T, Op>(x, n);
  int64_t part = reduction_block;
  while ((n + part - 1) / part > reduction_block) part *= reduction_block;
  T partial[reduction_block];
  int64_t count = 0;
  for (int64_t i = 0; i < n; i += part) {
    partial[count++] = reduce_long<T, Op>(x + i, smaller(part, n - i));
  }
  return reduce_block<T, combine_op(Op)>(partial, count);
}

template <class T, reduce_op Op>
GRAFT_INLINE T reduce_integers(const T* x, int64_t n) {
  T acc = neutral<T, Op>();
  for (int64_t i = 0; i < n; ++i) {
    acc = combine<Op, T>(acc, Op == reduce_op::sum_of_squares ? wrapping_mul(x[i], x[i]) : x[i]);
  }
  return acc;
}

template <class T, reduce_op Op>
void rows_of(const void* x, void* y, int64_t rows, int64_t cols) {
  const T* in = static_cast<const T*>(x);
  T* out = static_cast<T*>(y);
  for (int64_t r = 0; r < rows; ++r) {
    if constexpr (is_floating<T>) {
      out[r] = cols <= reduction_block ? reduce_block<T, Op>(in + r * cols, cols)
                                       : reduce_long<T, Op>(in + r * cols, cols);
    } else {
      out[r] = reduce_integers<T, Op>(in + r * cols, cols);
    }
  }
}

template <class T>
struct four {
  vec<T> a, b, c, d;
};

template <class T, reduce_op Op>
void columns_float(const T* x, T* y, int64_t rows, int64_t inner, int64_t stride) {
  constexpr int64_t w = width<T>;
  const vec<T> start(neutral<T, Op>());
  int64_t i = 0;
  for (; i + 4 * w <= inner; i += 4 * w) {
    const four<T> sums = column_fold(
        rows, four<T>{start, start, start, start},
        [&](int64_t r) __attribute__((always_inline)) {
          const T* p = x + r * stride + i;
          return four<T>{enter<Op>(load(p)), enter<Op>(load(p + w)), enter<Op>(load(p + 2 * w)),
                         enter<Op>(load(p + 3 * w))};
        },
        [](const four<T>& p, const four<T>& q) __attribute__((always_inline)) {
          return four<T>{combine<Op, T>(p.a, q.a), combine<Op, T>(p.b, q.b),
                         combine<Op, T>(p.c, q.c), combine<Op, T>(p.d, q.d)};
        });
    store(y + i, sums.a);
    store(y + i + w, sums.b);
    store(y + i + 2 * w, sums.c);
    store(y + i + 3 * w, sums.d);
  }
  for (; i < inner; i += w) {
    const int64_t lanes = smaller(w, inner - i);
    const vec<T> sums = column_fold(
        rows, start,
        [&](int64_t r) __attribute__((always_inline)) {
          return enter<Op>(load_lanes(x + r * stride + i, lanes));
        },
        [](vec<T> p, vec<T> q) __attribute__((always_inline)) { return combine<Op, T>(p, q); });
    store_lanes(y + i, sums, lanes);
  }
}

template <class T, reduce_op Op>
void columns_of(const void* x, void* y, int64_t outer, int64_t rows, int64_t inner,
                int64_t stride) {
  const T* in = static_cast<const T*>(x);
  T* out = static_cast<T*>(y);
  if (inner <= 0) return;
  if (stride == 1) return rows_of<T, Op>(x, y, outer, rows);  // a single column: rows in fact
  for (int64_t o = 0; o < outer; ++o) {
    if constexpr (is_floating<T>) {
      columns_float<T, Op>(in + o * rows * stride, out + o * inner, rows, inner, stride);
    } else {
      T* to = out + o * inner;
      for (int64_t i = 0; i < inner; ++i) to[i] = neutral<T, Op>();
      for (int64_t r = 0; r < rows; ++r) {
        const T* p = in + (o * rows + r) * stride;
        for (int64_t i = 0; i < inner; ++i) {
          to[i] = combine<Op, T>(to[i],
                                 Op == reduce_op::sum_of_squares ? wrapping_mul(p[i], p[i]) : p[i]);
        }
      }
    }
  }
}

struct kernels {
  reduce_rows_kernel rows = nullptr;
  reduce_columns_kernel columns = nullptr;
};

template <class T>
kernels arithmetic(reduce_op op) {
#define GRAFT_CASE(name) \
  case reduce_op::name:  \
    return { rows_of<T, reduce_op::name>, columns_of<T, reduce_op::name> }
  switch (op) {
    GRAFT_CASE(sum);
    GRAFT_CASE(max);
    GRAFT_CASE(min);
    GRAFT_CASE(prod);
    GRAFT_CASE(sum_of_squares);
    default:
      return {};
  }
}

kernels logical(reduce_op op) {
  using T = std::uint8_t;
  switch (op) {
    GRAFT_CASE(any);
    GRAFT_CASE(all);
    default:
      return {};
  }
#undef GRAFT_CASE
}

kernels find(reduce_op op, element e) {
  switch (e) {
    case element::f32:
      return arithmetic<float>(op);
    case element::f64:
      return arithmetic<double>(op);
    case element::b8:
      return logical(op);
    default:
      return with_integer<kernels>(e, [op]<class T>() { return arithmetic<T>(op); });
  }
}

// The extreme value first, at full speed, then its first position.
template <class T, reduce_op Op>
void arg_rows(const void* x, std::int64_t* y, int64_t rows, int64_t cols) {
  const T* in = static_cast<const T*>(x);
  for (int64_t r = 0; r < rows; ++r) {
    const T* row = in + r * cols;
    T best;
    rows_of<T, Op>(row, &best, 1, cols);
    int64_t i = 0;
    if (best == best) {
      while (i < cols - 1 && !(row[i] == best)) ++i;
    } else {
      while (i < cols - 1 && row[i] == row[i]) ++i;
    }
    y[r] = i;
  }
}

template <reduce_op Op>
arg_rows_kernel arg_kernel(element e) {
  switch (e) {
    case element::f32:
      return arg_rows<float, Op>;
    case element::f64:
      return arg_rows<double, Op>;
    case element::b8:
      return arg_rows<std::uint8_t, Op>;
    default:
      return with_integer<arg_rows_kernel>(e, []<class T>() { return arg_rows<T, Op>; });
  }
}

}  // namespace

reduce_rows_kernel reduce_rows(reduce_op op, element e) { return find(op, e).rows; }
reduce_columns_kernel reduce_columns(reduce_op op, element e) { return find(op, e).columns; }
arg_rows_kernel argmax_rows(element e) { return arg_kernel<reduce_op::max>(e); }
arg_rows_kernel argmin_rows(element e) { return arg_kernel<reduce_op::min>(e); }

}  // namespace graft::kernels::GRAFT_KERNEL_ISA
