// What copies wait for in place of what ops of the region wait for outside it.
#include <algorithm>

#include "graph/building.hpp"
#include "surgery/cloner.hpp"

namespace graft::detail {

namespace {

op_id waited_for(const Graph& source, const control_end& from) {
  return from.op.valid() ? from.op : source.id(from.handle).op;
}

}  // namespace

void cloner::resolve_controls() {
  for (const auto& [from, to] : options_.controls.pairs) {
    const op_id before = waited_for(source_, from);
    const std::string path = source_.path_of(before);
    const auto refuse = [&](const char* found, const char* hint) {
      throw boundary_error({"bind_control replaces '" + path + "'", found, path, hint});
    };
    if (place_of(before) != place_map::none) {
      refuse("it is an op of the region: copies wait for its copy", "name ops outside the region");
    }
    const op_id instead = to.op.valid() ? to.op : id_for_use(target_, to.handle).op;
    (void)target_.index_of(instead);
    if (!bound_controls_.emplace(before, bound_control{instead}).second) {
      refuse("it is replaced twice", "name each op once");
    }
  }
}

// Asked for each control edge of what is copied that comes from no copy. None can close a cycle: what is waited for was
// there before the copies, and nothing of that waits for them.
op_id cloner::image_of_control(op_id before, op_id after) {
  op_id image;
  if (const std::uint32_t place = place_of(before); place != place_map::none) {
    // An edge inside the region: the map says what the op became.
    const std::uint32_t state = data_->copy_number(place);
    if (state == clone_data::replaced) image = data_->stand_ins.at(before).op;
    if (state == clone_data::itself) image = before;
  } else {
    image = image_of_outside(before);
    data_->control_images.push_back({before, after, image});
  }
  if (waiting_ != after) waited_for_ = {};  // edges of one op come one after another
  waiting_ = after;
  return image.valid() && waited_for_.insert(image.value) ? image : op_id{};
}

op_id cloner::image_of_outside(op_id before) {
  if (const auto bound = bound_controls_.find(before); bound != bound_controls_.end()) {
    bound->second.used = true;
    return bound->second.instead;
  }
  if (options_.waiting != control_in::keep) return {};
  const auto cut = std::lower_bound(r_.cuts.begin(), r_.cuts.end(), tensor_id{before, 0});
  if (cut != r_.cuts.end() && cut->op == before) return data_->cut_images.at(*cut).op;
  return same_graph_ ? before : op_id{};
}

void cloner::settle_controls() {
  auto& edges = data_->control_images;
  std::sort(edges.begin(), edges.end(), [](const control_image& a, const control_image& b) {
    return a.after != b.after ? a.after < b.after : a.before < b.before;
  });
  std::string lost;
  for (const control_image& c : edges) {
    if (c.image.valid()) continue;
    lost += (lost.empty() ? "'" : ", '") + source_.path_of(c.after) + "' waits for '" +
            source_.path_of(c.before) + "'";
  }
  if (options_.waiting != control_in::drop && !lost.empty()) {
    const bool keep = options_.waiting == control_in::keep;
    throw boundary_error(
        {"clone was asked to " + std::string(keep ? "keep" : "refuse") +
             " control edges from outside the region",
         lost + (keep ? ", which an op of another graph cannot" : ""), "",
         keep ? "name what copies are to wait for there: bind_control(op, other), or leave "
                "control_in::keep out"
              : "choose control_in::keep or drop, or name others by bind_control(op, other)"});
  }
  for (const auto& pair : options_.controls.pairs) {
    const op_id before = waited_for(source_, pair.first);
    if (bound_controls_.at(before).used) continue;
    const std::string path = source_.path_of(before);
    throw boundary_error({"bind_control replaces '" + path + "'",
                          "no op that is copied waits for it", path,
                          "report() of the region lists what is waited for: control_in"});
  }
}

}  // namespace graft::detail
