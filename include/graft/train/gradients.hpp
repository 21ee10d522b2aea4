// Reverse-mode gradients, built as ops of the same graph.
#pragma once

#include <initializer_list>
#include <optional>
#include <span>
#include <vector>

#include "graft/graph/graph.hpp"

namespace graft {

/// Adds ops that compute the gradient of sum(y) with respect to each of `with_respect_to`.
///
/// The result is ordinary graph: it can be fetched, fed, extracted, cloned and differentiated again.
/// Contributions of several paths are added in the order of the ops that use a tensor, so results do
/// not depend on anything but the graph. Ops go to the scope "gradients".
/// @param y floating, any shape
/// @param with_respect_to floating tensors; a variable stands for the tensor that reads it
/// @param seed gradient of y, of y's type and shape, else dtype_error or shape_error; empty: ones
/// @return one tensor each, of the shape of the tensor it belongs to; empty where y does not depend on it
/// @throws dtype_error if y or one of the others is not floating; unsupported_error that names the op on
/// the way that has no gradient. The graph is then unchanged.
/// Complexity: linear in the ops that y depends on.
/// @see Griewank & Walther, Evaluating Derivatives, 2nd ed. 2008, chapter 3
std::vector<std::optional<any_tensor>> try_gradients(const any_tensor& y,
                                                     std::span<const any_tensor> with_respect_to,
                                                     std::optional<any_tensor> seed = {});

/// The same; where y does not depend on a tensor the gradient is zeros.
std::vector<any_tensor> gradients(const any_tensor& y, std::span<const any_tensor> with_respect_to,
                                  std::optional<any_tensor> seed = {});
/// The same for tensors listed in place.
inline std::vector<any_tensor> gradients(const any_tensor& y,
                                         std::initializer_list<any_tensor> with_respect_to) {
  return gradients(y, std::span<const any_tensor>(with_respect_to.begin(), with_respect_to.size()));
}

/// The gradient with respect to one tensor, as a handle of that tensor's static type.
template <dtype Type, class Shape>
tensor<Graph, Type, Shape> gradient(const any_tensor& y, const tensor<Graph, Type, Shape>& x) {
  detail::check_stated("gradient", {}, x);
  const any_tensor wanted = x;
  return tensor<Graph, Type, Shape>(gradients(y, std::span<const any_tensor>(&wanted, 1))[0].ref());
}

/// The trainable variables that a tensor depends on, in order of creation.
std::vector<variable_id> trainable_variables(const any_tensor& y);

/// Scales all gradients by the same factor so that their joint Euclidean norm is at most `norm`.
/// Their types may differ. Where the norm is not finite the gradients become NaN rather than silently small.
/// Of no gradients there are none.
/// @param norm > 0, finite; else argument_error
/// @see Pascanu, Mikolov, Bengio, On the difficulty of training recurrent neural networks, 2013
std::vector<any_tensor> clip_by_global_norm(std::span<const any_tensor> gradients, double norm);

/// The joint Euclidean norm of several tensors, a scalar of the first one's type, worked out in float64: of smaller
/// types it is infinite only where it is too large for the type itself. Types may differ.
any_tensor global_norm(std::span<const any_tensor> tensors);

}  // namespace graft
