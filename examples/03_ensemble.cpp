// 3. Ensemble: five members cloned from one declaration, trained together, voting by their mean.
#include <algorithm>
#include <cstdio>
#include <optional>

#include "digits.hpp"

using namespace graft;

int main(int argc, char** argv) try {
  const digits data = read_digits(argc > 1 ? argv[1] : GRAFT_EXAMPLE_DATA "/digits.csv", 1);
  Graph g;
  auto x = placeholder<float, shape<dim<"batch">, 64>>(g, "images");
  auto labels = placeholder<std::int64_t, shape<dim<"batch">>>(g, "labels");
  auto first = dense<10, "logits">(relu(dense<12>(x)));

  // All members read the same images; each has its own variables and so its own start.
  auto region = extract(inputs(x), outputs(first));
  std::vector members{first};
  for (int i = 1; i < 5; ++i) {
    members.push_back(clone(region, bind(x, x), into("member"), variables::fresh)(first));
  }
  auto total = softmax(members[0]);
  auto loss = mean(softmax_cross_entropy(members[0], labels));
  for (std::size_t i = 1; i < members.size(); ++i) {
    total = total + softmax(members[i]);
    loss = loss + mean(softmax_cross_entropy(members[i], labels));
  }
  auto step = minimize(loss, adam{.rate = 3e-3});

  Session session(g, {.seed = 11});
  session.initialize();
  batches shuffled({data.train.images, data.train.labels}, 32, 2);
  for (int epoch = 0; epoch < 18; ++epoch) {
    for (shuffled.start(static_cast<std::uint64_t>(epoch)); shuffled.next();) {
      session.run(step.updates, feed(x, shuffled[0]), feed(labels, shuffled[1]));
    }
  }
  double mean_single = 0;
  for (std::size_t i = 0; i < members.size(); ++i) {
    const double single =
        accuracy(session.run(members[i], feed(x, data.test.images)), data.test.labels);
    mean_single += single / static_cast<double>(members.size());
    std::printf("member %zu: %.4f\n", i, single);
  }
  const double together = accuracy(session.run(total, feed(x, data.test.images)), data.test.labels);
  std::printf("mean of members=%.4f ensemble=%.4f\n", mean_single, together);
  return together >= 0.92 && together >= mean_single ? 0 : 1;
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
