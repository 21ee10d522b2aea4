// What a Clone holds.
#pragma once

#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "graft/surgery/clone.hpp"

#include "surgery/region_data.hpp"

namespace graft {

struct clone_data {
  explicit clone_data(Region r) : region(std::move(r)) {}

  // In place of the number of a copy, for ops of the region that were not copied.
  static constexpr std::uint32_t dropped = 0xffffffffu;   ///< no image
  static constexpr std::uint32_t itself = 0xfffffffeu;    ///< shared: its own image
  static constexpr std::uint32_t replaced = 0xfffffffdu;  ///< its image is in `stand_ins`

  Region region;
  graph_slot* slot = nullptr;
  std::uint32_t generation = 0;
  std::uint32_t target = 0;  ///< the number of the clone's graph
  bool same_graph = true;
  bool reshaped = false;        ///< inputs may have other shapes
  element_types elements;       ///< what types became
  bool ruled = false;           ///< a rule saw the copies: their attributes may differ
  std::optional<mode> as_mode;  ///< the one that was asked for
  scope_id scope;

  /// Copies have consecutive ids. Where all ops of the region were copied, copy k is of node k and
  /// both lists are empty.
  std::uint32_t first_id = 0;
  std::uint32_t count = 0;
  std::vector<std::uint32_t> copy_of_place;  ///< number of the copy, or one of the above
  std::vector<std::uint32_t> place_of_copy;

  std::unordered_map<tensor_id, tensor_id> cut_images;  ///< of inputs and kept sources
  std::unordered_map<tensor_id, tensor_id> cut_originals;
  /// What takes the place of reads of frozen, linked and replaced variables, and the way back.
  std::unordered_map<op_id, tensor_id> stand_ins;
  std::unordered_map<tensor_id, op_id> stand_in_originals;
  /// Outputs in whose place a rule put other tensors, and the way back; what another rule removed again is not valid.
  std::unordered_map<tensor_id, tensor_id> rewired;
  std::unordered_map<tensor_id, tensor_id> rewired_originals;
  /// Ops of the further parameters of split ties, and what they are copies of.
  std::unordered_map<op_id, op_id> further_originals;
  std::vector<op_id> extra;            ///< all that was added besides the copies, ascending
  std::vector<variable_image> images;  ///< ascending by source
  /// Pairs of (image, source), ascending.
  std::vector<std::pair<variable_id, variable_id>> variable_originals;
  /// Pairs of (source, a further image), ascending.
  std::vector<std::pair<variable_id, variable_id>> splits;
  /// What became of updates that have not their copy for their one image: what rules made of them, none where they
  /// dropped them, and those of the further parameters of split ties. @see updates_for
  std::unordered_map<op_id, std::vector<op_id>> update_images;
  /// Of control edges into the region: ascending by what waits, then by what it waits for.
  std::vector<control_image> control_images;
  std::vector<variable_id> created;  ///< fresh, copied, and made by rules; ascending
  std::vector<variable_id> unset;    ///< those of these that had no value then
  graph_slot* owner = nullptr;       ///< the graph of these: of an open body the outermost one
  std::uint32_t owner_generation = 0;
  std::uint32_t owner_number = 0;
  /// Of a clone in an open body that has variables of its own: the clone of these and their initial values in the
  /// outermost graph.
  std::shared_ptr<const clone_data> around;

  [[nodiscard]] const region_data& source() const { return *region.data(); }
  [[nodiscard]] const variable_image* image_of(variable_id v) const;
  /// True for policies that put another tensor in the place of a variable's read.
  [[nodiscard]] static bool stands_in(variable_policy p) {
    return p == variable_policy::frozen || p == variable_policy::linked ||
           p == variable_policy::replaced;
  }
  [[nodiscard]] std::uint32_t copy_number(std::uint32_t place) const {
    return copy_of_place.empty() ? place : copy_of_place[place];
  }
  [[nodiscard]] std::uint32_t place_number(std::uint32_t copy) const {
    return place_of_copy.empty() ? copy : place_of_copy[copy];
  }
  /// The graph the clone is in, or nullptr if it is gone.
  [[nodiscard]] const Graph* graph() const;
  /// True while the graph has the clone's scope, which goes with the last of its ops. @throws handle_error
  [[nodiscard]] bool has_scope() const;
  /// The graph of the new variables. @throws handle_error if it is gone
  [[nodiscard]] Graph& variables_graph() const;
  /// The variables among some that were not removed since; all of them where the graph is gone.
  [[nodiscard]] std::vector<variable_id> present(std::vector<variable_id> some) const;
  [[nodiscard]] op_id copy(std::uint32_t number) const { return op_id{first_id + number, target}; }
  [[nodiscard]] bool is_copy(op_id op) const { return op.value - first_id < count; }
  /// The images of an update, removed ones included.
  [[nodiscard]] std::vector<op_id> updates_for(op_id update) const;

  [[nodiscard]] std::optional<op_id> forward(op_id op) const;
  [[nodiscard]] std::optional<tensor_id> forward(tensor_id t) const;
  [[nodiscard]] std::optional<variable_id> forward(variable_id v) const;
  [[nodiscard]] std::optional<op_id> backward(op_id op) const;
  [[nodiscard]] std::optional<tensor_id> backward(tensor_id t) const;
  [[nodiscard]] std::optional<variable_id> backward(variable_id v) const;
};

}  // namespace graft
