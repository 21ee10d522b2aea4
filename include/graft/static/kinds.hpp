// The operators that static networks run.
#pragma once

#include "graft/core/form.hpp"
#include "graft/dsl/network_table.hpp"
#include "graft/ops/conv.hpp"
#include "graft/ops/dropout.hpp"
#include "graft/ops/elementwise.hpp"
#include "graft/ops/gather.hpp"
#include "graft/ops/matmul.hpp"
#include "graft/ops/normalize.hpp"
#include "graft/ops/pool.hpp"
#include "graft/ops/reduce.hpp"
#include "graft/ops/shape_ops.hpp"
#include "graft/ops/slicing.hpp"
#include "graft/ops/softmax.hpp"
#include "graft/ops/sources.hpp"
#include "graft/schema/control_operators.hpp"

namespace graft::fixed {

/// The operators that static networks run. Those of elementwise chains are one kind: their forms tell them apart.
enum class kind : std::uint8_t {
  other,
  placeholder,
  variable,
  scalar,
  fill,
  fill_range,
  fill_like,
  reduction_size,
  reshape,
  reshape_like,
  flatten,
  expand_dims,
  squeeze,
  identity,
  stop_gradient,
  with_gradient_of,
  ensure_shape,
  dropout,
  cast,
  is_nan,
  broadcast_to,
  broadcast_like,
  sum,
  mean,
  prod,
  max,
  min,
  all,
  any,
  sum_to_like,
  argmax,
  softmax,
  log_softmax,
  softmax_cross_entropy,
  matmul,
  transpose,
  concat,
  split,
  split_like,
  slice,
  pad,
  crop,
  gather,
  one_hot,
  one_hot_like,
  conv2d,
  layer_norm,
  batch_norm,
  max_pool2d,
  avg_pool2d,
  scan,
  captured,
  results,
  elementwise,
};

/// Compares names, since addresses cannot always be compared in constant evaluation.
constexpr kind kind_of(const operator_schema& schema) {
  constexpr std::string_view names[] = {
      ops::placeholder.name,
      ops::variable.name,
      ops::scalar.name,
      ops::fill.name,
      ops::fill_range.name,
      ops::fill_like.name,
      ops::reduction_size.name,
      ops::reshape.name,
      ops::reshape_like.name,
      ops::flatten.name,
      ops::expand_dims.name,
      ops::squeeze.name,
      ops::identity.name,
      ops::stop_gradient.name,
      ops::with_gradient_of.name,
      ops::ensure_shape.name,
      ops::dropout.name,
      ops::cast.name,
      ops::is_nan.name,
      ops::broadcast_to.name,
      ops::broadcast_like.name,
      ops::sum.name,
      ops::mean.name,
      ops::prod.name,
      ops::max.name,
      ops::min.name,
      ops::all.name,
      ops::any.name,
      ops::sum_to_like.name,
      ops::argmax.name,
      ops::softmax.name,
      ops::log_softmax.name,
      ops::softmax_cross_entropy.name,
      ops::matmul.name,
      ops::transpose.name,
      ops::concat.name,
      ops::split.name,
      ops::split_like.name,
      ops::slice.name,
      ops::pad.name,
      ops::crop.name,
      ops::gather.name,
      ops::one_hot.name,
      ops::one_hot_like.name,
      ops::conv2d.name,
      ops::layer_norm.name,
      ops::batch_norm.name,
      ops::max_pool2d.name,
      ops::avg_pool2d.name,
      ops::scan.name,
      ops::captured.name,
      ops::results.name,
  };
  static_assert(std::size(names) + 1 == static_cast<std::size_t>(kind::elementwise));
  const std::string_view name = schema.name;
  for (std::size_t i = 0; i < std::size(names); ++i) {
    if (name == names[i]) return static_cast<kind>(i + 1);
  }
  return form_op_named(name).found ? kind::elementwise : kind::other;
}

/// True for operators whose result has the elements of their first operand.
constexpr bool is_view(kind s) { return s >= kind::reshape && s <= kind::dropout; }
/// True for operators that compute every element of their result from those of the operands in its place.
constexpr bool is_spread(kind s) {
  return s == kind::elementwise || (s >= kind::cast && s <= kind::broadcast_like);
}
/// True for constants, which have no operands.
constexpr bool is_filled(kind s) { return s >= kind::scalar && s <= kind::reduction_size; }
constexpr bool is_reduction(kind s) { return s >= kind::sum && s <= kind::sum_to_like; }
constexpr bool is_softmax(kind s) { return s == kind::softmax || s == kind::log_softmax; }
constexpr bool is_split(kind s) { return s == kind::split || s == kind::split_like; }

/// How many of an op's operands are read; of the others only the shape matters, or nothing.
template <class Op>
constexpr std::uint32_t operands_read(const Op& op, kind what) {
  if (op.outputs.count == 0) return op.operands.count;  // `results`
  if (op.schema->has(ops::shape_of_first)) return 0;
  const bool first =
      op.schema->has(ops::shape_of_second) || what == kind::dropout || what == kind::split_like;
  return first ? 1 : op.operands.count;
}

/// The operand whose batch axis, if it has one, is that of the result though its elements are not read; or -1.
constexpr int like_operand(kind what) {
  return what == kind::fill_like ? 0 : what == kind::broadcast_like ? 1 : -1;
}

}  // namespace graft::fixed
