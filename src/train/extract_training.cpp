#include "graft/train/extract_training.hpp"

namespace graft {

namespace {

// A step that was made of gradients has none.
bool has_loss(const training_step& step) { return step.loss.ref().slot != nullptr; }

}  // namespace

namespace detail {

output_list outputs_of(const training_step& step) {
  const Graph& g = step.updates.graph();
  output_list result;
  const auto add = [&](const any_tensor& t) { result.tensors.push_back(t.ref()); };
  if (has_loss(step)) add(step.loss);
  add(step.rate);
  for (const any_tensor& gradient : step.gradients) add(gradient);
  for (const op_id update : step.updates.assigns()) add(g.handle({update, 0}));
  return result;
}

}  // namespace detail

training_step clone_image(const Clone& clone, const training_step& step) {
  training_step result;
  result.updates = clone(step.updates);
  if (has_loss(step)) result.loss = clone(step.loss);
  result.rate = clone(step.rate);
  result.step = clone(step.step);
  for (const variable_id v : step.parameters) result.parameters.push_back(clone(v));
  for (const any_tensor& gradient : step.gradients) result.gradients.push_back(clone(gradient));
  for (const variable_id v : step.slots) result.slots.push_back(clone(v));
  return result;
}

}  // namespace graft
