// Whether surgery enters bodies.
#pragma once

#include <cstdint>

namespace graft {

/// What rules are asked about. @see each_op, rewrite
enum class bodies : std::uint8_t {
  enter,  ///< the ops of bodies of cond, while_loop and scan too, at any depth
  skip,   ///< the graph's own ops only
};

}  // namespace graft
