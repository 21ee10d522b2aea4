// 2. Siamese: one encoder used twice, by a shared key, and cut out as one piece.
//
// Two images go through the same layers; the network learns whether they show the same digit. The clone of the pair
// has one encoder too: ties survive cloning.
#include <cstdio>

#include "digits.hpp"

using namespace graft;

namespace {

template <tensor_like X>
auto encode(const X& images) {
  auto hidden = relu(dense<48>.shared("encoder/hidden")(images));
  return dense<16>.shared("encoder/code")(hidden);
}

// Pairs of images with 1 where both show the same digit.
struct pairs {
  Array left, right, equal;
};
pairs make_pairs(const digit_set& data, std::int64_t count, std::uint64_t seed) {
  const auto n = data.labels.size();
  const auto a = permutation(n, seed), b = permutation(n, seed + 1);
  const auto labels = data.labels.span<std::int64_t>();
  std::vector<std::int64_t> left, right;
  std::vector<float> equal;
  // Half of the pairs are equal: walk over all of them and keep what is missing.
  std::int64_t same_left = count / 2, other_left = count - count / 2;
  for (std::int64_t shift = 0; shift < n && same_left + other_left > 0; ++shift) {
    for (std::int64_t i = 0; i < n && same_left + other_left > 0; ++i) {
      const auto p = a[static_cast<std::size_t>(i)],
                 q = b[static_cast<std::size_t>((i + shift) % n)];
      const bool match = labels[static_cast<std::size_t>(p)] == labels[static_cast<std::size_t>(q)];
      std::int64_t& room = match ? same_left : other_left;
      if (p == q || room == 0) continue;
      --room;
      left.push_back(p), right.push_back(q), equal.push_back(match ? 1.0f : 0.0f);
    }
  }
  return {
      take_rows(data.images, left), take_rows(data.images, right),
      Array::from<float>({static_cast<std::int64_t>(equal.size())}, std::span<const float>(equal))};
}

double share_right(const Array& scores, const Array& equal) {
  std::size_t right = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(equal.size()); ++i) {
    right += (scores.span<float>()[i] > 0) == (equal.span<float>()[i] > 0.5f) ? 1 : 0;
  }
  return static_cast<double>(right) / static_cast<double>(equal.size());
}

}  // namespace

int main(int argc, char** argv) try {
  const digits data = read_digits(argc > 1 ? argv[1] : GRAFT_EXAMPLE_DATA "/digits.csv", 1);
  const pairs train = make_pairs(data.train, 6000, 3), test = make_pairs(data.test, 1000, 4);

  Graph g;
  auto left = placeholder<float, shape<dim<"batch">, 64>>(g, "left");
  auto right = placeholder<float, shape<dim<"batch">, 64>>(g, "right");
  auto equal = placeholder<float, shape<dim<"batch">>>(g, "equal");
  // Close codes give a positive score.
  auto score = 4.0f - sum<axes<1>>(squared_difference(encode(left), encode(right)));
  auto loss = mean(sigmoid_cross_entropy(score, equal));
  auto step = minimize(loss, adam{.rate = 3e-3});

  Session session(g, {.seed = 5});
  session.initialize();
  batches shuffled({train.left, train.right, train.equal}, 64, 9);
  for (int epoch = 0; epoch < 12; ++epoch) {
    for (shuffled.start(static_cast<std::uint64_t>(epoch)); shuffled.next();) {
      session.run(step.updates, feed(left, shuffled[0]), feed(right, shuffled[1]),
                  feed(equal, shuffled[2]));
    }
  }
  const double found =
      share_right(session.run(score, feed(left, test.left), feed(right, test.right)), test.equal);

  auto region = extract(inputs(left, right), outputs(score));
  auto copy = clone(region, into("copy"), variables::copied);
  auto cloned =
      session.run(copy(score), feed(copy(left), test.left), feed(copy(right), test.right));
  std::printf("The pair has %zu variables, its clone %zu: the encoder stays one.\n",
              region.variables().size(), copy.variables().size());
  std::printf("pairs told apart: original=%.3f clone=%.3f\n", found,
              share_right(cloned, test.equal));
  return found >= 0.9 && region.variables().size() == 4 && copy.variables().size() == 4 &&
                 share_right(cloned, test.equal) == found
             ? 0
             : 1;
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
