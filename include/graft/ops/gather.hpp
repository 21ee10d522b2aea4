// Operators that look rows up by index: gather (embedding lookup), its gradient, and one-hot codes.
#pragma once

#include "graft/schema/axes.hpp"
#include "graft/schema/rules.hpp"

namespace graft::ops {
namespace detail {

constexpr bool may_be_index(dtype t) {
  return t == dtype::any || t == dtype::int32 || t == dtype::int64;
}
constexpr problem not_an_index(const value_type& got) {
  return rules::type_problem("indices must be int64 or int32", value_type::unranked(dtype::int64),
                             got, "insert cast<std::int64_t>(x)");
}

// The shape of a table with one axis replaced by those of the indices.
constexpr inferred gathered_type(const value_type& table, const value_type& indices,
                                 std::int64_t axis) {
  if (!may_be_index(indices.type)) return not_an_index(indices);
  if (!table.ranked) return value_type::unranked(table.type);
  const extent place = normalized_axis(axis, table.shape.size());
  if (place < 0) {
    return problem{.clause = "every axis must be one of the tensor's", .needs = {}, .got = table};
  }
  if (!indices.ranked) return value_type::unranked(table.type);
  value_type result = value_type::of(table.type, {});
  result.shape.append(table.shape.begin(), table.shape.begin() + place);
  result.shape.append(indices.shape.begin(), indices.shape.end());
  result.shape.append(table.shape.begin() + place + 1, table.shape.end());
  return result;
}

constexpr inferred infer_gather(const infer_args& in) {
  return gathered_type(in.operands[0], in.operands[1], in.attributes.integer("axis"));
}

// (table: only its shape, indices, gradient of what was gathered)
constexpr inferred infer_gather_gradient(const infer_args& in) {
  const value_type &table = in.operands[0], &g = in.operands[2];
  const inferred gathered = gathered_type(table, in.operands[1], in.attributes.integer("axis"));
  if (gathered.error) return gathered.error;
  if (!rules::types_agree(table.type, g.type)) return rules::types_differ(table, g);
  if (rules::surely_differ(gathered.outputs[0], g)) {
    return problem{.clause = "the gradient must have the shape of what was gathered",
                   .needs = gathered.outputs[0],
                   .got = g};
  }
  value_type result = table;
  result.type = rules::join(table.type, g.type);
  return result;
}

constexpr inferred infer_one_hot(const infer_args& in) {
  const value_type& x = in.operands[0];
  if (!may_be_index(x.type)) return not_an_index(x);
  const std::int64_t depth = in.attributes.integer("depth");
  if (depth < 0) return problem{.clause = "the depth must not be negative", .needs = {}, .got = x};
  const dtype type = in.attributes.type("type", dtype::float32);
  if (!x.ranked) return value_type::unranked(type);
  value_type result = value_type::of(type, x.shape);
  result.shape.push_back(depth);
  return result;
}

// (indices [...], like [..., depth]: only its shape and type)
constexpr inferred infer_one_hot_like(const infer_args& in) {
  const value_type &x = in.operands[0], &like = in.operands[1];
  if (!may_be_index(x.type)) return not_an_index(x);
  if (!like.ranked) return like;
  value_type result = like;
  bool fits = !like.shape.empty();
  if (fits && x.ranked) {
    fits = x.shape.size() + 1 == like.shape.size();
    for (std::size_t i = 0; fits && i < x.shape.size(); ++i) {
      fits = !surely_differ(x.shape[i], like.shape[i]);
      result.shape[i] = refine(like.shape[i], x.shape[i]);
    }
  }
  if (!fits) {
    return problem{
        .clause = "the indices must have the shape of the other tensor but for its last axis",
        .needs = value_type::of(
            x.type, dims(like.shape.begin(), like.shape.end() - (like.shape.empty() ? 0 : 1))),
        .got = x};
  }
  return result;
}

}  // namespace detail

namespace detail {
inline constexpr attribute_rule gather_takes[] = {declare::integer("axis")};
inline constexpr attribute_rule one_hot_takes[] = {declare::integer("depth"),
                                                   declare::type("type")};
}  // namespace detail

/// (table, indices) -> the table's slices along "axis" (default 0) at the indices, which are
/// checked when it runs. ONNX Gather, without negative indices.
inline constexpr operator_schema gather{
    "gather", 2, 2, detail::infer_gather, 0, detail::gather_takes};
/// (table: only its shape, indices, g) -> zeros of the table's shape, to which g's slices are added
/// at the indices.
inline constexpr operator_schema gather_gradient{
    "gather_gradient", 3, 3, detail::infer_gather_gradient, shape_of_first, detail::gather_takes};
/// Indices [...] -> [..., depth], 1 at the index and 0 elsewhere. Attributes: "depth", "type"
/// (float32).
inline constexpr operator_schema one_hot{
    "one_hot", 1, 1, detail::infer_one_hot, 0, detail::one_hot_takes};
/// (indices [...], like [..., depth]: only shape and type) -> one-hot codes of like's shape.
inline constexpr operator_schema one_hot_like{"one_hot_like", 2, 2, detail::infer_one_hot_like,
                                              shape_of_second};

}  // namespace graft::ops

namespace graft {

namespace detail {

template <std::int64_t Axis>
struct gather_attributes {
  static constexpr attribute_list list() {
    attribute_list a;
    a.set("axis", Axis);
    return a;
  }
};

template <std::int64_t Depth, dtype Type>
struct one_hot_attributes {
  static constexpr attribute_list list() {
    attribute_list a;
    a.set("depth", Depth);
    a.set("type", Type);
    return a;
  }
};

}  // namespace detail

/// Takes slices of a table along an axis; with axis 0 and a table [entries, units], an embedding
/// lookup.
///
/// @param table [..., entries, ...] of any type
/// @param indices int64 or int32 of any shape
/// @return the table's shape with the axis replaced by the shape of the indices
/// @throws numeric_error when it runs, for an index outside [0, entries)
template <std::int64_t Axis = 0, tensor_like Table, tensor_like Indices>
constexpr auto gather(const Table& table, const Indices& indices, name_view name = {},
                      source_line here = source_line::now()) {
  return apply<ops::gather, detail::gather_attributes<Axis>>({}, name, here, table, indices);
}
/// The same along an axis known at run time.
template <tensor_like Table, tensor_like Indices>
constexpr auto gather(const Table& table, const Indices& indices, std::int64_t axis,
                      name_view name = {}, source_line here = source_line::now()) {
  attribute_list a;
  a.set("axis", axis);
  return detail::apply_with<ops::gather, Table::type>(a, name, here, table, indices);
}

/// The gradient of gather in its table: g's slices added up at their indices, in order.
/// @param table only its shape is read
/// @param g of the shape of what was gathered
template <tensor_like Table, tensor_like Indices, tensor_like G>
constexpr auto gather_gradient(const Table& table, const Indices& indices, const G& g,
                               std::int64_t axis = 0, name_view name = {},
                               source_line here = source_line::now()) {
  attribute_list a;
  a.set("axis", axis);
  return detail::apply_with<ops::gather_gradient, G::type>(a, name, here, table, indices, g);
}

/// Codes each index as a vector with 1 at the index and 0 elsewhere: `one_hot<10>(labels)`.
///
/// @tparam Depth number of classes
/// @tparam T element type of the result
/// @param indices int64 or int32 of any shape
/// @return [..., Depth]
/// @throws numeric_error when it runs, for an index outside [0, Depth)
template <std::int64_t Depth, element T = float, tensor_like Indices>
constexpr auto one_hot(const Indices& indices, name_view name = {},
                       source_line here = source_line::now()) {
  return apply<ops::one_hot, detail::one_hot_attributes<Depth, dtype_of<T>>>({}, name, here,
                                                                             indices);
}
/// The same for a depth and an element type known at run time.
template <tensor_like Indices>
constexpr auto one_hot(const Indices& indices, std::int64_t depth, dtype type = dtype::float32,
                       name_view name = {}, source_line here = source_line::now()) {
  attribute_list a;
  a.set("depth", depth);
  a.set("type", type);
  return detail::apply_with<ops::one_hot, dtype::any>(a, name, here, indices);
}

/// One-hot codes of the shape and element type of another tensor, whose values are not read.
template <tensor_like Indices, tensor_like Like>
constexpr auto one_hot_like(const Indices& indices, const Like& like, name_view name = {},
                            source_line here = source_line::now()) {
  return apply<ops::one_hot_like>({}, name, here, indices, like);
}

}  // namespace graft
