// The product of matrices, also of whole batches of them.
#pragma once

#include "graft/schema/axes.hpp"
#include "graft/schema/rules.hpp"

namespace graft::ops {
namespace detail {

constexpr inferred infer_matmul(const infer_args& in) {
  const value_type& a = in.operands[0];
  const value_type& b = in.operands[1];
  if (!rules::types_agree(a.type, b.type)) return rules::types_differ(a, b);
  const dtype type = rules::join(a.type, b.type);
  if (!rules::may_be_number(type)) {
    return rules::type_problem("matrices must have numbers as elements",
                               value_type::unranked(dtype::float32), a);
  }
  for (const value_type& m : in.operands) {
    if (m.ranked && m.shape.size() < 2) {
      return problem{.clause = "a matrix must have at least two axes",
                     .needs = value_type::of(type, {dyn, dyn}),
                     .got = m,
                     .hint = "insert expand_dims for a vector"};
    }
  }
  if (!a.ranked || !b.ranked) return value_type::unranked(type);
  const bool ta = in.attributes.integer("transpose_a") != 0;
  const bool tb = in.attributes.integer("transpose_b") != 0;
  const std::size_t ra = a.shape.size(), rb = b.shape.size();
  const extent m = a.shape[ra - (ta ? 1 : 2)], inner_a = a.shape[ra - (ta ? 2 : 1)];
  const extent n = b.shape[rb - (tb ? 2 : 1)], inner_b = b.shape[rb - (tb ? 1 : 2)];
  if (surely_differ(inner_a, inner_b)) {
    dims needs(rb, dyn);
    needs[rb - (tb ? 1 : 2)] = inner_a;
    return problem{.clause = "the inner extents must be equal",
                   .needs = value_type::of(type, needs),
                   .got = b,
                   .hint = "transpose one of the matrices or change its size"};
  }
  const dims batch_a(a.shape.begin(), a.shape.end() - 2);
  const dims batch_b(b.shape.begin(), b.shape.end() - 2);
  broadcast_result batch = broadcast(batch_a, batch_b);
  if (!batch.ok) {
    dims needs = batch_a;
    needs.append(b.shape.end() - 2, b.shape.end());
    return problem{.clause = "the batch axes must be equal, or 1",
                   .needs = value_type::of(type, needs),
                   .got = b};
  }
  batch.shape.push_back(m);
  batch.shape.push_back(n);
  return value_type::of(type, batch.shape);
}

}  // namespace detail

namespace detail {
inline constexpr attribute_rule matmul_takes[] = {declare::flag("transpose_a"),
                                                  declare::flag("transpose_b")};
}  // namespace detail

/// (a [..., m, k], b [..., k, n]) -> [..., m, n]; leading axes are batches and broadcast.
/// Attributes transpose_a, transpose_b: the operand's last two axes are swapped. ONNX MatMul.
inline constexpr operator_schema matmul{
    "matmul", 2, 2, detail::infer_matmul, 0, detail::matmul_takes};

}  // namespace graft::ops

namespace graft {

namespace detail {
template <bool TransposeA, bool TransposeB>
struct matmul_attributes {
  static constexpr attribute_list list() {
    attribute_list a;
    if (TransposeA) a.set("transpose_a", true);
    if (TransposeB) a.set("transpose_b", true);
    return a;
  }
};
}  // namespace detail

/// Multiplies matrices, or batches of them.
///
/// @tparam TransposeA a is stored as [..., k, m]
/// @tparam TransposeB b is stored as [..., n, k]
/// @param a [..., m, k]
/// @param b [..., k, n] of the same element type; batch axes broadcast
/// @return [..., m, n]
/// @throws shape_error "the inner extents must be equal"; does not compile where types tell
template <bool TransposeA = false, bool TransposeB = false, tensor_like A, tensor_like B>
constexpr auto matmul(const A& a, const B& b, name_view name = {},
                      source_line here = source_line::now()) {
  return apply<ops::matmul, detail::matmul_attributes<TransposeA, TransposeB>>({}, name, here, a,
                                                                               b);
}

/// The same with flags known at run time.
template <tensor_like A, tensor_like B>
constexpr auto matmul(const A& a, const B& b, bool transpose_a, bool transpose_b,
                      name_view name = {}, source_line here = source_line::now()) {
  attribute_list attributes;
  if (transpose_a) attributes.set("transpose_a", true);
  if (transpose_b) attributes.set("transpose_b", true);
  return detail::apply_with<ops::matmul, rules::join(A::type, B::type)>(attributes, name, here, a,
                                                                        b);
}

}  // namespace graft
