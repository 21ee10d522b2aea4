// How large values may get.
#pragma once

#include "graft/core/dims.hpp"

namespace graft::detail {

/// No process can address more; asking the allocator for it would only confuse sanitizers.
inline constexpr extent most_bytes = extent{1} << 47;

/// Whether a value of that shape and element size fits.
constexpr bool is_addressable(const dims& shape, std::size_t element_bytes) {
  extent bytes = static_cast<extent>(element_bytes > 0 ? element_bytes : 1);
  for (const extent e : shape) {
    if (e == 0) return true;
  }
  for (const extent e : shape) {
    if (__builtin_mul_overflow(bytes, e, &bytes)) return false;
  }
  return bytes <= most_bytes;
}

}  // namespace graft::detail
