// Tensors that fit and do not fit one another, for the tests of what is refused.
#pragma once

#include "graft/graft.hpp"

namespace graft_test {

using namespace graft;

struct operands {
  Graph g;
  any_tensor p = placeholder<float, shape<dyn, 4>>(g, "p");
  any_tensor q = placeholder<float, shape<dyn, 5>>(g, "q");  // of another shape
  any_tensor i = placeholder<std::int32_t, shape<dyn, 4>>(g, "i");
  any_tensor u = placeholder<std::uint8_t, shape<dyn, 4>>(g, "u");
  any_tensor b = placeholder<bool, shape<dyn, 4>>(g, "b");
};

}  // namespace graft_test
