// What is wrong with a boundary, in words: built only when something is.
#include <algorithm>
#include <unordered_map>

#include "graft/graph/tables.hpp"

#include "surgery/extract.hpp"

namespace graft::detail {
namespace {

std::string quoted(const std::string& name) { return "'" + name + "'"; }

// How the closure came to an op, and through which tensor.
struct step {
  std::uint32_t from;  // index of the op that needs it; Graph::tables::none: an output
  tensor_id tensor;
  lead by;
};

// The closure once more, breadth first, so that paths are as short as can be and the same in every
// run.
class traced_closure {
 public:
  explicit traced_closure(const diagnosis_request& r) : g_(r.g) {
    const Graph::tables& t = g_.data();
    std::vector<std::uint32_t> order;
    index_set variables;
    const auto need = [&](tensor_id wanted, std::uint32_t producer, std::uint32_t from, lead by) {
      const bool as_tensor = by == lead::data || by == lead::initial;
      if (as_tensor && r.cuts.find(producer, wanted.output) >= 0) return;
      if (steps_.emplace(producer, step{from, wanted, by}).second) order.push_back(producer);
    };
    for (const tensor_id out : r.outputs) {
      need(out, t.index(out.op), Graph::tables::none, lead::data);
    }
    for (std::size_t i = 0; i < order.size(); ++i) {
      const std::uint32_t index = order[i];
      if (is_open_source(t, index)) continue;
      for_each_need(
          g_, index, [&](variable_id v) { return variables.insert(v.value); },
          [&](tensor_id wanted, std::uint32_t producer, lead by) {
            need(wanted, producer, index, by);
          });
    }
  }

  // From an output down to the op.
  [[nodiscard]] std::vector<step> path_to(std::uint32_t index) const {
    std::vector<step> path;
    for (std::uint32_t at = index; at != Graph::tables::none;) {
      const step& s = steps_.at(at);
      path.push_back(s);
      at = s.from;
    }
    std::reverse(path.begin(), path.end());
    return path;
  }

 private:
  const Graph& g_;
  std::unordered_map<std::uint32_t, step> steps_;
};

std::string describe(const Graph& g, const step& s, bool first, bool last) {
  std::string text;
  if (first) text = "output ";
  switch (s.by) {
    case lead::initial:
      text += "initial value ";
      break;
    case lead::own_update:
      text += "update ";
      break;
    case lead::control:
      text += "(waits for) ";
      break;
    case lead::read:
      text += "variable ";
      break;
    case lead::data:
      break;
  }
  if (last) text += std::string(g.schema_of(s.tensor.op).name) + " ";
  // An op with effects may have no output.
  return text +
         quoted(g.output_count(s.tensor.op) == 0 ? g.path_of(s.tensor.op) : g.path_of(s.tensor));
}

// A long path keeps its ends.
std::string describe(const Graph& g, const std::vector<step>& path) {
  constexpr std::size_t head = 8, tail = 4;
  std::string text;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (i > 0) text += " <- ";
    if (path.size() > head + tail + 1 && i == head) {
      text += "... (" + std::to_string(path.size() - head - tail) + " ops) ... <- ";
      i = path.size() - tail;
    }
    text += describe(g, path[i], i == 0, i + 1 == path.size());
  }
  return text;
}

// The nearest op that the closure reaches or stops at, in both directions of the data, looking at
// some thousand ops.
std::optional<tensor_id> nearest_reached(const diagnosis_request& r, tensor_id start) {
  constexpr std::size_t limit = 4096;
  const Graph::tables& t = r.g.data();
  std::vector<std::uint32_t> order{t.index(start.op)};
  index_set seen;
  seen.insert(order[0]);
  for (std::size_t i = 0; i < order.size() && order.size() < limit; ++i) {
    const std::uint32_t index = order[i];
    if (i > 0 && t.ops[index].output_count > 0 &&
        (r.closure.ops.contains(index) ||
         std::binary_search(r.closure.sources.begin(), r.closure.sources.end(), index))) {
      return tensor_id{t.id(index), 0};
    }
    for (const Graph::tables::edge& e : t.operands_of(index)) {
      if (seen.insert(e.producer)) order.push_back(e.producer);
    }
    r.g.for_each_use(t.id(index), [&](const Graph::use& u, std::uint32_t) {
      const std::uint32_t user = t.index(u.user);
      if (seen.insert(user)) order.push_back(user);
    });
  }
  return std::nullopt;
}

// The used input on a path from an unused one towards the outputs, if there is one.
std::optional<tensor_id> shadow_of(const diagnosis_request& r, tensor_id unused_input) {
  const Graph::tables& t = r.g.data();
  const std::uint32_t target = t.index(unused_input.op);
  for (std::size_t i = 0; i < r.inputs.size(); ++i) {
    if (!r.closure.cut_used[i]) continue;
    index_set seen;
    std::vector<std::uint32_t> open{t.index(r.inputs[i].op)};
    seen.insert(open[0]);
    while (!open.empty()) {
      const std::uint32_t index = open.back();
      open.pop_back();
      for (const Graph::tables::edge& e : t.operands_of(index)) {
        if (e.producer == target && e.output == unused_input.output) return r.inputs[i];
        if (t.ordered && e.producer < target) continue;
        if (seen.insert(e.producer)) open.push_back(e.producer);
      }
    }
  }
  return std::nullopt;
}

std::string list_of(const Graph& g, const std::vector<tensor_id>& tensors) {
  constexpr std::size_t most = 8;
  std::string text;
  for (std::size_t i = 0; i < tensors.size() && i < most; ++i) {
    text += (i > 0 ? ", " : "") + quoted(g.path_of(tensors[i]));
  }
  if (tensors.size() > most) text += ", ... (" + std::to_string(tensors.size()) + " in all)";
  return text;
}

const char* hint_for(boundary_fault fault) {
  switch (fault) {
    case boundary_fault::no_outputs:
      return "name at least one output: outputs(y)";
    case boundary_fault::foreign:
      return "give handles of one graph that is alive";
    case boundary_fault::duplicate_input:
      return "name each input once";
    case boundary_fault::uncut_source:
      return "add what is missing to inputs(...), or pass leaks::keep to leave it outside or "
             "leaks::lift "
             "to make it an input, or give it a value: given(t, value)";
    case boundary_fault::input_not_reached:
      return "give the tensor that the outputs were computed from, or pass unused::allow";
    case boundary_fault::input_shadowed:
      return "leave the outer input out, or pass unused::allow";
    case boundary_fault::value_not_used:
      return "leave the value out, or pass unused::allow";
    case boundary_fault::reentry:
      return "cut further out or further in, or pass reentry::extend to take the ops outside in or "
             "reentry::allow to cut there all the same";
  }
  return "";
}

// True where an update that a layer declared leads to a source, as for one branch of those that share batch norm.
bool leads_through_update(const Graph& g, const boundary_finding& f) {
  return f.fault == boundary_fault::uncut_source &&
         std::any_of(f.path.begin(), f.path.end(),
                     [&](tensor_id t) { return g.schema_of(t.op).has(ops::update); });
}

}  // namespace

std::vector<boundary_finding> explain_sources(const diagnosis_request& r) {
  const traced_closure traced(r);
  std::vector<boundary_finding> findings;
  for (const std::uint32_t source : r.closure.sources) {
    const std::vector<step> path = traced.path_to(source);
    boundary_finding finding{
        boundary_fault::uncut_source, path.back().tensor, {}, describe(r.g, path)};
    for (const step& s : path) finding.path.push_back(s.tensor);
    findings.push_back(std::move(finding));
  }
  return findings;
}

std::vector<boundary_finding> explain_unused(const diagnosis_request& r) {
  std::vector<boundary_finding> findings;
  for (std::size_t i = 0; i < r.inputs.size(); ++i) {
    if (r.closure.cut_used[i]) continue;
    const tensor_id input = r.inputs[i];
    std::string text = "input " + quoted(r.g.path_of(input));
    if (const auto inner = shadow_of(r, input)) {
      text += " reaches the outputs only through the input " + quoted(r.g.path_of(*inner));
      findings.push_back({boundary_fault::input_shadowed, input, {*inner}, std::move(text)});
      continue;
    }
    text += " is not used by the outputs";
    boundary_finding finding{boundary_fault::input_not_reached, input, {}, {}};
    if (const auto near = nearest_reached(r, input)) {
      text += " (the nearest tensor that is: " + quoted(r.g.path_of(*near)) + ")";
      finding.path.push_back(*near);
    }
    finding.text = std::move(text);
    findings.push_back(std::move(finding));
  }
  return findings;
}

namespace {

// Whether an input may depend on a moving op of the region by a way outside: forwards from the region and backwards from
// the inputs in turn, until either comes to its end.
class reentry_search {
 public:
  reentry_search(const diagnosis_request& r, const std::vector<tensor_id>& suspects,
                 const index_set& moving, std::uint32_t first_moving)
      : r_(r), t_(r.g.data()), moving_(moving), first_moving_(first_moving) {
    for (const tensor_id suspect : suspects) {
      const std::uint32_t index = t_.index(suspect.op);
      if (behind_.insert(index)) backward_.push_back(index);
    }
  }

  bool finds_one() {
    for (const std::uint32_t index : moving_.sorted()) {
      if (follow(index)) return true;
    }
    cost_forward_ = 0;  // the region itself is looked at in any case
    std::size_t next_forward = 0, next_backward = 0;
    while (next_forward < forward_.size() && next_backward < backward_.size()) {
      const bool forwards = cost_forward_ <= cost_backward_;
      if (forwards ? follow(forward_[next_forward++]) : trace(backward_[next_backward++]))
        return true;
    }
    return false;
  }

 private:
  bool follow(std::uint32_t index) {
    bool found = false;
    r_.g.for_each_use(t_.id(index), [&](const Graph::use& u, std::uint32_t output) {
      ++cost_forward_;
      if (r_.cuts.find(index, output) >= 0) return;
      const std::uint32_t user = t_.index(u.user);
      if (r_.closure.ops.contains(user)) return;
      found = found || behind_.contains(user);
      if (ahead_.insert(user)) forward_.push_back(user);
    });
    return found;
  }

  bool trace(std::uint32_t index) {
    for (const Graph::tables::edge& e : t_.operands_of(index)) {
      ++cost_backward_;
      if (r_.cuts.find(e.producer, e.output) >= 0) continue;
      if (t_.ordered && e.producer < first_moving_) continue;
      if (moving_.contains(e.producer) || ahead_.contains(e.producer)) return true;
      if (r_.closure.ops.contains(e.producer)) continue;
      if (behind_.insert(e.producer)) backward_.push_back(e.producer);
    }
    return false;
  }

  const diagnosis_request& r_;
  const Graph::tables& t_;
  const index_set& moving_;
  const std::uint32_t first_moving_;
  index_set ahead_, behind_;
  std::vector<std::uint32_t> forward_, backward_;
  std::size_t cost_forward_ = 0, cost_backward_ = 0;
};

}  // namespace

std::vector<boundary_finding> find_reentries(const diagnosis_request& r) {
  const Graph::tables& t = r.g.data();
  // Only an input that is computed, by an op outside, later than an op of the region, can depend on
  // the region.
  std::vector<tensor_id> suspects;
  for (std::size_t i = 0; i < r.inputs.size(); ++i) {
    const std::uint32_t index = t.index(r.inputs[i].op);
    if (t.ops[index].operand_count > 0 && !r.closure.ops.contains(index))
      suspects.push_back(r.inputs[i]);
  }
  if (suspects.empty()) return {};
  const std::vector<std::uint32_t> nodes = r.closure.ops.sorted();
  if (nodes.empty()) return {};
  if (t.ordered) {
    std::erase_if(suspects, [&](tensor_id s) { return t.index(s.op) < nodes.front(); });
    if (suspects.empty()) return {};
  }

  // The ops of the region that depend on an input; others (weights) may well be used on both sides.
  index_set moving;
  std::vector<std::uint32_t> open;
  std::uint32_t first_moving = Graph::tables::none;
  const auto follow = [&](tensor_id tensor) {
    r.g.for_each_use(tensor.op, [&](const Graph::use& u, std::uint32_t output) {
      if (output != tensor.output) return;
      const std::uint32_t user = t.index(u.user);
      if (!r.closure.ops.contains(user) || !moving.insert(user)) return;
      open.push_back(user);
      first_moving = std::min(first_moving, user);
    });
  };
  for (const tensor_id input : r.inputs) follow(input);
  while (!open.empty()) {
    const std::uint32_t index = open.back();
    open.pop_back();
    for (std::uint32_t o = 0; o < t.ops[index].output_count; ++o) {
      if (r.cuts.find(index, o) < 0) follow({t.id(index), o});
    }
  }

  std::vector<boundary_finding> findings;
  if (!reentry_search(r, suspects, moving, first_moving).finds_one()) return findings;
  for (const tensor_id suspect : suspects) {
    std::unordered_map<std::uint32_t, step> steps;
    std::vector<std::uint32_t> order{t.index(suspect.op)};
    steps.emplace(order[0], step{Graph::tables::none, suspect, lead::data});
    bool found = false;
    for (std::size_t i = 0; i < order.size() && !found; ++i) {
      const std::uint32_t index = order[i];
      for (const Graph::tables::edge& e : t.operands_of(index)) {
        if (r.cuts.find(e.producer, e.output) >= 0) continue;
        if (t.ordered && e.producer < first_moving) continue;
        const tensor_id tensor{t.id(e.producer), e.output};
        if (!steps.emplace(e.producer, step{index, tensor, lead::data}).second) continue;
        if (!moving.contains(e.producer)) {
          if (!r.closure.ops.contains(e.producer)) order.push_back(e.producer);
          continue;
        }
        std::vector<step> path;
        for (std::uint32_t at = e.producer; at != Graph::tables::none; at = steps.at(at).from) {
          path.push_back(steps.at(at));
        }
        std::reverse(path.begin(), path.end());
        boundary_finding finding{boundary_fault::reentry, suspect, {}, {}};
        for (std::size_t k = 0; k < path.size(); ++k) {
          finding.path.push_back(path[k].tensor);
          finding.text += (k == 0 ? "input " : " <- ") + quoted(r.g.path_of(path[k].tensor));
        }
        finding.text += ", which is inside the region";
        findings.push_back(std::move(finding));
        found = true;
        break;
      }
    }
  }
  return findings;
}

boundary_problem make_problem(const Graph* g, const std::vector<tensor_id>& inputs,
                              const std::vector<tensor_id>& outputs,
                              std::vector<boundary_finding> findings) {
  // Stable, so that findings of one kind keep the order of ids.
  std::vector<boundary_finding> ordered;
  for (int fault = 0; fault <= static_cast<int>(boundary_fault::reentry); ++fault) {
    for (boundary_finding& f : findings) {
      if (f.fault == static_cast<boundary_fault>(fault)) ordered.push_back(std::move(f));
    }
  }
  findings = std::move(ordered);
  boundary_problem problem;
  problem.parts.asked = g == nullptr ? std::string("extract was asked for a region")
                                     : "extract(inputs(" + list_of(*g, inputs) + "), outputs(" +
                                           list_of(*g, outputs) + "))";
  std::string hints;
  for (std::size_t i = 0; i < findings.size(); ++i) {
    problem.parts.found += (i > 0 ? "; " : "") + findings[i].text;
    const char* hint = hint_for(findings[i].fault);
    if (i == 0 || findings[i - 1].fault != findings[i].fault) {
      hints += (hints.empty() ? "" : "; ") + std::string(hint);
    }
  }
  if (g != nullptr && std::any_of(findings.begin(), findings.end(), [&](const boundary_finding& f) {
        return leads_through_update(*g, f);
      })) {
    hints +=
        "; an update of a layer leads there: with leaks::keep what only it needs stays outside, "
        "and "
        "clones of batch norm follow their own inputs";
  }
  problem.parts.hint = std::move(hints);
  problem.findings = std::move(findings);
  return problem;
}

}  // namespace graft::detail

namespace graft {

std::string to_string(const boundary_problem& problem) {
  return boundary_error(problem.parts).what();
}

}  // namespace graft
