// Giving each op that reads a parameter a parameter of its own.
#include <algorithm>

#include "graph/body_edit.hpp"
#include "graph/building.hpp"
#include "surgery/body_ties.hpp"
#include "surgery/cloner.hpp"

namespace graft::detail {

namespace {

// Takes one parameter of a clone after another apart. All ops here are of the clone's graph.
class tie_splitter {
 public:
  tie_splitter(Graph& g, const clone_data& d, op_id first)
      : graph_(g), t_(g.data()), d_(d), first_(first) {
    find_needed();
    if (t_.ordered) return;
    const std::uint32_t from = first_new();
    const std::vector<std::uint32_t> order = data_order(t_, from);
    ranks_.resize(order.size());
    for (std::uint32_t k = 0; k < order.size(); ++k) ranks_[order[k] - from] = k;
    ranked_from_ = from;
  }

  // The ops that read one of some tensors on the way to the outputs, each after those that it takes.
  [[nodiscard]] std::vector<op_id> readers(const tied_reads& reads) const {
    std::vector<op_id> result;
    for (const auto& [read, tie] : reads) {
      graph_.for_each_use(read.op,
                          [&, of = read.output](const Graph::use& u, std::uint32_t output) {
                            if (output == of && needed_.contains(u.user.value))
                              result.push_back(u.user);
                          });
    }
    std::sort(result.begin(), result.end(), [this](op_id a, op_id b) { return rank(a) < rank(b); });
    result.erase(std::unique(result.begin(), result.end()), result.end());
    return result;
  }

  // The op on the way to the outputs that updates a variable; invalid if there is none.
  [[nodiscard]] op_id update_of(variable_id v) const {
    const auto found = std::lower_bound(updates_.begin(), updates_.end(), std::pair(v, op_id{0}));
    return found != updates_.end() && found->first == v ? found->second : op_id{};
  }

  // A parameter with its initial value and its own updates, cut from all else that these take.
  [[nodiscard]] Region bundle(const variable_info& info, tensor_id read) const {
    extract_options options;
    options.uncut = leaks::keep;
    options.inputs = unused::allow;
    options.crossing = reentry::allow;
    const auto cut = [&](tensor_id t) {
      if (t != info.read && t != read) options.hidden.push_back(reference(t));
    };
    cut_behind({read.op}, [&](op_id op) { return op != info.read.op && is_rules(op); }, cut);
    index_set own = dependent_on(info.read);
    for (const op_id update : info.own_updates) own.insert(update.value);
    cut_behind(info.own_updates, [&](op_id op) { return own.contains(op.value); }, cut);
    return try_extract_region({}, output_list{{reference(read)}}, options).value();
  }

 private:
  [[nodiscard]] graph_reference reference(tensor_id t) const { return {d_.slot, d_.generation, t}; }
  [[nodiscard]] bool is_new(op_id op) const { return op >= first_; }
  [[nodiscard]] bool is_rules(op_id op) const { return op.value >= d_.first_id + d_.count; }
  [[nodiscard]] std::uint32_t first_new() const {
    std::uint32_t from = t_.ops.size();
    while (from > 0 && is_new(t_.id(from - 1))) --from;
    return from;
  }
  [[nodiscard]] std::uint32_t rank(op_id op) const {
    const std::uint32_t index = t_.index(op);
    return ranks_.empty() ? index : ranks_[index - ranked_from_];
  }

  // What the outputs need by operands and effects, without the bundles of variables.
  void find_needed() {
    std::vector<op_id> open;
    const auto need = [&](op_id op) {
      if (is_new(op) && needed_.insert(op.value)) open.push_back(op);
    };
    for (const tensor_id out : d_.source().outputs) {
      if (const auto image = d_.forward(out)) need(image->op);
    }
    while (!open.empty()) {
      const op_id op = open.back();
      open.pop_back();
      for (const tensor_id operand : graph_.operands(op)) need(operand.op);
      for (const op_id before : graph_.control_predecessors(op)) {
        if (graph_.schema_of(before).has(ops::effect)) need(before);
      }
      if (!graph_.schema_of(op).has(ops::update)) continue;
      for_each_variable(graph_, graph_.attributes_of(op),
                        [&](variable_id v) { updates_.emplace_back(v, op); });
    }
    std::sort(updates_.begin(), updates_.end());
  }

  // What depends on a parameter's read and is not on the way to the outputs.
  [[nodiscard]] index_set dependent_on(tensor_id read) const {
    index_set met;
    std::vector<op_id> open{read.op};
    while (!open.empty()) {
      const op_id op = open.back();
      open.pop_back();
      graph_.for_each_use(op, [&](const Graph::use& u, std::uint32_t) {
        if (!is_new(u.user) || needed_.contains(u.user.value)) return;
        if (met.insert(u.user.value)) open.push_back(u.user);
      });
    }
    return met;
  }

  // Calls cut(tensor) for what ops that are inside take from ops that are not.
  template <class Inside, class Cut>
  void cut_behind(std::vector<op_id> open, Inside&& inside, Cut&& cut) const {
    std::erase_if(open, [&](op_id op) { return !inside(op); });
    index_set met;
    for (const op_id op : open) met.insert(op.value);
    while (!open.empty()) {
      const op_id op = open.back();
      open.pop_back();
      for (const tensor_id operand : graph_.operands(op)) {
        if (!inside(operand.op)) {
          cut(operand);
        } else if (met.insert(operand.op.value)) {
          open.push_back(operand.op);
        }
      }
    }
  }

  Graph& graph_;
  const Graph::tables& t_;
  const clone_data& d_;
  const op_id first_;  // of those that the clone added
  index_set needed_;
  std::vector<std::pair<variable_id, op_id>> updates_;  // of those needed, ascending
  std::vector<std::uint32_t> ranks_;                    // in an order of data; empty: as stored
  std::uint32_t ranked_from_ = 0;
};

}  // namespace

// The further parameters are clones of the first one, with its initial value and its own updates. Rules were asked
// before: what they put behind a parameter is cloned with it.
void cloner::split_ties() {
  if (options_.tied == ties::keep) return;
  const body_aside aside(target_);  // bodies are opened anew where they are changed
  const tie_splitter ties(target_, *data_, first_op_);
  // In a body: of the variables, which are around it.
  std::optional<tie_splitter> around;
  if (bundles_) around.emplace(owner_, *data_->around, first_around_);
  // By tie the parameters that are read there: rules may have put one tensor in the place of several.
  std::vector<std::vector<variable_image>> tied;
  tied_reads reads;
  for (const variable_image& image : data_->images) {
    const bool own =
        image.policy == variable_policy::fresh || image.policy == variable_policy::copied;
    if (!own || !(is_made(image) || made_around(image)) || !owner_.contains(image.image)) continue;
    if (owner_.variable_of(image.image).role != variable_role::parameter) continue;
    const auto read = data_->forward(source_.variable_of(image.source).read);
    if (!read) continue;  // a rule put something in its place and another removed that
    const auto [place, next] = reads.try_emplace(*read, tied.size());
    if (next) tied.emplace_back();
    tied[place->second].push_back(image);
  }
  const std::vector<op_id> users = ties.readers(reads);
  body_needs needs;
  reading_counts counts;
  for (const op_id user : users) count_readings(target_, user, reads, needs, counts);

  std::vector<std::vector<graph_reference>> further(tied.size());
  std::vector<tensor_id> read_of(tied.size());
  for (const auto& [read, tie] : reads) read_of[tie] = read;
  for (std::size_t k = 0; k < tied.size(); ++k) {
    const auto count = counts.find(k);
    for (const variable_image& image : tied[k]) {
      if (count == counts.end() || count->second < 2 || !further[k].empty()) break;
      refuse_update_of(image, ties.update_of(image.image));
      const tensor_id made_of =
          around ? *data_->around->forward(source_.variable_of(image.source).read) : read_of[k];
      const Region bundle =
          (around ? *around : ties).bundle(owner_.variable_of(image.image), made_of);
      if (!bundle.contains(image.image)) continue;  // a rule made these ops read something else
      further[k] = make_further(image, bundle, made_of, count->second - 1);
    }
    if (further[k].empty()) reads.erase(read_of[k]);
  }
  reading_splitter splitter(std::move(further), needs);
  ordered_edit edit(target_, first_op_);
  for (const op_id user : users) splitter.visit(target_, user, reads, edit);
  edit.finish();
}

void cloner::refuse_update_of(const variable_image& image, op_id update) const {
  if (!update.valid()) return;
  const op_id of = data_->backward(update).value_or(update);
  throw unsupported_error(
      {"clone was asked to split the ties of '" + source_.path_of(image.source) + "'",
       "the outputs depend on '" + source_.path_of(of) +
           "', which updates it: one update cannot serve several "
           "parameters",
       source_.path_of(image.source),
       "clone the network without its training step and make a step for the clone, or leave "
       "ties::split out"});
}

// So many further parameters. @returns what reads them
std::vector<graph_reference> cloner::make_further(const variable_image& image, const Region& bundle,
                                                  tensor_id made_of, std::size_t count) {
  const op_id read = owner_.variable_of(image.image).read.op;
  clone_options each;
  each.set(variables::by([&](const variable_info& v) {
    return v.id == image.image ? image.policy : variable_policy::shared;
  }));
  each.streams = options_.streams;  // streams that the first one shares stay shared
  each.set(control_in::keep);       // what the first one waits for
  each.set(into(owner_, ""));
  std::vector<graph_reference> all;
  while (all.size() < count) {
    std::optional<Clone> made;
    {
      const inside_scope inside(owner_, owner_.scope_of(read));
      made = clone_region(bundle, each);
    }
    add_further(image, *made);
    tensor_id further = *made->data()->forward(made_of);
    if (bundles_) {
      further = target_.capture(owner_.handle(further).ref());
      data_->stand_in_originals.emplace(further, source_.variable_of(image.source).read.op);
    }
    all.push_back({data_->slot, data_->generation, further});
  }
  return all;
}

// What has an update of a first parameter for its image has the further one's too.
void cloner::add_further_update(op_id first, op_id further) {
  const auto original = data_->backward(first);
  if (original && !data_->update_images.contains(*original)) {
    data_->update_images.emplace(*original, std::vector<op_id>{first});
  }
  for (auto& [update, images] : data_->update_images) {
    if (std::find(images.begin(), images.end(), first) != images.end()) images.push_back(further);
  }
}

// Takes a further image of a variable into the account of the clone.
void cloner::add_further(const variable_image& image, const Clone& made) {
  const variable_id further = made(image.image);
  owner_.data().variables[further.value].origin =
      &owner_ == &source_ ? image.source : variable_id{};
  data_->splits.emplace_back(image.source, further);
  data_->created.push_back(further);
  if (image.policy == variable_policy::fresh) data_->unset.push_back(further);
  if (in_body_) return;  // the rest is not of the clone's graph
  const std::vector<op_id> added = made.nodes();
  data_->extra.insert(data_->extra.end(), added.begin(), added.end());
  for (const op_id op : made.origin().nodes()) {
    const auto copy = made.find(op);
    if (!copy || *copy == op) continue;
    if (target_.schema_of(op).has(ops::update)) add_further_update(op, *copy);
    if (const auto original = data_->backward(op)) {
      data_->further_originals.emplace(*copy, *original);
      continue;
    }
    for (std::uint32_t o = 0; o < target_.output_count(op); ++o) {
      const auto original = data_->backward(tensor_id{op, o});
      if (original) data_->rewired_originals.try_emplace(tensor_id{*copy, o}, *original);
    }
  }
}

}  // namespace graft::detail
