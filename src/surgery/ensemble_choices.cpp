// What ensemble() is told, and its inputs.
#include <algorithm>

#include "graft/ops/sources.hpp"

#include "surgery/ensemble_builder.hpp"

namespace graft {

void ensemble_options::set(const member_bindings& b) {
  stacked.pairs.insert(stacked.pairs.end(), b.all.pairs.begin(), b.all.pairs.end());
}

namespace detail {

void ensemble_builder::check_choices(std::size_t members) const {
  const auto refuse = [](const char* what, const char* hint) {
    throw argument_error({"an ensemble was asked for", what, "", hint});
  };
  if (members == 0) refuse("it was to have 0 members", "give at least 1");
  if (options_.where.graph != nullptr && options_.where.graph != &g_) {
    refuse("it was to be made in another graph", "clone the region there first");
  }
  if (options_.naming != names::unique || options_.streams != seeds::split ||
      options_.covered != coverage::whole || options_.inputs != unbound::placeholder ||
      options_.strip || options_.elements.to != dtype::any || !options_.expressions.pairs.empty() ||
      options_.tied != ties::keep || !options_.rules.empty() || !options_.bound.reshaped.empty() ||
      !options_.stacked.reshaped.empty() || options_.waiting != control_in::drop ||
      !options_.controls.pairs.empty()) {
    refuse("one of the choices is for clones only",
           "give bind(...), into(...), a policy, trainable(...), a mode or collections");
  }
}

void ensemble_builder::resolve_inputs() {
  for (const auto& [from, to] : options_.bound.pairs) resolve(from, to, false);
  for (const auto& [from, to] : options_.stacked.pairs) resolve(from, to, true);
}

void ensemble_builder::resolve(const graph_reference& from, const graph_reference& to,
                               bool stacked) {
  const tensor_id key = g_.id(from), value = g_.id(to);
  const std::string verb = stacked ? "bind_each" : "bind";
  if (!std::binary_search(r_.cuts.begin(), r_.cuts.end(), key)) {
    throw boundary_error({verb + " replaces '" + g_.path_of(key) + "'",
                          "it is no input of the region", g_.path_of(key),
                          "bind what the region was extracted with"});
  }
  if (stacked) {
    check_stacked(key, value);
  } else {
    check_replacement(g_, key, g_, value);
  }
  if (!data_->images.emplace(key, member_tensor{value, stacked}).second) {
    throw boundary_error({verb + " replaces '" + g_.path_of(key) + "' a second time",
                          "an input has one replacement", g_.path_of(key), "bind each input once"});
  }
}

void ensemble_builder::check_stacked(tensor_id key, tensor_id value) const {
  value_type wanted = g_.type_of(key);
  const value_type got = g_.type_of(value);
  if (wanted.ranked) {
    dims shape{data_->members};
    shape.append(wanted.shape.begin(), wanted.shape.end());
    wanted.shape = shape;
  }
  const error_parts parts{
      "bind_each gives '" + g_.path_of(key) + "' the " + to_string(got) + " '" + g_.path_of(value) +
          "'",
      "for " + std::to_string(data_->members) + " members it needs " + to_string(wanted),
      g_.path_of(key), "put the axis of members first"};
  if (got.type != wanted.type) throw dtype_error(parts);
  bool fits = !wanted.ranked || (got.ranked && got.shape.size() == wanted.shape.size());
  for (std::size_t i = 0; fits && wanted.ranked && i < wanted.shape.size(); ++i) {
    fits = !is_known(wanted.shape[i]) || got.shape[i] == wanted.shape[i];
  }
  if (!fits) throw shape_error(parts);
}

void ensemble_builder::decide() {
  if (options_.require) options_.require(g_, r_.variables);
  for (const variable_id v : r_.variables) {
    const variable_policy policy =
        options_.decide ? options_.decide(g_, g_.variable_of(v)) : options_.policy;
    if (policy >= variable_policy::linked) {
      throw argument_error({"an ensemble was to decide on '" + g_.path_of(v) + "'",
                            policy == variable_policy::linked
                                ? "the policy is `linked`, which is for clones only"
                            : policy == variable_policy::replaced
                                ? "the policy is `replaced`, which is for clones only"
                                : "the policy is none that there is",
                            g_.path_of(v), "choose fresh, copied, shared or frozen"});
    }
    const bool valued = policy == variable_policy::copied || policy == variable_policy::frozen;
    if (valued && !g_.store().initialized(v)) {
      throw uninitialized_error(
          {"an ensemble was to start from the value of '" + g_.path_of(v) + "'",
           "the variable has no value yet", g_.path_of(v),
           "initialise it first, or choose variables::fresh"});
    }
    policies_.emplace(v, policy);
  }
}

void ensemble_builder::add_inputs() {
  for (const auto* list : {&r_.inputs, &r_.kept}) {
    for (const tensor_id t : *list) {
      if (data_->images.contains(t)) continue;
      if (const Array* value = list == &r_.kept ? value_of(r_, t) : nullptr) {
        const inside_scope in(g_, data_->scope);
        data_->images.emplace(t, member_tensor{g_.add_constant(*value, g_.name_of(t.op)), false});
        continue;
      }
      if (list == &r_.kept) {
        data_->images.emplace(t, member_tensor{t, false});
        continue;
      }
      const inside_scope in(g_, data_->scope);
      const value_type type = g_.type_of(t);
      attribute_list attributes;
      attributes.set("type", type.type);
      if (type.ranked) attributes.set("shape", type.shape);
      const op_id added = g_.add(ops::placeholder, {}, attributes, g_.name_of(t.op));
      data_->images.emplace(t, member_tensor{{added, 0}, false});
    }
  }
}

}  // namespace detail
}  // namespace graft
