// The operators that static networks run.
#pragma once

#include "graft/dsl/network_table.hpp"
#include "graft/ops/conv.hpp"
#include "graft/ops/dropout.hpp"
#include "graft/ops/elementwise.hpp"
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

/// The operators that static networks run.
enum class kind : std::uint8_t {
  other,
  placeholder,
  variable,
  scalar,
  reshape,
  flatten,
  expand_dims,
  squeeze,
  identity,
  stop_gradient,
  dropout,
  relu,
  tanh,
  sigmoid,
  leaky_relu,
  elu,
  softplus,
  silu,
  gelu,
  neg,
  abs,
  square,
  exp,
  log,
  sqrt,
  reciprocal,
  clip,
  add,
  sub,
  mul,
  div,
  maximum,
  minimum,
  squared_difference,
  sum,
  mean,
  max,
  softmax,
  log_softmax,
  matmul,
  transpose,
  concat,
  slice,
  conv2d,
  layer_norm,
  batch_norm,
  max_pool2d,
  avg_pool2d,
  fill_like,
  scan,
  captured,
  results,
};

/// Compares names, since addresses cannot always be compared in constant evaluation.
constexpr kind kind_of(const operator_schema& schema) {
  constexpr std::string_view names[] = {
      ops::placeholder.name, ops::variable.name,    ops::scalar.name,
      ops::reshape.name,     ops::flatten.name,     ops::expand_dims.name,
      ops::squeeze.name,     ops::identity.name,    ops::stop_gradient.name,
      ops::dropout.name,     ops::relu.name,        ops::tanh.name,
      ops::sigmoid.name,     ops::leaky_relu.name,  ops::elu.name,
      ops::softplus.name,    ops::silu.name,        ops::gelu.name,
      ops::neg.name,         ops::abs.name,         ops::square.name,
      ops::exp.name,         ops::log.name,         ops::sqrt.name,
      ops::reciprocal.name,  ops::clip.name,        ops::add.name,
      ops::sub.name,         ops::mul.name,         ops::div.name,
      ops::maximum.name,     ops::minimum.name,     ops::squared_difference.name,
      ops::sum.name,         ops::mean.name,        ops::max.name,
      ops::softmax.name,     ops::log_softmax.name, ops::matmul.name,
      ops::transpose.name,   ops::concat.name,      ops::slice.name,
      ops::conv2d.name,      ops::layer_norm.name,  ops::batch_norm.name,
      ops::max_pool2d.name,  ops::avg_pool2d.name,  ops::fill_like.name,
      ops::scan.name,        ops::captured.name,    ops::results.name,
  };
  const std::string_view name = schema.name;
  for (std::size_t i = 0; i < std::size(names); ++i) {
    if (name == names[i]) return static_cast<kind>(i + 1);
  }
  return kind::other;
}

/// True for operators whose result has the elements of their first operand.
constexpr bool is_view(kind s) {
  return s == kind::reshape || s == kind::flatten || s == kind::expand_dims || s == kind::squeeze ||
         s == kind::identity || s == kind::stop_gradient || s == kind::dropout;
}
constexpr bool is_unary(kind s) {
  return s == kind::relu || s == kind::tanh || s == kind::sigmoid || s == kind::leaky_relu ||
         s == kind::elu || s == kind::softplus || s == kind::silu || s == kind::gelu ||
         s == kind::neg || s == kind::abs || s == kind::square || s == kind::exp ||
         s == kind::log || s == kind::sqrt || s == kind::reciprocal || s == kind::clip;
}
constexpr bool is_binary(kind s) {
  return s == kind::add || s == kind::sub || s == kind::mul || s == kind::div ||
         s == kind::maximum || s == kind::minimum || s == kind::squared_difference;
}
constexpr bool is_reduction(kind s) { return s == kind::sum || s == kind::mean || s == kind::max; }
constexpr bool is_softmax(kind s) { return s == kind::softmax || s == kind::log_softmax; }

}  // namespace graft::fixed
