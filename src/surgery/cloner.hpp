// The work of one clone() call: first all decisions and checks, then the additions, inside one
// transaction.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "graph/body_edit.hpp"
#include "graph/building.hpp"
#include "graph/copy.hpp"
#include "graph/index_map.hpp"
#include "graph/inside_scope.hpp"
#include "surgery/body_owner.hpp"
#include "surgery/clone_data.hpp"
#include "surgery/index_set.hpp"

namespace graft::detail {

/// @param elements what the input's type becomes
/// @throws dtype_error, shape_error where a tensor cannot stand for an input
void check_replacement(const Graph& g, tensor_id input, const Graph& h, tensor_id replacement,
                       bool any_shape = false, element_types elements = {});

/// Makes others of the element types of a graph's ops, from one on, attributes that name types included, and works out
/// all their types anew. What they refer to must have been converted.
/// @throws dtype_error where an op cannot take what its operands became
void convert_elements(Graph& g, op_id first, element_types elements);

/// Makes the scopes of a path under the current one; those above the last may be there.
/// @throws name_error for a path that is none, and under names::exact where the last is there
scope_id append_scopes(Graph& g, std::string_view path, names naming);

/// What names::exact is refused with. @throws name_error
[[noreturn]] void refuse_taken_name(const std::string& name, const std::string& where);

/// True if a body among an op's attributes, at any depth, has an op of the other mode.
bool mode_differs(const Graph& owner, const attribute_view& attributes, bool training);

/// True where no copy joins any collection.
bool joins_none(const clone_options& options);
/// The collection that copies of the members of one join, or nothing.
std::optional<std::string> joined_in_place_of(const clone_options& options,
                                              std::string_view collection);

/// Values of variables of a region that a clone takes in place of those that they have.
using start_values = std::unordered_map<variable_id, Array>;

/// Takes back what a clone, or several, added to a graph. Ids may be given again where nobody has seen them; rules see
/// them. What a body took from around it goes too.
class clone_transaction {
 public:
  clone_transaction(Graph& target, const clone_options& options) {
    if (options.rules.empty() && !target.is_open_body()) {
      unseen_.emplace(target.data());
    } else {
      seen_.emplace(target);
    }
  }
  void commit() noexcept {
    if (unseen_) unseen_->commit();
    if (seen_) seen_->commit();
  }

 private:
  std::optional<steps> unseen_;
  std::optional<Graph::transaction> seen_;
};

/// An op as rules see it.
copied_op seen_by_rules(Graph& g, op_id copy, const Graph& origin, op_id source);

/// Operands that an op got besides its own, as its bodies take more.
struct more_operands {
  std::uint32_t at, count;
};
/// Where an operand is after that.
std::uint32_t moved_slot(std::uint32_t slot, const std::vector<more_operands>& by);

class cloner {
 public:
  /// @param starts for copied and frozen variables; null: all have their own. It must outlive the cloner
  /// @param body of a clone that goes into a body: this one makes its variables, in the outermost graph
  cloner(const Region& region, const clone_options& options, const start_values* starts = nullptr,
         cloner* body = nullptr);
  /// Reads a tensor of the target in the place of an input or of a variable's read, as the type that this becomes.
  void read_through_cast(tensor_id of_source, tensor_id instead) {
    casts_.emplace(of_source, instead);
  }
  Clone run();

 private:
  // Decisions: nothing changes.
  void resolve_bindings();     // bind.cpp
  void resolve_controls();     // controls.cpp
  void decide_variables();     // select.cpp
  void resolve_expressions();  // bind.cpp
  void find_bundles();         // body_variables.cpp
  void select_ops();           // select.cpp
  void select_needed();
  void select_affected();
  void keep_shared_bundles();
  void settle_variables();
  void capture_shared();
  void find_joined();
  void map_joined(const variable_image& image);
  void check_references();
  void check_scopes();  // scopes.cpp

  // Additions.
  void make_scopes();  // scopes.cpp
  void make_image_of(std::uint32_t scope);
  void add_scope_like(std::uint32_t scope, std::uint32_t parent);
  std::uint32_t name_in_target(std::uint32_t name);
  void add_around();  // body_variables.cpp
  [[nodiscard]] clone_options options_around() const;
  [[nodiscard]] bindings bound_around(const bindings& named) const;
  void scope_like_body();
  void take_in(const clone_data& around);
  void check_names();
  void add_placeholders();
  void add_stand_ins();
  void append_ops();
  op_id image_of_control(op_id before, op_id after);  // controls.cpp
  op_id image_of_outside(op_id before);
  void settle_controls();
  std::int64_t image_of_reference(attribute_kind kind, std::int64_t number);
  std::int64_t image_of_body(std::int64_t index);  // bodies.cpp
  std::shared_ptr<const Graph> changed_body(const std::shared_ptr<const Graph>& body);
  tensor_id add_cast(tensor_id of_source);  // element_types.cpp
  void require_initial(variable_id source, const variable_info& image) const;
  [[nodiscard]] bool elements_change(std::uint32_t index) const;
  void add_variables();
  [[nodiscard]] op_id image_of(op_id op) const;
  [[nodiscard]] tensor_id image_of(tensor_id t) const;
  void fetch_ahead(std::size_t i) const;
  void set_initial_key(const variable_image& image, const variable_info& info);
  void split_streams();
  void add_ways_back();
  void apply_rules();  // each_op.cpp
  void ask_rules(op_id copy);
  void refuse_source(const any_tensor& returned, const std::string& asked_about,
                     const body_owner* in) const;
  std::vector<any_tensor> asked_rules(copied_op op, const body_owner* in);
  [[noreturn]] void refuse_removed(tensor_id original, op_id user) const;
  std::vector<more_operands> rule_bodies(const copied_op& op,
                                         const body_owner* in);  // rule_bodies.cpp
  void rule_body(Graph& body, const Graph& source, const body_owner& owner);
  std::vector<op_id> start_with_images();
  void settle_rules(op_id first_of_rules);  // rule_results.cpp
  void forget_removed();
  void require_boundary() const;
  void find_updates(op_id first_of_rules);
  void replace_own_updates();
  void add_to_collections();
  void split_ties();  // ties.cpp
  void refuse_update_of(const variable_image& image, op_id update) const;
  std::vector<graph_reference> make_further(const variable_image& image, const Region& bundle,
                                            tensor_id made_of, std::size_t count);
  void add_further(const variable_image& image, const Clone& made);
  void add_further_update(op_id first, op_id further);

  /// True where the clone goes into an open body, and the source is the graph around that has the variables.
  [[nodiscard]] bool is_around() const { return !same_graph_ && &owner_ == &source_; }
  [[nodiscard]] bool is_new(const variable_image& image) const {
    return is_own(image) && !in_body_;
  }
  /// True for those that a clone in a body gets, which are new ones of the outermost graph. The body reads them as it
  /// reads other tensors from around it.
  [[nodiscard]] bool made_around(const variable_image& image) const {
    return is_own(image) && in_body_;
  }
  [[nodiscard]] bool is_own(const variable_image& image) const {
    return image.policy == variable_policy::fresh || image.policy == variable_policy::copied ||
           (image.policy == variable_policy::shared && !same_graph_ &&
            !joined_.contains(image.source.value));
  }
  /// True for variables in whose place the clone reads another tensor.
  [[nodiscard]] bool stands_in(const variable_image& image) const {
    return clone_data::stands_in(image.policy) || joined_.contains(image.source.value) ||
           made_around(image);
  }
  /// True for a replaced read for which an op is added. Others are settled before: resolve_expressions,
  /// map_joined.
  [[nodiscard]] bool adds_stand_in(op_id read) const {
    const variable_policy policy = data_->image_of(read_by(source_.data().index(read)))->policy;
    return policy == variable_policy::frozen || policy == variable_policy::linked ||
           casts_.contains({read, 0});
  }
  /// True for variables that the clone gets; of the new ones those that its ops need.
  [[nodiscard]] bool is_made(const variable_image& image) const {
    return is_new(image) && image.image.valid() && !(same_graph_ && image.image == image.source);
  }
  [[nodiscard]] bool keeps_streams(const variable_image& image) const {
    return options_.streams == seeds::same || image.policy == variable_policy::shared;
  }
  /// The variable that an op reads, as far as it is a plain read; an invalid id otherwise.
  [[nodiscard]] variable_id read_by(std::uint32_t index) const;
  [[nodiscard]] bool mode_changes(std::uint32_t index) const;
  [[nodiscard]] bool splits_shared(const variable_info& v) const;
  [[nodiscard]] std::uint32_t place_of(op_id op) const { return r_.places.find(op.value); }
  [[nodiscard]] bool is_cut(tensor_id t) const;
  /// The value that a copied or frozen variable starts with, or nothing.
  [[nodiscard]] std::optional<Array> start_of(variable_id v) const;
  [[nodiscard]] bool converts() const { return options_.elements.to != dtype::any; }
  [[nodiscard]] value_type converted(value_type v) const {
    v.type = options_.elements(v.type);
    return v;
  }
  [[nodiscard]] Array converted(const Array& value) const {
    const dtype type = options_.elements(value.type());
    return type == value.type() ? value : value.cast(type);
  }
  void set_key(op_id op, std::uint64_t key);
  /// The key of a stream of the clone, from the one that its path gives.
  [[nodiscard]] std::uint64_t key_from(std::uint64_t of_path) const {
    const auto number = options_.streams.number();
    return number ? mixed_key(of_path, *number) : of_path;
  }
  [[nodiscard]] std::uint64_t key_of_copy(op_id op) {
    if (!keys_) keys_.emplace(target_.data(), scopes_.size());
    return key_from(keys_->of(target_.data().index(op)));
  }

  const clone_options& options_;
  const start_values* starts_;
  const region_data& r_;
  Graph& source_;
  Graph& target_;
  Graph& owner_;  // of new variables: of an open body the outermost graph, otherwise the target
  const bool same_graph_;
  const bool in_body_;                // an open one
  cloner* const body_;                // whose variables are made
  const std::uint32_t source_key_;    // the number of the text "key" in the source
  std::uint32_t target_key_ = no_id;  // and in the target, once it is there
  std::shared_ptr<clone_data> data_;

  bool infer_again_ = false;
  std::vector<tensor_id> unbound_;
  std::vector<tensor_id> valued_;     // not bound, with values of the region's
  std::vector<tensor_id> converted_;  // of the source, read through casts
  std::unordered_map<tensor_id, tensor_id>
      casts_;  // what these and reads of variables are cast from, if not themselves
  index_map<variable_id> joined_;      // shared variables that another graph has already: by source
  index_set needed_variables_;         // unless all are
  std::optional<Region> bundles_;      // of the variables that a clone in a body gets
  op_indices copies_;                  // the ops to copy, by dense index
  std::vector<std::uint32_t> listed_;  // the same, unless they are consecutive
  // Where all ops of the region were copied and are consecutive: their indices, which are their ids, and the index of
  // the first copy.
  std::uint32_t run_first_ = 0, run_count_ = 0, run_copy_ = 0;
  std::vector<op_id> replaced_reads_;  // of frozen, linked and replaced variables; ascending
  std::vector<op_id> random_ops_;      // of the source
  struct bound_control {
    op_id instead;
    bool used = false;
  };
  std::unordered_map<op_id, bound_control> bound_controls_;  // by op outside the region
  op_id waiting_;         // the op whose control edges are asked for
  index_set waited_for_;  // what its copy waits for besides copies
  struct asked_update {
    std::uint32_t outputs;
    op_id first, end;  // of what rules added when they were asked about it
  };
  std::unordered_map<op_id, asked_update> updates_;  // of the source, copied
  index_set initial_ops_;         // of the target: their streams are their variables'
  std::vector<scope_id> scopes_;  // of what is copied
  index_map<std::uint32_t> scope_images_;
  struct name_pair {
    std::uint32_t source = no_id, target = no_id;
  };
  std::array<name_pair, 16> scope_names_;  // those met last, by number
  std::unordered_map<std::int64_t, std::int64_t> constant_images_;
  std::unordered_map<const Graph*, std::shared_ptr<const Graph>> body_images_;
  /// What rules made of bodies; where these take more than they did, in each graph around them.
  std::map<std::pair<const Graph*, const Graph*>, other_body> ruled_bodies_;
  scope_id base_;                  // of the source: not repeated
  std::uint32_t first_scope_ = 0;  // of those made for the clone
  op_id first_op_;                 // of those added
  op_id first_around_;             // of those added around the body
  std::optional<path_keys> keys_;
};

}  // namespace graft::detail
