#include "graft/surgery/region.hpp"

#include <algorithm>

#include "graft/graph/tables.hpp"

#include "graph/foreign_ids.hpp"
#include "graph/lookup.hpp"
#include "graph/role_names.hpp"
#include "surgery/index_set.hpp"
#include "surgery/region_data.hpp"

namespace graft {

const std::vector<tensor_id>& Region::inputs() const& { return data_->inputs; }
const std::vector<tensor_id>& Region::outputs() const& { return data_->outputs; }
const std::vector<tensor_id>& Region::kept() const& { return data_->kept; }
const std::vector<op_id>& Region::nodes() const& { return data_->nodes; }
const std::vector<variable_id>& Region::variables() const& { return data_->variables; }
const std::vector<tensor_id>& Region::passthroughs() const& { return data_->passthroughs; }

const Array* Region::value_of(tensor_id t) const {
  if (!t.op.may_be_of(data_->graph)) {
    detail::refuse_foreign("a region was asked for the value of " + detail::in_words(t));
  }
  return detail::value_of(*data_, t);
}

bool Region::contains(op_id op) const {
  return op.may_be_of(data_->graph) && data_->places.find(op.value) != detail::place_map::none;
}
bool Region::contains(variable_id v) const {
  return v.may_be_of(data_->graph) &&
         std::binary_search(data_->variables.begin(), data_->variables.end(), v);
}

Graph& Region::graph() const {
  return detail::graph_behind(data_->slot, data_->generation, "a region");
}

bool Region::stale() const {
  const region_data& r = *data_;
  if (r.slot->graph == nullptr || r.slot->generation != r.generation) return true;
  const Graph& g = *r.slot->graph;
  if (g.version() == r.version) return false;
  const Graph::tables& t = g.data();
  const auto gone = [&](tensor_id tensor) { return !t.contains(tensor.op); };
  const auto lost = [&](op_id op) { return !t.contains(op); };
  // Where no op was ever removed, those are gone that lie behind the last one.
  const bool nodes_gone = t.ids_are_indices ? !r.nodes.empty() && lost(r.nodes.back())
                                            : std::any_of(r.nodes.begin(), r.nodes.end(), lost);
  return nodes_gone || std::any_of(r.cuts.begin(), r.cuts.end(), gone) ||
         std::any_of(r.outputs.begin(), r.outputs.end(), gone) ||
         std::any_of(r.variables.begin(), r.variables.end(),
                     [&](variable_id v) { return !g.contains(v); }) ||
         detail::edits_of(g, r) != r.fingerprint;
}

namespace detail {

const Array* value_of(const region_data& r, tensor_id t) {
  const auto at =
      std::lower_bound(r.values.begin(), r.values.end(), t,
                       [](const auto& entry, tensor_id key) { return entry.first < key; });
  return at == r.values.end() || at->first != t ? nullptr : &at->second;
}

std::uint64_t edits_of(const Graph& g, const region_data& r, bool edited, bool owning) {
  const Graph::tables& t = g.data();
  std::uint64_t hash = 0;
  const auto mix = [&hash](std::uint64_t what) {
    hash = (hash ^ what) * 0x9e3779b97f4a7c15ull;
    hash ^= hash >> 32;
  };
  // Most ops were never edited, and most variables own no update: those count for nothing, which is quick.
  for (std::size_t i = 0; edited && i < r.nodes.size(); ++i) {
    const op_id op = r.nodes[i];
    const std::uint32_t index = t.ids_are_indices ? op.value : t.index_of_id[op.value];
    const std::uint64_t stamp = t.ops[index].stamp;
    if (stamp == 0) continue;
    mix(op.value);
    mix(stamp);
  }
  for (std::size_t i = 0; owning && i < r.variables.size(); ++i) {
    const std::size_t updates = t.variables[r.variables[i].value].own_updates.size();
    if (updates == 0) continue;
    mix(r.variables[i].value);
    mix(updates);
  }
  return hash;
}

Graph& require_current(const region_data& r) {
  Graph& g = graph_behind(r.slot, r.generation, "a region");
  if (Region(std::shared_ptr<const region_data>(std::shared_ptr<void>(), &r)).stale()) {
    throw graph_error({"a region was used",
                       "its ops were edited or taken back since it was cut out", "",
                       "extract it again"});
  }
  return g;
}

}  // namespace detail

region_report Region::report() const {
  const region_data& r = *data_;
  const Graph& g = detail::require_current(r);
  const Graph::tables& t = g.data();
  region_report report;
  for (std::size_t i = 0; i < r.inputs.size(); ++i) {
    if (!r.input_used[i]) report.unused_inputs.push_back(r.inputs[i]);
  }
  std::vector<tensor_id> boundary = r.cuts;
  boundary.insert(boundary.end(), r.outputs.begin(), r.outputs.end());
  std::sort(boundary.begin(), boundary.end());

  for (const op_id op : r.nodes) {
    const std::uint32_t index = t.index(op);
    const Graph::tables::op_record& record = t.ops[index];
    if (record.schema->has(ops::random)) report.random.push_back(op);
    if (record.schema->has(ops::update) || record.schema->has(ops::effect))
      report.stateful.push_back(op);
    g.for_each_use(op, [&](const Graph::use& u, std::uint32_t output) {
      const tensor_id tensor{op, output};
      if (!contains(u.user) && !std::binary_search(boundary.begin(), boundary.end(), tensor)) {
        report.side_exits.push_back({tensor, u.user});
      }
    });
    for (const op_id before : g.control_predecessors(op)) {
      if (!contains(before)) report.control_in.emplace_back(before, op);
    }
    for (const op_id after : g.control_successors(op)) {
      if (!contains(after)) report.control_out.emplace_back(op, after);
    }
  }
  for (const variable_id v : r.variables) {
    for (const op_id op : detail::updates_of(g, v)) {
      if (!contains(op)) report.foreign_updates.push_back(op);
    }
  }
  std::vector<op_id>& updates = report.foreign_updates;
  std::sort(updates.begin(), updates.end(),
            [&](op_id x, op_id y) { return t.index(x) < t.index(y); });
  updates.erase(std::unique(updates.begin(), updates.end()), updates.end());
  return report;
}

namespace {

void add_line(std::string& text, const char* title, const std::vector<std::string>& items) {
  if (items.empty()) return;
  text += std::string("  ") + title + ":";
  for (std::size_t i = 0; i < items.size(); ++i) text += (i > 0 ? ", " : " ") + items[i];
  text += "\n";
}

}  // namespace

std::string to_string(const Region& region) {
  const Graph& g = region.graph();
  const region_report report = region.report();
  const auto tensors = [&](const std::vector<tensor_id>& list) {
    std::vector<std::string> items;
    for (const tensor_id t : list)
      items.push_back("'" + g.path_of(t) + "' " + to_string(g.type_of(t)));
    return items;
  };
  const auto ops = [&](const std::vector<op_id>& list) {
    std::vector<std::string> items;
    for (const op_id op : list) items.push_back("'" + g.path_of(op) + "'");
    return items;
  };
  const auto edges = [&](const std::vector<std::pair<op_id, op_id>>& list) {
    std::vector<std::string> items;
    for (const auto& [before, after] : list) {
      items.push_back("'" + g.path_of(before) + "' before '" + g.path_of(after) + "'");
    }
    return items;
  };
  std::string text = "region of " + std::to_string(region.nodes().size()) + " ops and " +
                     std::to_string(region.variables().size()) + " variables\n";
  add_line(text, "inputs", tensors(region.inputs()));
  add_line(text, "outputs", tensors(region.outputs()));
  add_line(text, "passing through", tensors(region.passthroughs()));
  std::vector<tensor_id> kept, valued;
  for (const tensor_id t : region.kept())
    (region.value_of(t) == nullptr ? kept : valued).push_back(t);
  add_line(text, "kept sources", tensors(kept));
  add_line(text, "given values", tensors(valued));
  std::vector<std::string> variables;
  for (const variable_id v : region.variables()) {
    const variable_info& info = g.variable_of(v);
    variables.push_back("'" + g.path_of(v) + "' " + to_string(info.type) + " (" +
                        detail::name_of(info.role) + (info.trainable ? "" : ", not trainable") +
                        ")");
  }
  add_line(text, "variables", variables);
  add_line(text, "unused inputs", tensors(report.unused_inputs));
  std::vector<std::string> exits;
  for (const region_report::exit& e : report.side_exits) {
    exits.push_back("'" + g.path_of(e.tensor) + "' -> '" + g.path_of(e.user) + "'");
  }
  add_line(text, "side exits", exits);
  add_line(text, "updates from outside", ops(report.foreign_updates));
  add_line(text, "random", ops(report.random));
  add_line(text, "stateful", ops(report.stateful));
  add_line(text, "waits from outside", edges(report.control_in));
  add_line(text, "waited for outside", edges(report.control_out));
  return text;
}

}  // namespace graft
