// 6. Deep Q-learning whose target network is a clone.
//
// The target network is cut out of the online network and cloned with copied values; after each step it moves a
// little towards the online network (soft update). The best network seen so far is kept in another clone.
// @see Mnih et al., Human-level control through deep reinforcement learning, 2015; van Hasselt et al., Double Q-learning, 2016
//
// Usage: dqn_cartpole [seed ...]     one run a seed; 1 2 3 by default
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <graft/graft.hpp>

#include "cartpole.hpp"

using namespace graft;

namespace {

constexpr std::int64_t batch_size = 64;
constexpr std::size_t capacity = 50000;

struct transition {
  cartpole::observation before, after;
  std::int64_t action;
  float reward, alive;  // alive: 0 where the pole fell
};

template <tensor_like X>
auto network(const X& state) {
  return dense<2, "q">(relu(dense<64, "second">(relu(dense<64, "first">(state)))));
}

class agent {
 public:
  explicit agent(std::uint64_t seed) : session_(g_, {.threads = 1, .seed = seed}) {
    auto q = network(state_);
    auto region = extract(inputs(state_), outputs(q));
    auto target =
        clone(region, bind(state_, next_), into("target"), variables::fresh, trainable(false));
    auto look_ahead = clone(region, bind(state_, next_), into("look_ahead"), variables::shared);
    auto best = clone(region, into("best"), variables::fresh, trainable(false));

    // Double Q-learning: the online network chooses the next action, the target network values it.
    auto chosen = one_hot<2, float>(argmax<1>(look_ahead(q)));
    auto value = reward_ + 0.99f * alive_ * sum<axes<1>>(target(q) * chosen);
    auto taken = sum<axes<1>>(q * one_hot<2, float>(action_));
    step_ = minimize(huber(taken, stop_gradient(value)), adam{.rate = 5e-4}, {.clip_norm = 10});
    updates_ = step_.updates;
    follow_ = soft_update(target, {.tau = 0.005});
    keep_ = soft_update(best, {.tau = 1});
    q_ = q, best_q_ = best(q), best_state_ = best(state_);
    session_.initialize();
    copy_values(target);
  }

  int act(const any_tensor& q, const any_tensor& input, const cartpole::observation& o) {
    const Array values =
        session_.run(q, feed(input, Array::from<float>({1, 4}, {o[0], o[1], o[2], o[3]})));
    return values.at<float>({0, 1}) > values.at<float>({0, 0}) ? 1 : 0;
  }
  int act(const cartpole::observation& o) { return act(q_, state_, o); }
  int act_best(const cartpole::observation& o) { return act(best_q_, best_state_, o); }
  void keep() { session_.run(keep_); }

  void learn(const std::vector<transition>& memory, cartpole& random) {
    Array before(dtype::float32, {batch_size, 4}), after(dtype::float32, {batch_size, 4});
    Array action(dtype::int64, {batch_size}), reward(dtype::float32, {batch_size}), alive = reward;
    for (std::size_t i = 0; i < static_cast<std::size_t>(batch_size); ++i) {
      const auto& t =
          memory[static_cast<std::size_t>(random.uniform() * static_cast<double>(memory.size()))];
      std::copy(t.before.begin(), t.before.end(),
                before.mutable_span<float>().begin() + static_cast<std::ptrdiff_t>(4 * i));
      std::copy(t.after.begin(), t.after.end(),
                after.mutable_span<float>().begin() + static_cast<std::ptrdiff_t>(4 * i));
      action.mutable_span<std::int64_t>()[i] = t.action;
      reward.mutable_span<float>()[i] = t.reward;
      alive.mutable_span<float>()[i] = t.alive;
    }
    session_.run(updates_, feed(state_, before), feed(next_, after), feed(action_, action),
                 feed(reward_, reward), feed(alive_, alive));
    session_.run(follow_);
  }

 private:
  Graph g_;
  tensor<Graph, dtype::float32, shape<dim<"batch">, 4>> state_ =
      placeholder<float, shape<dim<"batch">, 4>>(g_, "state");
  tensor<Graph, dtype::float32, shape<dim<"batch">, 4>> next_ =
      placeholder<float, shape<dim<"batch">, 4>>(g_, "next");
  tensor<Graph, dtype::int64, shape<dim<"batch">>> action_ =
      placeholder<std::int64_t, shape<dim<"batch">>>(g_, "action");
  tensor<Graph, dtype::float32, shape<dim<"batch">>> reward_ =
      placeholder<float, shape<dim<"batch">>>(g_, "reward");
  tensor<Graph, dtype::float32, shape<dim<"batch">>> alive_ =
      placeholder<float, shape<dim<"batch">>>(g_, "alive");
  Session session_;
  training_step step_;
  update_group updates_, follow_, keep_;
  any_tensor q_, best_q_, best_state_;
};

template <class Act>
double mean_return(Act act, int episodes, std::uint64_t seed) {
  cartpole world(seed);
  double total = 0;
  for (int e = 0; e < episodes; ++e) {
    auto state = world.reset();
    for (bool ended = false; !ended; total += 1) {
      const auto r = world.step(act(state));
      state = r.state, ended = r.ended;
    }
  }
  return total / episodes;
}

double train(std::uint64_t seed, int max_steps) {
  agent learner(seed);
  cartpole world(seed * 7919 + 1);
  std::vector<transition> memory;
  double best = 0;
  auto state = world.reset();
  for (int step = 1; step <= max_steps; ++step) {
    const double explore = std::max(0.05, 1.0 - step / 5000.0);
    const int action =
        world.uniform() < explore ? (world.uniform() < 0.5 ? 0 : 1) : learner.act(state);
    const auto r = world.step(action);
    const transition seen{state, r.state, action, 1.0f, r.fell ? 0.0f : 1.0f};
    if (memory.size() < capacity) {
      memory.push_back(seen);
    } else {
      memory[static_cast<std::size_t>(step) % capacity] = seen;
    }
    state = r.ended ? world.reset() : r.state;
    if (step >= 1000) learner.learn(memory, world);
    if (step >= 4000 && step % 1000 == 0) {
      const double now =
          mean_return([&](const auto& o) { return learner.act(o); }, 20, 1000 + seed);
      if (now > best) best = now, learner.keep();
      if (best >= 499.5) break;
    }
  }
  return mean_return([&](const auto& o) { return learner.act_best(o); }, 100, 2000 + seed);
}

}  // namespace

int main(int argc, char** argv) try {
  std::vector<std::uint64_t> seeds;
  for (int i = 1; i < argc; ++i) seeds.push_back(std::strtoull(argv[i], nullptr, 10));
  if (seeds.empty()) seeds = {1, 2, 3};
  bool solved = true;
  for (const std::uint64_t seed : seeds) {
    const double found = train(seed, 60000);
    std::printf("seed %llu: mean return %.1f over 100 episodes\n",
                static_cast<unsigned long long>(seed), found);
    std::fflush(stdout);
    solved = solved && found >= 475;
  }
  return solved ? 0 : 1;
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
