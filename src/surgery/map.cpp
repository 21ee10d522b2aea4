// The map between a region and its clone.
#include <algorithm>
#include <unordered_set>

#include "graph/building.hpp"
#include "graph/foreign_ids.hpp"
#include "surgery/clone_data.hpp"

namespace graft {

using detail::place_map;

const variable_image* clone_data::image_of(variable_id v) const {
  if (images.empty()) return nullptr;
  // The variables of a region have consecutive ids as a rule.
  const std::size_t guess = v.value - images.front().source.value;
  if (guess < images.size() && images[guess].source == v) return &images[guess];
  const auto found = std::lower_bound(
      images.begin(), images.end(), v,
      [](const variable_image& image, variable_id wanted) { return image.source < wanted; });
  return found != images.end() && found->source == v ? &*found : nullptr;
}

std::optional<op_id> clone_data::forward(op_id op) const {
  const std::uint32_t place = source().places.find(op.value);
  if (place == place_map::none) return std::nullopt;
  const std::uint32_t copy = copy_number(place);
  if (copy == dropped) return std::nullopt;
  if (copy == itself) return op;
  if (copy == replaced) return stand_ins.at(op).op;
  return this->copy(copy);
}

std::optional<tensor_id> clone_data::forward(tensor_id t) const {
  if (!cut_images.empty()) {
    const auto cut = cut_images.find(t);
    if (cut != cut_images.end()) return cut->second;
  }
  if (!rewired.empty()) {
    const auto other = rewired.find(t);
    if (other != rewired.end() && !other->second.valid()) return std::nullopt;
    if (other != rewired.end()) return other->second;
  }
  const auto op = forward(t.op);
  if (!op) return std::nullopt;
  if (stand_ins.empty()) return tensor_id{*op, t.output};
  // The read of a variable has one output; what stands for it may be any output of its op.
  const auto stand_in = stand_ins.find(t.op);
  return stand_in != stand_ins.end() ? stand_in->second : tensor_id{*op, t.output};
}

std::optional<variable_id> clone_data::forward(variable_id v) const {
  const variable_image* image = image_of(v);
  if (image == nullptr || !image->image.valid()) return std::nullopt;
  return image->image;
}

std::vector<op_id> clone_data::updates_for(op_id update) const {
  const auto named = update_images.find(update);
  if (named != update_images.end()) return named->second;
  const auto copy = forward(update);
  return copy ? std::vector<op_id>{*copy} : std::vector<op_id>{};
}

std::optional<op_id> clone_data::backward(op_id op) const {
  if (is_copy(op)) {
    const std::uint32_t place = place_number(op.value - first_id);
    if (copy_number(place) == dropped) return std::nullopt;  // a rule removed the copy
    return source().nodes[place];
  }
  const auto further = further_originals.find(op);
  if (further != further_originals.end()) return further->second;
  const auto read = stand_in_originals.find({op, 0});
  if (read != stand_in_originals.end() && std::binary_search(extra.begin(), extra.end(), op)) {
    return read->second;
  }
  if (!same_graph) return std::nullopt;
  const std::uint32_t place = source().places.find(op.value);
  if (place == place_map::none || copy_number(place) != itself) return std::nullopt;
  return op;
}

std::optional<tensor_id> clone_data::backward(tensor_id t) const {
  const auto cut = cut_originals.find(t);
  if (cut != cut_originals.end()) return cut->second;
  const auto read = stand_in_originals.find(t);
  if (read != stand_in_originals.end()) return tensor_id{read->second, 0};
  // What a rule kept in the place of an op that it dropped is the image of its own op first.
  if (const auto op = backward(t.op)) return tensor_id{*op, t.output};
  const auto other = rewired_originals.find(t);
  if (other == rewired_originals.end()) return std::nullopt;
  return other->second;
}

std::optional<variable_id> clone_data::backward(variable_id v) const {
  const auto found = std::lower_bound(variable_originals.begin(), variable_originals.end(),
                                      std::pair(v, variable_id{0}));
  if (found == variable_originals.end() || found->first != v) return std::nullopt;
  return found->second;
}

const Graph* clone_data::graph() const {
  const Graph* g = slot->graph;
  return g != nullptr && slot->generation == generation ? g : nullptr;
}

bool clone_data::has_scope() const {
  const Graph::tables& t = detail::graph_behind(slot, generation, "a clone").data();
  return scope.value < t.scopes.size() && !detail::is_removed(t.scopes[scope.value]);
}

Graph& clone_data::variables_graph() const {
  return detail::graph_behind(owner, owner_generation, "a clone");
}

std::vector<variable_id> clone_data::present(std::vector<variable_id> some) const {
  const Graph* g = owner->graph;
  if (g != nullptr && owner->generation == owner_generation) {
    std::erase_if(some, [g](variable_id v) { return !g->contains(v); });
  }
  return some;
}

// Inputs of other shapes, other element types, rules, and edits of either graph make types of images that handles did
// not have.
void Clone::check_type(const graph_reference& image, const value_type& wanted) const {
  if (wanted.type == dtype::any && !wanted.ranked) return;
  const Graph* const g = image.slot->graph.load();
  if (g == nullptr || image.slot->generation != image.generation || !g->contains(image.id.op)) {
    return;  // what uses the handle says so
  }
  const value_type found = g->type_of(image.id);
  const bool other_type =
      wanted.type != dtype::any && found.type != dtype::any && wanted.type != found.type;
  if (other_type && data_->elements.to != dtype::any) {
    const std::string path = g->path_of(image.id);
    throw dtype_error({"the map of a clone was asked for '" + path + "' by a handle of " +
                           std::string(name_of(wanted.type)),
                       "the elements of the clone are " + std::string(name_of(found.type)), path,
                       "ask for the image of any_tensor(y), and view it by as<T, shape>(...)"});
  }
  if (other_type || !detail::may_be(wanted, found)) detail::check_as(any_tensor(image), wanted);
}

// --- Clone
// -----------------------------------------------------------------------------------------

namespace {

Graph& graph_of(const clone_data& d) {
  return detail::graph_behind(d.slot, d.generation, "a clone");
}

[[noreturn]] void refuse(const std::string& what, const std::string& why) {
  throw handle_error(
      {"the map of a clone was asked for " + what, why, "",
       "ask for what the region holds; find() and or_self() accept all of its graph"});
}

const char* foreign(bool forward) {
  return forward ? "it is not of the graph that the region was cut from"
                 : "it is not of the graph that the clone is in";
}

template <class Id>
[[noreturn]] void refuse_foreign(const Id& id, bool forward) {
  refuse(detail::in_words(id), foreign(forward));
}

const char* missing(bool forward) {
  return forward ? "it is not in the region that was cloned, belongs to a frozen or replaced "
                   "variable alone, or a rule removed its copy"
                 : "it is not part of the clone";
}

}  // namespace

Graph& Clone::graph() const { return graph_of(*data_); }
const Region& Clone::origin() const& { return data_->region; }
scope_id Clone::scope() const { return data_->scope; }
std::string Clone::scope_path() const { return graph().scope_path(data_->scope); }
const std::vector<control_image>& Clone::control_images() const& { return data_->control_images; }
const std::vector<variable_image>& Clone::variable_images() const& { return data_->images; }
std::vector<variable_id> Clone::variables() const { return data_->present(data_->created); }

std::vector<variable_id> Clone::images(variable_id v) const {
  (void)may(v, direction::forward);  // refuses those of other graphs
  const variable_image* image = data_->image_of(v);
  if (image == nullptr) (void)must(v, direction::forward);
  std::vector<variable_id> result;
  if (image->image.valid()) result.push_back(image->image);
  for (const auto& [source, further] : data_->splits) {
    if (source == v) result.push_back(further);
  }
  return result;
}

std::vector<variable_id> Clone::parameters() const {
  const Graph& g = data_->variables_graph();
  std::vector<variable_id> result;
  for (const variable_id v : variables()) {
    const variable_info& info = g.variable_of(v);
    if (info.trainable && info.role == variable_role::parameter) result.push_back(v);
  }
  return result;
}

initializer_set Clone::initializer() const {
  return {data_->variables_graph(), data_->present(data_->unset)};
}

initializer_set Clone::initializer_of(variable_id v) const {
  Graph& g = data_->variables_graph();
  std::vector<variable_id> own = data_->present(images(v));
  std::erase_if(own, [this](variable_id image) {
    return !std::binary_search(data_->created.begin(), data_->created.end(), image);
  });
  if (own.empty()) {
    const Graph* source = data_->source().slot->graph;
    const bool known = source != nullptr && source->contains(v);
    refuse("the initializer of " + (known ? "'" + source->path_of(v) + "'" : detail::in_words(v)),
           "the clone has no variable of its own for it: it is shared, linked, frozen or replaced, "
           "or its image was removed");
  }
  return {g, std::move(own)};
}

variable_id Clone::variable_behind(const graph_reference& read) const {
  (void)must(read, direction::forward);
  const Graph& source = detail::graph_behind(data_->source().slot, data_->source().generation,
                                             "the source of a clone");
  const auto v = source.variable_read_by(read.id);
  if (!v) refuse("the initializer of '" + source.path_of(read.id) + "'", "it reads no variable");
  return *v;
}

std::vector<tensor_id> Clone::inputs() const {
  std::vector<tensor_id> result;
  for (const tensor_id t : data_->source().inputs) result.push_back(must(t, direction::forward));
  return result;
}

std::vector<tensor_id> Clone::outputs() const {
  std::vector<tensor_id> result;
  for (const tensor_id t : data_->source().outputs) result.push_back(must(t, direction::forward));
  return result;
}

std::vector<op_id> Clone::nodes() const {
  std::vector<op_id> result = data_->extra;
  result.reserve(result.size() + data_->count);
  for (std::uint32_t i = 0; i < data_->count; ++i) result.push_back(data_->copy(i));
  const Graph* g = data_->graph();
  if (g != nullptr) std::erase_if(result, [g](op_id op) { return !g->contains(op); });
  std::sort(result.begin(), result.end());
  return result;
}

std::optional<tensor_id> Clone::may(const tensor_id& t, direction d) const {
  const bool forward = d == direction::forward;
  if (!t.op.may_be_of(forward ? data_->source().graph : data_->target)) refuse_foreign(t, forward);
  return forward ? data_->forward(t) : data_->backward(t);
}
std::optional<op_id> Clone::may(const op_id& op, direction d) const {
  const bool forward = d == direction::forward;
  if (!op.may_be_of(forward ? data_->source().graph : data_->target)) refuse_foreign(op, forward);
  return forward ? data_->forward(op) : data_->backward(op);
}
std::optional<variable_id> Clone::may(const variable_id& v, direction d) const {
  const bool forward = d == direction::forward;
  const std::uint32_t from = forward ? data_->source().graph : data_->owner_number;
  if (!v.may_be_of(from)) refuse_foreign(v, forward);
  return forward ? data_->forward(v) : data_->backward(v);
}

std::optional<graph_reference> Clone::may(const graph_reference& r, direction d) const {
  const region_data& s = data_->source();
  const bool forward = d == direction::forward;
  graph_slot* from = forward ? s.slot : data_->slot;
  const std::uint32_t from_generation = forward ? s.generation : data_->generation;
  graph_slot* to = forward ? data_->slot : s.slot;
  const std::uint32_t to_generation = forward ? data_->generation : s.generation;
  if (r.slot == nullptr) refuse("an empty handle", "it names no tensor");
  // What makes the variables of a clone in a body is around it.
  const bool around = data_->around != nullptr;
  const auto looked_up_around = [&] { return Clone(data_->around).may(r, d); };
  if (around && !forward && r.slot == data_->owner) return looked_up_around();
  if (r.slot != from || r.generation != from_generation) refuse("a handle", foreign(forward));
  const std::optional<tensor_id> image = forward ? data_->forward(r.id) : data_->backward(r.id);
  if (!image) return around && forward ? looked_up_around() : std::nullopt;
  return graph_reference{to, to_generation, *image};
}

graph_reference Clone::must(const graph_reference& r, direction d) const {
  const auto image = may(r, d);
  if (image) return *image;
  const Graph* g = r.slot->graph;
  const bool known = g != nullptr && r.slot->generation == r.generation && g->contains(r.id.op);
  refuse(known ? "'" + g->path_of(r.id) + "'" : "a tensor of a graph that is gone",
         missing(d == direction::forward));
}
tensor_id Clone::must(const tensor_id& t, direction d) const {
  if (const auto image = may(t, d)) return *image;
  refuse(detail::in_words(t), missing(d == direction::forward));
}
op_id Clone::must(const op_id& op, direction d) const {
  if (const auto image = may(op, d)) return *image;
  refuse(detail::in_words(op), missing(d == direction::forward));
}
variable_id Clone::must(const variable_id& v, direction d) const {
  if (const auto image = may(v, d)) return *image;
  refuse(detail::in_words(v),
         d == direction::forward
             ? "it is not in the region that was cloned, it is frozen or replaced, or a rule "
               "removed its copy"
             : "it is no image of a variable of the region");
}

namespace {

// While a body is open, what is asked for a group's graph is the body.
bool is_of(const update_group& updates, const Graph* g) {
  const Graph* at = &updates.graph();
  while (at != g && at->data().around != nullptr) at = at->data().around->graph;
  return at == g;
}

}  // namespace

update_group clone_image(const Clone& clone, const update_group& updates) {
  const clone_data& d = *clone.data();
  const Graph& g = clone.graph();
  std::vector<op_id> images;
  if (updates.assigns().empty()) return {g, std::move(images)};
  const Graph* source = d.source().slot->graph;
  if (source != nullptr && !is_of(updates, source)) {
    refuse("a group of updates", "it is not of the graph that the region was cut from");
  }
  std::unordered_set<op_id> listed;
  for (const op_id op : updates.assigns()) {
    (void)clone.find(op);                                // refuses those of other graphs
    if (!d.update_images.contains(op)) (void)clone(op);  // refuses what has no image
    for (const op_id image : d.updates_for(op)) {
      if (g.contains(image) && listed.insert(image).second) images.push_back(image);
    }
  }
  return {g, std::move(images)};
}

namespace {

// One step back: the clone that leads back, and where to.
template <class Id>
struct ancestor {
  const clone_data* by;
  Id id;
};

template <class Id>
std::vector<ancestor<Id>> ancestors(Id id, const std::vector<Clone>& clones) {
  std::vector<ancestor<Id>> chain;
  if (clones.empty()) return chain;
  (void)clones.back().find_original(id);  // refuses those of other graphs
  // Variables of a clone in a body are of the graph around it.
  constexpr bool variables = std::is_same_v<Id, variable_id>;
  const auto graph_of_ids = [](const clone_data& d) {
    return variables ? std::pair<const graph_slot*, std::uint32_t>(d.owner, d.owner_generation)
                     : std::pair<const graph_slot*, std::uint32_t>(d.slot, d.generation);
  };
  auto in = graph_of_ids(*clones.back().data());
  for (std::size_t i = clones.size(); i-- > 0;) {
    const clone_data& d = *clones[i].data();
    if (graph_of_ids(d) != in) continue;
    const std::optional<Id> before = d.backward(id);
    if (!before || (d.same_graph && *before == id)) continue;
    chain.push_back({&d, id = *before});
    in = {d.source().slot, d.source().generation};
  }
  return chain;
}

template <class Id>
std::vector<Id> ids_of_ancestors(Id id, const std::vector<Clone>& clones) {
  std::vector<Id> chain;
  for (const ancestor<Id>& a : ancestors(id, clones)) chain.push_back(a.id);
  return chain;
}

}  // namespace

std::vector<op_id> lineage(op_id op, const std::vector<Clone>& clones) {
  return ids_of_ancestors(op, clones);
}
std::vector<tensor_id> lineage(tensor_id t, const std::vector<Clone>& clones) {
  return ids_of_ancestors(t, clones);
}
std::vector<variable_id> lineage(variable_id v, const std::vector<Clone>& clones) {
  return ids_of_ancestors(v, clones);
}
std::vector<any_tensor> lineage(const any_tensor& t, const std::vector<Clone>& clones) {
  if (!clones.empty()) (void)clones.back().find_original(t);  // refuses those of other graphs
  std::vector<any_tensor> chain;
  for (const auto& [by, id] : ancestors(t.ref().id, clones)) {
    chain.push_back(any_tensor(graph_reference{by->source().slot, by->source().generation, id}));
  }
  return chain;
}

std::vector<variable_id> lineage(const Graph& g, variable_id v) {
  std::vector<variable_id> chain;
  for (v = g.variable_of(v).origin; v.valid() && g.contains(v); v = g.variable_of(v).origin) {
    chain.push_back(v);
  }
  return chain;
}

}  // namespace graft
