// Frozen clones made trainable again.
#include <algorithm>

#include "surgery/cloner.hpp"

namespace graft {
namespace {

constexpr const char* asked = "a clone was to be unfrozen";

// The clone has the values of its frozen variables only. What else makes variables is the source's.
Graph& source_of(const clone_data& d) {
  const region_data& r = d.source();
  Graph* const g = r.slot->graph;
  if (g != nullptr && r.slot->generation == r.generation) return *g;
  throw handle_error({asked,
                      "the graph that it was cloned from is gone, and with it what its variables "
                      "start with, their roles and their updates",
                      "",
                      "keep that graph, or make a clone with variables::copied before it goes"});
}

// Makes the same clone again, but for its constants.
class thawing {
 public:
  thawing(const Clone& frozen, clone_options options)
      : d_(*frozen.data()),
        source_(source_of(d_)),
        target_(detail::graph_behind(d_.slot, d_.generation, "a clone")),
        options_(std::move(options)) {}

  Clone run() {
    require_source();
    take_values();
    if (!options_.where_given) options_.set(into(target_, "unfrozen"));
    if (!options_.as_mode) options_.as_mode = d_.as_mode;
    if (options_.elements.to == dtype::any) options_.elements = d_.elements;
    require_rules();
    choose_policies();
    Graph& into_graph = options_.where.graph != nullptr ? *options_.where.graph : source_;
    const bool same_graph = &into_graph == &target_;
    keep_expressions(same_graph);
    if (same_graph) {
      keep_inputs();
      keep_controls();
    }

    Graph::transaction all(into_graph);
    detail::cloner work(d_.region, options_, &values_);
    for (const auto& [of_source, instead] : cast_) work.read_through_cast(of_source, instead);
    Clone result = work.run();
    // A copy of a stream is one of its own, and one that was frozen starts where the constant stands.
    for (const auto& [v, value] : values_) {
      if (source_.variable_of(v).role != variable_role::rng_stream) continue;
      VariableStore& store = result.data()->variables_graph().store();
      for (const variable_id image : result.images(v)) store.set(image, value);
    }
    all.commit();
    return result;
  }

 private:
  [[nodiscard]] graph_reference of_source(tensor_id t) const {
    return {d_.source().slot, d_.source().generation, t};
  }
  [[nodiscard]] graph_reference of_target(tensor_id t) const { return {d_.slot, d_.generation, t}; }

  // What was frozen is there.
  void require_source() const {
    if (!d_.region.stale()) return;
    throw graph_error(
        {asked,
         "the region that it was cloned from was edited or removed since, and its variables would "
         "be made of that again",
         place(),
         "unfreeze it before such edits; to freeze what the region is now, extract and clone it "
         "anew"});
  }

  // The values of its constants, by the source's variables.
  void take_values() {
    for (const variable_image& image : d_.images) {
      if (image.policy != variable_policy::frozen) continue;
      const variable_info& info = source_.variable_of(image.source);
      const auto constant = d_.stand_ins.find(info.read.op);
      if (constant == d_.stand_ins.end())
        continue;  // only a frozen variable's initial value needed it
      const op_id op = constant->second.op;
      if (!target_.contains(op)) {
        const std::string path = source_.path_of(image.source);
        throw graph_error(
            {asked,
             "the constant that it had for '" + path + "' was removed, and the value with it", path,
             "clone the region with variables::copied and set the value yourself"});
      }
      const attribute_view held = target_.attributes_of(op);
      values_.emplace(image.source, target_.constant(held.integer("value")));
    }
    if (!values_.empty()) return;
    throw argument_error({asked, "no variable of it is frozen", place(),
                          "unfreeze a clone that was made with variables::frozen; clones of that "
                          "have plain constants, which belong to no variable"});
  }

  [[nodiscard]] std::string place() const {
    return d_.has_scope() ? target_.scope_path(d_.scope) : std::string();
  }

  // They may refer to what was there for the call of clone() only, so none are kept.
  void require_rules() const {
    if (!d_.ruled || !options_.rules.empty()) return;
    throw argument_error({asked, "rules were asked about its ops, and are not kept with it",
                          place(), "name them again: unfreeze(clone, each_op(rule))"});
  }

  void choose_policies() {
    options_.decide = [this, otherwise = options_.decide, policy = options_.policy](
                          const Graph& of, const variable_info& v) {
      if (values_.contains(v.id)) return variable_policy::copied;
      return otherwise ? otherwise(of, v) : policy;
    };
  }

  // Tensors that are read in place of variables are read again.
  void keep_expressions(bool same_graph) {
    variables::expressions kept;
    for (const variable_image& image : d_.images) {
      if (image.policy != variable_policy::replaced) continue;
      const tensor_id read = source_.variable_of(image.source).read;
      const auto& named = options_.expressions.pairs;
      if (std::any_of(named.begin(), named.end(),
                      [&](const auto& pair) { return pair.first.id == read; }))
        continue;
      const tensor_id by = d_.stand_ins.at(read.op);
      const bool there = target_.contains(by.op);
      if (!same_graph || !there) {
        const std::string path = source_.path_of(image.source);
        const std::string found = there ? "it reads '" + target_.path_of(by) +
                                              "' of its own graph in place of '" + path + "'"
                                        : "what it reads in place of '" + path + "' was removed";
        const error_parts parts{asked, found, path,
                                "name what is read: unfreeze(clone, variables::expr(w, tensor))"};
        if (there) throw argument_error(parts);
        throw graph_error(parts);
      }
      if (becomes_other(read, by)) continue;
      kept.pairs.pairs.emplace_back(of_source(read), of_target(by));
    }
    options_.set(kept);
  }

  // True where the new clone has other elements than what the frozen one reads, which goes through a cast then.
  bool becomes_other(tensor_id of_source, tensor_id read) {
    const dtype wanted = options_.elements(source_.type_of(of_source).type);
    if (wanted == dtype::any || wanted == target_.type_of(read).type) return false;
    cast_.emplace_back(of_source, read);
    return true;
  }

  void keep_inputs() {
    bindings kept;
    for (const tensor_id input : d_.source().inputs) {
      const auto& named = options_.bound.pairs;
      if (std::any_of(named.begin(), named.end(),
                      [&](const auto& pair) { return pair.first.id == input; }))
        continue;
      const tensor_id bound = d_.cut_images.at(input);
      if (!target_.contains(bound.op)) {
        const std::string path = source_.path_of(input);
        throw graph_error({asked, "what its input '" + path + "' was bound to was removed", path,
                           "bind the input anew: unfreeze(clone, bind(x, x2))"});
      }
      if (becomes_other(input, bound)) continue;
      kept.pairs.emplace_back(of_source(input), of_target(bound));
      if (d_.reshaped) kept.reshaped.push_back(of_source(input));
    }
    options_.set(kept);
  }

  // What its ops wait for outside, where that is still there.
  void keep_controls() {
    control_bindings kept;
    detail::index_set named;
    for (const auto& [before, instead] : options_.controls.pairs) {
      named.insert((before.op.valid() ? before.op : source_.id(before.handle).op).value);
    }
    for (const control_image& c : d_.control_images) {
      if (!c.image.valid() || !source_.contains(c.before) || !target_.contains(c.image)) continue;
      if (named.insert(c.before.value)) kept.pairs.push_back({{c.before, {}}, {c.image, {}}});
    }
    options_.set(kept);
  }

  const clone_data& d_;
  Graph& source_;
  Graph& target_;
  clone_options options_;
  detail::start_values values_;
  std::vector<std::pair<tensor_id, tensor_id>> cast_;  // of the source, and what is read instead
};

}  // namespace

Clone unfreeze_clone(const Clone& frozen, clone_options options) {
  return thawing(frozen, std::move(options)).run();
}

}  // namespace graft
