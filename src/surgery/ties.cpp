// Giving each op that reads a parameter a parameter of its own.
#include <algorithm>

#include "surgery/cloner.hpp"

namespace graft::detail {

namespace {

// The ops among the copies that read a variable's copy, in the order of ids, but for its own updates.
std::vector<op_id> readers(const Graph& g, const clone_data& d, variable_id made) {
  const variable_info& info = g.variable_of(made);
  std::vector<op_id> result;
  g.for_each_use(info.read.op, [&](const Graph::use& u, std::uint32_t) {
    const auto& own = info.own_updates;
    if (d.is_copy(u.user) && std::find(own.begin(), own.end(), u.user) == own.end()) {
      result.push_back(u.user);
    }
  });
  std::sort(result.begin(), result.end());
  result.erase(std::unique(result.begin(), result.end()), result.end());
  return result;
}

}  // namespace

// The further parameters are clones of the first one, with its initial value.
void cloner::split_ties() {
  if (options_.tied == ties::keep) return;
  const std::vector<variable_image> images = data_->images;
  for (const variable_image& image : images) {
    const bool own =
        image.policy == variable_policy::fresh || image.policy == variable_policy::copied;
    if (!own || !is_made(image)) continue;
    const variable_info info = target_.variable_of(image.image);
    if (info.role != variable_role::parameter) continue;
    const std::vector<op_id> users = readers(target_, *data_, image.image);
    if (users.size() < 2) continue;
    const Region bundle = extract(
        input_list{}, output_list{{graph_reference{data_->slot, data_->generation, info.read}}});
    if (bundle.variables().size() > 1) {
      throw unsupported_error(
          {"clone was asked to split the ties of '" + source_.path_of(image.source) + "'",
           "its initial value reads another variable", source_.path_of(image.source),
           "leave ties::split out"});
    }
    for (std::size_t k = 1; k < users.size(); ++k) {
      clone_options each;
      each.set(image.policy);
      each.set(options_.streams);
      each.set(into(target_, ""));
      target_.reenter_scope(target_.scope_of(info.read.op));
      std::optional<Clone> made;
      try {
        made = clone_region(bundle, each);
      } catch (...) {
        target_.leave_scope();
        throw;
      }
      target_.leave_scope();
      const variable_id further = (*made)(image.image);
      const tensor_id read = target_.variable_of(further).read;
      for (std::uint32_t i = 0; i < target_.operand_count(users[k]); ++i) {
        if (target_.operand(users[k], i) == info.read) target_.set_operand(users[k], i, read);
      }
      data_->splits.emplace_back(image.source, further);
      data_->created.push_back(further);
      if (image.policy == variable_policy::fresh) data_->unset.push_back(further);
      const std::vector<op_id> added = made->nodes();
      data_->extra.insert(data_->extra.end(), added.begin(), added.end());
    }
  }
}

}  // namespace graft::detail
