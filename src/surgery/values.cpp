// Values of variables moved between a clone and its source.
#include <algorithm>
#include <shared_mutex>
#include <unordered_set>

#include "graft/schema/core_operators.hpp"

#include "graph/building.hpp"
#include "graph/store_lock.hpp"
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
          d.variables_graph()};
}

// A variable of the source and one of the clone's own that was made of it.
struct variable_pair {
  variable_id source, image;
};

// Those of which both are still there, further images of split ties at the end.
std::vector<variable_pair> owned_pairs(const clone_data& d, const both_graphs& g) {
  std::vector<variable_pair> pairs;
  const auto add = [&](variable_id source, variable_id image) {
    if (g.source.contains(source) && g.target.contains(image)) pairs.push_back({source, image});
  };
  for (const variable_image& image : d.images) {
    if (!image.image.valid() || (d.same_graph && image.image == image.source)) continue;
    const bool own =
        image.policy == variable_policy::fresh || image.policy == variable_policy::copied;
    if (own) add(image.source, image.image);
  }
  for (const auto& [source, further] : d.splits) add(source, further);
  return pairs;
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
  for (const auto& [source, image] : owned_pairs(d, g)) {
    const Array value = value_of(g.source, source, "copied");
    const dtype type = g.target.variable_of(image).type.type;
    change.set(g.target.store(), image, value.type() == type ? value : value.cast(type));
  }
  change.write();
}

void swap_values(const Clone& clone) {
  const clone_data& d = *clone.data();
  const both_graphs g = graphs_of(d);
  const std::vector<variable_pair> pairs = owned_pairs(d, g);
  std::unordered_set<variable_id> met;
  for (const auto& [v, image] : pairs) {
    if (met.insert(v).second) continue;
    throw argument_error({"the values of a clone were to be swapped with its source's",
                          "'" + g.source.path_of(v) + "' has several images, its ties were split",
                          g.source.path_of(v), "copy values instead, or pair variables yourself"});
  }
  detail::value_change change({&g.source.store(), &g.target.store()});
  for (const auto& [source, image] : pairs) {
    const value_type &mine = g.source.variable_of(source).type,
                     &other = g.target.variable_of(image).type;
    if (mine.type != other.type) {
      throw dtype_error({"the values of a clone were to be swapped with its source's",
                         "'" + g.source.path_of(source) + "' is " + to_string(mine) +
                             ", its image is " + to_string(other),
                         g.source.path_of(source),
                         "copy_values() converts them, in one direction"});
    }
    Array theirs = value_of(g.source, source, "swapped");
    change.set(g.source.store(), source, value_of(g.target, image, "swapped"));
    change.set(g.target.store(), image, std::move(theirs));
  }
  change.write();
}

namespace {

// True for a constant that the clone made of a frozen variable.
bool holds_frozen(const clone_data& d, const Graph& target, op_id op) {
  return std::binary_search(d.extra.begin(), d.extra.end(), op) && target.contains(op) &&
         detail::is_operator(target.schema_of(op), ops::constant);
}

struct byte_counts {
  std::int64_t owned = 0, shared = 0;
  void add(const Array& value, bool is_shared) {
    (is_shared ? shared : owned) += static_cast<std::int64_t>(value.bytes());
  }
};

byte_counts bytes_of(const clone_data& d) {
  byte_counts result;
  const auto add_variables = [&](const Graph& g, const std::vector<variable_id>& variables,
                                 bool shared) {
    const VariableStore& store = g.store();
    const std::shared_lock lock(detail::values_mutex(store));
    for (const variable_id v : variables) {
      if (!g.contains(v)) continue;
      const variable_cell& cell = *store.cell(v);
      if (cell.initialized) result.add(cell.value, shared || cell.value.has_other_owners());
    }
  };
  const Graph& target = detail::graph_behind(d.slot, d.generation, "a clone");
  add_variables(d.variables_graph(), d.created, false);
  std::vector<variable_id> shared;
  for (const variable_image& image : d.images) {
    if (image.policy == variable_policy::shared && image.image.valid())
      shared.push_back(image.image);
  }
  add_variables(d.variables_graph(), shared, true);
  for (const auto& [read, constant] : d.stand_ins) {
    if (!holds_frozen(d, target, constant.op)) continue;
    const Array& value = target.constant(target.attributes_of(constant.op).integer("value"));
    result.add(value, value.has_other_owners());
  }
  return result;
}

}  // namespace

std::int64_t Clone::bytes_owned() const { return bytes_of(*data_).owned; }
std::int64_t Clone::bytes_shared() const { return bytes_of(*data_).shared; }

void reinitialize(const Clone& clone) {
  const clone_data& d = *clone.data();
  Graph& g = d.variables_graph();
  detail::value_change change({&g.store()});
  for (const variable_id v : d.present(d.created)) change.reset(g.store(), v);
  change.write();
}

void reset_slots(const Clone& clone) {
  const clone_data& d = *clone.data();
  Graph& g = d.variables_graph();
  detail::value_change change({&g.store()});
  for (const variable_id v : d.present(d.created)) {
    const variable_role role = g.variable_of(v).role;
    if (role == variable_role::slot || role == variable_role::counter) change.reset(g.store(), v);
  }
  change.write();
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
