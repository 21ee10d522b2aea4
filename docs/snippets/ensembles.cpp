// The code of the page on ensembles.
#include <graft/graft.hpp>

#include "check.hpp"

using namespace graft;

int main() {
  //! [cut]
  Graph g;
  auto x = placeholder<float, shape<dim<"batch">, 4>>(g, "x");
  auto y = dense<3>(tanh(dense<16>(x)));
  Region region = extract(inputs(x), outputs(y));
  //! [cut]
  const Array some = Array::full<float>({5, 4}, 0.5f);
  Session session(g, {.seed = 1});

  //! [replicate]
  std::vector<Clone> members = replicate(region, 8, bind(x, x), into("member"), variables::fresh);
  auto first = members[0](y);  // as y, with variables of its own
  //! [replicate]
  session.initialize();
  check(session.run(first, feed(x, some)).shape() == dims{5, 3}, "a member is as the source");

  //! [ensemble]
  Ensemble many = ensemble(region, 8, bind(x, x), into("ensemble"));
  auto all = many(y);  // [8, batch, 3]
  session.run(many.initializer());
  Array votes = session.run(mean<axes<0>>(softmax(all)), feed(x, some));
  //! [ensemble]
  check(session.run(all, feed(x, some)).shape() == dims{8, 5, 3}, "members are the first axis");
  check(votes.shape() == dims{5, 3}, "the mean is over members");

  //! [train]
  auto target = placeholder<float, shape<dim<"batch">, 3>>(g, "target");
  training_step step =
      minimize(8.0f * mean(squared_difference(all, expand_dims<0>(target))), adam{.rate = 1e-3});
  //! [train]
  session.initialize();
  session.run(step.updates, feed(x, some), feed(target, Array(dtype::float32, {5, 3})));

  //! [detach]
  Clone third = many.detach(3, bind(x, x), into("third"));  // with the values of now
  many.gather_to(members);                                  // all values, back into the clones
  //! [detach]
  check(session.run(third(y), feed(x, some)).same_bits(session.run(members[3](y), feed(x, some))),
        "both have the values of member 3");
}
