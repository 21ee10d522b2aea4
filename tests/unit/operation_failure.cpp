// Every operation that changes a graph, at every one of its allocations: one that fails leaves structure and
// values bit for bit as they were, nothing open, and a graph that still is one.
#include <string>

#include "graft/io/region_file.hpp"

#include "failure_fixture.hpp"
#include "temporary_file.hpp"

using namespace graft_test;

namespace {

op_id op_of_operator(const Graph& g, std::string_view name) {
  for (std::size_t i = 0; i < g.op_count(); ++i) {
    if (g.schema_of(g.op_at(i)).name == name) return g.op_at(i);
  }
  FAIL("no such op");
  return {};
}

const op_transform after_tanh = each_op([](const copied_op& op) {
  std::optional<std::vector<any_tensor>> instead;
  if (op.schema->name == "tanh") instead = {op.outputs[0] + 1.0f};
  return instead;
});

struct variable_choice {
  const char* name;
  variable_policy policy;
};
constexpr variable_choice policies[] = {{"fresh", variables::fresh},
                                        {"copied", variables::copied},
                                        {"shared", variables::shared},
                                        {"frozen", variables::frozen},
                                        {"linked", variables::linked}};

}  // namespace

TEST_CASE("control flow fails without a trace at any allocation", "[edge-85]") {
  fail_recurrent("cond", 30, [](auto& n) {
    (void)cond(n.p, [&] { return dense<2>(n.x); }, [&] { return n.x + 1.0f; });
  });
  fail_recurrent("while_loop", 30, [](auto& n) {
    (void)while_loop(n.x, [](auto s) { return sum(s) < 3.0f; }, [](auto s) { return s + 1.0f; });
  });
  fail_recurrent("scan", 30, [](auto& n) {
    (void)scan(n.x, n.x, [&](auto s, auto e) { return std::tuple{s + e, e}; });
  });
  fail_recurrent("gru", 100, [](auto& n) { (void)gru<2>(n.xs); });
}

namespace {

// A clone that shares the statistics of a layer is an application of it that nothing declared: its updates are made
// when somebody asks.
struct applied_twice {
  Graph g, target;
  row x = placeholder<float, shape<2, 4>>(g, "x"), x2 = placeholder<float, shape<2, 4>>(g, "x2");
  any_tensor y = batch_norm(batch_norm(x));
  std::optional<Clone> shared;
  applied_twice() {
    set_values(g);
    shared = clone(extract(inputs(x), outputs(y)), bind(x, x2), variables::shared);
  }
};

}  // namespace

TEST_CASE("updates that are made when somebody asks are made whole", "[edge-85]") {
  CHECK(fail_everywhere(
      "updates_of", 60, [] { return std::make_unique<applied_twice>(); },
      [](auto& n) { (void)updates_of((*n.shared)(n.y)); }));
}

TEST_CASE("differentiating and training fail without a trace at any allocation", "[edge-85]") {
  fail_recurrent("gradients through bodies", 100, [](auto& n) { (void)gradients(n.loss, {n.x}); });
  fail_everywhere(
      "gradients through gru", 500, [] { return std::make_unique<recurrent_network>(true); },
      [](auto& n) { (void)gradients(n.loss, {n.x, n.xs}); });
  fail_recurrent("minimize through bodies", 100,
                 [](auto& n) { (void)minimize(n.loss, adam{.rate = 0.1}); });
  fail_plain("minimize", 100,
             [](auto& n) { (void)minimize(n.loss, momentum{.rate = 0.1}, {.clip_norm = 1}); });
  struct trained : plain_network {
    training_step step = minimize(loss, momentum{.rate = 0.1});
  };
  const auto make = [] { return std::make_unique<trained>(); };
  fail_everywhere("extract_training", 10, make,
                  [](auto& n) { (void)extract_training(inputs(n.x), n.step); });
  struct taken : trained {
    Region whole = extract_training(inputs(x), step);
  };
  fail_everywhere(
      "clone of training", 10, [] { return std::make_unique<taken>(); },
      [](auto& n) { (void)clone(n.whole, into("trained")); });
}

TEST_CASE("clones fail without a trace at any allocation", "[edge-85]") {
  fail_plain("extract", 5, [](auto& n) { (void)extract(inputs(n.x), outputs(n.y)); });
  fail_recurrent("extract bodies", 5,
                 [](auto& n) { (void)extract(inputs(n.x, n.p), outputs(n.y)); });
  for (const auto& [name, policy] : policies) {
    fail_plain(name, 10,
               [&](auto& n) { (void)clone(*n.region, bind(n.x, n.x2), into("a/copy"), policy); });
    fail_recurrent(std::string(name) + " with bodies", 10,
                   [&](auto& n) { (void)clone(*n.region, policy); });
    if (policy == variables::linked) continue;
    fail_plain(std::string(name) + " into another graph", 10,
               [&](auto& n) { (void)clone(*n.region, into(n.target, "copy"), policy); });
    fail_recurrent(std::string(name) + " with bodies into another graph", 10,
                   [&](auto& n) { (void)clone(*n.region, into(n.target, "copy"), policy); });
  }
  fail_plain("each_op", 10, [](auto& n) { (void)clone(*n.region, after_tanh); });
  fail_plain("mode", 10, [](auto& n) { (void)clone(*n.region, mode::inference); });
  fail_recurrent("mode, with bodies", 10, [](auto& n) { (void)clone(*n.region, mode::inference); });
  fail_plain("affected", 10, [](auto& n) {
    (void)clone(*n.region, bind(n.x, n.x2), variables::shared, coverage::affected);
  });
  fail_plain("inference", 10, [](auto& n) { (void)inference(n.y); });
  fail_plain("ties", 10, [](auto& n) { (void)clone(*n.region, ties::split); });
  fail_plain("expressions", 10,
             [](auto& n) { (void)clone(*n.region, variables::expr(n.w, n.twice)); });
  fail_plain("replicate", 20, [](auto& n) { (void)replicate(*n.region, 2, into("member")); });
}

TEST_CASE("ensembles fail without a trace at any allocation", "[edge-85]") {
  for (const auto& [name, policy] : policies) {
    if (policy == variables::linked) continue;
    fail_plain(std::string("ensemble ") + name, 20,
               [&](auto& n) { (void)ensemble(*n.region, 2, policy); });
  }
  fail_recurrent("ensemble with bodies", 50, [](auto& n) { (void)ensemble(*n.region, 2); });
}

TEST_CASE("substitution and simplification fail without a trace at any allocation", "[edge-85]") {
  (void)simplification_rules();  // made once
  fail_plain("substitute", 10, [](auto& n) { (void)substitute(n.after, bind(n.first, n.x2)); });
  fail_plain("substitute, chained", 10, [](auto& n) {
    (void)substitute(n.after, bind(n.first, n.x2, n.x2, n.x), replacements::chained);
  });
  fail_plain("simplify", 10, [](auto& n) { (void)simplify(*n.region); });
}

TEST_CASE("each edit fails without a trace at any allocation", "[edge-85]") {
  fail_plain("reroute", 2, [](auto& n) { reroute(n.first, n.x2); });
  fail_plain("reroute some", 2, [](auto& n) { reroute(n.y, n.x2, among({op_of(n.after)})); });
  fail_plain("swap_uses", 2, [](auto& n) { swap_uses(n.x, n.x2); });
  fail_plain("swap_uses of ops", 2, [](auto& n) { swap_uses(n.g, op_of(n.x), op_of(n.x2)); });
  fail_plain("connect", 2, [](auto& n) { connect(n.x2, op_of(n.y), 1); });
  struct beside : plain_network {
    row other = x2 * 2.0f, behind = neg(other);
    Region second = extract(inputs(x2), outputs(other));
  };
  const auto pair = [] { return std::make_unique<beside>(); };
  fail_everywhere("connect two regions", 2, pair, [](auto& n) { connect(n.second, *n.region); });
  fail_everywhere("swap_inputs", 2, pair, [](auto& n) { swap_inputs(n.second, *n.region); });
  fail_everywhere("swap_outputs", 2, pair, [](auto& n) { swap_outputs(n.second, *n.region); });
  fail_everywhere("swap_operands", 2, pair, [](auto& n) {
    swap_operands(n.g, op_of(n.other), op_of_operator(n.g, "mul"), reshaping::allow);
  });
  fail_plain("bypass", 2, [](auto& n) { bypass(n.g, op_of_operator(n.g, "tanh")); });
  fail_plain("bypass an operand", 2, [](auto& n) { bypass(n.g, op_of(n.after), 1); });
  fail_plain("bypass a region", 2, [](auto& n) { bypass(*n.region); });
  fail_plain("detach a region", 5, [](auto& n) { (void)detach(*n.region); });
  fail_plain("detach_inputs", 5, [](auto& n) { (void)detach_inputs(*n.region); });
  fail_plain("detach_outputs", 5, [](auto& n) { (void)detach_outputs(*n.region); });
  fail_plain("detach an op", 5, [](auto& n) { (void)detach(n.g, op_of(n.y)); });
  fail_plain("insert_after", 5, [](auto& n) {
    (void)insert_after(n.first, [](const auto& t) { return tanh(t) + 1.0f; });
  });
  fail_plain("insert_after, an operator", 5,
             [](auto& n) { (void)insert_after(any_tensor(n.first), ops::tanh); });
  fail_plain("insert_before", 5, [](auto& n) {
    (void)insert_before(n.g, op_of(n.y), 0, [](const any_tensor& t) { return any_tensor(exp(t)); });
  });
  fail_plain("add_control_edges", 2,
             [](auto& n) { add_control_edges(n.g, {op_of(n.first)}, op_of(n.after)); });
  fail_plain("remove_control_edges", 2,
             [](auto& n) { remove_control_edges(n.g, {n.check}, op_of(n.y)); });
  fail_plain("move_control_edges", 2,
             [](auto& n) { (void)move_control_edges(n.g, op_of(n.y), op_of(n.after)); });
}

TEST_CASE("a graph's own edits fail without a trace at any allocation", "[edge-85]") {
  fail_plain("set_attributes", 2, [](auto& n) {
    attribute_list changed = n.g.attributes_of(op_of(n.loss));
    n.g.set_attributes(op_of(n.loss), changed.set("keepdims", 1));
  });
  fail_plain("set_operand", 2, [](auto& n) { n.g.set_operand(op_of(n.y), 0, id_of(n.x2)); });
  fail_plain("rename", 1,
             [](auto& n) { n.g.rename(op_of(n.y), "a_name_longer_than_a_short_one"); });
  fail_plain("erase_ops", 2, [](auto& n) { n.g.erase_ops(ops_of({n.after})); });
  // One that may allocate nothing at all.
  fail_plain("set_trainable", 0,
             [](auto& n) { n.g.set_trainable(n.g.variables().front(), false); });
  fail_plain("add_to_collection", 1, [](auto& n) {
    n.g.add_to_collection("a collection of its own", {member::kind::tensor, {}, id_of(n.x)});
  });
  fail_plain("add_variable", 5, [](auto& n) {
    (void)make_variable<float, shape<3>>(n.g, "another_variable_of_the_graph", zeros());
  });
  fail_plain("a layer", 10, [](auto& n) { (void)dense<3>(n.x); });
}

TEST_CASE("saving a region fails at any allocation, and the file that was there stays",
          "[edge-85]") {
  const plain_network plain(false);
  const recurrent_network recurrent;
  const temporary_file file;
  for (const auto& region : {plain.region, recurrent.region}) {
    file.write("before");
    for (long at = 0;; ++at) {
      if (failing::allocation(at, [&] { save_region(file.path, *region); })) {
        CHECK(at >= 300);
        break;
      }
      REQUIRE(file.bytes() == "before");
    }
  }
}

TEST_CASE("loading a region fails without a trace at any allocation", "[edge-85]") {
  const temporary_file file;
  for (const bool bodies : {false, true}) {
    if (bodies) {
      save_region(file.path, *recurrent_network().region);
    } else {
      save_region(file.path, *plain_network(false).region);
    }
    CHECK(fail_everywhere(
        "load_region", 300, [] { return std::make_unique<plain_network>(); },
        [&](auto& n) { (void)load_region(n.target, file.path, into("loaded")); }));
  }
}
