#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <shared_mutex>

#include "graft/graph/operator.hpp"

#include "ops/families.hpp"

namespace graft {
namespace {

// All operators by name. Definitions stay where they are, so pointers to them are good for ever.
class operator_registry {
 public:
  operator_registry() {
    std::vector<operator_definition> all;
    add_elementwise_operators(all);
    add_activation_operators(all);
    add_logic_operators(all);
    add_source_operators(all);
    add_random_operators(all);
    add_matmul_operators(all);
    add_reduce_operators(all);
    add_shape_operators(all);
    add_slicing_operators(all);
    add_gather_operators(all);
    add_softmax_operators(all);
    add_conv_operators(all);
    add_pool_operators(all);
    add_normalize_operators(all);
    add_dropout_operators(all);
    add_control_operators(all);
    add_optimizer_operators(all);
    add_squared_norm(all);
    for (const operator_definition& d : all) add(d);
    for (const auto& [name, definition] : by_name_) built_in_.emplace(name);
  }

  void add(const operator_definition& definition) {
    if (definition.schema == nullptr || definition.schema->name.empty() ||
        definition.schema->infer == nullptr) {
      throw argument_error({"an operator was registered", "its schema has no name or no shape rule",
                            "", "set schema to an operator_schema with both"});
    }
    const std::string name(definition.schema->name);
    const std::unique_lock lock(mutex_);
    if (by_name_.contains(name)) {
      throw name_error({"an operator '" + name + "' was registered",
                        "there is one of that name already", "", "give it a name of its own"});
    }
    definitions_.push_back(definition);
    by_name_.emplace(name, &definitions_.back());
  }
  const operator_definition* find(std::string_view name) const {
    const std::shared_lock lock(mutex_);
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : found->second;
  }
  bool is_built_in(std::string_view name) const { return built_in_.contains(name); }
  std::vector<const operator_definition*> all() const {
    const std::shared_lock lock(mutex_);
    std::vector<const operator_definition*> result;
    for (const auto& [name, definition] : by_name_) result.push_back(definition);
    return result;
  }

 private:
  mutable std::shared_mutex mutex_;
  std::deque<operator_definition> definitions_;
  std::map<std::string, const operator_definition*, std::less<>> by_name_;
  std::set<std::string, std::less<>> built_in_;  // never changes
};

// Made at first use, by one thread, and never destroyed: objects with static lifetime may use it.
operator_registry& registry() {
  static operator_registry& instance = *new operator_registry;
  return instance;
}

}  // namespace

void register_operator(const operator_definition& definition) { registry().add(definition); }
const operator_definition* find_operator(name_view name) { return registry().find(name); }
std::vector<const operator_definition*> all_operators() { return registry().all(); }
bool detail::is_built_in(name_view operator_name) { return registry().is_built_in(operator_name); }

}  // namespace graft
