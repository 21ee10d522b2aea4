#include "graft/surgery/ensemble.hpp"

#include <algorithm>

#include "graph/body_edit.hpp"
#include "graph/building.hpp"
#include "graph/foreign_ids.hpp"
#include "surgery/ensemble_builder.hpp"
#include "surgery/extract.hpp"

namespace graft {

namespace detail {

const variable_image* image_of(const ensemble_data& d, variable_id v) {
  const auto found = std::lower_bound(
      d.variables.begin(), d.variables.end(), v,
      [](const variable_image& i, variable_id wanted) { return i.source < wanted; });
  return found != d.variables.end() && found->source == v ? &*found : nullptr;
}

void require_member(const ensemble_data& d, std::size_t i) {
  if (i < static_cast<std::size_t>(d.members)) return;
  throw argument_error({"an ensemble was asked for member " + std::to_string(i),
                        "it has " + std::to_string(d.members) + " members, counted from 0", "",
                        "ask for one of these"});
}

void require_origin(const ensemble_data& d) {
  if (!d.region.stale()) return;
  throw graph_error(
      {"an ensemble was asked for a member",
       "members are made of the ops of its region, which were edited or removed since", "",
       "take members out before that, or move their values by gather_to(); what runs "
       "all members needs the region no longer"});
}

}  // namespace detail

namespace {

[[noreturn]] void refuse_tensor(const Graph& g, tensor_id t, const char* why) {
  throw handle_error(
      {"an ensemble was asked for '" + g.path_of(t) + "'", why, g.path_of(t),
       "ask for an output of the region, or for what lies behind a member's variable"});
}

// What became of the region is known after its ops are gone, too.
tensor_id id_in_source(const ensemble_data& d, const graph_reference& r) {
  const Graph& g = detail::graph_of(d);
  return r.slot == d.slot && r.generation == d.generation ? r.id : g.id(r);
}

}  // namespace

Ensemble ensemble_region(const Region& region, std::size_t members,
                         const ensemble_options& options) {
  return detail::ensemble_builder(region, members, options).run();
}

std::size_t Ensemble::size() const { return static_cast<std::size_t>(data_->members); }
Graph& Ensemble::graph() const { return detail::graph_of(*data_); }
const Region& Ensemble::origin() const& { return data_->region; }
scope_id Ensemble::scope() const { return data_->scope; }

std::vector<variable_id> Ensemble::variables() const {
  const Graph& g = graph();
  std::vector<variable_id> result = data_->created;
  std::erase_if(result, [&g](variable_id v) { return !g.contains(v); });
  return result;
}

std::vector<variable_id> Ensemble::parameters() const {
  const Graph& g = graph();
  std::vector<variable_id> result;
  for (const variable_id v : variables()) {
    const variable_info& info = g.variable_of(v);
    if (info.trainable && info.role == variable_role::parameter) result.push_back(v);
  }
  return result;
}

initializer_set Ensemble::initializer() const {
  Graph& g = graph();
  std::vector<variable_id> unset = data_->unset;
  std::erase_if(unset, [&g](variable_id v) { return !g.contains(v); });
  return {g, std::move(unset)};
}

variable_id Ensemble::operator()(variable_id v) const {
  const std::string asked = "an ensemble was asked for " + detail::in_words(v);
  if (!v.may_be_of(data_->region.data()->graph)) detail::refuse_foreign(asked);
  if (const variable_image* image = detail::image_of(*data_, v)) return image->image;
  throw handle_error({asked, "it has no stacked copy of it", "",
                      "shared and frozen variables are the same for all members"});
}

bool Ensemble::has_members(const any_tensor& t) const {
  const auto found = data_->images.find(id_in_source(*data_, t.ref()));
  return found != data_->images.end() && found->second.stacked;
}

graph_reference Ensemble::image(const graph_reference& r) const {
  const Graph& g = graph();
  const tensor_id t = id_in_source(*data_, r);
  const auto found = data_->images.find(t);
  if (found == data_->images.end()) refuse_tensor(g, t, "it is not in the region, or not needed");
  if (!found->second.stacked) refuse_tensor(g, t, "it is the same for all members");
  return {data_->slot, data_->generation, found->second.tensor};
}

}  // namespace graft
