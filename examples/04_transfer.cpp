// 4. Transfer: cut the trunk of a trained network, freeze it, and grow a new head on it.
//
// The first network learns the digits. Its trunk is cloned with frozen variables (constants from now on), and a
// new head learns another question on it: is the digit odd?
#include <cstdio>

#include "digits.hpp"

using namespace graft;

namespace {

Array odd(const Array& labels) {
  Array result = Array::uninitialized(dtype::int64, labels.shape());
  auto out = result.mutable_span<std::int64_t>();
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = labels.span<std::int64_t>()[i] % 2;
  return result;
}

}  // namespace

int main(int argc, char** argv) try {
  const digits data = read_digits(argc > 1 ? argv[1] : GRAFT_EXAMPLE_DATA "/digits.csv", 1);
  Graph g;
  auto x = placeholder<float, shape<dim<"batch">, 64>>(g, "images");
  auto labels = placeholder<std::int64_t, shape<dim<"batch">>>(g, "labels");
  auto trunk = relu(dense<48, "second">(relu(dense<64, "first">(x))));
  auto y = dense<10, "digits">(trunk);
  auto step = minimize(mean(softmax_cross_entropy(y, labels)), adam{.rate = 2e-3});

  Session session(g, {.seed = 3});
  session.initialize();
  batches shuffled({data.train.images, data.train.labels}, 64, 6);
  for (int epoch = 0; epoch < 20; ++epoch) {
    for (shuffled.start(static_cast<std::uint64_t>(epoch)); shuffled.next();) {
      session.run(step.updates, feed(x, shuffled[0]), feed(labels, shuffled[1]));
    }
  }
  const Array features_before = session.run(trunk, feed(x, data.test.images));

  auto x2 = placeholder<float, shape<dim<"batch">, 64>>(g, "transfer_images");
  auto parity = placeholder<std::int64_t, shape<dim<"batch">>>(g, "parity");
  auto frozen =
      clone(extract(inputs(x), outputs(trunk)), bind(x, x2), into("frozen"), variables::frozen);
  auto head = dense<2, "parity">(relu(dense<48, "parity_hidden">(frozen(trunk))));
  auto head_step = minimize(mean(softmax_cross_entropy(head, parity)), adam{.rate = 5e-3});
  std::printf("The head has %zu trainable variables; the trunk has none.\n",
              head_step.parameters.size());
  session.initialize();
  batches parities({data.train.images, odd(data.train.labels)}, 64, 8);
  for (int epoch = 0; epoch < 20; ++epoch) {
    for (parities.start(static_cast<std::uint64_t>(epoch)); parities.next();) {
      session.run(head_step.updates, feed(x2, parities[0]), feed(parity, parities[1]));
    }
  }
  const double found =
      accuracy(session.run(head, feed(x2, data.test.images)), odd(data.test.labels));
  const bool unchanged =
      features_before.same_bits(session.run(frozen(trunk), feed(x2, data.test.images)));
  std::printf("odd or even: %.4f; the frozen trunk is %s\n", found,
              unchanged ? "unchanged" : "CHANGED");
  return found >= 0.95 && unchanged && head_step.parameters.size() == 4 ? 0 : 1;
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
