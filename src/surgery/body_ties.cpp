#include "surgery/body_ties.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "graft/graph/tables.hpp"
#include "graft/schema/control_operators.hpp"

#include "graph/body_view.hpp"

namespace graft::detail {
namespace {

// An operand, and the tie that it is of.
using tied_slot = std::pair<std::uint32_t, std::size_t>;

// What one body of an op reads of some tensors, and by which operands.
struct body_reading {
  std::string key;
  std::shared_ptr<const Graph> body;
  std::vector<tied_slot> slots;
  tied_reads inputs;
};

// How an op reads some tensors.
struct op_reading {
  op_reading(const Graph& g, op_id op, const tied_reads& read, body_needs& needs) {
    const std::uint32_t operands = g.operand_count(op);
    for (std::uint32_t i = 0; i < operands; ++i) {
      const auto found = read.find(g.operand(op, i));
      if (found != read.end()) own.emplace_back(i, found->second);
    }
    if (own.empty() || !g.schema_of(op).has(ops::bodies)) return;
    const attribute_list attributes = g.attributes_of(op);
    for (const attribute& a : attributes) {
      if (a.kind != attribute_kind::body) continue;
      const auto captures = captures_of(g.schema_of(op), a.key, attributes, operands);
      if (!captures) continue;
      const auto number = static_cast<std::size_t>(a.integer);
      body_reading in{std::string(a.key), g.data().bodies[number], {}, {}};
      const body_view& view = needs.of(in.body).view;
      std::erase_if(own, [&](const tied_slot& slot) {
        const std::size_t k = slot.first - captures->first_operand;
        if (slot.first < captures->first_operand || k >= captures->count) return false;
        in.slots.push_back(slot);
        in.inputs.emplace(view.inputs[captures->first_input + k], slot.second);
        return true;
      });
      if (!in.slots.empty()) bodies.push_back(std::move(in));
    }
  }

  std::vector<tied_slot> own;  // operands that no body captures
  std::vector<body_reading> bodies;
};

// What the results of a body depend on, by dense index.
index_set needed_indices(const Graph& body) {
  const tables& t = body.data();
  index_set met;
  std::vector<std::uint32_t> open{t.ops.size() - 1};  // the results
  met.insert(open.back());
  const auto need = [&](std::uint32_t i) {
    if (met.insert(i)) open.push_back(i);
  };
  while (!open.empty()) {
    const std::uint32_t i = open.back();
    open.pop_back();
    for (const tables::edge& e : t.operands_of(i)) need(e.producer);
    for (std::uint32_t c = t.ops[i].control_in; c != none; c = t.controls[c].next_in) {
      const std::uint32_t before = t.controls[c].before;
      if (t.ops[before].schema->has(ops::effect)) need(before);
    }
  }
  return met;
}

// The same, each op after those that it takes.
std::vector<op_id> needed_in(const Graph& body, const index_set& needed) {
  std::vector<op_id> result;
  for (const std::uint32_t i : data_order(body.data(), 0)) {
    if (needed.contains(i)) result.push_back(body.data().id(i));
  }
  return result;
}

reading_counts readings_in(const std::shared_ptr<const Graph>& body, const tied_reads& inputs,
                           body_needs& needs) {
  const index_set& needed = needs.of(body).needed;
  std::vector<op_id> users;
  for (const auto& [input, tie] : inputs) {
    body->for_each_use(input.op, [&, output = input.output](const Graph::use& u, std::uint32_t of) {
      if (of == output && needed.contains(body->data().index(u.user))) users.push_back(u.user);
    });
  }
  std::sort(users.begin(), users.end());
  users.erase(std::unique(users.begin(), users.end()), users.end());
  reading_counts counts;
  for (const op_id op : users) count_readings(*body, op, inputs, needs, counts);
  return counts;
}

}  // namespace

const body_needs::found& body_needs::of(const std::shared_ptr<const Graph>& body) {
  const auto known = known_.find(body.get());
  if (known != known_.end()) return known->second;
  return known_.emplace(body.get(), found{body, needed_indices(*body), body_view(*body)})
      .first->second;
}

void count_readings(const Graph& g, op_id op, const tied_reads& read, body_needs& needs,
                    reading_counts& counts) {
  const op_reading r(g, op, read, needs);
  std::unordered_set<std::size_t> own;
  for (const auto& [slot, tie] : r.own) {
    if (own.insert(tie).second) ++counts[tie];
  }
  for (const body_reading& in : r.bodies) {
    for (const auto& [tie, count] : readings_in(in.body, in.inputs, needs)) counts[tie] += count;
  }
}

reading_splitter::reading_splitter(std::vector<std::vector<graph_reference>> further,
                                   body_needs& needs)
    : needs_(needs) {
  for (std::vector<graph_reference>& each : further) ties_.push_back({std::move(each)});
}

void reading_splitter::visit(Graph& g, op_id op, const tied_reads& read, ordered_edit& edit) {
  const op_reading r(g, op, read, needs_);
  std::vector<std::pair<std::uint32_t, tensor_id>> taken;
  // What reads next, of each tie: the first keeps what it has.
  const auto give = [&](const std::vector<tied_slot>& slots) {
    std::unordered_map<std::size_t, std::optional<tensor_id>> given;
    for (const auto& [slot, number] : slots) {
      const auto [place, next] = given.try_emplace(number);
      rest& t = ties_[number];
      if (next && !std::exchange(t.first, false)) {
        place->second = id_for_use(g, t.further[t.used++]);
      }
      if (place->second) taken.emplace_back(slot, *place->second);
    }
  };
  give(r.own);
  std::vector<more_operands> more;
  for (const body_reading& in : r.bodies) {
    const reading_counts counts = readings_in(in.body, in.inputs, needs_);
    std::vector<tied_slot> slots = in.slots;
    std::erase_if(slots, [&](const tied_slot& slot) { return !counts.contains(slot.second); });
    give(slots);
    tied_reads several = in.inputs;
    std::erase_if(several, [&](const auto& input) {
      const auto found = counts.find(input.second);
      return found == counts.end() || found->second < 2;
    });
    if (several.empty()) continue;
    const other_body made = split_body(g, in.body, several);
    const std::uint32_t at = replace_body(g, op, in.key, made);
    more.push_back({at, static_cast<std::uint32_t>(made.captures.size())});
  }
  std::vector<operand_change> changes;
  for (const auto& [slot, t] : taken) changes.push_back({op, moved_slot(slot, more), t});
  if (!more.empty() || !changes.empty()) edit.visit(op, changes, !more.empty());
}

other_body reading_splitter::split_body(Graph& g, const std::shared_ptr<const Graph>& body,
                                        const tied_reads& inputs) {
  body_copy copy(g, body);
  const auto image = [&](op_id op) { return copy.graph().op_at(body->data().index(op)); };
  tied_reads read;
  for (const auto& [input, tie] : inputs) {
    read.emplace(tensor_id{image(input.op), input.output}, tie);
    ties_[tie].first = true;  // it reads what the op was given for the body
  }
  std::vector<op_id> users;  // taken down first: what is captured comes behind them
  for (const op_id op : needed_in(*body, needs_.of(body).needed)) users.push_back(image(op));
  ordered_edit edit(copy.graph(), op_id{0});
  for (const op_id op : users) visit(copy.graph(), op, read, edit);
  edit.finish();
  return copy.close();
}

}  // namespace graft::detail
