// The code of the page on training, and that it does what the page says.
#include <cstdio>

#include <graft/graft.hpp>

#include "check.hpp"

using namespace graft;

namespace {

Array random_array(dims shape, std::uint64_t seed) {
  Array a(dtype::float32, shape);
  std::uint64_t state = seed;
  for (float& e : a.mutable_span<float>()) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    e = static_cast<float>(state >> 40) / (1 << 24) - 0.5f;
  }
  return a;
}

const Array pictures = random_array({96, 8}, 1);
const Array wanted = random_array({96, 2}, 2);

void training() {
  Graph g;
  auto x = placeholder<float, shape<dim<"batch">, 8>>(g, "x");
  auto target = placeholder<float, shape<dim<"batch">, 2>>(g, "target");
  auto y = dense<2, "head">(dropout(relu(batch_norm(dense<16, "trunk">(x))), 0.1));
  //! [loss]
  auto kernel = g.handle(g.variable_of(*g.find_variable("trunk/kernel")).read);
  auto loss = mse(y, target) + l2_regularization(kernel, 1e-4);
  //! [loss]
  //! [rule]
  training_step step =
      minimize(loss, adamw{.rate = warmup(1e-3, 20, cosine_decay(1e-3, 500)), .weight_decay = 0.01},
               {.clip_norm = 1.0});
  //! [rule]
  check(step.parameters.size() == 6, "kernels, biases, scale and offset are trained");
  {
    //! [part]
    // Only the head; the trunk stays as it is.
    training_step head = minimize(loss, momentum{.rate = 0.1, .factor = 0.9, .nesterov = true},
                                  {.parameters = find_variables(g, within_scope("head"))});
    //! [part]
    check(head.parameters.size() == 2, "two variables are in the head");
  }
  //! [loop]
  Session session(g, {.seed = 1});
  session.initialize();
  batches data({pictures, wanted}, 32, 7);
  const interrupt_watch watch;  // Ctrl-C ends the loop after the step
  std::int64_t epoch = 0, batch = 0;
  for (; epoch < 3 && !watch.requested(); ++epoch, batch = 0) {
    for (data.start(static_cast<std::uint64_t>(epoch)); data.next(); ++batch) {
      auto [value, rate, done] = session.run(std::tuple{loss, step.rate, step.updates},
                                             feed(x, data[0]), feed(target, data[1]));
      if (watch.requested()) break;
    }
  }
  save_checkpoint(session, "run.safetensors",
                  {{"epoch", std::to_string(epoch)}, {"batch", std::to_string(batch)}});
  //! [loop]
  check(epoch == 3, "nobody interrupts a test");
  const Array before = session.run(step.loss, feed(x, pictures), feed(target, wanted));
  session.set_value(step.parameters[0],
                    Array::full<float>(session.value(step.parameters[0]).shape(), 0.0f));
  //! [resume]
  checkpoint_info info = load_checkpoint(session, "run.safetensors");
  epoch = std::stoll(info.note("epoch", "0"));
  batch = std::stoll(info.note("batch", "0"));
  data.start(static_cast<std::uint64_t>(epoch), batch);  // goes on in the middle of an epoch
  //! [resume]
  check(session.run(step.loss, feed(x, pictures), feed(target, wanted)).same_bits(before),
        "what was saved comes back to the bit");
  std::remove("run.safetensors");
  //! [inference]
  auto served = inference(y);  // the same variables; dropout passes, batch norm uses its statistics
  Array scores = session.run(served, feed(x, pictures));
  //! [inference]
  check(scores.same_bits(session.run(served, feed(x, pictures))), "nothing random is left");
}

}  // namespace

int main() { training(); }
