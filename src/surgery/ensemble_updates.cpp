// The updates of an ensemble: of its outputs, and those that layers declared.
#include "graph/building.hpp"
#include "surgery/ensemble_builder.hpp"

namespace graft {

namespace detail {

// One update for all members, of the stacked variable; its operand is there.
void ensemble_builder::add_update(op_id op) {
  const variable_id v = updated_by(op);
  const auto policy = policies_.find(v);
  if (policy != policies_.end() && policy->second == variable_policy::frozen) {
    throw graph_error({"an ensemble was asked to freeze '" + g_.path_of(v) + "'",
                       "'" + g_.path_of(op) + "' updates it, and the outputs depend on that update",
                       g_.path_of(op),
                       "choose another policy for it, or cut the region below the update"});
  }
  const bool own = owns(v);
  const bool stacked = own && g_.variable_of(v).role != variable_role::rng_stream;
  const member_tensor value = data_->images.at(g_.operand(op, 0));
  if (value.stacked && !stacked) {
    throw unsupported_error(
        {"an ensemble was asked for with one '" + g_.path_of(v) + "' for all members",
         "'" + g_.path_of(op) + "' gives it a value that differs between them", g_.path_of(op),
         own ? "members share streams: replicate() the region"
             : "choose variables::fresh or copied for it, or replicate() the region"});
  }
  const inside_scope in(g_, scope_of(g_.scope_of(op)));
  const tensor_id operand = stacked ? rule_.broadcast(value) : value.tensor;
  attribute_list attributes = g_.attributes_of(op);
  if (own) {
    const op_id read = made_.at(g_.variable_of(v).read.op.value).front();
    const variable_id image = *g_.variable_read_by({read, 0});
    attributes.set("variable", std::int64_t{image.value}, attribute_kind::variable);
  }
  const op_id made = g_.add(g_.schema_of(op), {&operand, 1}, attributes, g_.name_of(op));
  data_->images.try_emplace({op, 0}, member_tensor{{made, 0}, stacked});
  data_->updates.emplace(op, made);
  made_.emplace(op.value, std::vector<op_id>{made});
}

// The updates that layers declared, for the variables that were made. Shared variables keep theirs.
void ensemble_builder::add_own_updates() {
  for (std::size_t i = 0; i < data_->variables.size(); ++i) {  // grows
    const variable_image image = data_->variables[i];
    const std::vector<op_id> updates = g_.variable_of(image.source).own_updates;
    for (const op_id update : updates) {
      build({update, 0});
      const auto made = made_.find(update.value);  // not there where the update is an input
      if (made != made_.end()) g_.own_update(image.image, made->second.front());
    }
  }
  for (const auto& [v, policy] : policies_) {
    if (owns(v) || policy == variable_policy::frozen) continue;
    for (const op_id update : g_.variable_of(v).own_updates) {
      const member_tensor itself{{update, 0}, false};
      if (data_->images.try_emplace(itself.tensor, itself).second) {
        data_->updates.emplace(update, update);
      }
    }
  }
}

}  // namespace detail

update_group Ensemble::operator()(const update_group& updates) const {
  const Graph& g = graph();
  std::vector<op_id> images;
  if (updates.empty()) return {g, std::move(images)};
  const auto refuse = [](const std::string& what, const std::string& found) {
    throw handle_error({"an ensemble was asked for " + what, found, "",
                        "ask for updates of the region that the ensemble was made of"});
  };
  if (&updates.graph() != &g) refuse("a group of updates", "it is of another graph");
  for (const op_id op : updates.assigns()) {
    const auto image = data_->updates.find(op);
    if (image == data_->updates.end()) {
      if (!g.contains(op)) refuse("an update", "it was removed");
      refuse("the update '" + g.path_of(op) + "'",
             "it is not in the region, or updates a variable that is frozen");
    }
    if (!g.contains(image->second)) refuse("an update", "what stood for it is gone");
    images.push_back(image->second);
  }
  return {g, std::move(images)};
}

}  // namespace graft
