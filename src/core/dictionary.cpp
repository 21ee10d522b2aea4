#include "graft/core/dictionary.hpp"

#include <algorithm>

namespace graft::detail {

void sort_entries(std::span<const void*> entries,
                  function_ref<bool(const void*, const void*)> before) {
  std::sort(entries.begin(), entries.end(), before);
}

}  // namespace graft::detail
