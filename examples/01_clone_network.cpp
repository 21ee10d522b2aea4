// 1. Clone a network when all you have are its inputs and outputs.
//
// A builder function declares a network and is gone by the next line. The network learns handwritten digits.
// Then, from its input and output alone, the piece between them is cut out and a copy with variables of its own is
// grafted onto another input. The copy learns from scratch; the original does not change by a bit.
#include <cstdio>
#include <fstream>

#include "digits.hpp"

using namespace graft;

namespace {

// Somewhere else: all that leaves this function is a tensor.
template <tensor_like X>
auto build_network(const X& images) {
  auto pixels = reshape<shape<dyn, 1, 8, 8>>(images);
  auto features =
      relu(batch_norm(conv2d<16, conv{.kernel = {3, 3}, .padding = same_padding}>(pixels)));
  auto pooled = flatten(max_pool2d<pool{.window = {2, 2}}>(features));
  auto mix = dense<64>.shared("mix");  // one layer, used twice: the clone must keep it one
  auto hidden = relu(mix(relu(dense<64, "entry">(pooled))));
  return dense<10, "logits">(relu(mix(hidden)) + hidden);
}

struct learner {
  Session& session;
  any_tensor images, labels, logits;
  training_step step;
  training_curve curve = {};

  void train(const digit_set& data, int epochs, const char* title) {
    std::printf("\n%s\n", title);
    batches shuffled({data.images, data.labels}, 64, 7);
    progress shown({.total_steps = epochs * shuffled.count()});
    std::int64_t steps = 0;
    for (int epoch = 0; epoch < epochs; ++epoch) {
      for (shuffled.start(static_cast<std::uint64_t>(epoch)); shuffled.next();) {
        auto [loss, done] = session.run(std::tuple{step.loss, step.updates},
                                        feed(images, shuffled[0]), feed(labels, shuffled[1]));
        shown.step(loss.template item<float>());
        curve.add(++steps, loss.template item<float>());
      }
    }
    shown.finish();
  }
};

}  // namespace

int main(int argc, char** argv) try {
  const digits data = read_digits(argc > 1 ? argv[1] : GRAFT_EXAMPLE_DATA "/digits.csv", 1);

  Graph g;
  auto x = placeholder<float, shape<dim<"batch">, 64>>(g, "images");
  auto labels = placeholder<std::int64_t, shape<dim<"batch">>>(g, "labels");
  auto y = build_network(x);

  Session session(g, {.seed = 1});
  auto loss = mean(softmax_cross_entropy(y, labels));
  learner original{session, x, labels, y, minimize(loss, adam{.rate = 2e-3})};
  session.initialize();
  original.train(data.train, 15, "Training the original.");

  auto shown = inference(y);  // the same variables, with moving statistics instead of the batch's
  const Array before = session.run(shown, feed(x, data.test.images));
  const double original_accuracy = accuracy(before, data.test.labels);

  // The question: x and y are all there is. A second network, with variables of its own, on other images.
  auto x2 = placeholder<float, shape<dim<"batch">, 64>>(g, "other_images");
  auto region = extract(inputs(x), outputs(y));
  auto copy = clone(region, bind(x, x2), into("copy"), variables::fresh);
  auto y2 = copy(y);  // the static type of y
  session.run(copy.initializer());
  std::printf("\nCut out %zu ops and %zu variables; the clone has %zu variables of its own.\n",
              region.nodes().size(), region.variables().size(), copy.variables().size());

  auto labels2 = placeholder<std::int64_t, shape<dim<"batch">>>(g, "other_labels");
  auto loss2 = mean(softmax_cross_entropy(y2, labels2));
  learner second{session, x2, labels2, y2, minimize(loss2, adam{.rate = 2e-3})};
  session.initialize();  // what is still without a value: the second optimiser's slots
  second.train(data.train, 15, "Training the clone.");

  const Array cloned = session.run(inference(y2), feed(x2, data.test.images));
  const Array after = session.run(shown, feed(x, data.test.images));
  std::printf("\nThe original's logits are %s.\n",
              before.same_bits(after) ? "unchanged" : "CHANGED");

  std::ofstream("network.svg") << svg(region, copy);
  std::ofstream("network.dot") << dot(region, copy);
  std::ofstream("curve.svg") << original.curve.svg("loss of the original");
  std::printf("Wrote network.svg, network.dot and curve.svg.\n");
  std::printf("accuracy original=%.4f clone=%.4f original_after=%.4f\n", original_accuracy,
              accuracy(cloned, data.test.labels), accuracy(after, data.test.labels));
  return original_accuracy >= 0.97 && accuracy(cloned, data.test.labels) >= 0.97 &&
                 before.same_bits(after)
             ? 0
             : 1;
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
