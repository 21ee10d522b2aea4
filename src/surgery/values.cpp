// Values of variables moved between a clone and its source.
#include <algorithm>
#include <shared_mutex>

#include "graph/value_change.hpp"
#include "surgery/clone_data.hpp"

namespace graft {
namespace {

struct both_graphs {
  Graph& source;
  Graph& target;
};

both_graphs graphs_of(const clone_data& d) {
  return {detail::graph_behind(d.source().slot, d.source().generation, "the source of a clone"),
          detail::graph_behind(d.slot, d.generation, "a clone")};
}

bool owned(const clone_data& d, const variable_image& image) {
  if (!image.image.valid() || (d.same_graph && image.image == image.source)) return false;
  return image.policy == variable_policy::fresh || image.policy == variable_policy::copied;
}

Array value_of(const Graph& g, variable_id v, const char* verb) {
  if (g.store().initialized(v)) return g.store().get(v);
  throw uninitialized_error({std::string("the value of '") + g.path_of(v) + "' was to be " + verb,
                             "the variable has no value yet", g.path_of(v), "initialise it first"});
}

}  // namespace

void copy_values(const Clone& clone) {
  const clone_data& d = *clone.data();
  const both_graphs g = graphs_of(d);
  detail::value_change change({&g.source.store(), &g.target.store()});
  const auto copy = [&](variable_id from, variable_id to) {
    change.set(g.target.store(), to, value_of(g.source, from, "copied"));
  };
  for (const variable_image& image : d.images) {
    if (owned(d, image)) copy(image.source, image.image);
  }
  for (const auto& [source, further] : d.splits) copy(source, further);
  change.write();
}

void swap_values(const Clone& clone) {
  const clone_data& d = *clone.data();
  const both_graphs g = graphs_of(d);
  if (!d.splits.empty()) {
    const variable_id v = d.splits.front().first;
    throw argument_error({"the values of a clone were to be swapped with its source's",
                          "'" + g.source.path_of(v) + "' has several images, its ties were split",
                          g.source.path_of(v), "copy values instead, or pair variables yourself"});
  }
  detail::value_change change({&g.source.store(), &g.target.store()});
  for (const variable_image& image : d.images) {
    if (!owned(d, image)) continue;
    Array theirs = value_of(g.source, image.source, "swapped");
    change.set(g.source.store(), image.source, value_of(g.target, image.image, "swapped"));
    change.set(g.target.store(), image.image, std::move(theirs));
  }
  change.write();
}

namespace {

struct byte_counts {
  std::int64_t owned = 0, shared = 0;
  void add(const Array& value, bool is_shared) {
    (is_shared ? shared : owned) += static_cast<std::int64_t>(value.bytes());
  }
};

byte_counts bytes_of(const clone_data& d) {
  const both_graphs g = graphs_of(d);
  const VariableStore& store = g.target.store();
  const std::shared_lock lock(store.mutex());
  byte_counts result;
  for (const variable_id v : d.present(d.created)) {
    const variable_cell& cell = *store.cell(v);
    if (cell.initialized) result.add(cell.value, cell.value.has_other_owners());
  }
  for (const variable_image& image : d.images) {
    if (image.policy == variable_policy::shared && image.image.valid()) {
      const variable_cell& cell = *store.cell(image.image);
      if (cell.initialized) result.add(cell.value, true);
    }
    if (image.policy != variable_policy::frozen) continue;
    const auto constant = d.stand_ins.find(g.source.variable_of(image.source).read.op);
    if (constant == d.stand_ins.end()) continue;
    const Array& value =
        g.target.constant(g.target.attributes_of(constant->second.op).integer("value"));
    result.add(value, value.has_other_owners());
  }
  return result;
}

}  // namespace

std::int64_t Clone::bytes_owned() const { return bytes_of(*data_).owned; }
std::int64_t Clone::bytes_shared() const { return bytes_of(*data_).shared; }

void reinitialize(const Clone& clone) {
  const clone_data& d = *clone.data();
  Graph& g = graphs_of(d).target;
  detail::value_change change({&g.store()});
  for (const variable_id v : d.present(d.created)) change.reset(g.store(), v);
  change.write();
}

void reset_slots(const Clone& clone) {
  const clone_data& d = *clone.data();
  Graph& g = graphs_of(d).target;
  detail::value_change change({&g.store()});
  for (const variable_id v : d.present(d.created)) {
    const variable_role role = g.variable_of(v).role;
    if (role == variable_role::slot || role == variable_role::counter) change.reset(g.store(), v);
  }
  change.write();
}

Clone unfreeze_clone(const Clone& frozen, clone_options options) {
  const clone_data& d = *frozen.data();
  const both_graphs g = graphs_of(d);
  std::vector<std::pair<variable_id, Array>> values;  // of the source
  for (const variable_image& image : d.images) {
    if (image.policy != variable_policy::frozen) continue;
    const auto constant = d.stand_ins.find(g.source.variable_of(image.source).read.op);
    if (constant == d.stand_ins.end())
      continue;  // only a frozen variable's initial value needed it
    const attribute_view held = g.target.attributes_of(constant->second.op);
    values.emplace_back(image.source, g.target.constant(held.integer("value")));
  }
  if (values.empty()) {
    throw argument_error({"a clone was to be unfrozen", "no variable of it is frozen",
                          g.target.scope_path(d.scope),
                          "clone with variables::frozen, or copy it"});
  }
  if (!options.where_given) options.set(into(g.target, "unfrozen"));
  Graph& into_graph = options.where.graph != nullptr ? *options.where.graph : g.source;
  const auto was_frozen = [&](variable_id v) {
    return std::any_of(values.begin(), values.end(), [v](const auto& p) { return p.first == v; });
  };
  const variables::rule otherwise = options.decide;
  const variable_policy policy = options.policy;
  options.set(variables::chosen_by{[&](const Graph& of, const variable_info& v) {
    if (was_frozen(v.id)) return variable_policy::fresh;
    return otherwise ? otherwise(of, v) : policy;
  }});
  if (&into_graph == &g.target) {
    const auto named = [&](tensor_id key) {
      return std::any_of(options.bound.pairs.begin(), options.bound.pairs.end(),
                         [&](const auto& pair) { return pair.first.id == key; });
    };
    bindings kept;
    for (const tensor_id input : d.source().inputs) {
      if (named(input)) continue;
      kept.pairs.emplace_back(graph_reference{d.source().slot, d.source().generation, input},
                              graph_reference{d.slot, d.generation, d.cut_images.at(input)});
    }
    options.set(kept);
  }
  Graph::transaction all(into_graph);
  Clone result = clone_region(d.region, options);
  for (auto& [v, value] : values) {
    if (const auto image = result.find(v)) into_graph.store().set(*image, std::move(value));
  }
  all.commit();
  return result;
}

void copy_variables(Graph& g, std::span<const std::pair<variable_id, variable_id>> source_target) {
  detail::value_change change({&g.store()});
  for (const auto& [from, to] : source_target) {
    const value_type &a = g.variable_of(from).type, &b = g.variable_of(to).type;
    if (!(a == b)) {
      const error_parts parts{
          "the value of '" + g.path_of(from) + "' was to be copied to '" + g.path_of(to) + "'",
          "their types are " + to_string(a) + " and " + to_string(b), g.path_of(to),
          "pair variables of one type and shape"};
      if (a.type != b.type) throw dtype_error(parts);
      throw shape_error(parts);
    }
    change.set(g.store(), to, value_of(g, from, "copied"));
  }
  change.write();
}

}  // namespace graft
