// Regions made from regions, and from sets of ops.
#include <algorithm>
#include <set>

#include "graft/surgery/select.hpp"

#include "graph/read_of.hpp"
#include "surgery/index_set.hpp"
#include "surgery/region_data.hpp"

namespace graft {
namespace {

std::vector<graph_reference> handles(const Graph& g, const std::vector<tensor_id>& tensors) {
  std::vector<graph_reference> result;
  result.reserve(tensors.size());
  for (const tensor_id t : tensors) result.push_back(g.handle(t).ref());
  return result;
}

std::vector<tensor_id> pick(const Graph& g, const std::vector<tensor_id>& from,
                            const std::vector<std::size_t>& places, const char* what) {
  (void)g;
  std::vector<tensor_id> result;
  for (const std::size_t place : places) {
    if (place >= from.size()) {
      throw argument_error({std::string("a region was to be given another order of ") + what,
                            "it has " + std::to_string(from.size()) + " " + what +
                                ", none at place " + std::to_string(place),
                            "", "places count from 0"});
    }
    result.push_back(from[place]);
  }
  return result;
}

std::size_t place_of(const Graph& g, const std::vector<tensor_id>& list, const any_tensor& handle,
                     const std::string& what) {
  const tensor_id t = g.id(handle);
  const auto at = std::find(list.begin(), list.end(), t);
  if (at != list.end()) return static_cast<std::size_t>(at - list.begin());
  std::string names;
  for (std::size_t i = 0; i < list.size() && i < 8; ++i) {
    names += (i > 0 ? ", '" : "'") + g.path_of(list[i]) + "'";
  }
  if (list.size() > 8) names += " and " + std::to_string(list.size() - 8) + " more";
  throw boundary_error(
      {"the place of '" + g.path_of(t) + "' among the " + what + "s of a region was asked for",
       "it is no " + what + " of it", g.path_of(t),
       names.empty() ? "it has no " + what + "s" : "its " + what + "s are " + names});
}

std::vector<std::size_t> places_of(const Graph& g, const std::vector<tensor_id>& list,
                                   const std::vector<graph_reference>& chosen, const char* what) {
  std::vector<std::size_t> places;
  for (const graph_reference& r : chosen) {
    const tensor_id t = g.id(r);
    const auto at = std::find(list.begin(), list.end(), t);
    if (at == list.end()) {
      throw boundary_error({std::string("a region was to be given other ") + what + "s",
                            "'" + g.path_of(t) + "' is no " + what + " of it", g.path_of(t),
                            std::string("choose among its ") + what + "s"});
    }
    places.push_back(static_cast<std::size_t>(at - list.begin()));
  }
  return places;
}

}  // namespace

Region detail::cut_again(const Graph& g, const region_data& r, const std::vector<tensor_id>& inputs,
                         const std::vector<tensor_id>& outputs,
                         const std::vector<tensor_id>& hidden) {
  extract_options options;
  options.uncut = leaks::keep;
  options.inputs = unused::allow;
  options.crossing = reentry::allow;
  for (const tensor_id t : hidden) {
    if (std::find(inputs.begin(), inputs.end(), t) != inputs.end()) continue;
    if (const Array* value = detail::value_of(r, t)) {
      options.given.values.emplace_back(g.handle(t).ref(), *value);
    } else {
      options.hidden.push_back(g.handle(t).ref());
    }
  }
  auto answer = try_extract_region({handles(g, inputs)}, {handles(g, outputs)}, options);
  if (!answer) throw boundary_error(answer.error().parts);
  return *answer;
}

std::size_t Region::place_of_input(const any_tensor& t) const {
  return place_of(graph(), data_->inputs, t, "input");
}
std::size_t Region::place_of_output(const any_tensor& t) const {
  return place_of(graph(), data_->outputs, t, "output");
}

Region Region::with_inputs(const std::vector<std::size_t>& places) const {
  const Graph& g = detail::require_current(*data_);
  const std::vector<tensor_id> chosen = pick(g, data_->inputs, places, "inputs");
  std::vector<tensor_id> hidden = data_->kept;
  hidden.insert(hidden.end(), data_->inputs.begin(), data_->inputs.end());
  return detail::cut_again(g, *data_, chosen, data_->outputs, hidden);
}

Region Region::with_inputs(const input_list& chosen) const {
  const Graph& g = detail::require_current(*data_);
  return with_inputs(places_of(g, data_->inputs, chosen.tensors, "input"));
}

Region Region::with_outputs(const std::vector<std::size_t>& places) const {
  const Graph& g = detail::require_current(*data_);
  return detail::cut_again(g, *data_, data_->inputs, pick(g, data_->outputs, places, "outputs"),
                           data_->kept);
}

Region Region::with_outputs(const output_list& chosen) const {
  const Graph& g = detail::require_current(*data_);
  return with_outputs(places_of(g, data_->outputs, chosen.tensors, "output"));
}

Region Region::with_hidden_inputs() const {
  const Graph& g = detail::require_current(*data_);
  std::vector<tensor_id> inputs = data_->inputs, valued;
  for (const tensor_id t : data_->kept) (value_of(t) == nullptr ? inputs : valued).push_back(t);
  return detail::cut_again(g, *data_, inputs, data_->outputs, valued);
}

Region Region::without_unused_inputs() const {
  const Graph& g = detail::require_current(*data_);
  std::vector<tensor_id> used;
  for (std::size_t i = 0; i < data_->inputs.size(); ++i) {
    if (data_->input_used[i]) used.push_back(data_->inputs[i]);
  }
  return detail::cut_again(g, *data_, used, data_->outputs, data_->kept);
}

std::vector<op_id> Region::between() const {
  const region_data& r = *data_;
  const Graph& g = detail::require_current(r);
  const auto is_cut = [&](tensor_id t) {
    return std::binary_search(r.cuts.begin(), r.cuts.end(), t);
  };
  detail::index_set ahead, both;
  std::vector<op_id> open;
  const auto follow = [&](tensor_id t) {
    g.for_each_use(t.op, [&](const Graph::use& u, std::uint32_t output) {
      if (output == t.output && contains(u.user) && ahead.insert(u.user.value))
        open.push_back(u.user);
    });
  };
  for (const tensor_id input : r.inputs) follow(input);
  while (!open.empty()) {
    const op_id op = open.back();
    open.pop_back();
    for (std::uint32_t o = 0; o < g.output_count(op); ++o) {
      if (!is_cut({op, o})) follow({op, o});
    }
  }
  const auto need = [&](tensor_id t) {
    if (!is_cut(t) && ahead.contains(t.op.value) && both.insert(t.op.value)) open.push_back(t.op);
  };
  for (const tensor_id out : r.outputs) need(out);
  while (!open.empty()) {
    const op_id op = open.back();
    open.pop_back();
    for (const tensor_id operand : g.operands(op)) need(operand);
  }
  return both.sorted_as<op_id>(r.graph);
}

std::vector<obstacle> Region::obstacles() const {
  using kind = obstacle::kind;
  if (stale()) return {{kind::stale, {}, "its graph is gone, or its ops were edited since"}};
  const region_data& r = *data_;
  const Graph& g = graph();
  const region_report found = report();
  std::vector<obstacle> result;
  for (const tensor_id t : r.kept) {
    if (value_of(t) != nullptr) continue;
    result.push_back({kind::hidden_input, t, "it reads '" + g.path_of(t) + "', which is no input"});
  }
  for (const tensor_id t : found.unused_inputs) {
    result.push_back({kind::unused_input, t, "no output depends on '" + g.path_of(t) + "'"});
  }
  extract_options options;
  options.uncut = leaks::keep;
  options.inputs = unused::allow;
  options.hidden = handles(g, r.kept);
  const auto answer = try_extract_region({handles(g, r.inputs)}, {handles(g, r.outputs)}, options);
  if (!answer) {
    for (const boundary_finding& f : answer.error().findings) {
      result.push_back({kind::reentry, f.tensor, f.text});
    }
  }
  for (const auto& [before, after] : found.control_in) {
    result.push_back({kind::control_in,
                      {after, 0},
                      "'" + g.path_of(after) + "' waits for '" + g.path_of(before) + "' outside"});
  }
  for (const auto& [before, after] : found.control_out) {
    result.push_back({kind::control_out,
                      {before, 0},
                      "'" + g.path_of(after) + "' outside waits for '" + g.path_of(before) + "'"});
  }
  for (const op_id op : found.foreign_updates) {
    result.push_back({kind::foreign_update,
                      {op, 0},
                      "'" + g.path_of(op) + "' outside updates a variable of it"});
  }
  return result;
}

Region region_of_ops(const Graph& g, const std::vector<op_id>& ops,
                     const extract_options& options) {
  const op_boundary boundary = boundary_of(g, ops);
  std::set<tensor_id> bundled;
  std::set<op_id> updates;
  for (const op_id op : ops) {
    const auto v = detail::variable_read_by(g, op);
    if (!v) continue;
    const variable_info& info = g.variable_of(*v);
    bundled.insert(info.initial);
    updates.insert(info.own_updates.begin(), info.own_updates.end());
  }
  output_list out;
  for (const tensor_id t : boundary.outputs) {
    const bool taken_outside = !g.uses(t).empty();
    if (!taken_outside && (bundled.contains(t) || updates.contains(t.op))) continue;
    out.tensors.push_back(g.handle(t).ref());
  }
  auto answer = try_extract_region({handles(g, boundary.inputs)}, out, options);
  if (!answer) throw boundary_error(answer.error().parts);
  return *answer;
}

}  // namespace graft
