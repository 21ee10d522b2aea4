// 3. Ensemble: five members of one declaration, trained in one batched run, voting by their mean.
#include <cstdio>

#include "digits.hpp"

using namespace graft;

int main(int argc, char** argv) try {
  const digits data = read_digits(argc > 1 ? argv[1] : GRAFT_EXAMPLE_DATA "/digits.csv", 1);
  Graph g;
  auto x = placeholder<float, shape<dim<"batch">, 64>>(g, "images");
  auto labels = placeholder<std::int64_t, shape<dim<"batch">>>(g, "labels");
  auto y = dense<10, "logits">(relu(dense<12>(x)));
  auto loss = mean(softmax_cross_entropy(y, labels));

  // All members read the same images; each has variables of its own and so its own start. They are
  // stacked: one batched run computes and trains them all.
  constexpr std::size_t count = 5;
  Ensemble members = ensemble(extract(inputs(x, labels), outputs(y, loss)), count,
                              bind(x, x, labels, labels), into("members"), variables::fresh);
  auto logits = members(y);  // [5, batch, 10]
  auto vote = mean<axes<0>>(softmax(logits));
  auto step = minimize(sum(members(loss)), adam{.rate = 3e-3});

  Session session(g, {.seed = 11});
  session.initialize();
  batches shuffled({data.train.images, data.train.labels}, 32, 2);
  for (int epoch = 0; epoch < 18; ++epoch) {
    for (shuffled.start(static_cast<std::uint64_t>(epoch)); shuffled.next();) {
      session.run(step.updates, feed(x, shuffled[0]), feed(labels, shuffled[1]));
    }
  }

  double mean_single = 0, best = 0;
  std::size_t best_member = 0;
  const Array all = session.run(logits, feed(x, data.test.images));
  for (std::size_t i = 0; i < count; ++i) {
    const auto row = static_cast<std::int64_t>(i);
    const Array own = all.rows(row, row + 1).reshaped({all.shape()[1], all.shape()[2]});
    const double single = accuracy(own, data.test.labels);
    mean_single += single / static_cast<double>(count);
    if (single > best) {
      best = single;
      best_member = i;
    }
    std::printf("member %zu: %.4f\n", i, single);
  }
  const double together = accuracy(session.run(vote, feed(x, data.test.images)), data.test.labels);
  std::printf("mean of members=%.4f ensemble=%.4f\n", mean_single, together);

  // The best one as a network of its own.
  const Clone alone = members.detach(best_member, bind(x, x, labels, labels), into("best"));
  const double detached =
      accuracy(session.run(alone(y), feed(x, data.test.images)), data.test.labels);
  std::printf("member %zu detached: %.4f\n", best_member, detached);
  return together >= 0.92 && together >= mean_single && detached == best ? 0 : 1;
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
