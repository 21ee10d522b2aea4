// Which variables become what, and which ops are copied: decided before anything changes.
#include <algorithm>
#include <array>

#include "graft/graph/tables.hpp"
#include "graft/ops/logic.hpp"

#include "surgery/cloner.hpp"
#include "surgery/extract.hpp"

namespace graft::detail {

namespace {

// Marks of the selection, before copies are numbered.
constexpr std::uint32_t wanted = 0;

[[noreturn]] void refuse_policy(const Graph& g, variable_id v, const char* verb) {
  throw uninitialized_error(
      {std::string("clone was asked to ") + verb + " the value of '" + g.path_of(v) + "'",
       "the variable has no value yet", g.path_of(v),
       "initialise it first (session.initialize()), or choose variables::fresh"});
}

// As where the layer is built in a body: no run of the copy would make the update.
[[noreturn]] void refuse_update_in_body(const Graph& g, op_id op, const std::string& found,
                                        const std::string& hint) {
  throw graph_error({"clone was asked to copy '" + g.path_of(op) + "' into a body",
                     found + ", and a body may run often or never, so it updates no variable",
                     g.path_of(op),
                     hint + "clone outside the body, and use the clone's tensors inside"});
}

}  // namespace

variable_id cloner::read_by(std::uint32_t index) const {
  const Graph::tables& t = source_.data();
  const Graph::tables::op_record& r = t.ops[index];
  if (!t.marked(r) || !r.schema->has(ops::source)) return {};
  for (const stored_attribute& a : t.stored(r)) {
    if (a.kind == attribute_kind::variable) return t.variable(a.integer);
  }
  return {};
}

bool cloner::mode_changes(std::uint32_t index) const {
  const Graph::tables& t = source_.data();
  const Graph::tables::op_record& r = t.ops[index];
  if (!options_.as_mode) return false;
  const bool training = *options_.as_mode == mode::training;
  const attribute_view attributes = t.attributes_of(r);
  if (r.schema->has(ops::bodies)) return mode_differs(source_, attributes, training);
  return r.schema->has(ops::modal) && (attributes.integer("training") != 0) != training;
}

bool cloner::is_cut(tensor_id t) const {
  if (r_.cuts.empty() || t < r_.cuts.front() || r_.cuts.back() < t) return false;
  return std::binary_search(r_.cuts.begin(), r_.cuts.end(), t);
}

// Streams that are to be the clone's own although it shares its variables. In a body nothing would move them on.
bool cloner::splits_shared(const variable_info& v) const {
  return v.role == variable_role::rng_stream && options_.streams_given &&
         options_.streams != seeds::same && !in_body_;
}

void cloner::decide_variables() {
  data_->images.reserve(r_.variables.size());
  if (options_.require) options_.require(source_, r_.variables);
  for (const variable_id v : r_.variables) {
    variable_policy policy =
        options_.decide ? options_.decide(source_, source_.variable_of(v)) : options_.policy;
    if (policy == variable_policy::fresh || policy == variable_policy::copied) {
      data_->images.push_back({v, {}, policy});
      continue;
    }
    if (policy == variable_policy::shared && splits_shared(source_.variable_of(v))) {
      policy = source_.store().initialized(v) ? variable_policy::copied : variable_policy::fresh;
    }
    if (policy >= variable_policy::replaced) {
      throw argument_error(
          {"clone was to decide on '" + source_.path_of(v) + "'",
           policy == variable_policy::replaced ? "the policy is `replaced`, without a tensor"
                                               : "the policy is none that there is",
           source_.path_of(v),
           "name tensors by variables::expr(w, tensor), or choose another policy"});
    }
    if (policy == variable_policy::linked && !same_graph_ && !is_around()) {
      throw argument_error({"clone was asked to link '" + source_.path_of(v) + "' in another graph",
                            "only ops of one graph can read the same tensor", source_.path_of(v),
                            "choose variables::shared, which shares storage between graphs"});
    }
    const value_type& type = source_.variable_of(v).type;
    if (policy == variable_policy::shared && options_.elements(type.type) != type.type) {
      if (!same_graph_ && !is_around()) {
        throw unsupported_error(
            {"clone was asked to share '" + source_.path_of(v) + "' in another graph, as " +
                 std::string(name_of(converted(type).type)),
             "a variable has one element type, and what converts it must be in its graph",
             source_.path_of(v), "clone within one graph, or choose variables::copied"});
      }
      policy = variable_policy::linked;  // what converts it is an op of the clone's own
    }
    data_->images.push_back({v, {}, policy});
  }
  resolve_expressions();
  if (is_around()) capture_shared();
  if (!same_graph_) find_joined();
}

// A body reads variables of the graph around it as it reads other tensors.
void cloner::capture_shared() {
  for (variable_image& image : data_->images) {
    if (image.policy != variable_policy::shared && image.policy != variable_policy::linked)
      continue;
    const tensor_id read = source_.variable_of(image.source).read;
    tensor_id taken = target_.capture(source_.handle(read).ref());
    const dtype type = target_.type_of(taken).type, becomes = options_.elements(type);
    if (becomes != type) {
      const attribute_list attributes = attribute_list().set("type", becomes);
      taken = {target_.add(ops::cast, {&taken, 1}, attributes), 0};
      data_->extra.push_back(taken.op);
    }
    data_->stand_ins.emplace(read.op, taken);
    image.policy = variable_policy::replaced;
  }
}

// A variable that the other graph shares already, by an earlier clone, is that graph's own.
void cloner::find_joined() {
  for (const variable_image& image : data_->images) {
    if (image.policy != variable_policy::shared) continue;
    const variable_id there = target_.store().find(*source_.store().cell(image.source));
    if (there.valid() && target_.contains(there)) joined_.set(image.source.value, there);
  }
}

// What initialises and updates it there stands for what does so in the source: the map stays total.
void cloner::map_joined(const variable_image& image) {
  const variable_info &mine = source_.variable_of(image.source),
                      &theirs = target_.variable_of(image.image);
  const auto stand_in = [&](op_id op, tensor_id other) {
    const std::uint32_t place = place_of(op);
    if (place == place_map::none || !other.valid()) return;
    std::uint32_t& state = data_->copy_of_place[place];
    if (state != clone_data::dropped && op != mine.read.op) return;
    state = clone_data::replaced;
    data_->stand_ins.emplace(op, other);
  };
  stand_in(mine.read.op, theirs.read);
  if (mine.initial.valid()) stand_in(mine.initial.op, theirs.initial);
  for (std::size_t i = 0; i < std::min(mine.own_updates.size(), theirs.own_updates.size()); ++i) {
    stand_in(mine.own_updates[i], {theirs.own_updates[i], 0});
  }
}

// A variable that only the initial value or an update of a frozen or shared variable reads is not
// made again.
void cloner::settle_variables() {
  const bool all = data_->copy_of_place.empty();
  std::uint32_t next = next_variable(target_).value;
  for (variable_image& image : data_->images) {
    if (const variable_id* there = joined_.find(image.source.value)) {
      image.image = *there;
      map_joined(image);
      continue;
    }
    if (!all && !needed_variables_.contains(image.source.value)) {
      const std::uint32_t read = place_of(source_.variable_of(image.source).read.op);
      if (data_->copy_of_place[read] == clone_data::itself) image.image = image.source;
      continue;
    }
    const bool copied = image.policy == variable_policy::copied;
    if ((copied || image.policy == variable_policy::frozen) && !start_of(image.source)) {
      refuse_policy(source_, image.source, copied ? "copy" : "freeze");
    }
    if (is_new(image)) {
      image.image = target_.data().variable(next++);
    } else if (!is_own(image) && (image.policy == variable_policy::shared ||
                                  image.policy == variable_policy::linked)) {
      image.image = image.source;
    }
  }
}

void cloner::select_ops() {
  const Graph::tables& t = source_.data();
  const bool all_new = std::all_of(data_->images.begin(), data_->images.end(),
                                   [this](const variable_image& image) { return is_new(image); });
  const bool whole = options_.covered == coverage::whole;
  if (!whole && !same_graph_) {
    throw argument_error({"clone was asked for coverage::affected in another graph",
                          "what is not affected can be shared within one graph only", "",
                          "leave the option out"});
  }
  if (all_new && whole && t.ids_are_indices) {
    const auto count = r_.nodes.size();
    if (count != 0 && r_.nodes.back().value - r_.nodes.front().value + 1 == count) {
      copies_ = op_indices::run(r_.nodes.front().value, count);
    } else {
      listed_.reserve(count);
      for (const op_id node : r_.nodes) listed_.push_back(node.value);
      copies_ = listed_;
    }
  } else {
    data_->copy_of_place.assign(r_.nodes.size(), clone_data::dropped);
    select_needed();
    if (!whole) select_affected();
    if (same_graph_) keep_shared_bundles();
    std::vector<std::pair<std::uint32_t, std::uint32_t>> chosen;  // (dense index, place)
    for (std::uint32_t place = 0; place < r_.nodes.size(); ++place) {
      if (data_->copy_of_place[place] == wanted)
        chosen.emplace_back(t.index(r_.nodes[place]), place);
    }
    std::sort(chosen.begin(), chosen.end());
    for (std::uint32_t copy = 0; copy < chosen.size(); ++copy) {
      listed_.push_back(chosen[copy].first);
      data_->place_of_copy.push_back(chosen[copy].second);
      data_->copy_of_place[chosen[copy].second] = copy;
    }
    copies_ = listed_;
  }
  data_->count = static_cast<std::uint32_t>(copies_.size());
  settle_variables();
  check_references();
}

// What the outputs need under the variables' policies: a region whose variables are shared or
// frozen needs neither their initial values nor their updates.
void cloner::select_needed() {
  const Graph::tables& t = source_.data();
  std::vector<std::uint32_t>& state = data_->copy_of_place;
  std::vector<std::uint32_t> open;
  index_set bundled;
  const auto need = [&](tensor_id tensor, std::uint32_t producer, bool as_tensor) {
    if (as_tensor && is_cut(tensor)) return;
    const std::uint32_t place = place_of(t.id(producer));
    if (place == place_map::none || state[place] != clone_data::dropped) return;
    const variable_id v = read_by(producer);
    const variable_image* image = v.valid() ? data_->image_of(v) : nullptr;
    if (image != nullptr && !is_new(*image)) {
      needed_variables_.insert(v.value);
      const bool replaced = stands_in(*image);
      state[place] = replaced ? clone_data::replaced : clone_data::itself;
      if (replaced) replaced_reads_.push_back(t.id(producer));
      return;
    }
    state[place] = wanted;
    open.push_back(producer);
  };
  const auto on_variable = [&](variable_id v) {
    needed_variables_.insert(v.value);
    const variable_image* image = data_->image_of(v);
    return image != nullptr && is_new(*image) && bundled.insert(v.value);
  };
  for (const tensor_id out : r_.outputs) need(out, t.index(out.op), true);
  while (!open.empty()) {
    const std::uint32_t index = open.back();
    open.pop_back();
    for_each_need(source_, index, on_variable,
                  [&](tensor_id tensor, std::uint32_t producer, lead by) {
                    need(tensor, producer, by == lead::data || by == lead::initial);
                  });
  }
  std::sort(replaced_reads_.begin(), replaced_reads_.end());
}

// Of what is needed, what differs from the source: the rest is shared.
void cloner::select_affected() {
  const Graph::tables& t = source_.data();
  std::vector<std::uint32_t>& state = data_->copy_of_place;
  std::vector<bool> changed(state.size(), false);
  std::vector<std::uint32_t> open;
  const auto change = [&](std::uint32_t place) {
    if (place == place_map::none || state[place] != wanted || changed[place]) return;
    changed[place] = true;
    open.push_back(place);
  };
  const auto change_users = [&](tensor_id tensor) {
    source_.for_each_use(tensor.op, [&](const Graph::use& u, std::uint32_t output) {
      if (output == tensor.output) change(place_of(u.user));
    });
  };
  for (const tensor_id cut : r_.cuts) {
    const auto image = data_->cut_images.find(cut);
    if (image == data_->cut_images.end() || image->second != cut) change_users(cut);
  }
  for (const op_id read : replaced_reads_) change_users({read, 0});
  for (const variable_image& image : data_->images) {
    if (!is_new(image)) continue;
    const variable_info& info = source_.variable_of(image.source);
    if (!is_cut(info.initial)) change(place_of(info.initial.op));
  }
  for (std::uint32_t place = 0; place < state.size(); ++place) {
    if (state[place] != wanted) continue;
    const std::uint32_t index = t.index(r_.nodes[place]);
    if (mode_changes(index) || elements_change(index)) change(place);
    if (!t.marked(t.ops[index])) continue;
    for_each_variable(source_, t.attributes_of(t.ops[index]), [&](variable_id v) {
      const variable_image* image = data_->image_of(v);
      if (image == nullptr || is_new(*image) || clone_data::stands_in(image->policy)) change(place);
    });
  }
  while (!open.empty()) {
    const std::uint32_t place = open.back();
    open.pop_back();
    const op_id op = r_.nodes[place];
    for (std::uint32_t o = 0; o < t.ops[t.index(op)].output_count; ++o) {
      if (!is_cut({op, o})) change_users({op, o});
    }
  }
  for (std::uint32_t place = 0; place < state.size(); ++place) {
    if (state[place] == wanted && !changed[place]) state[place] = clone_data::itself;
  }
}

// The initial values and updates of shared and linked variables are their own images: the map stays total.
void cloner::keep_shared_bundles() {
  const Graph::tables& t = source_.data();
  std::vector<std::uint32_t>& state = data_->copy_of_place;
  std::vector<std::uint32_t> open;
  index_set seen;
  const auto keep = [&](tensor_id tensor) {
    if (!tensor.valid() || !seen.insert(tensor.op.value)) return;
    const std::uint32_t place = place_of(tensor.op);
    if (place == place_map::none) return;
    if (state[place] == clone_data::dropped) state[place] = clone_data::itself;
    open.push_back(t.index(tensor.op));
  };
  for (const variable_image& image : data_->images) {
    if (image.policy != variable_policy::shared && image.policy != variable_policy::linked)
      continue;
    const variable_info& info = source_.variable_of(image.source);
    keep(info.read);
    keep(info.initial);
    for (const op_id update : info.own_updates) keep({update, 0});
  }
  while (!open.empty()) {
    const std::uint32_t index = open.back();
    open.pop_back();
    for (const Graph::tables::edge& e : t.operands_of(index)) keep({t.id(e.producer), e.output});
  }
}

// References that cannot follow are refused before anything is added.
void cloner::check_references() {
  const Graph::tables& t = source_.data();
  const bool any_replaced =
      std::any_of(data_->images.begin(), data_->images.end(),
                  [this](const variable_image& image) { return stands_in(image); });
  if (!any_replaced && t.bodies.empty()) return;
  // Into a body: not one that something else is read in place of.
  const auto is_captured = [this](variable_id v) {
    const variable_image* image = data_->image_of(v);
    const auto& named = options_.expressions.pairs;
    return image != nullptr && image->policy == variable_policy::replaced &&
           std::none_of(named.begin(), named.end(), [&](const auto& pair) {
             return source_.id(pair.first) == source_.variable_of(v).read;
           });
  };
  for (std::size_t k = 0; k < copies_.size(); ++k) {
    const std::uint32_t index = copies_[k];
    const Graph::tables::op_record& r = t.ops[index];
    if (in_body_) {
      const bool modal = r.schema->has(ops::modal);
      const bool training =
          modal && (options_.as_mode ? *options_.as_mode == mode::training
                                     : t.attributes_of(r).integer("training") != 0);
      for (const Graph::tables::edge& e : t.operands_of(index)) {
        const variable_id v = read_by(e.producer);
        if (!v.valid() || source_.variable_of(v).own_updates.empty()) continue;
        const std::string path = "'" + source_.path_of(v) + "'";
        const variable_image* image = data_->image_of(v);
        const bool own = image != nullptr && made_around(*image);
        if (training && (own || is_captured(v))) {
          refuse_update_in_body(source_, t.id(index), "in training mode it updates " + path,
                                "clone in mode::inference, or ");
        }
        // A shared one keeps its update; that of the clone's own would never be made.
        if (own && !modal) {
          refuse_update_in_body(source_, t.id(index),
                                "it reads " + path + ", which has an update of its own",
                                "share the variable (variables::shared), or ");
        }
      }
    }
    if (!t.marked(r)) continue;
    const attribute_view attributes = t.attributes_of(r);
    const auto path = [&] { return source_.path_of(t.id(index)); };
    if (r.schema->has(ops::update)) {
      for_each_variable(source_, attributes, [&](variable_id v) {
        const variable_image* image = data_->image_of(v);
        if (image != nullptr && made_around(*image)) {
          refuse_update_in_body(source_, t.id(index), "it updates '" + source_.path_of(v) + "'",
                                "");
        }
        if (image == nullptr || !clone_data::stands_in(image->policy)) return;
        const char* verb = image->policy == variable_policy::frozen   ? "freeze"
                           : image->policy == variable_policy::linked ? "link"
                                                                      : "replace";
        throw graph_error(
            {std::string("clone was asked to ") + verb + " '" + source_.path_of(v) + "'",
             "'" + path() + "' updates it, and the outputs depend on that update", path(),
             "choose another policy for it, or cut the region below the update"});
      });
    }
    // Bodies take variables through operands; one that was built elsewhere may refer to some.
    for (const attribute& a : attributes) {
      if (a.kind != attribute_kind::body) continue;
      const auto only = std::array{a};
      for_each_variable(source_, only, [&](variable_id v) {
        const variable_image* image = data_->image_of(v);
        if (same_graph_ && image != nullptr && image->image == v) return;
        throw unsupported_error({"clone was asked to copy '" + path() + "'",
                                 "its nested graph refers to variables", path(),
                                 "clone within the same graph, with variables::shared"});
      });
    }
  }
}

}  // namespace graft::detail
