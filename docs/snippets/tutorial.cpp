// The code of the tutorial, in its order.
#include <cmath>
#include <cstdio>
#include <random>

#include <graft/graft.hpp>

#include "check.hpp"

using namespace graft;

namespace {

//! [data]
struct points {
  Array places = Array(dtype::float32, {512, 2});
  Array labels = Array(dtype::int64, {512});
};

// Which points of a square lie within a ring?
points make_points(float inner, float outer) {
  points p;
  std::mt19937 random(1);
  std::uniform_real_distribution<float> anywhere(-1, 1);
  auto places = p.places.mutable_span<float>();
  auto labels = p.labels.mutable_span<std::int64_t>();
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const float a = places[2 * i] = anywhere(random), b = places[2 * i + 1] = anywhere(random);
    const float distance = std::sqrt(a * a + b * b);
    labels[i] = distance > inner && distance < outer;
  }
  return p;
}
//! [data]

//! [build]
template <tensor_like X>
auto build_network(const X& x) {
  return dense<2, "logits">(relu(dense<32, "second">(relu(dense<32, "first">(x)))));
}
//! [build]

}  // namespace

int main() {
  //! [declare]
  Graph g;
  auto x = placeholder<float, shape<dim<"batch">, 2>>(g, "places");
  auto y = build_network(x);
  std::puts(summary(y).c_str());
  //! [declare]

  //! [step]
  auto labels = placeholder<std::int64_t, shape<dim<"batch">>>(g, "labels");
  auto loss = mean(softmax_cross_entropy(y, labels));
  training_step step = minimize(loss, adam{.rate = 1e-2});
  //! [step]

  //! [train]
  const points ring = make_points(0.4f, 0.8f);
  Session session(g, {.seed = 1});
  session.initialize();
  training_curve curve;
  {
    batches shuffled({ring.places, ring.labels}, 64, 1);
    progress shown({.total_steps = 100 * shuffled.count()});
    std::int64_t steps = 0;
    for (int epoch = 0; epoch < 100; ++epoch) {
      for (shuffled.start(epoch); shuffled.next();) {
        auto [value, done] = session.run(std::tuple{loss, step.updates}, feed(x, shuffled[0]),
                                         feed(labels, shuffled[1]));
        shown.step(value.item<float>());
        curve.add(++steps, value.item<float>());
      }
    }
  }
  //! [train]

  //! [ask]
  auto right = mean(cast<float>(equal(argmax<1>(y), labels)));
  float accuracy =
      session.run(right, feed(x, ring.places), feed(labels, ring.labels)).item<float>();
  std::printf("%.0f %% of the points are judged rightly\n", 100 * accuracy);
  //! [ask]
  check(accuracy > 0.95f, "the network learns the ring");
  const Array before = session.run(y, feed(x, ring.places));

  //! [save]
  save_variables(g, "ring.safetensors");
  //! [save]

  {
    //! [load]
    Graph later;
    auto places = placeholder<float, shape<dim<"batch">, 2>>(later, "places");
    auto network = build_network(places);
    load_report report = load_variables(later, "ring.safetensors", {.strict = false});
    Session again(later);
    Array logits = again.run(network, feed(places, ring.places));
    //! [load]
    check(report.missing.empty(), "every variable of the network is in the file");
    check(!report.unexpected.empty(), "the optimiser's slots are in the file, too");
    check(logits.same_bits(before), "the network gives what it gave");
  }

  //! [cut]
  Region region = extract(inputs(x), outputs(y));
  std::puts(to_string(region).c_str());
  //! [cut]
  check(region.variables().size() == 6, "three layers have two variables each");

  //! [clone]
  auto x2 = placeholder<float, shape<dim<"batch">, 2>>(g, "other_places");
  Clone copy = clone(region, bind(x, x2), into("copy"), variables::fresh);
  auto y2 = copy(y);
  session.run(copy.initializer());
  //! [clone]
  check(copy.variables().size() == 6, "the clone has as many of its own");
  check(std::is_same_v<decltype(y2), decltype(y)>, "the map keeps the type");

  //! [train_clone]
  const points disc = make_points(-1.0f, 0.6f);
  auto labels2 = placeholder<std::int64_t, shape<dim<"batch">>>(g, "other_labels");
  training_step step2 = minimize(mean(softmax_cross_entropy(y2, labels2)), adam{.rate = 1e-2});
  session.initialize();  // only what has no value yet: the second optimiser's variables
  for (int i = 0; i < 300; ++i)
    session.run(step2.updates, feed(x2, disc.places), feed(labels2, disc.labels));
  //! [train_clone]
  auto right2 = mean(cast<float>(equal(argmax<1>(y2), labels2)));
  check(
      session.run(right2, feed(x2, disc.places), feed(labels2, disc.labels)).item<float>() > 0.95f,
      "the clone learns the disc");

  //! [unchanged]
  Array after =
      session.run(y, feed(x, ring.places));  // the same bits as before the clone was trained
  //! [unchanged]
  check(after.same_bits(before), "the original is unchanged");
  check(curve.csv().size() > 100, "the curve has points");

  //! [see]
  std::string picture = svg(region, copy);  // write it to a file and open it in a browser
  std::string curve_picture = curve.svg();
  //! [see]
  check(picture.find("</svg>") != std::string::npos, "the picture is whole");
  std::remove("ring.safetensors");
}
