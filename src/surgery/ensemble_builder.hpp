// The work of one ensemble() call: first what it was told, then the additions, inside one transaction.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "graft/graph/tables.hpp"

#include "graph/read_of.hpp"
#include "surgery/cloner.hpp"
#include "surgery/ensemble_data.hpp"

namespace graft::detail {

class ensemble_builder {
 public:
  ensemble_builder(const Region& region, std::size_t members, const ensemble_options& options);
  Ensemble run();

 private:
  // What it was told: ensemble_choices.cpp
  void check_choices(std::size_t members) const;
  void resolve_inputs();
  void resolve(const graph_reference& from, const graph_reference& to, bool stacked);
  void check_stacked(tensor_id key, tensor_id value) const;
  void decide();
  void add_inputs();

  // Ops: ensemble_ops.cpp
  scope_id scope_of(scope_id s);
  void build(tensor_id wanted);
  void open_needs(op_id op, std::vector<op_id>& open);
  void add_op(op_id op);
  void note_made(op_id op, std::size_t first, const std::vector<member_tensor>& results);
  void add_control_edges();
  void add_to_collections();
  [[nodiscard]] bool has_image(const member& m) const;
  std::vector<member> images_of(const member& m);

  // Variables: ensemble_variables.cpp
  member_tensor make_variable(variable_id v);
  tensor_id stacked_initial(const variable_info& info, const std::string& name);
  bool reads_variables(op_id op);
  bool waits_for_initial(variable_id v);

  // Updates: ensemble_updates.cpp
  void add_update(op_id op);
  void add_own_updates();

  [[nodiscard]] std::optional<variable_id> read_by(op_id op) const {
    return variable_read_by(g_, op);
  }
  [[nodiscard]] variable_id updated_by(op_id op) const {
    return g_.data().variable(g_.attributes_of(op).integer("variable"));
  }
  // True for an op of the region that others wait for although they take nothing from it.
  [[nodiscard]] bool is_assertion(op_id op) const {
    return r_.places.find(op.value) != place_map::none && g_.schema_of(op).has(ops::effect);
  }
  [[nodiscard]] bool owns(variable_id v) const {
    const auto policy = policies_.find(v);
    return policy != policies_.end() &&
           (policy->second == variable_policy::fresh || policy->second == variable_policy::copied);
  }

  const ensemble_options& options_;
  const region_data& r_;
  Graph& g_;
  std::shared_ptr<ensemble_data> data_;
  std::shared_ptr<body_changes> changes_;
  stacker rule_;
  std::unordered_map<variable_id, variable_policy> policies_;
  std::unordered_map<std::uint32_t, scope_id> scopes_;
  index_set built_;
  std::unordered_map<std::uint32_t, std::vector<op_id>> made_;  // by op of the source
  std::unordered_set<std::uint32_t> making_;  // variables whose initial values were asked for
  std::unordered_map<std::uint32_t, bool> reading_;  // by op: whether it depends on variables
};

}  // namespace graft::detail
