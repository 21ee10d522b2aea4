// Clones of whole training steps.
#include "graft/graft.hpp"

#include "clone_fixture.hpp"

using namespace graft_test;

namespace {

struct trained {
  Graph g;
  tensor<Graph, dtype::float32, shape<dyn, 4>> x = input4(g);
  tensor<Graph, dtype::float32, shape<dyn, 2>> target =
      placeholder<float, shape<dyn, 2>>(g, "target");
  any_tensor y, loss;
  training_step step;

  explicit trained(const optimizer& rule = adam{.rate = 0.05}) {
    y = dense<2>(batch_norm(tanh(dense<5>(x))));
    loss = mean(square(y - any_tensor(target)));
    step = minimize(loss, rule);
  }
};

Array numbers(const dims& shape, float first) {
  Array a(dtype::float32, shape);
  for (float& e : a.mutable_span<float>()) e = first, first = first * -0.93f + 0.11f;
  return a;
}

std::vector<Array> all_values(const Graph& g, const std::vector<variable_id>& variables) {
  std::vector<Array> result;
  for (const variable_id v : variables) result.push_back(g.store().get(v));
  return result;
}

bool equal(const std::vector<Array>& a, const std::vector<Array>& b) {
  bool same = a.size() == b.size();
  for (std::size_t i = 0; same && i < a.size(); ++i) same = a[i].same_bits(b[i]);
  return same;
}

}  // namespace

TEST_CASE("a cloned training step trains the clone and nothing else",
          "[clone][training][edge-72]") {
  trained t;
  Session session(t.g);
  session.initialize();
  const Array x = numbers({6, 4}, 0.7f), target = numbers({6, 2}, 0.2f);
  for (int i = 0; i < 3; ++i) session.run(t.step, feed(t.x, x), feed(t.target, target));
  const std::vector<variable_id> originals = t.g.variables();

  const auto x2 = input4(t.g, "x2");
  const auto target2 = placeholder<float, shape<dyn, 2>>(t.g, "target2");
  const Region whole = extract_training(inputs(t.x, t.target), t.step);
  const Clone copy = clone(whole, bind(t.x, x2, t.target, target2), variables::copied);
  copy.check();
  const training_step theirs = copy(t.step);
  CHECK(theirs.parameters.size() == t.step.parameters.size());
  CHECK(theirs.slots.size() == t.step.slots.size());
  for (std::size_t i = 0; i < theirs.slots.size(); ++i) {
    CHECK(theirs.slots[i] != t.step.slots[i]);
    CHECK(t.g.variable_of(theirs.slots[i]).role == t.g.variable_of(t.step.slots[i]).role);
  }

  const auto before = all_values(t.g, originals);
  session.run(theirs, feed(x2, x), feed(target2, target));
  CHECK(equal(before, all_values(t.g, originals)));
  // Now the original takes the step that the copy took: all copied state ends up equal.
  session.run(t.step, feed(t.x, x), feed(t.target, target));
  for (const variable_id v : originals) {
    INFO(t.g.path_of(v));
    CHECK(t.g.store().get(v).same_bits(t.g.store().get(copy(v))));
  }
}

TEST_CASE("slots and counters start anew where their policy says so",
          "[clone][training][edge-37]") {
  trained t;
  Session session(t.g);
  session.initialize();
  const Array x = numbers({6, 4}, 0.7f), target = numbers({6, 2}, 0.2f);
  for (int i = 0; i < 3; ++i) session.run(t.step, feed(t.x, x), feed(t.target, target));
  const Region whole = extract_training(inputs(t.x, t.target), t.step);
  const Clone copy = clone(whole, unbound::keep,
                           variables::by_role({{variable_role::slot, variables::fresh},
                                               {variable_role::counter, variables::fresh}},
                                              variables::copied));
  session.run(copy.initializer());
  CHECK(t.g.store().get(t.step.step).span<std::int64_t>()[0] == 3);
  CHECK(t.g.store().get(copy(t.step).step).span<std::int64_t>()[0] == 0);
  for (std::size_t i = 0; i < t.step.parameters.size(); ++i) {
    CHECK(t.g.store()
              .get(t.step.parameters[i])
              .same_bits(t.g.store().get(copy(t.step).parameters[i])));
  }
  for (const variable_id slot : copy(t.step).slots) {
    if (t.g.variable_of(slot).role != variable_role::slot) continue;
    const Array value = t.g.store().get(slot);
    for (const float e : value.span<float>()) CHECK(e == 0.0f);
  }

  SECTION("reset_slots takes them back later") {
    session.run(copy(t.step), feed(t.x, x), feed(t.target, target));
    CHECK(t.g.store().get(copy(t.step).step).span<std::int64_t>()[0] == 1);
    const auto weights = all_values(t.g, copy(t.step).parameters);
    reset_slots(copy);
    for (const variable_id slot : copy(t.step).slots) CHECK_FALSE(t.g.store().initialized(slot));
    CHECK(equal(weights, all_values(t.g, copy(t.step).parameters)));
    for (const variable_id slot : t.step.slots) CHECK(t.g.store().initialized(slot));
  }
}

TEST_CASE("copied gradients refer to the copy", "[clone][training][edge-73]") {
  trained t;
  const Region whole = extract_training(inputs(t.x, t.target), t.step);
  const Clone copy = clone(whole, variables::fresh);
  CHECK(copy.leak_audit().empty());
  const training_step theirs = copy(t.step);
  for (std::size_t i = 0; i < theirs.gradients.size(); ++i) {
    CHECK(copy.original(theirs.gradients[i]).ref().id == t.step.gradients[i].ref().id);
  }
  for (const op_id assign : theirs.updates.assigns()) {
    CHECK(has(copy.nodes(), assign));
  }
}

TEST_CASE("gradients of a clone are the images of the original's, bit for bit",
          "[clone][training][edge-71]") {
  trained t;
  Session session(t.g);
  session.initialize();
  const auto x2 = input4(t.g, "x2");
  const auto target2 = placeholder<float, shape<dyn, 2>>(t.g, "target2");
  const Region region = extract(inputs(t.x, t.target), outputs(t.loss));
  const Clone copy = clone(region, bind(t.x, x2, t.target, target2), variables::copied);
  std::vector<any_tensor> ours, theirs;
  for (const variable_id v : t.step.parameters) {
    ours.push_back(t.g.handle(t.g.variable_of(v).read));
    theirs.push_back(t.g.handle(t.g.variable_of(copy(v)).read));
  }
  const auto a = gradients(t.loss, ours);
  const auto b = gradients(copy(t.loss), theirs);
  const Array x = numbers({6, 4}, 0.7f), target = numbers({6, 2}, 0.2f);
  for (std::size_t i = 0; i < a.size(); ++i) {
    CHECK(session.run(a[i], feed(t.x, x), feed(t.target, target))
              .same_bits(session.run(b[i], feed(x2, x), feed(target2, target))));
  }
}

TEST_CASE("an optimiser built before a clone leaves the clone alone",
          "[clone][training][edge-75]") {
  trained t;
  Session session(t.g);
  session.initialize();
  const Region region = extract(inputs(t.x), outputs(t.y));
  const Clone copy = clone(region, unbound::keep, variables::copied);
  const auto before = all_values(t.g, copy.variables());
  const Array x = numbers({6, 4}, 0.7f), target = numbers({6, 2}, 0.2f);
  session.run(t.step, feed(t.x, x), feed(t.target, target));
  CHECK(equal(before, all_values(t.g, copy.variables())));
  const training_step later = minimize(mean(square(copy(t.y) - any_tensor(t.target))), sgd{0.1});
  CHECK(later.parameters == copy.parameters());
}

TEST_CASE("a frozen parameter stops a training step from being copied", "[clone][training]") {
  trained t;
  Session session(t.g);
  session.initialize();
  const Region whole = extract_training(inputs(t.x, t.target), t.step);
  const std::uint64_t before = t.g.version();
  CHECK(mentions(message_of<graph_error>([&] { (void)clone(whole, variables::frozen); }),
                 "updates it"));
  CHECK(t.g.version() == before);
}

TEST_CASE("a step that was made of gradients is cloned without a loss", "[clone][training]") {
  Graph g;
  const auto x = input4(g);
  const any_tensor y = dense<2>(x);
  const std::vector<variable_id> parameters = g.variables();
  const any_tensor loss = mean(square(y));
  std::vector<any_tensor> reads;
  for (const variable_id v : parameters) reads.push_back(g.handle(g.variable_of(v).read));
  const std::vector<any_tensor> slopes = gradients(loss, reads);
  std::vector<parameter_gradient> pairs;
  for (std::size_t i = 0; i < parameters.size(); ++i) pairs.push_back({parameters[i], slopes[i]});
  const training_step step = apply_gradients(g, pairs, sgd{.rate = 0.1});
  Session session(g);
  session.initialize();
  const Clone copy = clone(extract_training(inputs(x), step), bind(x, x), variables::copied);
  copy.check();
  const training_step theirs = copy(step);
  CHECK(theirs.loss.ref().slot == nullptr);
  CHECK(theirs.parameters.size() == parameters.size());
  const Array batch = numbers({3, 4}, 0.7f);
  session.run(theirs.updates, feed(x, batch));
  session.run(step.updates, feed(x, batch));
  CHECK(equal(all_values(g, parameters), all_values(g, theirs.parameters)));
  for (const variable_id v : theirs.parameters) CHECK(g.store().initialized(v));
}
