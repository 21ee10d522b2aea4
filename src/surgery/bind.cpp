// Bindings and rules: what clone() is told, checked before anything changes.
#include <algorithm>

#include "graph/building.hpp"
#include "surgery/cloner.hpp"
#include "surgery/fits.hpp"

namespace graft {
namespace detail {

void refuse_counts(std::size_t from, std::size_t to) {
  throw argument_error({"bind was given " + std::to_string(from) + " inputs and " +
                            std::to_string(to) + " replacements",
                        "the numbers differ", "", "give one replacement for each input"});
}

namespace {

const char* hint_for(misfit::kind what) {
  switch (what) {
    case misfit::kind::element_type:
      return "insert cast<T>(x) before the replacement";
    case misfit::kind::kind_of_value:
      return "bind values of one kind";
    case misfit::kind::open_rank:
      return "bind a tensor whose rank is known";
    case misfit::kind::rank:
      return "reshape the replacement, or let types change: bind_reshaped(...)";
    case misfit::kind::open_extent:
      return "bind a tensor whose extent is known, or declare the source with an open extent (dyn)";
    case misfit::kind::extent:
      return "bind a tensor of the input's shape, or let types change: bind_reshaped(...)";
  }
  return "";
}

}  // namespace

void check_replacement(const Graph& g, tensor_id input, const Graph& h, tensor_id replacement,
                       bool any_shape, element_types elements) {
  value_type wanted = g.type_of(input);
  wanted.type = elements(wanted.type);
  const value_type got = h.type_of(replacement);
  const auto why = misfit_of(wanted, got, any_shape);
  if (!why) return;
  const error_parts parts{"bind('" + g.path_of(input) + "', '" + h.path_of(replacement) +
                              "') replaces " + to_string(wanted) + " by " + to_string(got),
                          why->found, g.path_of(input), hint_for(why->what)};
  if (why->what == misfit::kind::element_type) throw dtype_error(parts);
  throw shape_error(parts);
}

void cloner::resolve_bindings() {
  for (const auto& [from, to] : options_.bound.pairs) {
    const tensor_id key = source_.id(from);
    if (!std::binary_search(r_.cuts.begin(), r_.cuts.end(), key)) {
      std::string inputs;
      for (const tensor_id t : r_.inputs)
        inputs += (inputs.empty() ? "'" : ", '") + source_.path_of(t) + "'";
      throw boundary_error({"bind replaces '" + source_.path_of(key) + "'",
                            "it is no input of the region", source_.path_of(key),
                            "the inputs are: " + (inputs.empty() ? std::string("none") : inputs) +
                                "; extract with inputs(...) that name it"});
    }
    const tensor_id value = id_for_use(target_, to);
    if (!data_->cut_images.emplace(key, value).second) {
      throw boundary_error({"bind replaces '" + source_.path_of(key) + "' twice",
                            "an input has one replacement", source_.path_of(key),
                            "bind each input once"});
    }
    const auto& reshaped = options_.bound.reshaped;
    const bool any_shape = std::find(reshaped.begin(), reshaped.end(), from) != reshaped.end();
    check_replacement(source_, key, target_, value, any_shape, options_.elements);
    data_->reshaped = data_->reshaped || any_shape;
    infer_again_ = infer_again_ || !(source_.type_of(key) == target_.type_of(value));
  }
  std::string missing;
  for (const auto* list : {&r_.inputs, &r_.kept}) {
    const bool kept = list == &r_.kept;
    for (const tensor_id t : *list) {
      if (data_->cut_images.contains(t)) continue;
      if (const Array* value = kept ? value_of(r_, t) : nullptr) {
        valued_.push_back(t);
        infer_again_ =
            infer_again_ || !(source_.type_of(t) == value_type::of(value->type(), value->shape()));
        continue;
      }
      if (casts_.contains(t)) {
        converted_.push_back(t);
      } else if (same_graph_ && (kept || options_.inputs == unbound::keep)) {
        const dtype type = source_.type_of(t).type;
        if (options_.elements(type) == type) {
          data_->cut_images.emplace(t, t);
        } else {
          converted_.push_back(t);
        }
      } else if (!kept && options_.inputs != unbound::placeholder) {
        missing += (missing.empty() ? "'" : ", '") + source_.path_of(t) + "'";
      } else {
        unbound_.push_back(t);
      }
    }
  }
  if (missing.empty()) return;
  throw boundary_error({"clone was asked for a copy without replacing " + missing,
                        options_.inputs == unbound::keep
                            ? "a clone in another graph cannot read them (unbound::keep)"
                            : "all inputs must be bound (unbound::error)",
                        "", "bind them, or leave the option out to get placeholders"});
}

void cloner::resolve_expressions() {
  for (const auto& [from, to] : options_.expressions.pairs) {
    const tensor_id key = source_.id(from);
    const auto refuse = [&](const char* found, const char* hint) {
      throw boundary_error({"variables::expr replaces '" + source_.path_of(key) + "'", found,
                            source_.path_of(key), hint});
    };
    const auto v = source_.variable_read_by(key);
    if (!v) refuse("it reads no variable", "replace inputs by bind(...)");
    const auto image = std::lower_bound(
        data_->images.begin(), data_->images.end(), *v,
        [](const variable_image& i, variable_id wanted) { return i.source < wanted; });
    if (image == data_->images.end() || image->source != *v) {
      refuse("the region has no such variable", "name variables that Region::variables() lists");
    }
    const tensor_id value = id_for_use(target_, to);
    if (!data_->stand_ins.emplace(key.op, value).second) {
      refuse("it is replaced twice", "name each variable once");
    }
    image->policy = variable_policy::replaced;
    check_replacement(source_, key, target_, value, false, options_.elements);
    infer_again_ = infer_again_ || !(source_.type_of(key) == target_.type_of(value));
  }
  if (casts_.empty()) return;
  for (variable_image& image : data_->images) {
    if (casts_.contains(source_.variable_of(image.source).read))
      image.policy = variable_policy::replaced;
  }
}

}  // namespace detail
}  // namespace graft
