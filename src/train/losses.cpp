#include "graft/train/losses.hpp"

#include <string>

namespace graft::detail {

void refuse_delta(double delta) {
  throw argument_error({"Huber's loss was asked for with delta " + std::to_string(delta),
                        "delta must be finite and positive", "", "pass for example 1.0"});
}

void refuse_factor(double factor) {
  throw argument_error({"a regularization was asked for with the factor " + std::to_string(factor),
                        "the factor must be finite", "", "pass for example 1e-4"});
}

}  // namespace graft::detail
