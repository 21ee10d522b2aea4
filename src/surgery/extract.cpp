#include "surgery/extract.hpp"

#include <algorithm>
#include <set>

#include "graph/building.hpp"
#include "surgery/own_updates.hpp"

namespace graft {
namespace detail {

cut_set::cut_set(const Graph& g, const std::vector<tensor_id>& tensors) {
  entries_.reserve(tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    entries_.push_back({g.data().index(tensors[i].op), tensors[i].output, static_cast<int>(i)});
  }
  std::sort(entries_.begin(), entries_.end(), [](const entry& a, const entry& b) {
    return a.producer != b.producer ? a.producer < b.producer : a.output < b.output;
  });
  if (!entries_.empty()) {
    first_ = entries_.front().producer;
    last_ = entries_.back().producer;
  }
}

int cut_set::search(std::uint32_t producer, std::uint32_t output) const {
  const auto found = std::lower_bound(entries_.begin(), entries_.end(), entry{producer, output, 0},
                                      [](const entry& a, const entry& b) {
                                        return a.producer != b.producer ? a.producer < b.producer
                                                                        : a.output < b.output;
                                      });
  if (found == entries_.end() || found->producer != producer || found->output != output) return -1;
  return found->place;
}

closure_result close_backwards(const Graph& g, const cut_set& cuts, std::size_t cut_count,
                               const std::vector<tensor_id>& outputs, own_updates updates) {
  const Graph::tables& t = g.data();
  closure_result result;
  result.cut_used.resize(cut_count, false);
  std::vector<std::uint32_t> open;
  const auto need = [&](std::uint32_t producer, std::uint32_t output, bool as_tensor) {
    if (as_tensor) {
      const int cut = cuts.find(producer, output);
      if (cut >= 0) {
        result.cut_used[static_cast<std::size_t>(cut)] = true;
        return;
      }
    }
    if (result.ops.insert(producer)) open.push_back(producer);
  };
  const auto on_variable = [&](variable_id v) { return result.variables.insert(v.value); };
  std::uint32_t scope = Graph::tables::none;

  for (const tensor_id out : outputs) need(t.index(out.op), out.output, true);
  while (!open.empty()) {
    const std::uint32_t index = open.back();
    open.pop_back();
    if (is_open_source(t, index)) {
      result.sources.push_back(index);
      continue;
    }
    const Graph::tables::op_record& r = t.ops[index];
    // Not asked as a rule: the end of a record may be in a cache line of its own.
    if (t.stamped && r.stamp != 0) result.edited = true;
    if (r.scope != scope) result.scopes.insert(scope = r.scope);
    // Reads, updates and effects are needed as ops, even where their tensor is cut.
    for_each_need(g, index, on_variable, [&](tensor_id wanted, std::uint32_t producer, lead by) {
      result.owning = result.owning || by == lead::own_update;
      if (by == lead::own_update && updates == own_updates::leave) return;
      need(producer, wanted.output, by == lead::data || by == lead::initial);
    });
  }
  std::sort(result.sources.begin(), result.sources.end());
  for (const std::uint32_t source : result.sources) result.ops.erase(source);
  return result;
}

Graph& graph_behind(graph_slot* slot, std::uint32_t generation, const char* what) {
  if (slot == nullptr || slot->graph == nullptr || slot->generation != generation) {
    throw handle_error({std::string(what) + " was used", "its graph is gone", "",
                        "keep the Graph alive for as long as what was made from it is used"});
  }
  return *slot->graph;
}

}  // namespace detail

namespace {

using detail::closure_result;
using detail::cut_set;

std::string handle_fault(const Graph* home, const graph_reference& r) {
  if (r.slot == nullptr) return "an empty handle";
  if (r.slot->graph == nullptr || r.slot->generation != r.generation) {
    return "a handle whose graph is gone";
  }
  if (r.slot->graph != home) {
    return "'" + r.slot->graph.load()->path_of(r.id) + "' of another graph";
  }
  return "a handle of an op that was removed";
}

// The graph of the first handle that has one.
Graph* home_of(const input_list& in, const output_list& out) {
  for (const auto* list : {&out.tensors, &in.tensors}) {
    for (const graph_reference& r : *list) {
      if (r.slot != nullptr && r.slot->graph != nullptr && r.slot->generation == r.generation) {
        return r.slot->graph;
      }
    }
  }
  return nullptr;
}

bool is_valid(const Graph& home, const graph_reference& r) {
  if (r.slot == nullptr || r.slot->generation != r.generation || r.slot->graph != &home)
    return false;
  return home.contains(r.id.op) && r.id.output < home.output_count(r.id.op);
}

// In an open body: what stands for a tensor from outside.
std::optional<tensor_id> input_of_body(const Graph* home, const graph_reference& r) {
  const bool alive = home != nullptr && r.slot != nullptr && r.slot->generation == r.generation;
  return alive ? detail::captured(*home, r) : std::nullopt;
}

std::vector<tensor_id> resolve(const Graph* home, const std::vector<graph_reference>& handles,
                               const char* role, std::vector<boundary_finding>& findings) {
  std::vector<tensor_id> result;
  for (std::size_t i = 0; i < handles.size(); ++i) {
    if (home != nullptr && is_valid(*home, handles[i])) {
      result.push_back(handles[i].id);
    } else if (const auto inside = input_of_body(home, handles[i])) {
      result.push_back(*inside);
    } else {
      findings.push_back(
          {boundary_fault::foreign,
           {},
           {},
           std::string(role) + " " + std::to_string(i) + " is " + handle_fault(home, handles[i])});
    }
  }
  return result;
}

void find_duplicates(const Graph& g, const std::vector<tensor_id>& inputs,
                     std::vector<boundary_finding>& findings) {
  std::vector<tensor_id> sorted = inputs;
  std::sort(sorted.begin(), sorted.end());
  for (std::size_t i = 1; i < sorted.size(); ++i) {
    if (sorted[i] != sorted[i - 1] || (i > 1 && sorted[i] == sorted[i - 2])) continue;
    findings.push_back({boundary_fault::duplicate_input,
                        sorted[i],
                        {},
                        "'" + g.path_of(sorted[i]) + "' is given as input more than once"});
  }
}

struct hidden_cut {
  tensor_id tensor;
  const Array* value = nullptr;
};

void check_value(const Graph& g, tensor_id t, const Array& value) {
  const value_type wanted = g.type_of(t), got = value_type::of(value.type(), value.shape());
  if (value.type() != dtype::any && detail::may_be(wanted, got)) return;
  const error_parts parts{"'" + g.path_of(t) + "' was given the value of a region",
                          "it is " + to_string(wanted) + ", the value " +
                              (value.type() == dtype::any ? "is empty" : to_string(got)),
                          g.path_of(t), "give a value of the tensor's type"};
  if (wanted.type != dtype::any && wanted.type != got.type) throw dtype_error(parts);
  throw shape_error(parts);
}

// Tensors with values and other cuts that are no inputs.
std::vector<hidden_cut> resolve_hidden(const Graph& home, const extract_options& options,
                                       const std::vector<tensor_id>& inputs,
                                       std::vector<boundary_finding>& findings) {
  std::vector<graph_reference> handles;
  for (const auto& [t, value] : options.given.values) handles.push_back(t);
  const std::size_t before = findings.size();
  const std::vector<tensor_id> given =
      resolve(&home, handles, "the tensor of given value", findings);
  if (findings.size() != before) return {};
  std::vector<hidden_cut> hidden;
  std::set<tensor_id> met(inputs.begin(), inputs.end());
  for (std::size_t i = 0; i < given.size(); ++i) {
    const Array& value = options.given.values[i].second;
    check_value(home, given[i], value);
    if (met.insert(given[i]).second) {
      hidden.push_back({given[i], &value});
      continue;
    }
    const bool is_input = std::find(inputs.begin(), inputs.end(), given[i]) != inputs.end();
    findings.push_back({boundary_fault::duplicate_input,
                        given[i],
                        {},
                        "'" + home.path_of(given[i]) +
                            (is_input ? "' is both an input and given a value"
                                      : "' is given a value more than once")});
  }
  for (const tensor_id t : resolve(&home, options.hidden, "hidden input", findings)) {
    if (met.insert(t).second) hidden.push_back({t, nullptr});
  }
  return hidden;
}

// What layers that are applied inside take where they are applied outside. Only the updates of their variables, which
// follow from all applications, have led there.
std::vector<tensor_id> taken_outside(const Graph& g, const cut_set& cuts, std::size_t cut_count,
                                     const std::vector<tensor_id>& outputs,
                                     const closure_result& all) {
  std::vector<tensor_id> taken;
  const closure_result inside =
      detail::close_backwards(g, cuts, cut_count, outputs, detail::own_updates::leave);
  const auto place = [&](op_id op) { return g.data().index(op); };
  const auto is_inside = [&](op_id op) { return inside.ops.contains(place(op)); };
  for (const variable_id v : all.variables.sorted_as<variable_id>(g.number())) {
    const auto follower = detail::follower_of(g, g.variable_of(v));
    if (!follower) continue;
    const auto applications = detail::applications(g, *follower);
    if (std::none_of(applications.begin(), applications.end(),
                     [&](const auto& a) { return is_inside(a.first); }))
      continue;
    for (const auto& [op, row] : applications) {
      if (is_inside(op) || !all.ops.contains(place(op))) continue;
      for (const tensor_id t : g.operands(op)) {
        const std::uint32_t producer = place(t.op);
        const bool known =
            is_inside(t.op) || cuts.find(producer, t.output) >= 0 ||
            std::binary_search(inside.sources.begin(), inside.sources.end(), producer);
        if (!known && !g.variable_read_by(t)) taken.push_back(t);
      }
    }
  }
  std::sort(taken.begin(), taken.end());
  taken.erase(std::unique(taken.begin(), taken.end()), taken.end());
  return taken;
}

std::shared_ptr<region_data> assemble(Graph& g, std::vector<tensor_id> inputs,
                                      std::vector<tensor_id> outputs,
                                      const std::vector<hidden_cut>& hidden,
                                      const closure_result& closure,
                                      const extract_options& options) {
  const Graph::tables& t = g.data();
  auto data = std::make_shared<region_data>();
  data->slot = g.slot();
  data->generation = g.slot()->generation;
  data->graph = t.number;
  data->version = g.version();
  data->inputs = std::move(inputs);
  data->outputs = std::move(outputs);
  data->input_used = closure.cut_used;
  // The cuts after the inputs are the hidden ones.
  data->input_used.resize(data->inputs.size());
  for (std::size_t i = 0; i < hidden.size(); ++i) {
    if (!closure.cut_used[data->inputs.size() + i]) continue;
    data->kept.push_back(hidden[i].tensor);
    if (hidden[i].value != nullptr) data->values.emplace_back(hidden[i].tensor, *hidden[i].value);
  }
  std::sort(data->values.begin(), data->values.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const std::uint32_t source : closure.sources) {
    const tensor_id tensor{t.id(source), 0};
    if (options.uncut == leaks::lift) {
      data->inputs.push_back(tensor);
      data->input_used.push_back(true);
    } else {
      data->kept.push_back(tensor);
    }
  }
  std::sort(data->kept.begin(), data->kept.end());
  data->cuts = data->inputs;
  data->cuts.insert(data->cuts.end(), data->kept.begin(), data->kept.end());
  std::sort(data->cuts.begin(), data->cuts.end());
  for (const tensor_id out : data->outputs) {
    if (std::binary_search(data->cuts.begin(), data->cuts.end(), out))
      data->passthroughs.push_back(out);
  }

  data->nodes = closure.ops.sorted_as<op_id>(t.number);
  if (!t.ids_are_indices) {
    for (op_id& node : data->nodes) node = t.id(node.value);
    std::sort(data->nodes.begin(), data->nodes.end());
  }
  data->places = detail::place_map(std::span<const op_id>(data->nodes));
  data->variables = closure.variables.sorted_as<variable_id>(t.number);
  data->scopes = closure.scopes.sorted_as<scope_id>(t.number);
  data->fingerprint = detail::edits_of(g, *data, closure.edited, closure.owning);
  return data;
}

}  // namespace

Region detail::bundles_of(Graph& g, const region_data& r, const std::vector<tensor_id>& reads) {
  std::vector<tensor_id> inputs = r.inputs, all = r.inputs;
  std::vector<hidden_cut> hidden;
  for (const tensor_id t : r.kept) hidden.push_back({t, value_of(r, t)});
  all.insert(all.end(), r.kept.begin(), r.kept.end());
  closure_result closure =
      close_backwards(g, cut_set(g, all), all.size(), reads, own_updates::leave);
  // Of the inputs those that are used come along.
  std::vector<bool>& used = closure.cut_used;
  std::size_t place = 0;
  std::erase_if(inputs, [&](tensor_id) { return !used[place++]; });
  used.erase(used.begin(), used.begin() + static_cast<std::ptrdiff_t>(place));
  used.insert(used.begin(), inputs.size(), true);
  extract_options options;
  options.uncut = leaks::keep;
  return Region(assemble(g, std::move(inputs), reads, hidden, closure, options));
}

void extract_options::set(const given_values& g) {
  given.values.insert(given.values.end(), g.values.begin(), g.values.end());
}

result<Region, boundary_problem> try_extract_region(const input_list& in, const output_list& out,
                                                    const extract_options& options) {
  std::vector<boundary_finding> findings;
  Graph* home = home_of(in, out);
  std::vector<tensor_id> inputs = resolve(home, in.tensors, "input", findings);
  std::vector<tensor_id> outputs = resolve(home, out.tensors, "output", findings);
  if (out.tensors.empty()) {
    findings.insert(findings.begin(), {boundary_fault::no_outputs, {}, {}, "no output was given"});
  }
  if (home != nullptr) find_duplicates(*home, inputs, findings);
  std::vector<hidden_cut> hidden;
  if (home != nullptr && findings.empty())
    hidden = resolve_hidden(*home, options, inputs, findings);
  if (!findings.empty()) return detail::make_problem(home, inputs, outputs, std::move(findings));

  Graph& g = *home;
  std::vector<tensor_id> all_cuts;
  cut_set cuts;
  closure_result closure;
  const detail::diagnosis_request request{g, inputs, outputs, cuts, closure};
  const auto close = [&] {
    all_cuts = inputs;
    for (const hidden_cut& h : hidden) all_cuts.push_back(h.tensor);
    cuts = cut_set(g, all_cuts);
    closure = detail::close_backwards(g, cuts, all_cuts.size(), outputs);
  };
  for (bool again = true; again;) {
    close();
    again = false;
    if (options.crossing != reentry::extend) break;
    for (const boundary_finding& f : find_reentries(request)) {
      again = std::erase(inputs, f.tensor) != 0;
    }
  }
  const auto append = [&](std::vector<boundary_finding> more) {
    findings.insert(findings.end(), std::make_move_iterator(more.begin()),
                    std::make_move_iterator(more.end()));
  };
  const bool leaks_refused = options.uncut == leaks::error || options.uncut == leaks::constant;
  if (leaks_refused && !closure.sources.empty()) {
    const std::vector<tensor_id> taken = taken_outside(g, cuts, all_cuts.size(), outputs, closure);
    for (const tensor_id t : taken) hidden.push_back({t, nullptr});
    if (!taken.empty()) close();
    if (!closure.sources.empty()) append(explain_sources(request));
  }
  if (options.inputs == unused::error && std::find(closure.cut_used.begin(), closure.cut_used.end(),
                                                   false) != closure.cut_used.end()) {
    append(explain_unused(request));
    for (std::size_t i = 0; i < hidden.size(); ++i) {
      if (hidden[i].value == nullptr || closure.cut_used[inputs.size() + i]) continue;
      findings.push_back(
          {boundary_fault::value_not_used,
           hidden[i].tensor,
           {},
           "'" + g.path_of(hidden[i].tensor) + "' is given a value but not used by the outputs"});
    }
  }
  if (options.crossing == reentry::error) append(find_reentries(request));
  if (!findings.empty()) return detail::make_problem(&g, inputs, outputs, std::move(findings));
  return Region(assemble(g, std::move(inputs), std::move(outputs), hidden, closure, options));
}

}  // namespace graft
