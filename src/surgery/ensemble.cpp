#include "graft/surgery/ensemble.hpp"

#include <algorithm>

#include "graph/building.hpp"
#include "surgery/ensemble_builder.hpp"

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
  return {&g, std::move(unset)};
}

variable_id Ensemble::operator()(variable_id v) const {
  if (const variable_image* image = detail::image_of(*data_, v)) return image->image;
  throw handle_error({"an ensemble was asked for variable " + std::to_string(v.value),
                      "it has no stacked copy of it", "",
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

Clone Ensemble::member_clone(std::size_t i, clone_options options) const {
  const ensemble_data& d = *data_;
  detail::require_member(d, i);
  Graph& g = graph();
  detail::require_origin(d);
  detail::clone_transaction all(g, options);
  if (!options.where_given) options.set(into("member"));
  if (!options.as_mode) options.as_mode = d.as_mode;
  options.set(variables::shared);
  detail::stacker rule(g, d.members);
  const auto replace = [&](variable_id source, tensor_id by) {
    const auto reference = [&](tensor_id t) { return graph_reference{d.slot, d.generation, t}; };
    options.expressions.pairs.emplace_back(reference(g.variable_of(source).read), reference(by));
  };
  for (const variable_image& image : d.variables) {
    tensor_id read = g.variable_of(image.image).read;
    if (std::binary_search(d.stacked.begin(), d.stacked.end(), image.source)) {
      read = rule.part(read, static_cast<std::int64_t>(i));
    }
    replace(image.source, read);
  }
  for (const variable_id v : d.region.variables()) {
    if (const auto frozen = detail::constant_of(d, g.variable_of(v))) replace(v, *frozen);
  }
  Clone result = clone_region(d.region, options);
  all.commit();
  return result;
}

}  // namespace graft
