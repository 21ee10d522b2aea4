// What rules left of a clone, taken into its account once all were asked.
#include <algorithm>
#include <numeric>

#include "graph/building.hpp"
#include "surgery/cloner.hpp"

namespace graft::detail {

void cloner::settle_rules(op_id first_of_rules) {
  forget_removed();
  require_boundary();
  find_updates(first_of_rules);
  replace_own_updates();
}

// What rules removed has no image.
void cloner::forget_removed() {
  clone_data& d = *data_;
  const auto gone = [this](op_id op) { return !target_.contains(op); };
  const auto drop = [&d](std::uint32_t place) {
    if (d.copy_of_place.empty()) {  // all ops were copied
      d.copy_of_place.resize(d.count);
      std::iota(d.copy_of_place.begin(), d.copy_of_place.end(), 0u);
      d.place_of_copy = d.copy_of_place;
    }
    d.copy_of_place[place] = clone_data::dropped;
  };
  for (std::uint32_t k = 0; k < d.count; ++k) {
    if (gone(d.copy(k))) drop(d.place_number(k));
  }
  for (const auto& [read, other] : d.stand_ins) {
    if (gone(other.op)) drop(place_of(read));
  }
  for (auto& [old, other] : d.rewired) {
    if (gone(other.op)) other = {};
  }
  std::erase_if(d.stand_in_originals, [&](const auto& way) { return gone(way.first.op); });
  std::erase_if(d.rewired_originals, [&](const auto& way) { return gone(way.first.op); });
  std::erase_if(d.extra, gone);
  for (variable_image& image : d.images) {
    if (image.image.valid() && !owner_.contains(image.image)) image.image = {};
  }
  d.created = d.present(std::move(d.created));
  d.unset = d.present(std::move(d.unset));
  for (const tensor_id t : r_.kept) {
    if (!gone(d.cut_images.at(t).op)) continue;
    d.cut_originals.erase(d.cut_images.at(t));
    d.cut_images.erase(t);
  }
}

// The map has all inputs and outputs whatever rules do.
void cloner::require_boundary() const {
  const auto refuse = [this](const char* what, tensor_id t, const char* hint) {
    throw argument_error({std::string("rules of clone were asked about the ops behind the ") +
                              what + " '" + source_.path_of(t) + "'",
                          "they removed what stands for it in the clone", source_.path_of(t),
                          hint});
  };
  for (const tensor_id t : r_.inputs) {
    if (!target_.contains(data_->cut_images.at(t).op)) {
      refuse("input", t, "leave it there: what nothing takes does no harm");
    }
  }
  for (const tensor_id t : r_.outputs) {
    const auto image = data_->forward(t);
    if (image && target_.contains(image->op)) continue;
    refuse("output", t,
           "return what takes its place, or leave it there: runs leave out what nothing needs");
  }
}

// The images of an update are the updates that what stands for its outputs is made of: its copy, or what rules made
// of it, or none. What other ops of the region became is theirs.
void cloner::find_updates(op_id first_of_rules) {
  for (const auto& [update, asked] : updates_) {
    const std::optional<op_id> copy = data_->forward(update);
    std::vector<op_id> open, images;
    index_set met;
    const auto meet = [&](op_id op) {
      if (target_.contains(op) && met.insert(op.value)) open.push_back(op);
    };
    for (std::uint32_t o = 0; o < asked.outputs; ++o) {
      const auto image = data_->forward(tensor_id{update, o});
      if (image && (image->op == copy || image->op >= first_of_rules)) meet(image->op);
    }
    while (!open.empty()) {
      const op_id op = open.back();
      open.pop_back();
      if (target_.schema_of(op).has(ops::update)) images.push_back(op);
      for (const tensor_id operand : target_.operands(op)) {
        const op_id from = operand.op;
        if (from == copy || (from >= asked.first && from < asked.end)) meet(from);
      }
    }
    if (copy && images == std::vector<op_id>{*copy}) continue;
    std::sort(images.begin(), images.end());
    data_->update_images.emplace(update, std::move(images));
  }
}

// What a layer declared for its variables: in the place of a copy what rules made of it.
void cloner::replace_own_updates() {
  if (data_->update_images.empty()) return;
  Graph::tables& t = target_.data();
  for (const variable_image& image : data_->images) {
    if (!is_made(image) || !source_.contains(image.source)) continue;
    std::vector<op_id>& own = t.variables[image.image.value].own_updates;
    std::vector<op_id> settled = own;
    for (const op_id update : source_.data().variables[image.source.value].own_updates) {
      const auto images = data_->update_images.find(update);
      if (images == data_->update_images.end()) continue;
      if (const auto copy = data_->forward(update)) std::erase(settled, *copy);
      for (const op_id made : images->second) {
        const auto of = target_.attributes_of(made).integer("variable", no_id);
        if (of != std::int64_t{image.image.value}) continue;
        if (std::find(settled.begin(), settled.end(), made) == settled.end())
          settled.push_back(made);
      }
    }
    // The transaction takes the variable back should anything fail.
    own.swap(settled);
  }
  touch(t);
}

}  // namespace graft::detail
