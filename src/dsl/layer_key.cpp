#include "graft/dsl/layer_key.hpp"

#include <mutex>
#include <string>
#include <unordered_set>

#include "graft/core/error.hpp"

namespace graft::detail {

std::string_view interned_key(std::string_view key) {
  static std::mutex guard;
  static std::unordered_set<std::string> all;  // elements stay where they are
  const std::lock_guard lock(guard);
  return *all.emplace(key).first;
}

void refuse_empty_key() {
  throw argument_error({"a layer was to share its variables", "the key is empty", "",
                        "give the key that the layers have in common"});
}

}  // namespace graft::detail
