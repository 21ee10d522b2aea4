// Batch and layer normalisation.
#pragma once

#include "graft/schema/apply.hpp"
#include "graft/schema/rules.hpp"

namespace graft {
namespace ops::detail {

constexpr bool fits_axis(const value_type& v, extent wanted) {
  return !v.ranked || (v.shape.size() == 1 && !surely_differ(v.shape[0], wanted));
}

template <std::size_t Operands>
constexpr inferred infer_normalized(const infer_args& in, std::size_t axis_from_front, bool last,
                                    std::size_t min_rank, const char* clause) {
  const value_type& x = in.operands[0];
  if (x.type != dtype::any && !is_floating(x.type)) {
    return problem{.clause = "normalisation needs floating elements",
                   .needs = value_type::unranked(dtype::float32),
                   .got = x,
                   .about_type = true};
  }
  for (std::size_t i = 1; i < Operands; ++i) {
    const value_type& p = in.operands[i];
    if (p.type != dtype::any && x.type != dtype::any && p.type != x.type) {
      return problem{.clause = "parameters and input must have one element type",
                     .needs = x,
                     .got = p,
                     .about_type = true};
    }
  }
  if (!x.ranked) return x;
  if (x.shape.size() < min_rank) {
    dims wanted(min_rank, dyn);
    return problem{.clause = "the input has too few axes to normalise",
                   .needs = value_type::of(x.type, wanted),
                   .got = x};
  }
  const extent length = x.shape[last ? x.shape.size() - 1 : axis_from_front];
  for (std::size_t i = 1; i < Operands; ++i) {
    if (!fits_axis(in.operands[i], length)) {
      return problem{
          .clause = clause, .needs = value_type::of(x.type, {length}), .got = in.operands[i]};
    }
  }
  return x;
}

constexpr bool is_epsilon(double value) { return value >= 0 && rules::is_finite(value); }
constexpr problem epsilon_problem() {
  return {.clause = "epsilon must be at least 0 and finite",
          .needs = {},
          .got = {},
          .hint = "give a small number, such as 1e-5"};
}

constexpr inferred infer_batch_norm(const infer_args& in) {
  inferred result = infer_normalized<5>(
      in, 1, false, 2, "scale, bias and statistics must have one element a channel");
  if (result.error) return result;
  if (!is_epsilon(in.attributes.real("epsilon", 0))) return epsilon_problem();
  const double momentum = in.attributes.real("momentum", 0);
  if (!(momentum >= 0 && momentum <= 1)) {
    return problem{.clause = "the momentum of the moving statistics must be from 0 to 1",
                   .needs = {},
                   .got = {},
                   .hint = "give the share of the old statistics, such as 0.9"};
  }
  result.outputs.push_back(in.operands[3]);
  result.outputs.push_back(in.operands[4]);
  return result;
}

constexpr inferred infer_layer_norm(const infer_args& in) {
  if (!is_epsilon(in.attributes.real("epsilon", 0))) return epsilon_problem();
  return infer_normalized<3>(in, 0, true, 1,
                             "scale and bias must have one element for each of the last axis");
}

}  // namespace ops::detail

namespace ops {

namespace detail {
inline constexpr attribute_rule batch_norm_takes[] = {
    declare::real("epsilon"), declare::real("momentum"), declare::flag("training")};
inline constexpr attribute_rule layer_norm_takes[] = {declare::real("epsilon")};
}  // namespace detail

/// (x [N, C, ...], scale [C], bias [C], moving mean [C], moving variance [C]) ->
/// (y, new moving mean, new moving variance).
///
/// With "training" y is normalised by the batch's mean and biased variance over all axes but 1, and the new statistics
/// are momentum * old + (1 - momentum) * batch, with the unbiased variance; without it the moving statistics
/// are used and passed through. Attributes: epsilon >= 0, momentum in [0, 1], training.
/// @see Ioffe & Szegedy, Batch normalization, 2015; ONNX BatchNormalization
inline constexpr operator_schema batch_norm{
    "batch_norm", 5, 5, detail::infer_batch_norm, modal, detail::batch_norm_takes};

/// (x [..., D], scale [D], bias [D]) -> (x - mean) / sqrt(variance + epsilon) * scale + bias over the last axis.
/// @see Ba, Kiros, Hinton, Layer normalization, 2016; ONNX LayerNormalization with axis -1
inline constexpr operator_schema layer_norm{
    "layer_norm", 3, 3, detail::infer_layer_norm, 0, detail::layer_norm_takes};

}  // namespace ops
}  // namespace graft
