// Cutting out a whole training step: loss, gradients, updates and slots.
#pragma once

#include <utility>

#include "graft/surgery/clone.hpp"
#include "graft/train/optimizer.hpp"

namespace graft {

/// The region of a training step: what computes its loss, gradients, rate and updates, with the
/// parameters, the slots and the step counter. Its outputs are the loss (where it has one, @see
/// apply_gradients), the rate, the gradients and the variables' values after the step, in this order.
///
/// extract() never follows an optimiser; here it is what is asked for. A clone has a step of its own:
///
///     Region whole = extract_training(inputs(x, labels), step);
///     Clone copy = clone(whole, bind(x, x2, labels, labels2), variables::fresh);
///     session.run(copy(step), feed(x2, ...), feed(labels2, ...));
///
/// Slots and counters follow the policy as all variables do: `variables::by_role({{
/// variable_role::slot, variables::fresh}}, variables::copied)` copies what was learnt and starts the
/// optimiser anew. An update of a variable that the clone shares updates the source's.
/// @param options as for extract()
/// @throws boundary_error as extract does; handle_error if the step's graph is gone
template <class... Options>
Region extract_training(const input_list& in, const training_step& step, const Options&... options);

/// The step of a clone of the region. @throws handle_error for a step that is not in the region
training_step clone_image(const Clone& clone, const training_step& step);

namespace detail {
output_list outputs_of(const training_step& step);
}

template <class... Options>
Region extract_training(const input_list& in, const training_step& step,
                        const Options&... options) {
  return extract(in, detail::outputs_of(step), options...);
}

}  // namespace graft
