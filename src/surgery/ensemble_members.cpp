// Members of an ensemble taken out: as views, and as networks of their own.
#include <algorithm>
#include <bit>
#include <unordered_map>

#include "graft/graph/tables.hpp"
#include "graft/ops/logic.hpp"

#include "graph/body_edit.hpp"
#include "surgery/ensemble_builder.hpp"
#include "surgery/extract.hpp"

namespace graft {
namespace {

using detail::image_of;

std::string view_of(std::size_t i) {
  return "an ensemble was asked for member " + std::to_string(i) + " as a view";
}

// A view has no variables of its own but for streams, and reads those of the ensemble.
void require_choices_of_view(Graph& g, std::size_t i, const clone_options& options) {
  const std::string number = std::to_string(i);
  if (options.policy_given || !options.expressions.pairs.empty() || options.trainable ||
      options.tied != ties::keep) {
    throw argument_error(
        {view_of(i), "one of the choices is about variables, and a view has none of its own", "",
         "leave that choice out, or take the member out with variables of its own: detach(" +
             number + ", ...)"});
  }
  Graph* const where = options.where.graph;
  if (where == nullptr || &detail::outermost_of(*where) == &detail::outermost_of(g)) return;
  throw argument_error(
      {view_of(i),
       "it was to go into another graph, and reads the ensemble's variables in this one", "",
       "take the member out with variables of its own: detach(" + number + ", into(graph))"});
}

// The streams of the ensemble that a view is to have its own of, with the values that these start with.
// In a body nothing would move them on.
class own_streams {
 public:
  own_streams(const ensemble_data& d, const Graph& g, const clone_options& options) {
    const bool in_body = options.where.graph != nullptr && options.where.graph->is_open_body();
    if (!options.streams_given || options.streams == seeds::same || in_body) return;
    for (const variable_id v : d.region.variables()) {
      const variable_info& info = g.variable_of(v);
      if (info.role != variable_role::rng_stream || detail::constant_of(d, info)) continue;
      const variable_image* const image = image_of(d, v);
      const variable_id read = image != nullptr ? image->image : v;
      const bool valued = g.store().initialized(read);
      if (valued) starts_.emplace(v, g.store().get(read));
      policies_.emplace(v, valued ? variable_policy::copied : variable_policy::fresh);
    }
  }
  [[nodiscard]] bool has(variable_id v) const { return policies_.contains(v); }
  [[nodiscard]] variable_policy policy_of(variable_id v) const {
    return has(v) ? policies_.at(v) : variable_policy::shared;
  }
  [[nodiscard]] const detail::start_values& starts() const { return starts_; }

 private:
  detail::start_values starts_;
  std::unordered_map<variable_id, variable_policy> policies_;
};

// A view may write its slices only, and an update is of a whole variable.
void require_no_updates(const ensemble_data& d, const Graph& g, std::size_t i) {
  const region_data& r = *d.region.data();
  detail::index_set met;
  std::vector<op_id> open;
  const auto need = [&](tensor_id t) {
    const bool inside = r.places.find(t.op.value) != detail::place_map::none &&
                        !std::binary_search(r.cuts.begin(), r.cuts.end(), t);
    if (inside && met.insert(t.op.value)) open.push_back(t.op);
  };
  for (const tensor_id out : r.outputs) need(out);
  while (!open.empty()) {
    const op_id op = open.back();
    open.pop_back();
    detail::for_each_need(
        g, g.data().index(op), [](variable_id) { return false; },
        [&](tensor_id t, std::uint32_t, detail::lead) { need(t); });
    if (!g.schema_of(op).has(ops::update)) continue;
    detail::for_each_variable(g, g.attributes_of(op), [&](variable_id v) {
      if (image_of(d, v) == nullptr) return;
      throw unsupported_error(
          {view_of(i),
           "its outputs depend on '" + g.path_of(op) + "', which updates '" + g.path_of(v) +
               "': in the ensemble that is one variable for all members",
           g.path_of(op),
           "update all members at once by the ensemble's image of the updates, many(step.updates), "
           "take the member out: detach(" +
               std::to_string(i) +
               "), or make the ensemble of the network without its training step"});
    });
  }
}

// What a member's own network does with its variables: what was asked for, as far as the ensemble has them.
class member_policies {
 public:
  member_policies(const ensemble_data& d, const Graph& g, const clone_options& options)
      : d_(d), g_(g), options_(options) {
    for (const auto& [from, to] : options.expressions.pairs) {
      if (const auto v = g.variable_read_by(g.id(from))) replaced_.push_back(*v);
    }
  }

  [[nodiscard]] variable_policy of(const variable_info& v) const {
    const bool constant = detail::constant_of(d_, v).has_value();
    if (!options_.policy_given) return constant ? variable_policy::frozen : variable_policy::copied;
    const variable_policy asked = options_.decide ? options_.decide(g_, v) : options_.policy;
    const bool shares = asked == variable_policy::shared || asked == variable_policy::linked;
    if (!shares || (!constant && image_of(d_, v.id) == nullptr)) return asked;
    throw argument_error(
        {"an ensemble was asked for a member with the source's own '" + g_.path_of(v.id) + "'",
         constant ? "the ensemble has a constant in its place"
                  : "the members have variables of their own in its place",
         g_.path_of(v.id), "choose fresh, copied or frozen for it, or member() for a view"});
  }

  /// True where the member's value is taken.
  [[nodiscard]] bool needs_value(variable_id v, variable_policy policy) const {
    return (policy == variable_policy::copied || policy == variable_policy::frozen) &&
           std::find(replaced_.begin(), replaced_.end(), v) == replaced_.end();
  }

 private:
  const ensemble_data& d_;
  const Graph& g_;
  const clone_options& options_;
  std::vector<variable_id> replaced_;  // by variables::expr
};

// The value of member i, where it is not the source's.
std::optional<Array> value_in_member(const ensemble_data& d, const Graph& g, const variable_info& v,
                                     std::size_t i) {
  if (std::binary_search(d.stacked.begin(), d.stacked.end(), v.id)) {
    return detail::part_of(detail::require_value(g, image_of(d, v.id)->image), i);
  }
  if (const auto constant = detail::constant_of(d, v)) {
    return g.constant(g.attributes_of(constant->op).integer("value"));
  }
  if (v.role != variable_role::rng_stream) return {};
  Array start(dtype::int64, {2});
  start.mutable_span<std::int64_t>()[0] = std::bit_cast<std::int64_t>(v.stream_key);
  return start;
}

}  // namespace

Clone Ensemble::member_clone(std::size_t i, clone_options options) const {
  const ensemble_data& d = *data_;
  detail::require_member(d, i);
  Graph& g = graph();
  detail::require_origin(d);
  require_choices_of_view(g, i, options);
  require_no_updates(d, g, i);
  detail::clone_transaction all(g, options);
  if (!options.where_given) options.set(into("member"));
  if (!options.as_mode) options.as_mode = d.as_mode;
  const own_streams streams(d, g, options);
  options.set(variables::by([&](const variable_info& v) { return streams.policy_of(v.id); }));
  detail::stacker rule(g, d.members);
  const auto replace = [&](variable_id source, tensor_id by) {
    const dtype type = g.type_of(by).type, wanted = options.elements(type);
    if (wanted != type) {
      by = {g.add(ops::cast, {&by, 1}, attribute_list().set("type", wanted)), 0};
    }
    const auto reference = [&](tensor_id t) { return graph_reference{d.slot, d.generation, t}; };
    options.expressions.pairs.emplace_back(reference(g.variable_of(source).read), reference(by));
  };
  for (const variable_image& image : d.variables) {
    if (streams.has(image.source)) continue;
    tensor_id read = g.variable_of(image.image).read;
    if (std::binary_search(d.stacked.begin(), d.stacked.end(), image.source)) {
      read = rule.part(read, static_cast<std::int64_t>(i));
    }
    replace(image.source, read);
  }
  for (const variable_id v : d.region.variables()) {
    if (const auto frozen = detail::constant_of(d, g.variable_of(v))) replace(v, *frozen);
  }
  Clone result = detail::cloner(d.region, options, &streams.starts()).run();
  all.commit();
  return result;
}

Clone Ensemble::detached_clone(std::size_t i, clone_options options) const {
  const ensemble_data& d = *data_;
  detail::require_member(d, i);
  const Graph& g = graph();
  detail::require_origin(d);
  if (options.require) options.require(g, d.region.variables());
  const member_policies policies(d, g, options);
  detail::start_values starts;
  std::unordered_map<variable_id, variable_policy> decided;
  for (const variable_id v : d.region.variables()) {
    const variable_info& info = g.variable_of(v);
    const variable_policy policy = decided[v] = policies.of(info);
    if (!policies.needs_value(v, policy)) continue;
    if (auto value = value_in_member(d, g, info, i)) starts.emplace(v, *std::move(value));
  }
  if (!options.where_given) options.set(into("member"));
  if (!options.as_mode) options.as_mode = d.as_mode;
  options.decide = [&](const Graph&, const variable_info& v) { return decided.at(v.id); };
  options.require = {};
  return detail::cloner(d.region, options, &starts).run();
}

}  // namespace graft
