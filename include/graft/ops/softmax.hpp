// Softmax along one axis, and the losses of classification that work on logits.
#pragma once

#include "graft/ops/elementwise.hpp"
#include "graft/ops/loss_operands.hpp"
#include "graft/schema/axes.hpp"
#include "graft/schema/rules.hpp"

namespace graft::ops {
namespace detail {

constexpr inferred infer_softmax(const infer_args& in) {
  const value_type& x = in.operands[0];
  if (!rules::may_be_floating(x.type)) {
    return rules::type_problem("a softmax needs floating elements",
                               value_type::unranked(dtype::float32), x, "insert cast<float>(x)");
  }
  if (x.ranked && normalized_axis(in.attributes.integer("axis", -1), x.shape.size()) < 0) {
    return problem{.clause = "every axis must be one of the tensor's", .needs = {}, .got = x};
  }
  return x;
}

// (gradient of the result, the result)
constexpr inferred infer_softmax_gradient(const infer_args& in) {
  const value_type &g = in.operands[0], &y = in.operands[1];
  if (!rules::types_agree(g.type, y.type)) return rules::types_differ(y, g);
  if (rules::surely_differ(g, y)) {
    return problem{.clause = "the gradient must have the result's shape", .needs = y, .got = g};
  }
  return infer_softmax({std::array{rules::refine(y, g)}, in.attributes});
}

constexpr inferred infer_softmax_cross_entropy(const infer_args& in) {
  const value_type &logits = in.operands[0], &labels = in.operands[1];
  if (!rules::may_be_floating(logits.type)) {
    return rules::type_problem("logits must be floating", value_type::unranked(dtype::float32),
                               logits, "insert cast<float>(x)");
  }
  const bool by_index = labels.type == dtype::int64 || labels.type == dtype::int32;
  if (!by_index && !rules::types_agree(labels.type, logits.type)) {
    return rules::type_problem("labels must be int64 or int32 indices, or have the logits' type",
                               value_type::unranked(dtype::int64), labels,
                               "insert cast<std::int64_t>(x)");
  }
  if (logits.ranked && logits.shape.empty()) {
    return problem{.clause = "logits need an axis of classes",
                   .needs = value_type::of(logits.type, {dyn, dyn}),
                   .got = logits};
  }
  // The logits' shape as far as labels tell it: [..., classes].
  value_type shape = value_type::unranked(logits.type);
  if (labels.ranked && labels.type != dtype::any) {
    shape = value_type::of(logits.type, labels.shape);
    if (by_index) shape.shape.push_back(dyn);
    if (shape.shape.empty() || rules::surely_differ(logits, shape)) {
      value_type needs = value_type::of(labels.type, logits.shape);
      if (by_index && !needs.shape.empty()) needs.shape.pop_back();
      if (!logits.ranked) needs = value_type::of(labels.type, {dyn, dyn});
      return problem{.clause = by_index ? "there must be one label index for each row of logits"
                                        : "labels must have the logits' shape",
                     .needs = needs,
                     .got = labels};
    }
  }
  value_type result = rules::refine(logits, shape);
  if (result.ranked && result.shape.back() == 0) {
    bool rows = true;
    for (std::size_t i = 0; i + 1 < result.shape.size(); ++i) rows = rows && result.shape[i] > 0;
    if (rows) {
      return problem{.clause = "there must be at least one class",
                     .needs = value_type::of(logits.type, dims(result.shape.size(), dyn)),
                     .got = logits};
    }
  }
  if (result.ranked) result.shape.pop_back();
  return result;
}

}  // namespace detail

namespace detail {
inline constexpr attribute_rule softmax_takes[] = {declare::integer("axis")};
}  // namespace detail

/// exp(x) / sum(exp(x)) along "axis" (default -1). ONNX Softmax.
inline constexpr operator_schema softmax{
    "softmax", 1, 1, detail::infer_softmax, 0, detail::softmax_takes};
/// x - log(sum(exp(x))) along "axis" (default -1). ONNX LogSoftmax.
inline constexpr operator_schema log_softmax{"log_softmax",         1, 1,
                                             detail::infer_softmax, 0, detail::softmax_takes};
/// (g, y = softmax(x)) -> y * (g - sum(g * y)) along "axis".
inline constexpr operator_schema softmax_gradient{
    "softmax_gradient", 2, 2, detail::infer_softmax_gradient, 0, detail::softmax_takes};
/// (logits [..., classes], labels: int64 or int32 [...], or floating [..., classes]) -> loss of
/// each row [...]. ONNX SoftmaxCrossEntropyLoss without reduction.
inline constexpr operator_schema softmax_cross_entropy{"softmax_cross_entropy", 2, 2,
                                                       detail::infer_softmax_cross_entropy};

}  // namespace graft::ops

namespace graft {

namespace detail {
template <std::int64_t Axis>
struct softmax_attributes {
  static constexpr attribute_list list() {
    attribute_list a;
    a.set("axis", Axis);
    return a;
  }
};
}  // namespace detail

/// Exponentials that sum to 1 along an axis, computed without overflow.
/// @param x floating
/// @return of x's shape
template <std::int64_t Axis = -1, tensor_like X>
constexpr auto softmax(const X& x, name_view name = {}, source_line here = source_line::now()) {
  return apply<ops::softmax, detail::softmax_attributes<Axis>>({}, name, here, x);
}
/// The same along an axis known at run time.
template <tensor_like X>
constexpr auto softmax(const X& x, std::int64_t axis, name_view name = {},
                       source_line here = source_line::now()) {
  return detail::apply_with<ops::softmax, X::type>(attribute_list().set("axis", axis), name, here,
                                                   x);
}

/// Logarithm of softmax, computed without overflow or loss of the small ones. @see softmax
template <std::int64_t Axis = -1, tensor_like X>
constexpr auto log_softmax(const X& x, name_view name = {}, source_line here = source_line::now()) {
  return apply<ops::log_softmax, detail::softmax_attributes<Axis>>({}, name, here, x);
}
/// The same along an axis known at run time.
template <tensor_like X>
constexpr auto log_softmax(const X& x, std::int64_t axis, name_view name = {},
                           source_line here = source_line::now()) {
  return detail::apply_with<ops::log_softmax, X::type>(attribute_list().set("axis", axis), name,
                                                       here, x);
}

/// The gradient of softmax: y * (g - sum(g * y)) along an axis.
/// @param g gradient of the result y
/// @param y result of softmax
template <tensor_like G, tensor_like Y>
constexpr auto softmax_gradient(const G& g, const Y& y, std::int64_t axis = -1, name_view name = {},
                                source_line here = source_line::now()) {
  return detail::apply_with<ops::softmax_gradient, rules::join(G::type, Y::type)>(
      attribute_list().set("axis", axis), name, here, g, y);
}

/// Cross entropy of softmax(logits) and labels, one loss a row: -sum(p * log_softmax(logits)).
///
/// @param logits [..., classes] floating
/// @param labels the class of each row, int64 or int32 [...]; or weights p of the classes, of the
/// logits' type and shape
/// @return [...]; take the mean for the usual loss
/// @throws numeric_error when it runs, for a class outside [0, classes)
template <tensor_like Logits, tensor_like Labels>
constexpr auto softmax_cross_entropy(const Logits& logits, const Labels& labels,
                                     name_view name = {}, source_line here = source_line::now()) {
  return apply<ops::softmax_cross_entropy>({}, name, here, logits, labels);
}

/// Cross entropy of sigmoid(logits) and labels in [0, 1], one loss an element, finite for any
/// finite logits: softplus(logits) - logits * labels.
/// @param logits floating
/// @param labels of the logits' type and shape: nothing is broadcast
/// @return of the logits' shape
template <tensor_like Logits, tensor_like Labels>
constexpr auto sigmoid_cross_entropy(const Logits& logits, const Labels& labels,
                                     source_line here = source_line::now()) {
  constexpr text label("sigmoid_cross_entropy");
  if constexpr (!detail::loss_fits<Logits, Labels>) {
    return detail::refuse_loss<label, Logits, Labels>();
  } else {
    return detail::build_loss<label>(logits, labels, here, [&] {
      const auto log_of_both = apply<ops::softplus, no_attributes, label>({}, {}, here, logits);
      return sub(log_of_both,
                 apply<ops::mul, detail::equal_shapes, label>({}, {}, here, logits, labels), {},
                 here);
    });
  }
}

}  // namespace graft
