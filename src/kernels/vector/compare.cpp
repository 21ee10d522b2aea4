// Comparisons and selection. Plain loops: the compiler turns them into vector code of this set.
#include "lookups.hpp"
#include "simd.hpp"

namespace graft::kernels::GRAFT_KERNEL_ISA {
namespace {

template <class T, compare_op Op>
GRAFT_INLINE bool apply(T a, T b) {
  if constexpr (Op == compare_op::eq)
    return a == b;
  else if constexpr (Op == compare_op::ne)
    return a != b;
  else if constexpr (Op == compare_op::lt)
    return a < b;
  else if constexpr (Op == compare_op::le)
    return a <= b;
  else if constexpr (Op == compare_op::gt)
    return a > b;
  else
    return a >= b;
}

template <class T, compare_op Op, operands Mode>
void run(const void* a, const void* b, std::uint8_t* y, int64_t n) {
  if (n <= 0) return;
  const T* p = static_cast<const T*>(a);
  const T* q = static_cast<const T*>(b);
  const T s = Mode == operands::sv ? *p : *q;
  for (int64_t i = 0; i < n; ++i) {
    y[i] = apply<T, Op>(Mode == operands::sv ? s : p[i], Mode == operands::vs ? s : q[i]);
  }
}

template <class T, compare_op Op>
compare_kernel by_mode(operands mode) {
  switch (mode) {
    case operands::vv:
      return run<T, Op, operands::vv>;
    case operands::vs:
      return run<T, Op, operands::vs>;
    case operands::sv:
      return run<T, Op, operands::sv>;
    default:
      return nullptr;
  }
}

template <class T>
compare_kernel kernel(compare_op op, operands mode) {
  switch (op) {
    case compare_op::eq:
      return by_mode<T, compare_op::eq>(mode);
    case compare_op::ne:
      return by_mode<T, compare_op::ne>(mode);
    case compare_op::lt:
      return by_mode<T, compare_op::lt>(mode);
    case compare_op::le:
      return by_mode<T, compare_op::le>(mode);
    case compare_op::gt:
      return by_mode<T, compare_op::gt>(mode);
    case compare_op::ge:
      return by_mode<T, compare_op::ge>(mode);
  }
  return nullptr;
}

template <class U, operands Mode>
void choose(const std::uint8_t* cond, const void* a, const void* b, void* y, int64_t n) {
  if (n <= 0) return;
  const U* p = static_cast<const U*>(a);
  const U* q = static_cast<const U*>(b);
  U* out = static_cast<U*>(y);
  constexpr bool a_one = Mode == operands::sv || Mode == operands::ss;
  constexpr bool b_one = Mode == operands::vs || Mode == operands::ss;
  const U first_a = *p, first_b = *q;
  for (int64_t i = 0; i < n; ++i) {
    const U u = a_one ? first_a : p[i], v = b_one ? first_b : q[i];
    out[i] = cond[i] != 0 ? u : v;
  }
}

template <class U>
select_kernel chooser(operands mode) {
  switch (mode) {
    case operands::vv:
      return choose<U, operands::vv>;
    case operands::vs:
      return choose<U, operands::vs>;
    case operands::sv:
      return choose<U, operands::sv>;
    case operands::ss:
      return choose<U, operands::ss>;
  }
  return nullptr;
}

}  // namespace

compare_kernel compare(compare_op op, element e, operands mode) {
  switch (e) {
    case element::f32:
      return kernel<float>(op, mode);
    case element::f64:
      return kernel<double>(op, mode);
    case element::b8:
      return kernel<std::uint8_t>(op, mode);
    default:
      return with_integer<compare_kernel>(e, [=]<class T>() { return kernel<T>(op, mode); });
  }
}

// By size alone: selection only moves bits.
select_kernel select_by(std::int64_t element_bytes, operands mode) {
  switch (element_bytes) {
    case 1:
      return chooser<std::uint8_t>(mode);
    case 4:
      return chooser<std::uint32_t>(mode);
    case 8:
      return chooser<std::uint64_t>(mode);
    default:
      return nullptr;
  }
}

}  // namespace graft::kernels::GRAFT_KERNEL_ISA
