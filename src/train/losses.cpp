#include "graft/train/losses.hpp"

#include <string>

#include "core/where.hpp"

namespace graft::detail {

void refuse_delta(double delta, source_line here) {
  throw argument_error({"Huber's loss was asked for with delta " + std::to_string(delta),
                        "delta must be finite and positive", where(here), "pass for example 1.0"});
}

void refuse_factor(double factor, source_line here) {
  throw argument_error({"a regularization was asked for with the factor " + std::to_string(factor),
                        "the factor must be finite", where(here), "pass for example 1e-4"});
}

void refuse_penalty(std::string_view penalty, std::string_view parameter, const value_type& got,
                    source_line here) {
  throw dtype_error({std::string(penalty) + " was called on " + std::string(parameter),
                     "its elements are " + std::string(name_of(got.type)), where(here),
                     "pass a parameter of floating elements, or insert cast<float>(x)"});
}

}  // namespace graft::detail
