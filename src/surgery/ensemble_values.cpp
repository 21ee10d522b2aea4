// Values moved between an ensemble and networks of one member.
#include <algorithm>
#include <cstring>
#include <map>
#include <unordered_set>

#include "graph/value_change.hpp"
#include "surgery/clone_data.hpp"
#include "surgery/ensemble_data.hpp"

namespace graft {
namespace detail {

Array require_value(const Graph& g, variable_id v) {
  if (!g.store().initialized(v)) {
    throw uninitialized_error({"values of an ensemble's members were to be moved",
                               "'" + g.path_of(v) + "' has no value yet", g.path_of(v),
                               "initialise it first"});
  }
  return g.store().get(v);
}

Array part_of(const Array& all, std::size_t member) {
  const auto first = static_cast<std::int64_t>(member);
  return all.rows(first, first + 1).reshaped(dims(all.shape().begin() + 1, all.shape().end()));
}

}  // namespace detail

namespace {

using detail::part_of;
using detail::require_value;

// The images of a variable that are still there.
std::vector<variable_id> images_in(const Clone& clone, variable_id v) {
  return clone.data()->present(clone.images(v));
}

void require_clones(const ensemble_data& d, std::span<const Clone> clones) {
  const auto refuse = [](const std::string& found) {
    throw argument_error({"values were to be moved between an ensemble and clones", found, "",
                          "pass one clone of the ensemble's own region for each member"});
  };
  if (clones.size() != static_cast<std::size_t>(d.members)) {
    refuse("there are " + std::to_string(d.members) + " members and " +
           std::to_string(clones.size()) + " clones");
  }
  for (std::size_t i = 0; i < clones.size(); ++i) {
    const region_data &ours = *d.region.data(), &theirs = *clones[i].origin().data();
    if (ours.slot != theirs.slot || ours.nodes != theirs.nodes) {
      refuse("clone " + std::to_string(i) + " is of another region");
    }
    for (const variable_id v : d.stacked) {
      if (images_in(clones[i], v).empty())
        refuse("clone " + std::to_string(i) + " has no variable of its own");
    }
  }
}

std::vector<VariableStore*> stores_of(Graph& g, std::span<const Clone> clones) {
  std::vector<VariableStore*> stores{&g.store()};
  for (const Clone& clone : clones) stores.push_back(&clone.data()->variables_graph().store());
  return stores;
}

std::string path_in_source(const Clone& clone, variable_id v) {
  const Graph& source = clone.origin().graph();
  return source.contains(v) ? source.path_of(v) : "a variable that was removed";
}

// The value that all images of a variable in a clone have; where ties were split there are several.
Array only_value(const Clone& clone, std::size_t number, variable_id v) {
  const Graph& g = clone.data()->variables_graph();
  const std::vector<variable_id> images = images_in(clone, v);
  Array value = require_value(g, images.front());
  for (const variable_id other : images) {
    if (require_value(g, other).same_bits(value)) continue;
    throw argument_error(
        {"an ensemble's member " + std::to_string(number) + " was to take the value of '" +
             path_in_source(clone, v) + "' from clone " + std::to_string(number),
         "its ties were split, and '" + g.path_of(images.front()) + "' and '" + g.path_of(other) +
             "' have come to differ",
         g.path_of(other),
         "a member has one variable for both: give them one value, or clone without ties::split"});
  }
  return value;
}

// Values can be given only to variables that are the clone's own, and no other clone's.
void require_own(const ensemble_data& d, std::span<const Clone> clones) {
  std::map<std::pair<const Graph*, variable_id>, std::size_t> clone_of;
  for (std::size_t i = 0; i < clones.size(); ++i) {
    const Graph& g = clones[i].data()->variables_graph();
    for (const variable_id v : d.stacked) {
      for (const variable_id image : images_in(clones[i], v)) {
        const auto refuse = [&](const std::string& found) {
          throw argument_error(
              {"clone " + std::to_string(i) + " was to take the values of member " +
                   std::to_string(i) + " of an ensemble",
               found, g.path_of(image), "pass clones with variables of their own, each once"});
        };
        if (&g == &clones[i].origin().graph() && image == v) {
          refuse("it shares '" + path_in_source(clones[i], v) + "' with its source");
        }
        const auto [place, first] = clone_of.emplace(std::pair(&g, image), i);
        if (!first && place->second != i) {
          refuse("'" + g.path_of(image) + "' is clone " + std::to_string(place->second) + "'s too");
        }
      }
    }
  }
}

}  // namespace

namespace detail {

std::optional<tensor_id> constant_of(const ensemble_data& d, const variable_info& v) {
  const std::vector<tensor_id>& cuts = d.region.data()->cuts;
  if (image_of(d, v.id) != nullptr || std::binary_search(cuts.begin(), cuts.end(), v.read))
    return {};
  const auto image = d.images.find(v.read);
  if (image == d.images.end() || image->second.tensor == v.read) return {};
  return image->second.tensor;
}

}  // namespace detail

void Ensemble::scatter_from(std::span<const Clone> clones) const {
  const ensemble_data& d = *data_;
  require_clones(d, clones);
  Graph& g = graph();
  detail::value_change change(stores_of(g, clones));
  for (const variable_id v : d.stacked) {
    const variable_info& info = g.variable_of((*this)(v));
    Array value = Array::uninitialized(info.type.type, info.type.shape);
    auto* to = static_cast<std::byte*>(value.mutable_data());
    for (std::size_t i = 0; i < clones.size(); ++i) {
      const Array part = only_value(clones[i], i, v);
      if (part.bytes() > 0) std::memcpy(to, part.data(), part.bytes());
      to += part.bytes();
    }
    change.set(g.store(), info.id, std::move(value));
  }
  change.write();
}

void Ensemble::gather_to(std::span<const Clone> clones) const {
  const ensemble_data& d = *data_;
  require_clones(d, clones);
  require_own(d, clones);
  Graph& g = graph();
  detail::value_change change(stores_of(g, clones));
  for (const variable_id v : d.stacked) {
    const Array all = require_value(g, (*this)(v));
    for (std::size_t i = 0; i < clones.size(); ++i) {
      const Array part = part_of(all, i);
      for (const variable_id image : images_in(clones[i], v)) {
        change.set(clones[i].data()->variables_graph().store(), image, part);
      }
    }
  }
  change.write();
}

}  // namespace graft
