// The user's rule for the ops of a clone.
#include <algorithm>

#include "surgery/cloner.hpp"

namespace graft::detail {

namespace {

// Makes the copies that read a tensor read another one; what the rule itself added keeps reading it.
void reroute_copies(Graph& g, const clone_data& d, tensor_id from, tensor_id to) {
  std::vector<std::pair<op_id, std::uint32_t>> uses;
  g.for_each_use(from.op, [&](const Graph::use& u, std::uint32_t output) {
    if (output == from.output && d.is_copy(u.user)) uses.emplace_back(u.user, u.slot);
  });
  for (const auto& [user, slot] : uses) g.set_operand(user, slot, to);
}

}  // namespace

void cloner::apply_rule() {
  if (!options_.rule) return;
  data_->ruled = true;
  for (std::uint32_t k = 0; k < data_->count; ++k) {
    const op_id old_op = r_.nodes[data_->place_number(k)], copy{data_->first_id + k};
    copied_op op{&target_, old_op, copy, &target_.schema_of(copy), {}, {}};
    for (std::uint32_t i = 0; i < target_.operand_count(copy); ++i) {
      op.operands.push_back(target_.handle(target_.operand(copy, i)));
    }
    for (std::uint32_t o = 0; o < target_.output_count(copy); ++o) {
      op.outputs.push_back(target_.handle({copy, o}));
    }
    const std::uint32_t before = target_.op_id_bound();
    std::optional<std::vector<any_tensor>> answer;
    target_.reenter_scope(target_.scope_of(copy));
    try {
      answer = options_.rule(op);
    } catch (...) {
      target_.leave_scope();
      throw;
    }
    target_.leave_scope();
    for (std::uint32_t id = before; id < target_.op_id_bound(); ++id) {
      data_->extra.push_back(op_id{id});
    }
    if (!answer) continue;
    if (answer->size() != op.outputs.size()) {
      throw argument_error({"a rule of clone was asked about '" + source_.path_of(old_op) + "'",
                            "it returned " + std::to_string(answer->size()) + " tensors for " +
                                std::to_string(op.outputs.size()) + " outputs",
                            source_.path_of(old_op), "return one for each, or nothing"});
    }
    for (std::uint32_t o = 0; o < answer->size(); ++o) {
      const tensor_id image = target_.id((*answer)[o]);
      if (image == tensor_id{copy, o}) continue;
      reroute_copies(target_, *data_, {copy, o}, image);
      data_->rewired.emplace(tensor_id{old_op, o}, image);
      data_->rewired_originals.try_emplace(image, tensor_id{old_op, o});
    }
  }
}

}  // namespace graft::detail
