// New variables of a clone in an open body. Bodies hold none: as those of a layer that is declared there they are made in
// the outermost graph, once, however often the body runs, and the body takes them in as it takes other tensors.
#include <algorithm>

#include "graph/building.hpp"
#include "surgery/cloner.hpp"
#include "surgery/extract.hpp"

namespace graft::detail {

// Which reads, and what makes their variables.
void cloner::find_bundles() {
  if (!in_body_) return;
  std::vector<tensor_id> reads;
  for (const op_id read : replaced_reads_) {
    if (made_around(*data_->image_of(read_by(source_.data().index(read)))))
      reads.push_back({read, 0});
  }
  if (!reads.empty()) bundles_ = bundles_of(source_, r_, reads);
}

// The bundles are cloned into the outermost graph, under the options of this clone.
void cloner::add_around() {
  if (!bundles_) return;
  const clone_options options = options_around();
  first_around_ = owner_.data().op(owner_.op_id_bound());
  const Clone around = cloner(*bundles_, options, starts_, this).run();
  data_->around = around.data();
  take_in(*around.data());
}

void cloner::take_in(const clone_data& around) {
  for (variable_image& image : data_->images) {
    const variable_image* made = around.image_of(image.source);
    if (made != nullptr && made_around(image)) image.image = made->image;
  }
  data_->created = around.created;
  data_->unset = around.unset;
  for (const tensor_id read : bundles_->outputs()) {
    const tensor_id there = *around.forward(read);
    const tensor_id taken = target_.capture(owner_.handle(there).ref());
    data_->stand_ins.emplace(read.op, taken);
    infer_again_ = infer_again_ || converted(source_.type_of(read)) != target_.type_of(taken);
  }
}

clone_options cloner::options_around() const {
  clone_options options = options_;
  options.set(into(owner_));
  options.strip.reset();
  options.covered = coverage::whole;
  options.tied = ties::keep;
  options.controls = {};
  options.bound = bound_around(options_.bound);
  options.expressions = bound_around(options_.expressions);
  options.decide = [this](const Graph&, const variable_info& v) {
    const variable_policy policy = data_->image_of(v.id)->policy;
    return policy == variable_policy::replaced ? variable_policy::shared : policy;
  };
  options.require = {};
  options.streams_given = false;  // the policies say which are shared
  return options;
}

// Of what takes the place of other tensors, that of tensors which initial values depend on.
bindings cloner::bound_around(const bindings& named) const {
  bindings result;
  const std::vector<tensor_id>& cuts = bundles_->data()->cuts;
  for (const auto& [from, to] : named.pairs) {
    const tensor_id key = source_.id(from);
    const bool cut = std::binary_search(cuts.begin(), cuts.end(), key);
    if (!cut && !(source_.variable_read_by(key) && bundles_->contains(key.op))) continue;
    if (to.slot != owner_.slot()) {
      const std::string path = source_.path_of(key);
      throw graph_error(
          {"clone was asked for variables of its own in a body",
           "an initial value depends on '" + path +
               "', for which the clone has a tensor of the body, and variables start "
               "before the body runs",
           path,
           "name a tensor of the graph around the body, or clone outside the body and "
           "use the clone's tensors inside"});
    }
    result.pairs.emplace_back(from, to);
    const auto& reshaped = named.reshaped;
    if (std::find(reshaped.begin(), reshaped.end(), from) != reshaped.end())
      result.reshaped.push_back(from);
  }
  return result;
}

// Scopes of the outermost graph, of the names of the body's.
void cloner::scope_like_body() {
  Graph& body = body_->target_;
  first_scope_ = static_cast<std::uint32_t>(target_.scope_count());
  const auto like = [&](scope_id s) {
    const scope_id made = scope_of_variables(body, s);
    if (options_.naming != names::exact) return made;
    for (scope_id at = made; s.value >= body_->first_scope_; s = body.parent_scope(s)) {
      const std::string name = scope_name(body, s);
      const scope_id above = target_.parent_scope(at);
      if (scope_name(target_, at) != name) refuse_taken_name(name, target_.scope_path(above));
      at = above;
    }
    return made;
  };
  data_->scope = like(body_->data_->scope);
  scope_images_.expect(source_.scope_count(), scopes_.size());
  for (const scope_id s : scopes_) {
    body_->make_image_of(s.value);
    const scope_id in_body = body_->target_.data().scope(*body_->scope_images_.find(s.value));
    scope_images_.set(s.value, like(in_body).value);
  }
}

}  // namespace graft::detail
