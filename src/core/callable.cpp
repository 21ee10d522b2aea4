#include "graft/core/callable.hpp"

#include <functional>

namespace graft::detail {

void refuse_empty_call() { throw std::bad_function_call(); }

}  // namespace graft::detail
