#include "surgery/body_ties.hpp"

#include <algorithm>

#include "graft/schema/control_operators.hpp"

#include "graph/body_view.hpp"

namespace graft::detail {
namespace {

bool has(std::span<const tensor_id> some, tensor_id t) {
  return std::find(some.begin(), some.end(), t) != some.end();
}

// What one body of an op reads of some tensors, and by which operands.
struct body_reading {
  std::string key;
  std::size_t number;  // among the bodies of the op's graph
  std::shared_ptr<const Graph> body;
  std::vector<std::uint32_t> slots;
  std::vector<tensor_id> inputs;
};

// How an op reads some tensors.
struct op_reading {
  op_reading(const Graph& g, op_id op, std::span<const tensor_id> read, body_needs& needs) {
    const std::uint32_t operands = g.operand_count(op);
    for (std::uint32_t i = 0; i < operands; ++i) {
      if (has(read, g.operand(op, i))) own.push_back(i);
    }
    if (own.empty() || !g.schema_of(op).has(ops::bodies)) return;
    const attribute_list attributes = g.attributes_of(op);
    for (const attribute& a : attributes) {
      if (a.kind != attribute_kind::body) continue;
      const auto captures = captures_of(g.schema_of(op), a.key, attributes, operands);
      if (!captures) continue;
      const auto number = static_cast<std::size_t>(a.integer);
      body_reading in{std::string(a.key), number, g.data().bodies[number], {}, {}};
      const body_view& view = needs.of(in.body).view;
      std::erase_if(own, [&](std::uint32_t slot) {
        const std::size_t k = slot - captures->first_operand;
        if (slot < captures->first_operand || k >= captures->count) return false;
        in.slots.push_back(slot);
        in.inputs.push_back(view.inputs[captures->first_input + k]);
        return true;
      });
      if (!in.slots.empty()) bodies.push_back(std::move(in));
    }
  }

  std::vector<std::uint32_t> own;  // operands that no body captures
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

std::size_t readings_in(const std::shared_ptr<const Graph>& body, std::span<const tensor_id> inputs,
                        body_needs& needs) {
  const index_set& needed = needs.of(body).needed;
  std::vector<op_id> users;
  for (const tensor_id input : inputs) {
    body->for_each_use(input.op, [&](const Graph::use& u, std::uint32_t output) {
      if (output == input.output && needed.contains(body->data().index(u.user))) {
        users.push_back(u.user);
      }
    });
  }
  std::sort(users.begin(), users.end());
  users.erase(std::unique(users.begin(), users.end()), users.end());
  std::size_t count = 0;
  for (const op_id op : users) count += readings(*body, op, inputs, needs);
  return count;
}

}  // namespace

const body_needs::found& body_needs::of(const std::shared_ptr<const Graph>& body) {
  const auto known = known_.find(body.get());
  if (known != known_.end()) return known->second;
  return known_.emplace(body.get(), found{body, needed_indices(*body), body_view(*body)})
      .first->second;
}

std::size_t readings(const Graph& g, op_id op, std::span<const tensor_id> read, body_needs& needs) {
  const op_reading r(g, op, read, needs);
  std::size_t count = r.own.empty() ? 0 : 1;
  for (const body_reading& in : r.bodies) count += readings_in(in.body, in.inputs, needs);
  return count;
}

void reading_splitter::visit(Graph& g, op_id op, std::span<const tensor_id> read,
                             ordered_edit& edit) {
  const op_reading r(g, op, read, needs_);
  std::vector<std::pair<std::uint32_t, tensor_id>> taken;
  // What reads next: the first keeps what it has.
  const auto give = [&](const std::vector<std::uint32_t>& slots) {
    if (slots.empty() || std::exchange(first_, false)) return;
    const tensor_id t = id_for_use(g, further_[used_++]);
    for (const std::uint32_t slot : slots) taken.emplace_back(slot, t);
  };
  give(r.own);
  std::vector<more_operands> more;
  for (const body_reading& in : r.bodies) {
    const std::size_t count = readings_in(in.body, in.inputs, needs_);
    if (count == 0) continue;
    give(in.slots);
    if (count == 1) continue;
    const other_body made = split_body(g, in.body, in.inputs);
    const std::uint32_t at = replace_body(g, op, in.key, made);
    needs_.forget(in.body);
    // One that was made for another parameter is nobody's now.
    if (&g == &graph_ && in.number >= first_body_ && made.body != in.body) {
      g.data().bodies[in.number].reset();
    }
    more.push_back({at, static_cast<std::uint32_t>(made.captures.size())});
  }
  std::vector<operand_change> changes;
  for (const auto& [slot, t] : taken) changes.push_back({op, moved_slot(slot, more), t});
  if (!more.empty() || !changes.empty()) edit.visit(op, changes, !more.empty());
}

other_body reading_splitter::split_body(Graph& g, const std::shared_ptr<const Graph>& body,
                                        std::span<const tensor_id> inputs) {
  body_copy copy(g, body);
  const auto image = [&](op_id op) { return copy.graph().op_at(body->data().index(op)); };
  std::vector<tensor_id> read;
  for (const tensor_id input : inputs) read.push_back({image(input.op), input.output});
  std::vector<op_id> users;  // taken down first: what is captured comes behind them
  for (const op_id op : needed_in(*body, needs_.of(body).needed)) users.push_back(image(op));
  ordered_edit edit(copy.graph(), op_id{0});
  first_ = true;  // it reads what the op was given for the body
  for (const op_id op : users) visit(copy.graph(), op, read, edit);
  edit.finish();
  return copy.close();
}

}  // namespace graft::detail
