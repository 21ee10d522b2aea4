// The user's rules for the ops of a clone.
#include <algorithm>
#include <array>

#include "graph/building.hpp"
#include "graph/callback_scope.hpp"
#include "surgery/cloner.hpp"

namespace graft::detail {

// Operands are changed when it is the turn of the op that takes them: each op is visited once, whatever takes its
// outputs, and shows its rules the types that the rules before it led to.
void cloner::apply_rules() {
  if (options_.rules.empty() || data_->count == 0) return;
  data_->ruled = true;
  const body_aside aside(target_);  // rules build in the graph whose op they see
  Graph::tables& t = target_.data();
  const op_id first_of_rules = t.op(target_.op_id_bound());
  const std::size_t variables_before = owner_.data().variables.size();
  std::vector<op_id> copies;
  for (const std::uint32_t i : data_order(t, t.index(data_->copy(0)))) {
    const op_id copy = t.id(i);
    copies.push_back(copy);
    if (target_.schema_of(copy).has(ops::update)) {
      updates_.emplace(*data_->backward(copy), asked_update{target_.output_count(copy), {}, {}});
    }
  }
  ordered_edit edit(target_, first_op_);
  std::vector<operand_change> changes;
  for (const op_id copy : copies) {
    if (!target_.contains(copy)) continue;  // removed by a rule
    changes.clear();
    const op_id source = *data_->backward(copy);
    const auto more = rule_bodies(seen_by_rules(target_, copy, source_, source), nullptr);
    for (std::uint32_t i = 0; i < source_.operand_count(source); ++i) {
      const std::uint32_t slot = moved_slot(i, more);
      const tensor_id operand = target_.operand(copy, slot);
      if (!data_->is_copy(operand.op)) continue;
      const tensor_id original = *data_->backward(operand);
      const auto image = data_->rewired.find(original);
      if (image == data_->rewired.end()) continue;
      if (!target_.contains(image->second.op)) refuse_removed(original, copy);
      changes.push_back({copy, slot, image->second});
    }
    edit.visit(copy, changes, target_.schema_of(copy).has(ops::bodies));
    ask_rules(copy);
  }
  for (const op_id read : start_with_images()) edit.watch(read);
  edit.finish();

  for (std::uint32_t id = first_of_rules.value; id < target_.op_id_bound(); ++id) {
    data_->extra.push_back(t.op(id));
  }
  for (std::size_t v = variables_before; v < owner_.data().variables.size(); ++v) {
    const variable_id made = owner_.data().variable(static_cast<std::uint32_t>(v));
    if (!owner_.contains(made)) continue;
    data_->created.push_back(made);
    if (!owner_.store().initialized(made)) data_->unset.push_back(made);
  }
  settle_rules(first_of_rules);
}

// A tensor that a rule put in the place of another is there until what takes that one has it.
void cloner::refuse_removed(tensor_id original, op_id user) const {
  throw graph_error({"'" + target_.path_of(user) +
                         "' was to take what a rule of clone put in the " + "place of '" +
                         source_.path_of(original) + "'",
                     "a rule removed that again", source_.path_of(original),
                     "leave it there: runs leave out what nothing needs"});
}

copied_op seen_by_rules(Graph& g, op_id copy, const Graph& origin, op_id source) {
  copied_op op{&g, &origin, source, copy, &g.schema_of(copy), {}, {}};
  for (std::uint32_t i = 0; i < g.operand_count(copy); ++i) {
    op.operands.push_back(g.handle(g.operand(copy, i)));
  }
  for (std::uint32_t o = 0; o < g.output_count(copy); ++o) {
    op.outputs.push_back(g.handle({copy, o}));
  }
  return op;
}

// What the rules return for an op, one after the other.
// @param in where the op is in a body
std::vector<any_tensor> cloner::asked_rules(copied_op op, const body_owner* in) {
  Graph& g = *op.graph;
  const auto asked = [&] {
    return "a rule of clone was asked about " + place_in_words(op.origin->path_of(op.source), in);
  };
  for (const auto& [rule, nested] : options_.rules) {
    if (!g.contains(op.copy)) break;  // removed by the rule before
    if (in != nullptr && nested == bodies::skip) continue;
    std::optional<std::vector<any_tensor>> answer;
    {
      const callback_scope inside(g, g.scope_of(op.copy));
      answer = rule(op);
      inside.check([&] { return std::pair(asked(), op.origin->path_of(op.source)); });
    }
    if (!answer) continue;
    if (answer->size() != op.outputs.size()) {
      throw argument_error({asked(),
                            "it returned " + std::to_string(answer->size()) + " tensors for " +
                                std::to_string(op.outputs.size()) + " outputs",
                            op.origin->path_of(op.source), "return one for each, or nothing"});
    }
    op.outputs = std::move(*answer);
  }
  return std::move(op.outputs);
}

// What the source has and the clone a copy of is no part of the clone, unless the two were told to share it.
void cloner::refuse_source(const any_tensor& returned, const std::string& asked_about,
                           const body_owner* in) const {
  const graph_reference& r = returned.ref();
  if (r.slot != source_.slot() || r.generation != source_.slot()->generation) return;
  if (!source_.contains(r.id.op) || !data_->region.contains(r.id.op)) return;
  if (std::binary_search(r_.cuts.begin(), r_.cuts.end(), r.id)) return;
  // What inputs and variables were replaced by: the clone reads that itself, in a body what stands for it there.
  const std::optional<tensor_id> read = same_graph_ ? r.id : captured(target_, r);
  if (read && (data_->cut_originals.contains(*read) || data_->stand_in_originals.contains(*read)))
    return;
  const auto own = data_->forward(r.id.op);
  if (!own || (same_graph_ && *own == r.id.op)) return;
  const std::string path = source_.path_of(r.id);
  throw argument_error(
      {"a rule of clone was asked about " + place_in_words(asked_about, in),
       "it returned '" + path + "' of the source, of which the clone has its own", path,
       std::string("return a tensor of the copy (outputs, operands, or what is built on them)") +
           (same_graph_ ? "; what clone and source are to share has names of its own: "
                          "coverage::affected, variables::shared, unbound::keep"
                        : "")});
}

void cloner::ask_rules(op_id copy) {
  const op_id old_op = *data_->backward(copy);
  const auto update = updates_.find(old_op);
  if (update != updates_.end()) update->second.first = target_.data().op(target_.op_id_bound());
  const std::vector<any_tensor> outputs =
      asked_rules(seen_by_rules(target_, copy, source_, old_op), nullptr);
  if (update != updates_.end()) update->second.end = target_.data().op(target_.op_id_bound());
  for (std::uint32_t o = 0; o < outputs.size(); ++o) {
    if (outputs[o].ref() == graph_reference{data_->slot, data_->generation, {copy, o}}) continue;
    refuse_source(outputs[o], source_.path_of(old_op), nullptr);
    const tensor_id image = id_for_use(target_, outputs[o].ref());
    data_->rewired.emplace(tensor_id{old_op, o}, image);
    data_->rewired_originals.try_emplace(image, tensor_id{old_op, o});
  }
}

namespace {

error_parts initial_parts(const Graph& source, variable_id of, const Graph& target, tensor_id image,
                          const std::string& found) {
  return {"a rule of clone made '" + target.path_of(image) + "' of the initial value of '" +
              source.path_of(of) + "'",
          found, source.path_of(of),
          "return a tensor of the variable's type that does not depend on the variable"};
}

}  // namespace

// Variables of the clone start with what the rules made of their initial values.
// @returns the reads of those that now start with others than copies
std::vector<op_id> cloner::start_with_images() {
  Graph::tables& t = target_.data();
  std::vector<op_id> reads;
  for (const variable_image& image : data_->images) {
    if (!is_made(image) || !target_.contains(image.image)) continue;
    const auto other = data_->rewired.find(source_.data().variables[image.source.value].initial);
    if (other == data_->rewired.end()) continue;
    variable_info& info = t.variables[image.image.value];
    if (!target_.contains(other->second.op)) refuse_removed(other->first, info.read.op);
    const value_type type = target_.type_of(other->second);
    if (!may_be(info.type, type)) {
      const error_parts parts =
          initial_parts(source_, image.source, target_, other->second,
                        "the variable is " + to_string(info.type) + ", that " + to_string(type));
      if (info.type.type != type.type) throw dtype_error(parts);
      throw shape_error(parts);
    }
    info.initial = other->second;
    if (t.index(info.initial.op) > t.index(info.read.op)) t.ordered = false;
    reads.push_back(info.read.op);
  }
  return reads;
}

}  // namespace graft::detail
