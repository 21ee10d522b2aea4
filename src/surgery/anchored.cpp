#include "surgery/anchored.hpp"

#include <algorithm>
#include <unordered_set>

#include "graft/graph/tables.hpp"

namespace graft::detail {

anchored::anchored(const Region& region)
    : g_(&require_current(*region.data())), region_(region.data()) {
  cuts_ = region_->inputs;
  given_ = cuts_.size();
  cuts_.insert(cuts_.end(), region_->kept.begin(), region_->kept.end());
  outputs_ = region_->outputs;
  cut_set_ = cut_set(*g_, cuts_);
}

anchored::anchored(const Graph& graph) : g_(&graph) {
  const Graph::tables& t = graph.data();
  graph_ops_ = t.ops.size();
  open_.resize(graph_ops_);
  for (std::uint32_t i = 0; i < graph_ops_; ++i) {
    const Graph::tables::op_record& r = t.ops[i];
    if (is_open_source(t, i)) {
      open_[i] = true;
      cuts_.push_back({t.id(i), 0});
    } else if (r.first_use == Graph::tables::none) {
      outputs_.push_back({t.id(i), 0});
    }
  }
  given_ = cuts_.size();
  cut_set_ = cut_set(graph, cuts_);
}

std::vector<op_id> anchored::waits_for(op_id op) const {
  std::vector<std::uint32_t> found;
  const Graph::tables& t = g_->data();
  for (std::uint32_t c = t.ops[t.index(op)].control_in; c != Graph::tables::none;
       c = t.controls[c].next_in) {
    if (place(t.id(t.controls[c].before)) != none) found.push_back(t.controls[c].before);
  }
  std::sort(found.begin(), found.end());
  std::vector<op_id> result;
  for (const std::uint32_t index : found) result.push_back(t.id(index));
  return result;
}

std::vector<op_id> anchored::effects_before(op_id op) const {
  std::vector<op_id> result = waits_for(op);
  std::erase_if(result, [&](op_id before) { return !g_->schema_of(before).has(ops::effect); });
  return result;
}

bool is_stream_key(const operator_schema& schema, const attribute& a) {
  return a.key == "key" && a.kind == attribute_kind::integer &&
         (schema.has(ops::random) || schema.name == "stream");
}

namespace {

class orderer {
 public:
  explicit orderer(const anchored& a) : a_(a), state_(a.count(), fresh) {
    result_.number.resize(a.count(), anchored::none);
    result_.cut_number.resize(a.cuts().size(), anchored::none);
    for (std::size_t i = 0; i < a.given(); ++i) {
      result_.cut_number[i] = static_cast<std::uint32_t>(i);
    }
    next_cut_ = static_cast<std::uint32_t>(a.given());
  }

  canonical run() {
    for (const tensor_id t : a_.outputs()) {
      if (!cut(t)) walk(t.op);
    }
    // Own updates and what they need follow what the outputs need.
    for (std::size_t i = 0; i < result_.variables.size(); ++i) {
      const variable_info& v = a_.graph().variable_of(result_.variables[i]);
      if (v.read.valid()) walk(v.read.op);
      if (v.initial.valid() && !cut(v.initial)) walk(v.initial.op);
      for (const op_id update : v.own_updates) walk(update);
    }
    for (std::uint32_t& number : result_.cut_number) {
      if (number == anchored::none) number = next_cut_++;
    }
    return std::move(result_);
  }

 private:
  static constexpr std::uint8_t fresh = 0, open = 1, done = 2;
  struct frame {
    op_id op;
    std::vector<op_id> needs;
    std::size_t next = 0;
  };

  bool cut(tensor_id t) {
    const int at = a_.cut(t);
    if (at < 0) return false;
    std::uint32_t& number = result_.cut_number[static_cast<std::size_t>(at)];
    if (number == anchored::none) number = next_cut_++;
    return true;
  }

  void enter(op_id op) {
    const std::uint32_t place = a_.place(op);
    if (place == anchored::none || state_[place] != fresh) return;
    state_[place] = open;
    frame f{op, {}, 0};
    const Graph& g = a_.graph();
    const Graph::tables& t = g.data();
    const std::uint32_t index = t.index(op);
    for (const Graph::tables::edge& e : t.operands_of(index)) {
      const tensor_id operand{t.id(e.producer), e.output};
      if (!cut(operand)) f.needs.push_back(operand.op);
    }
    const Graph::tables::op_record& r = t.ops[index];
    if (r.control_in != Graph::tables::none) {
      for (const op_id before : a_.effects_before(op)) f.needs.push_back(before);
    }
    if (t.marked(r)) {
      for_each_variable(g, t.attributes_of(r), [&](variable_id v) {
        if (known_.insert(v.value).second) result_.variables.push_back(v);
        const variable_info& info = g.variable_of(v);
        if (info.read.op != op) {
          if (info.read.valid()) f.needs.push_back(info.read.op);
        } else if (info.initial.valid() && !cut(info.initial)) {
          f.needs.push_back(info.initial.op);
        }
      });
    }
    stack_.push_back(std::move(f));
  }

  void walk(op_id root) {
    enter(root);
    while (!stack_.empty()) {
      frame& f = stack_.back();
      if (f.next < f.needs.size()) {
        enter(f.needs[f.next++]);
        continue;
      }
      const std::uint32_t place = a_.place(f.op);
      state_[place] = done;
      result_.number[place] = static_cast<std::uint32_t>(result_.ops.size());
      result_.ops.push_back(f.op);
      stack_.pop_back();
    }
  }

  const anchored& a_;
  canonical result_;
  std::vector<std::uint8_t> state_;
  std::vector<frame> stack_;
  std::unordered_set<std::uint32_t> known_;
  std::uint32_t next_cut_ = 0;
};

}  // namespace

canonical canonical_of(const anchored& a) { return orderer(a).run(); }

}  // namespace graft::detail

namespace graft {

std::vector<op_id> canonical_order(const Region& region) {
  return detail::canonical_of(detail::anchored(region)).ops;
}

std::vector<op_id> canonical_order(const Graph& graph) {
  const detail::anchored a(graph);
  std::vector<op_id> all;
  for (const tensor_id t : a.cuts()) all.push_back(t.op);
  for (const op_id op : detail::canonical_of(a).ops) all.push_back(op);
  return all;
}

}  // namespace graft
