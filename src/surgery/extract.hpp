// The backward closure that makes a region, shared by the cut itself and by the account of what is
// wrong with it.
#pragma once

#include <vector>

#include "graft/graph/tables.hpp"

#include "surgery/index_set.hpp"
#include "surgery/region_data.hpp"

namespace graft::detail {

/// How one op of a closure leads to another.
enum class lead : std::uint8_t { data, initial, own_update, read, control };

/// Calls f(tensor, lead) for all that an op needs inside a region: its operands in order, ops with
/// effects that it waits for, and the bundles of variables it refers to. `on_variable(v)` says
/// whether a bundle is wanted: once each.
template <class OnVariable, class F>
void for_each_need(const Graph& g, std::uint32_t index, OnVariable&& on_variable, F&& f) {
  const Graph::tables& t = g.data();
  const Graph::tables::op_record& r = t.ops[index];
  for (const Graph::tables::edge& e : t.operands_of(index)) {
    f(tensor_id{t.id(e.producer), e.output}, e.producer, lead::data);
  }
  for (std::uint32_t c = r.control_in; c != Graph::tables::none; c = t.controls[c].next_in) {
    const std::uint32_t before = t.controls[c].before;
    if (t.ops[before].schema->has(ops::effect))
      f(tensor_id{t.id(before), 0}, before, lead::control);
  }
  if (!t.marked(r)) return;
  for_each_variable(g, t.stored(r), [&](variable_id v) {
    if (!on_variable(v)) return;
    const variable_info& info = t.contains(v) ? t.variables[v.value] : g.variable_of(v);
    if (info.read.valid()) f(info.read, t.index(info.read.op), lead::read);
    if (info.initial.valid()) f(info.initial, t.index(info.initial.op), lead::initial);
    for (const op_id update : info.own_updates) {
      f(tensor_id{update, 0}, t.index(update), lead::own_update);
    }
  });
}

/// The boundary tensors, for quick look-up while walking.
class cut_set {
 public:
  cut_set() = default;
  /// @param tensors in any order, without repetition
  cut_set(const Graph& g, const std::vector<tensor_id>& tensors);

  /// Place in the list given, or -1.
  [[nodiscard]] int find(std::uint32_t producer, std::uint32_t output) const {
    if (producer < first_ || producer > last_) return -1;
    return search(producer, output);
  }

 private:
  struct entry {
    std::uint32_t producer, output;
    int place;
  };
  [[nodiscard]] int search(std::uint32_t producer, std::uint32_t output) const;

  std::vector<entry> entries_;  // sorted
  std::uint32_t first_ = 1, last_ = 0;
};

struct closure_result {
  index_set ops;
  index_set variables;
  std::vector<std::uint32_t> sources;  ///< open sources met, ascending; not in `ops`
  std::vector<bool> cut_used;
  index_set scopes;     ///< of ops
  bool edited = false;  ///< some op has been edited
  bool owning = false;  ///< some variable owns an update
};

enum class own_updates : std::uint8_t { follow, leave };
/// All that outputs need, stopped at the cuts.
closure_result close_backwards(const Graph& g, const cut_set& cuts, std::size_t cut_count,
                               const std::vector<tensor_id>& outputs,
                               own_updates updates = own_updates::follow);

/// What variables of a region are made of, from their reads back: these, the initial values and all that they need,
/// without updates. Cut where the region is.
Region bundles_of(Graph& g, const region_data& r, const std::vector<tensor_id>& reads);

/// Findings, with paths and texts, and the sentence for them.
struct diagnosis_request {
  const Graph& g;
  const std::vector<tensor_id>& inputs;
  const std::vector<tensor_id>& outputs;
  const cut_set& cuts;
  const closure_result& closure;
};
std::vector<boundary_finding> explain_sources(const diagnosis_request& r);
std::vector<boundary_finding> explain_unused(const diagnosis_request& r);
std::vector<boundary_finding> find_reentries(const diagnosis_request& r);
boundary_problem make_problem(const Graph* g, const std::vector<tensor_id>& inputs,
                              const std::vector<tensor_id>& outputs,
                              std::vector<boundary_finding> findings);

}  // namespace graft::detail
