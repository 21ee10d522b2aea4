// Gradients of the operators that own bodies.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "graft/graph/operator.hpp"

namespace graft::detail {

/// A tensor and the gradient that arrives there.
struct gradient_seed {
  any_tensor of;
  any_tensor gradient;
};

/// A body that was made for the way back.
struct body_of_gradient {
  std::shared_ptr<const Graph> source, body;  ///< the first so that its address is not given again
  std::vector<std::uint32_t> captures;  ///< places in the operands, then the gradients of outputs
  std::vector<bool> found;              ///< of what was asked for, what has a gradient
};
/// The bodies made so far, by all that they were made from: ops may own one body many times over, and at every depth.
using known_gradients = std::map<std::string, body_of_gradient>;

/// Gradients with respect to tensors of a graph (which may be an open body), given those of others.
/// Seeds of tensors without gradients, such as integers, are left out.
std::vector<std::optional<any_tensor>> pull_back(Graph& g, std::span<const gradient_seed> seeds,
                                                 std::span<const any_tensor> with_respect_to,
                                                 known_gradients& known);

/// The gradient rule of ops with bodies.
operand_gradients gradient_of_bodies(const gradient_args& a, known_gradients& known);

}  // namespace graft::detail
