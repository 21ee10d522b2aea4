// The code of the page on freezing a trunk and grafting a head.
#include <graft/graft.hpp>

#include "check.hpp"

using namespace graft;

int main() {
  Graph g;
  auto x = placeholder<float, shape<dim<"batch">, 16>>(g, "x");
  auto trunk = relu(batch_norm(dense<32, "trunk">(x)));
  auto y = dense<10, "old_head">(trunk);
  Session session(g, {.seed = 1});
  session.initialize();
  check(session.run(y, feed(x, Array(dtype::float32, {4, 16}))).size() == 40, "the old head works");

  //! [freeze]
  auto x2 = placeholder<float, shape<dim<"batch">, 16>>(g, "x2");
  Region body = extract(inputs(x), outputs(trunk));  // y's head stays outside
  Clone frozen = clone(body, bind(x, x2), into("frozen"), variables::frozen, mode::inference);
  //! [freeze]

  //! [head]
  auto labels = placeholder<std::int64_t, shape<dim<"batch">>>(g, "labels");
  auto head = dense<2, "new_head">(frozen(trunk));
  training_step step = minimize(mean(softmax_cross_entropy(head, labels)), adam{.rate = 1e-3});
  session.initialize();  // the new head, and the optimiser's slots
  //! [head]
  check(step.parameters.size() == 2, "only the head is trained");

  const Array some = Array::full<float>({4, 16}, 0.5f), some_labels(dtype::int64, {4});
  const Array before = session.run(frozen(trunk), feed(x2, some));
  session.run(step.updates, feed(x2, some), feed(labels, some_labels));
  check(before.same_bits(session.run(frozen(trunk), feed(x2, some))), "the trunk stays");

  //! [unfreeze]
  Clone tuned = unfreeze(frozen, into("tuned"));  // with the values of the constants
  auto all = dense<2, "tuned_head">(tuned(trunk));
  training_step fine = minimize(mean(softmax_cross_entropy(all, labels)), adam{.rate = 1e-5});
  session.initialize();
  //! [unfreeze]
  check(fine.parameters.size() == 6, "trunk and head are trained");
  check(before.same_bits(session.run(tuned(trunk), feed(x2, some))),
        "values are those of the constants");
}
