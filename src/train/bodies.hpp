// Gradients of the operators that own bodies.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "graft/graph/operator.hpp"

namespace graft::detail {

/// A tensor and the gradient that arrives there.
struct gradient_seed {
  any_tensor of;
  any_tensor gradient;
};

/// Gradients with respect to tensors of a graph (which may be an open body), given those of others.
/// Seeds of tensors without gradients, such as integers, are left out.
std::vector<std::optional<any_tensor>> pull_back(Graph& g, std::span<const gradient_seed> seeds,
                                                 std::span<const any_tensor> with_respect_to);

/// The gradient rule of ops with bodies.
operand_gradients gradient_of_bodies(const gradient_args& a);

}  // namespace graft::detail
