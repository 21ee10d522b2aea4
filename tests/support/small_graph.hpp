// A few operators of the tests' own, so that tests of the graph do not depend on the library's.
#pragma once

#include "graft/graph/graph.hpp"
#include "graft/schema/core_operators.hpp"
#include "graft/schema/rules.hpp"

namespace small {

using graft::attribute_list;
using graft::dims;
using graft::dtype;
using graft::Graph;
using graft::infer_args;
using graft::inferred;
using graft::op_id;
using graft::operator_schema;
using graft::tensor_id;
using graft::value_type;
using graft::variable_id;

constexpr inferred infer_same(const infer_args& a) { return a.operands[0]; }
constexpr inferred infer_add(const infer_args& a) {
  return graft::rules::broadcast(a.operands[0], a.operands[1]);
}
constexpr inferred infer_matmul(const infer_args& a) {
  const value_type &x = a.operands[0], &w = a.operands[1];
  if (!graft::rules::types_agree(x.type, w.type)) return graft::rules::types_differ(x, w);
  if (!x.ranked || !w.ranked) return value_type::unranked(x.type);
  if (graft::surely_differ(x.shape.back(), w.shape[0])) {
    return graft::rules::shape_problem("the inner extents must be equal",
                                       value_type::of(x.type, {graft::dyn, w.shape[0]}), x,
                                       "change the layer's units");
  }
  return value_type::of(x.type, {x.shape[0], w.shape[1]});
}
constexpr inferred infer_split(const infer_args& a) {
  inferred two;
  two.outputs.push_back(a.operands[0]);
  two.outputs.push_back(a.operands[0]);
  return two;
}
constexpr inferred infer_axis(const infer_args& a) {
  if (a.attributes.integer("axis") < 0)
    return graft::problem{.clause = "the axis must not be negative", .needs = {}, .got = {}};
  return a.operands[0];
}

inline constexpr operator_schema input{"input", 0, 0, graft::detail::infer_declared,
                                       graft::ops::source};
inline constexpr operator_schema relu{"relu", 1, 1, infer_same, graft::ops::elementwise};
inline constexpr operator_schema add{"add", 2, 2, infer_add,
                                     graft::ops::elementwise | graft::ops::commutative};
inline constexpr operator_schema matmul{"matmul", 2, 2, infer_matmul};
inline constexpr operator_schema split{"split", 1, 1, infer_split};
inline constexpr operator_schema along{"along", 1, 1, infer_axis};
inline constexpr operator_schema join{"join", 1, -1, infer_same};
inline constexpr operator_schema zeros{"zeros", 0, 0, graft::detail::infer_declared};
inline constexpr operator_schema noise{"noise", 0, 0, graft::detail::infer_declared,
                                       graft::ops::random};
inline constexpr operator_schema dropout{"dropout", 1, 1, infer_same, graft::ops::modal};

inline attribute_list declared(dtype type, const dims& shape) {
  attribute_list a;
  a.set("type", type).set("shape", shape);
  return a;
}
inline tensor_id make_input(Graph& g, const dims& shape = {2, 3}, std::string_view name = {},
                            dtype type = dtype::float32) {
  return {g.add(input, {}, declared(type, shape), name), 0};
}
inline tensor_id apply(Graph& g, const operator_schema& schema,
                       std::initializer_list<tensor_id> operands, std::string_view name = {},
                       const attribute_list& attributes = {}) {
  return {g.add(schema, std::span<const tensor_id>(operands.begin(), operands.size()), attributes,
                name),
          0};
}
inline graft::variable_spec weight(std::string_view name, const dims& shape) {
  graft::variable_spec spec;
  spec.name = name;
  spec.type = value_type::of(dtype::float32, shape);
  spec.initial.schema = &noise;
  return spec;
}
inline tensor_id assign(Graph& g, variable_id v, tensor_id value) {
  attribute_list a;
  a.set("variable", std::int64_t{v.value}, graft::attribute_kind::variable);
  return apply(g, graft::ops::assign, {value}, {}, a);
}

}  // namespace small
