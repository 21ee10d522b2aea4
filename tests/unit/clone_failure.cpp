// A clone that fails, at whichever allocation, leaves both graphs as they were.
#include "graft/train/gradients.hpp"
#include "graft/train/optimizer.hpp"

#include "clone_fixture.hpp"
#include "failing_allocations.hpp"

namespace {

using namespace graft;
using namespace graft_test;

// A network with all that a clone has to copy.
struct source_network {
  Graph g;
  row4 x = input4(g, "x");
  row4 y;
  std::optional<Region> region;

  source_network() {
    row4 h = relu(dense4(x));
    const auto moving =
        make_variable<float, shape<4>>(g, "moving", zeros(), false, variable_role::statistic);
    const variable_id v = *g.variable_read_by(id_of(moving));
    h = sub(h, moving);
    g.own_update(v, op_of(assign(moving, moving * 0.9f + mean<axes<0>>(h) * 0.1f)));
    h = add(h, as<float, shape<4>>(constant(g, Array::full<float>({4}, 2.0f))));
    const std::vector<tensor_id> checked = ids(h);
    const op_id check = g.add(schemas::check, checked);
    y = dense4(h);
    g.add_control_edge(check, op_of(y));
    g.add_to_collection("weights", {member::kind::variable, variable_named(g, "dense/w"), {}});
    g.add_to_collection("outputs", {member::kind::tensor, {}, id_of(y)});
    set_values(g);
    region = extract(inputs(x), outputs(y));
  }
};

// Runs f with the first, the second, ... allocation failing, until it succeeds.
template <class F>
long fail_at_each_allocation(const source_network& n, const Graph& target, F&& f) {
  const auto source_before = n.g.digest(), target_before = target.digest();
  for (long at = 0;; ++at) {
    if (failing::allocation(at, f)) return at;
    if (n.g.digest() != source_before)
      FAIL("the source changed when allocation " << at << " failed");
    if (target.digest() != target_before)
      FAIL("the target changed when allocation " << at << " failed");
    target.validate();
  }
}

}  // namespace

TEST_CASE("a failed allocation leaves a graph that is cloned within as it was [edge-85]") {
  for (const variable_policy policy :
       {variables::fresh, variables::copied, variables::shared, variables::frozen}) {
    source_network n;
    const auto x2 = placeholder<float, shape<2, 4>>(n.g, "x2");  // types are worked out anew
    n.region = extract(inputs(n.x), outputs(n.y));
    CHECK(fail_at_each_allocation(
              n, n.g, [&] { (void)clone(*n.region, bind(n.x, x2), into("a/copy"), policy); }) > 10);
    // What was tried in vain before has left nothing that the success builds on.
    n.g.validate();
    source_network other;
    const auto x3 = placeholder<float, shape<2, 4>>(other.g, "x2");
    (void)clone(extract(inputs(other.x), outputs(other.y)), bind(other.x, x3), into("a/copy"),
                policy);
    CHECK(n.g.digest() == other.g.digest());
  }
}

TEST_CASE(
    "a failed allocation leaves a graph as it was whose clone rules change and ties are split "
    "[edge-85]") {
  source_network n;
  const auto w = make_variable<float, shape<4>>(n.g, "tied", uniform());
  n.g.own_update(*n.g.variable_read_by(id_of(w)), op_of(assign(w, w * 0.5f)));
  const auto y = (n.y * w) * w;
  set_values(n.g);
  n.region = extract(inputs(n.x), outputs(y));
  const auto rule = each_op([](const copied_op& op) -> std::optional<std::vector<any_tensor>> {
    const std::string_view name = op.schema->name;
    if (name == "sub") return std::vector<any_tensor>{op.operands[0]};
    if (name != "relu") return std::nullopt;
    const auto gain = make_variable<float, shape<4>>(*op.graph, "gain", ones());
    return std::vector<any_tensor>{op.outputs[0] * any_tensor(gain)};
  });
  CHECK(fail_at_each_allocation(n, n.g, [&] {
          (void)clone(*n.region, bind(n.x, n.x), variables::copied, ties::split, rule);
        }) > 100);
  n.g.validate();
}

TEST_CASE("a failed allocation leaves another graph as it was [edge-85]") {
  for (const variable_policy policy :
       {variables::fresh, variables::copied, variables::shared, variables::frozen}) {
    source_network n;
    Graph target;
    (void)dense4(input4(target, "x"), "dense");
    CHECK(fail_at_each_allocation(n, target,
                                  [&] { (void)clone(*n.region, into(target, ""), policy); }) > 10);
    target.validate();
  }
}

TEST_CASE("a failed extraction leaves nothing behind [edge-85]") {
  source_network n;
  CHECK(fail_at_each_allocation(n, n.g, [&] { (void)extract(inputs(n.x), outputs(n.y)); }) > 5);
}

TEST_CASE("values move completely or not at all [edge-85]") {
  source_network n;
  const auto copy = clone(*n.region, variables::fresh);
  CHECK(fail_at_each_allocation(n, n.g, [&] { copy_values(copy); }) > 0);
  for (const variable_id v : copy.variables())
    n.g.store().set(v, Array(dtype::float32, n.g.variable_of(v).type.shape));
  CHECK(fail_at_each_allocation(n, n.g, [&] { swap_values(copy); }) > 0);
}

TEST_CASE("errors found late in a clone leave both graphs as they were [edge-85]") {
  source_network n;
  const auto x2 = input4(n.g, "x2");
  Graph target;
  (void)relu(input4(target), "relu");
  const auto source_before = n.g.digest(), target_before = target.digest();
  CHECK_THROWS_AS(clone(*n.region, into(target, ""), names::exact),
                  name_error);  // found after copying
  CHECK_THROWS_AS(clone(*n.region, bind(n.x, x2), into(target, "copy")), handle_error);
  CHECK(n.g.digest() == source_before);
  CHECK(target.digest() == target_before);
  CHECK(target.current_scope() == scope_id{0});
}

TEST_CASE("a failed allocation leaves a graph whose gradients were asked for as it was [edge-85]") {
  const source_network n;
  const auto free_tensor = input4(const_cast<Graph&>(n.g), "free");  // no gradient leads to it
  const any_tensor loss = mean(n.y);
  const long tried = fail_at_each_allocation(
      n, n.g, [&] { (void)clip_by_global_norm(gradients(loss, {n.x, free_tensor}), 1.0); });
  CHECK(tried > 10);
}

TEST_CASE("a failed allocation leaves a graph that is to be trained as it was [edge-85]") {
  source_network n;
  const any_tensor loss = mean(n.y);
  CHECK(fail_at_each_allocation(
            n, n.g, [&] { (void)minimize(loss, adam{.rate = 0.1}, {.clip_norm = 1.0}); }) > 10);
}
