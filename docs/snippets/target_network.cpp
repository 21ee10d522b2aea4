// The code of the page on target networks.
#include <graft/graft.hpp>

#include "check.hpp"

using namespace graft;

int main() {
  //! [networks]
  Graph g;
  auto state = placeholder<float, shape<dim<"batch">, 4>>(g, "state");
  auto next = placeholder<float, shape<dim<"batch">, 4>>(g, "next");
  auto q = dense<2, "q">(relu(dense<64, "hidden">(state)));

  Region online = extract(inputs(state), outputs(q));
  Clone target =
      clone(online, bind(state, next), into("target"), variables::fresh, trainable(false));
  //! [networks]

  //! [loss]
  auto action = placeholder<std::int64_t, shape<dim<"batch">>>(g, "action");
  auto reward = placeholder<float, shape<dim<"batch">>>(g, "reward");
  auto taken = sum<axes<1>>(q * one_hot<2, float>(action));
  auto value = reward + 0.99f * max<axes<1>>(target(q));
  training_step step = minimize(huber(taken, stop_gradient(value)), adam{.rate = 5e-4});
  //! [loss]

  //! [follow]
  update_group follow = soft_update(target, {.tau = 0.005});

  Session session(g, {.seed = 1});
  session.initialize();
  copy_values(target);  // both begin alike
  //! [follow]

  const Array some = Array::full<float>({8, 4}, 0.5f), ones = Array::full<float>({8}, 1.0f);
  check(session.run(q, feed(state, some)).same_bits(session.run(target(q), feed(next, some))),
        "both begin alike");
  const Array start = session.run(target(q), feed(next, some));
  //! [train]
  session.run(step.updates, feed(state, some), feed(next, some),
              feed(action, Array(dtype::int64, {8})), feed(reward, ones));
  session.run(follow);
  //! [train]
  check(step.parameters.size() == 4, "the target is not trained");
  check(!start.same_bits(session.run(target(q), feed(next, some))), "the target follows");
}
