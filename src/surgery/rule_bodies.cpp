// The user's rules for the ops in bodies of a clone.
#include <algorithm>
#include <unordered_map>

#include "graft/schema/control_operators.hpp"
#include "graft/schema/core_operators.hpp"

#include "graph/building.hpp"
#include "surgery/cloner.hpp"

namespace graft::detail {

std::uint32_t moved_slot(std::uint32_t slot, const std::vector<more_operands>& by) {
  for (const more_operands& more : by) {
    if (slot >= more.at) slot += more.count;
  }
  return slot;
}

// The bodies of a copy, which are ruled before it. Bodies are the source's, or copies of these, op by op.
// @returns what the op takes besides, in the order in which it came
std::vector<more_operands> cloner::rule_bodies(const copied_op& op, const body_owner* in) {
  std::vector<more_operands> more;
  if (!op.schema->has(ops::bodies)) return more;
  const bool any = std::any_of(options_.rules.begin(), options_.rules.end(),
                               [](const op_transform& r) { return r.nested == bodies::enter; });
  if (!any) return more;
  Graph& g = *op.graph;
  const inside_scope around(g, g.scope_of(op.copy));  // where variables that rules make go
  const attribute_list attributes = op.origin->attributes_of(op.source);
  for (const attribute& a : attributes) {
    if (a.kind != attribute_kind::body) continue;
    const body_owner owner{*op.origin, op.source, a.key, in};
    const auto number = static_cast<std::size_t>(g.attributes_of(op.copy).integer(a.key));
    const std::shared_ptr<const Graph> image = g.data().bodies[number];
    const auto known = [&](const Graph* frame) { return ruled_bodies_.find({image.get(), frame}); };
    auto found = known(nullptr);
    if (found == ruled_bodies_.end()) found = known(&g);
    if (found == ruled_bodies_.end()) {
      body_copy copy(g, image);
      rule_body(copy.graph(), op.origin->body(a.integer), owner);
      other_body made = copy.close();
      const Graph* const frame = made.captures.empty() ? nullptr : &g;
      found = ruled_bodies_.emplace(std::pair(image.get(), frame), std::move(made)).first;
    }
    const other_body& made = found->second;
    if (made.body == image) continue;
    const std::uint32_t at = replace_body(g, op.copy, a.key, made);
    if (!made.captures.empty()) {
      more.push_back({at, static_cast<std::uint32_t>(made.captures.size())});
    }
  }
  return more;
}

void cloner::rule_body(Graph& body, const Graph& source, const body_owner& owner) {
  std::vector<std::pair<op_id, op_id>>
      copies;  // with what they are copies of, which has the same place
  for (const std::uint32_t i : data_order(body.data(), 0)) {
    copies.emplace_back(body.data().id(i), source.op_at(i));
  }
  std::unordered_map<tensor_id, tensor_id> rewired;
  ordered_edit edit(body, body.data().op(0));
  std::vector<operand_change> changes;
  for (const auto& [copy, original] : copies) {
    if (!body.contains(copy)) continue;  // removed by a rule
    changes.clear();
    const auto more = rule_bodies(seen_by_rules(body, copy, source, original), &owner);
    for (std::uint32_t i = 0; i < source.operand_count(original); ++i) {
      const std::uint32_t slot = moved_slot(i, more);
      const auto image = rewired.find(body.operand(copy, slot));
      if (image == rewired.end()) continue;
      if (!body.contains(image->second.op)) {
        throw graph_error({place_in_words(body.path_of(copy), &owner) +
                               " was to take what a rule of clone put in the place of '" +
                               source.path_of(source.operand(original, i)) + "'",
                           "a rule removed that again", source.path_of(source.operand(original, i)),
                           "leave it there: runs leave out what nothing needs"});
      }
      changes.push_back({copy, slot, image->second});
    }
    edit.visit(copy, changes, body.schema_of(copy).has(ops::bodies));
    const operator_schema& schema = body.schema_of(copy);
    // Inputs and results are the body's form, not ops of the network.
    if (is_operator(schema, ops::captured) || is_operator(schema, ops::results)) continue;
    const std::vector<any_tensor> outputs =
        asked_rules(seen_by_rules(body, copy, source, original), &owner);
    for (std::uint32_t o = 0; o < outputs.size(); ++o) {
      const tensor_id own{copy, o};
      if (outputs[o].ref() == graph_reference{body.slot(), body.slot()->generation, own}) continue;
      refuse_source(outputs[o], source.path_of(original), &owner);
      rewired.emplace(own, id_for_use(body, outputs[o].ref()));
    }
  }
  edit.finish();
}

}  // namespace graft::detail
